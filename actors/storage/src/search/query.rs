//! What people type, read: words, phrases, beginnings, exclusions and filters.
//!
//! Each word is a row of tokens as [`tokens`](super::tokens) makes them and is found where the same row is: so 東京タワー is
//! found letter for letter, and `example.com` as it stands. Nothing a person can type is an error but what would be
//! answered wrongly: a filter that is none, a quotation mark that is alone, too much of anything.

use ipc::{Code, Refusal, id::ConversationId, messages::storage::MAX_QUESTION};
use tantivy::{
    Term,
    query::{BooleanQuery, ConstScoreQuery, Occur, PhrasePrefixQuery, PhraseQuery, Query, RangeQuery, TermQuery},
    schema::IndexRecordOption,
    time::{Date, Month, OffsetDateTime, Time, format_description::well_known::Rfc3339},
};

use super::{
    index::{self, Fields},
    snippet::stands,
    tokens::{Token, Tokens},
};

/// Most words, phrases and exclusions in a question.
const MAX_CLAUSES: usize = 32;

/// Words that a beginning within a phrase may stand for. A character is followed by no more different ones than this.
const EXPANSIONS: u32 = 4096;

/// A question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    /// All of these must be there.
    pub(crate) wanted: Vec<Clause>,
    /// None of these.
    unwanted: Vec<Clause>,
    kind: Option<u64>,
    author: Option<u64>,
    conversation: Option<ConversationId>,
    /// Milliseconds since 1970: from this one on.
    after: Option<u64>,
    /// Milliseconds since 1970: up to this one, which is out.
    before: Option<u64>,
}

/// Something to be found: a row of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clause {
    /// One character of a script without spaces.
    Character(String),
    /// Tokens at these places from each other; the last may be but a beginning.
    Row { tokens: Vec<(usize, String)>, beginning: bool },
}

fn unclear(sentence: impl Into<String>) -> Refusal {
    Refusal::new(Code::QuestionUnclear, sentence)
}

/// Reads a question.
pub(crate) fn parse(question: &str) -> Result<Question, Refusal> {
    if question.len() > MAX_QUESTION {
        return Err(unclear(format!("a search has at most {MAX_QUESTION} bytes")));
    }
    let mut read = Question::default();
    let mut rest = question.trim_start();
    while !rest.is_empty() {
        let (without, said) = match rest.strip_prefix('-') {
            Some(said) if !said.starts_with(char::is_whitespace) => (true, said),
            _ => (false, rest),
        };
        let quoted = ['"', '“', '”', '„'].iter().find_map(|mark| said.strip_prefix(*mark));
        let clause = match quoted {
            Some(inside) => {
                let end = inside.find(['"', '“', '”']).ok_or_else(|| unclear("a quotation mark has no other"))?;
                let (phrase, after) = inside.split_at(end);
                let mut after = after.chars();
                after.next();
                rest = after.as_str();
                // The star may stand on either side of the mark.
                let beginning = rest.strip_prefix('*');
                rest = beginning.unwrap_or(rest);
                let letters = phrase.trim_end_matches('*');
                Clause::read(letters, beginning.is_some() || letters.len() < phrase.len())
            }
            None => {
                let (word, after) = said.split_at(said.find(char::is_whitespace).unwrap_or(said.len()));
                rest = after;
                if !without && read.filter(word)? {
                    None
                } else {
                    let letters = word.trim_end_matches('*');
                    Clause::read(letters, letters.len() < word.len())
                }
            }
        };
        if let Some(clause) = clause {
            if without { read.unwanted.push(clause) } else { read.wanted.push(clause) }
        }
        rest = rest.trim_start();
    }
    if read.wanted.is_empty() {
        return Err(unclear("a search needs at least one word to look for"));
    }
    if read.wanted.len() + read.unwanted.len() > MAX_CLAUSES {
        return Err(unclear(format!("a search has at most {MAX_CLAUSES} words and phrases")));
    }
    Ok(read)
}

