//! The line that is shown of a hit: the part of its text where most of what was looked for stands together, with it marked.

use std::{collections::VecDeque, ops::Range};

use super::{
    query::Clause,
    tokens::{Token, Tokens},
};

/// Bytes of text in a line.
const LENGTH: usize = 240;

/// Bytes before the first mark.
const BEFORE: usize = 60;

/// Marks that are looked at.
const MARKS: usize = 64;

/// A place where one of the clauses stands.
struct Mark {
    clause: usize,
    range: Range<usize>,
}

/// A clause that may be about to stand here: where it began, and which of its tokens is next.
struct Begun {
    clause: usize,
    place: usize,
    start: usize,
    next: usize,
}

/// A line of this text and what is marked in it: first byte, and the byte after the last.
pub(crate) fn snippet(text: &str, clauses: &[Clause]) -> (String, Vec<(u32, u32)>) {
    let marks = marks(text, clauses);
    let best = marks.iter().enumerate().max_by_key(|(index, first)| {
        let within = marks[*index..].iter().take_while(|mark| mark.range.end <= first.range.start + LENGTH - BEFORE);
        let kinds = within.fold(0_u32, |kinds, mark| kinds | 1 << mark.clause.min(31));
        // The first of equal ones.
        (kinds.count_ones(), std::cmp::Reverse(*index))
    });
    let from = best.map_or(0, |(_, mark)| mark.range.start.saturating_sub(BEFORE));
    let from = if from < BEFORE { 0 } else { word_start(text, text.ceil_char_boundary(from)) };
    let to = text.floor_char_boundary((from + LENGTH).min(text.len()));
    line(text, from..to, &marks)
}

/// The beginning of the next word, if there is one near.
fn word_start(text: &str, from: usize) -> usize {
    let near = text[from..].char_indices().take(16).skip_while(|(_, letter)| !letter.is_whitespace());
    near.skip(1).find(|(_, letter)| !letter.is_whitespace()).map_or(from, |(offset, _)| from + offset)
}

/// One line of plain text: what would break or hide part of it becomes a space.
fn line(text: &str, range: Range<usize>, marks: &[Mark]) -> (String, Vec<(u32, u32)>) {
    let mut line = String::with_capacity(range.len() + 6);
    if range.start > 0 {
        line.push('…');
    }
    let mut shown: Vec<(u32, u32)> = Vec::new();
    let mut next = marks.iter().filter(|mark| mark.range.start >= range.start && mark.range.end <= range.end).peekable();
    let mut open: Option<(u32, usize)> = None;
    for (offset, letter) in text[range.clone()].char_indices() {
        let at = range.start + offset;
        if let Some((start, end)) = open
            && at >= end
        {
            shown.push((start, position(&line)));
            open = None;
        }
        while let Some(mark) = next.next_if(|mark| mark.range.start <= at) {
            open = match open {
                Some((start, end)) => Some((start, end.max(mark.range.end))),
                None => Some((position(&line), mark.range.end)),
            };
        }
        line.push(if letter.is_whitespace() || letter.is_control() { ' ' } else { letter });
    }
    if let Some((start, _)) = open {
        shown.push((start, position(&line)));
    }
    if range.end < text.len() {
        line.push('…');
    }
    (line, shown)
}

fn position(line: &str) -> u32 {
    u32::try_from(line.len()).unwrap_or(u32::MAX)
}

/// Whether a clause stands in a text.
pub(super) fn stands(text: &str, clause: &Clause) -> bool {
    !marks(text, std::slice::from_ref(clause)).is_empty()
}