impl Question {
    /// Takes a word as a filter; false if it is none.
    fn filter(&mut self, word: &str) -> Result<bool, Refusal> {
        let Some((name, value)) = word.split_once(':') else { return Ok(false) };
        let value_of = |what: &str| unclear(format!("{name}:{value} is not understood; {what}"));
        match name {
            "kind" => {
                self.kind = Some(match value {
                    "message" => index::MESSAGE,
                    "title" => index::TITLE,
                    "file" => index::FILE,
                    "trace" => index::TRACE,
                    _ => return Err(value_of("a kind is message, title, file or trace")),
                });
            }
            "author" => {
                self.author = Some(match value {
                    "me" => index::PERSON,
                    "assistant" => index::ASSISTANT,
                    _ => return Err(value_of("an author is me or assistant")),
                });
            }
            "in" => {
                let id = value.parse().map_err(|_| value_of("it is followed by the whole id of a conversation"))?;
                self.conversation = Some(id);
            }
            "before" | "after" => {
                let moment = moment(value).ok_or_else(|| value_of("a date is written 2026-08-01"))?;
                *if name == "before" { &mut self.before } else { &mut self.after } = Some(moment);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether a document can fit better than another that fits. A beginning, a single character and a filter are there or
    /// are not.
    pub(crate) fn ranks(&self) -> bool {
        self.wanted.iter().any(|clause| match clause {
            Clause::Character(_) => false,
            Clause::Row { tokens, beginning } => tokens.len() > 1 || !beginning,
        })
    }

    /// Whether one kind of thing alone is asked for.
    pub(crate) fn is_of_one_kind(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether a message with this text is an answer to it.
    pub(crate) fn fits(&self, author: u64, at: u64, text: &str) -> bool {
        self.author.is_none_or(|wanted| wanted == author)
            && self.after.is_none_or(|after| at >= after)
            && self.before.is_none_or(|before| at < before)
            && self.wanted.iter().all(|clause| stands(text, clause))
            && !self.unwanted.iter().any(|clause| stands(text, clause))
    }

    /// As the engine takes it.
    pub(crate) fn query(&self, fields: &Fields) -> BooleanQuery {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        clauses.extend(self.wanted.iter().map(|clause| (Occur::Must, clause.query(fields))));
        clauses.extend(self.unwanted.iter().map(|clause| (Occur::MustNot, clause.query(fields))));
        let filters = [
            self.kind.map(|kind| Term::from_field_u64(fields.kind, kind)),
            self.author.map(|author| Term::from_field_u64(fields.author, author)),
            self.conversation.map(|id| index::of_entity(fields, &id.0)),
        ];
        // A filter does not make a hit better.
        let filter =
            |query: Box<dyn Query>| -> (Occur, Box<dyn Query>) { (Occur::Must, Box::new(ConstScoreQuery::new(query, 0.0))) };
        for term in filters.into_iter().flatten() {
            clauses.push(filter(Box::new(TermQuery::new(term, IndexRecordOption::Basic))));
        }
        if self.after.is_some() || self.before.is_some() {
            let bound = |moment: Option<u64>, some: fn(Term) -> std::ops::Bound<Term>| {
                moment.map_or(std::ops::Bound::Unbounded, |moment| some(Term::from_field_u64(fields.at, moment)))
            };
            let range =
                RangeQuery::new(bound(self.after, std::ops::Bound::Included), bound(self.before, std::ops::Bound::Excluded));
            clauses.push(filter(Box::new(range)));
        }
        BooleanQuery::new(clauses)
    }
}

/// A date or a moment, in milliseconds since 1970.
fn moment(text: &str) -> Option<u64> {
    let moment = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(moment) => moment,
        Err(_) => {
            let mut numbers = text.splitn(3, '-').map(|number| number.parse::<u16>().ok());
            let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
            let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
            let date = Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
            date.with_time(Time::MIDNIGHT).assume_utc()
        }
    };
    // Before 1970 nothing was kept.
    Some(u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
}

impl Clause {
    /// What a text is found by; `None` if there is nothing in it that anything could be found by.
    fn read(text: &str, beginning: bool) -> Option<Clause> {
        let mut tokens: Vec<Token> = Tokens::new(text).collect();
        let single = |token: &Token| token.character && token.text.chars().count() == 1;
        // In a text, a row of characters may go on where it ends here.
        if let [.., before, last] = &tokens[..]
            && single(last)
            && before.character
            && !single(before)
        {
            tokens.pop();
        }
        let last = tokens.last()?;
        if let [only] = &tokens[..]
            && single(only)
        {
            return Some(Clause::Character(only.text.clone()));
        }
        let beginning = beginning || single(last);
        let first = tokens[0].position;
        let tokens = tokens.into_iter().map(|token| (token.position - first, token.text)).collect();
        Some(Clause::Row { tokens, beginning })
    }

    fn query(&self, fields: &Fields) -> Box<dyn Query> {
        match self {
            Clause::Character(letter) => {
                Box::new(TermQuery::new(Term::from_field_text(fields.characters, letter), IndexRecordOption::Basic))
            }
            Clause::Row { tokens, beginning } => {
                let mut terms: Vec<(usize, Term)> =
                    tokens.iter().map(|(place, text)| (*place, Term::from_field_text(fields.text, text))).collect();
                match (terms.len(), *beginning) {
                    (1, false) => Box::new(TermQuery::new(terms.remove(0).1, IndexRecordOption::WithFreqs)),
                    (_, false) => Box::new(PhraseQuery::new_with_offset(terms)),
                    (count, true) => {
                        let mut query = PhrasePrefixQuery::new_with_offset(terms);
                        query.set_max_expansions(if count == 1 { u32::MAX } else { EXPANSIONS });
                        Box::new(query)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tokens: &[(usize, &str)], beginning: bool) -> Clause {
        Clause::Row { tokens: tokens.iter().map(|(place, text)| (*place, (*text).to_owned())).collect(), beginning }
    }

    #[test]
    fn words_phrases_beginnings_and_exclusions_are_read() {
        let question = parse(
            r#"  Wörter "exact phrase" begin* -not -"not this" "quoted begin"* "inside begin*" a.b - 東京タワー 京 “新x” x新 "#,
        )
        .expect("read");
        let expected = [
            row(&[(0, "worter")], false),
            row(&[(0, "exact"), (1, "phrase")], false),
            row(&[(0, "begin")], true),
            row(&[(0, "quoted"), (1, "begin")], true),
            row(&[(0, "inside"), (1, "begin")], true),
            row(&[(0, "a"), (1, "b")], false),
            row(&[(0, "東京"), (1, "京タ"), (2, "タワ"), (3, "ワー")], false),
            Clause::Character("京".to_owned()),
            row(&[(0, "新"), (1, "x")], false),
            row(&[(0, "x"), (1, "新")], true),
        ];
        assert_eq!(question.wanted, expected);
        assert_eq!(question.unwanted, [row(&[(0, "not")], false), row(&[(0, "not"), (1, "this")], false)]);
    }

    #[test]
    fn filters_are_read() {
        let id = ConversationId([7; 16]);
        let question =
            parse(&format!("x kind:file author:me in:{id} after:2026-08-01 before:2026-08-02T00:00:00+02:00")).expect("read");
        assert_eq!((question.kind, question.author, question.conversation), (Some(index::FILE), Some(index::PERSON), Some(id)));
        assert_eq!((question.after, question.before), (Some(1_785_542_400_000), Some(1_785_621_600_000)));
        let other = parse("http://example.com -kind:file").expect("read");
        assert_eq!(other.kind, None, "what only looks like a filter is looked for");
    }

    #[test]
    fn what_would_be_answered_wrongly_is_refused() {
        let many = "word ".repeat(MAX_CLAUSES + 1);
        let long = "x".repeat(MAX_QUESTION + 1);
        for bad in [
            "",
            "   ",
            "!!!",
            "-x",
            "kind:file",
            "*",
            "\"never ends",
            "x kind:cat",
            "x author:you",
            "x in:12",
            "x before:yesterday",
            "x after:2026-02-30",
            "x after:",
            "-",
            &many,
            &long,
        ] {
            assert_eq!(parse(bad).map_err(|refusal| refusal.code), Err(Code::QuestionUnclear), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_question_is_read_or_refused(question in "\\PC{0,60}|[a-c\"*: 東京-]{0,60}") {
            let _ = parse(&question);
        }
    }
}