/// Where the clauses stand, by their beginnings.
fn marks(text: &str, clauses: &[Clause]) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut begun: VecDeque<Begun> = VecDeque::new();
    let mut seen = vec![0_usize; clauses.len()];
    for token in Tokens::new(text) {
        let mut going = std::mem::take(&mut begun);
        for (clause, it) in clauses.iter().enumerate() {
            if let Clause::Character(letter) = it
                && token.character
                && token.text.starts_with(letter.as_str())
            {
                marks.push(Mark { clause, range: token.start..token.first_end });
            }
            going.push_back(Begun { clause, place: token.position, start: token.start, next: 0 });
        }
        for mut it in going {
            let Some(Clause::Row { tokens, beginning }) = clauses.get(it.clause) else { continue };
            let Some((place, wanted)) = tokens.get(it.next) else { continue };
            if it.place + place != token.position {
                // Its next token is further on; a row whose token should have been here is none.
                if it.place + place > token.position {
                    begun.push_back(it);
                }
                continue;
            }
            let last = it.next + 1 == tokens.len();
            if !fits(&token, wanted, last && *beginning) {
                continue;
            }
            it.next += 1;
            if last {
                let one = token.character && wanted.chars().count() == 1;
                marks.push(Mark { clause: it.clause, range: it.start..if one { token.first_end } else { token.end } });
            } else {
                begun.push_back(it);
            }
        }
        for mark in marks.iter().skip(seen.iter().sum()) {
            seen[mark.clause] += 1;
        }
        if marks.len() >= MARKS && seen.iter().all(|count| *count > 0) || marks.len() >= 16 * MARKS {
            break;
        }
    }
    marks.sort_by_key(|mark| mark.range.start);
    marks
}

fn fits(token: &Token, wanted: &str, beginning: bool) -> bool {
    if beginning { token.text.starts_with(wanted) } else { token.text == wanted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::query::parse;

    /// The snippet with its marks in brackets.
    fn shown(text: &str, question: &str) -> String {
        let (line, marks) = snippet(text, &parse(question).expect("a question").wanted);
        let (mut shown, mut at) = (String::new(), 0);
        for (start, end) in marks {
            let (start, end) = (start as usize, end as usize);
            shown.push_str(&format!("{}[{}]", &line[at..start], &line[start..end]));
            at = end;
        }
        shown + &line[at..]
    }

    #[track_caller]
    fn check(text: &str, question: &str, expected: &str) {
        assert_eq!(shown(text, question), expected);
    }

    #[test]
    fn what_was_looked_for_is_marked() {
        check("The quick brown fox", "brown quick", "The [quick] [brown] fox");
        check("Ärger mit Äpfeln", "arger apfel*", "[Ärger] mit [Äpfeln]");
        check("one two, one\ntwo one", "\"one two\"", "[one two], [one two] one");
        check("東京都の天気", "京都", "東[京都]の天気");
        check("東京都の天気", "京都の", "東[京都の]天気");
        check("東京都の天気", "気", "東京都の天[気]");
        check("iPhone新品", "iphone新", "[iPhone新]品");
        check("nothing of it", "else", "nothing of it");
        check("a\u{7}b\u{202e}", "b", "a [b]\u{202e}");
    }

    #[test]
    fn a_long_text_is_cut_where_most_stands_together() {
        let text = format!("{} alpha {} alpha beta {}", "x ".repeat(200), "y ".repeat(200), "z ".repeat(200));
        let line = shown(&text, "alpha beta");
        assert!(line.starts_with('…') && line.ends_with('…'), "{line}");
        assert!(line.contains("[alpha] [beta]"), "{line}");
        let cjk = format!("{}東京{}", "山".repeat(500), "川".repeat(500));
        assert!(shown(&cjk, "東京").contains("[東京]"));
    }

    proptest::proptest! {
        #[test]
        fn marks_are_within_the_line_and_in_order(text in "\\PC{0,400}", question in "[a-c東京 ]{1,20}") {
            if let Ok(question) = parse(&question) {
                let (line, marks) = snippet(&text, &question.wanted);
                let mut at = 0;
                for (start, end) in marks {
                    proptest::prop_assert!(at <= start && start < end && line.get(start as usize..end as usize).is_some());
                    at = end;
                }
            }
        }
    }
}
