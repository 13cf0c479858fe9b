//! How text becomes what is looked up.
//!
//! Scripts with spaces between words give words: lower case, without accents and without what only changes the look of a
//! letter. Scripts without spaces (Chinese, Japanese, Thai and others), and Korean, where endings stick to words, give
//! overlapping pairs of characters: 東京都 gives 東京, 京都 and the last one alone, 都. Each pair stands at the place of
//! its first character, so a row of neighbouring pairs is exactly a row of characters, and whatever begins with a character
//! is found where the character is.
//!
//! The unit of reading is the grapheme cluster (UAX 29), so that a letter written as two code points is the letter. Words
//! are cut finer than UAX 29 cuts them: `example.com` is two words, or nobody would find `example`.
//!
//! The same function reads texts and questions; a change here needs a new [`FORMAT`](super::index::FORMAT).

use std::collections::VecDeque;

use tantivy::tokenizer::{Token as Tantivy, TokenStream, Tokenizer};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation as _;

/// Longest word that is told apart, in bytes; of longer ones the beginning counts.
pub(crate) const MAX_WORD: usize = 128;

/// Characters of one cluster that count: a letter needs a handful, a thousand accents are a prank.
const MAX_CLUSTER: usize = 16;

/// One thing to look up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is after folding.
    pub(crate) text: String,
    /// Its first byte in the text.
    pub(crate) start: usize,
    /// The byte after its last.
    pub(crate) end: usize,
    /// The byte after its first character; for a word that is its end.
    pub(crate) first_end: usize,
    /// Its place among the others.
    pub(crate) position: usize,
    /// It is one of a row of characters, not a word.
    pub(crate) character: bool,
}

/// A character of a script without spaces, waiting for its neighbour.
struct Waiting {
    letter: char,
    start: usize,
    end: usize,
    position: usize,
}

/// The tokens of a text, one by one.
pub(crate) struct Tokens<'t> {
    text: &'t str,
    at: usize,
    position: usize,
    word: Token,
    waiting: Option<Waiting>,
    ready: VecDeque<Token>,
}

impl<'t> Tokens<'t> {
    /// Begins to read.
    pub(crate) fn new(text: &'t str) -> Tokens<'t> {
        Tokens { text, at: 0, position: 0, word: Token::default(), waiting: None, ready: VecDeque::new() }
    }

    /// Takes in the next cluster; false at the end.
    fn cluster(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let Some(&first) = bytes.get(self.at) else {
            self.end_word();
            self.end_row();
            return false;
        };
        let start = self.at;
        // Most text by far: a letter of ASCII that nothing can combine with.
        if first.is_ascii() && bytes.get(start + 1).is_none_or(u8::is_ascii) {
            self.at += 1;
            if first.is_ascii_alphanumeric() {
                self.letter(first.to_ascii_lowercase() as char, start);
            } else {
                self.end_word();
                self.end_row();
            }
            return true;
        }
        let cluster = self.text[start..].graphemes(true).next().unwrap_or_default();
        self.at += cluster.len();
        let mut letters = cluster.chars();
        if let (Some(letter), None) = (letters.next(), letters.next())
            && is_settled(letter)
        {
            self.end_word();
            self.character(letter, start);
            return true;
        }
        if let Some(picture) = cluster.chars().next().filter(|letter| is_picture(*letter)) {
            self.picture(cluster, picture, start);
            return true;
        }
        for letter in cluster.nfkc().take(MAX_CLUSTER) {
            if is_invisible(letter) {
                continue;
            }
            if is_unspaced(letter) {
                self.end_word();
                self.character(letter, start);
            } else if letter.is_alphanumeric() || (is_combining_mark(letter) && !self.word.text.is_empty()) {
                std::iter::once(letter).nfkd().filter(|part| !is_folded(*part)).flat_map(char::to_lowercase).for_each(|part| {
                    match plain(part) {
                        Some(letters) => letters.chars().for_each(|letter| self.letter(letter, start)),
                        None if is_folded(part) => {}
                        None => self.letter(part, start),
                    }
                });
            } else if !is_folded(letter) {
                self.end_word();
                self.end_row();
            }
        }
        true
    }

    /// A letter of a word.
    fn letter(&mut self, letter: char, start: usize) {
        self.end_row();
        if self.word.text.is_empty() {
            self.word.start = start;
            self.word.position = self.position;
            self.position += 1;
        }
        if self.word.text.len() + letter.len_utf8() <= MAX_WORD {
            self.word.text.push(letter);
        }
        (self.word.end, self.word.first_end) = (self.at, self.at);
    }

    fn end_word(&mut self) {
        if !self.word.text.is_empty() {
            self.ready.push_back(std::mem::take(&mut self.word));
        }
    }

    /// A character of a row.
    fn character(&mut self, letter: char, start: usize) {
        let next = Waiting { letter, start, end: self.at, position: self.position };
        self.position += 1;
        if let Some(before) = self.waiting.replace(next) {
            self.ready.push_back(before.token(Some((letter, self.at))));
        }
    }

    fn end_row(&mut self) {
        if let Some(last) = self.waiting.take() {
            self.ready.push_back(last.token(None));
        }
    }

    /// An emoji, which is a word of its own, without what only changes its look.
    fn picture(&mut self, cluster: &str, first: char, start: usize) {
        self.end_word();
        self.end_row();
        let rest = cluster.chars().skip(1).take(MAX_CLUSTER).filter(|part| !is_variation(*part));
        let text = std::iter::once(first).chain(rest).collect();
        let (end, position) = (self.at, self.position);
        self.position += 1;
        self.ready.push_back(Token { text, start, end, first_end: end, position, character: false });
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            if let Some(token) = self.ready.pop_front() {
                return Some(token);
            }
            if !self.cluster() {
                return self.ready.pop_front();
            }
        }
    }
}

impl Waiting {
    fn token(self, next: Option<(char, usize)>) -> Token {
        let Waiting { letter, start, end, position } = self;
        let text = std::iter::once(letter).chain(next.map(|(letter, _)| letter)).collect();
        Token { text, start, end: next.map_or(end, |(_, end)| end), first_end: end, position, character: true }
    }
}

/// Scripts whose words are not told apart by spaces, or whose words take endings without one.
pub(crate) fn is_unspaced(letter: char) -> bool {
    matches!(letter as u32,
        0x0E01..=0x0E4E // Thai
        | 0x0E81..=0x0ECD // Lao
        | 0x1000..=0x109F // Burmese
        | 0x1100..=0x11FF // Hangul letters
        | 0x1780..=0x17D3 // Khmer
        | 0x2E80..=0x2FD5 // radicals
        | 0x3005..=0x3007 | 0x3021..=0x3029 // signs that stand for characters
        | 0x3041..=0x309F | 0x30A1..=0x30FA | 0x30FC..=0x30FF // kana
        | 0x3105..=0x312F | 0x3131..=0x318E | 0x31A0..=0x31BF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF // characters
        | 0xA000..=0xA48C // Yi
        | 0xA960..=0xA97C | 0xAC00..=0xD7A3 | 0xD7B0..=0xD7FB // Hangul
        | 0xF900..=0xFAFF | 0x1AFF0..=0x1B16F | 0x20000..=0x3FFFD)
}

/// Marks that are left out, because people leave them out: accents, vowel points of Hebrew and Arabic. Marks of other
/// scripts make another letter and stay.
fn is_folded(mark: char) -> bool {
    matches!(mark as u32,
        0x0300..=0x036F
        | 0x0591..=0x05BD | 0x05BF | 0x05C1..=0x05C2 | 0x05C4..=0x05C5 | 0x05C7
        | 0x0610..=0x061A | 0x064B..=0x065F | 0x0670 | 0x06D6..=0x06DC | 0x06DF..=0x06E8 | 0x06EA..=0x06ED
        | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
}

/// Letters that have no accent to leave out and are written otherwise by those who have not got them.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ð' | 'đ' => "d",
        'þ' => "th",
        'ł' => "l",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

/// What is there and cannot be seen, within words too: joiners, soft hyphens, the Arabic stroke, marks of direction.
fn is_invisible(letter: char) -> bool {
    matches!(letter as u32, 0x00AD | 0x034F | 0x0640 | 0x061C | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2069 | 0xFEFF)
        || is_variation(letter)
}

/// What changes the look of a character and not which it is.
fn is_variation(letter: char) -> bool {
    matches!(letter as u32, 0xFE00..=0xFE0F | 0x1F3FB..=0x1F3FF | 0xE0100..=0xE01EF)
}

/// Emoji and the like.
fn is_picture(letter: char) -> bool {
    matches!(letter as u32, 0x2190..=0x21FF | 0x2300..=0x23FF | 0x2600..=0x27BF | 0x2B00..=0x2BFF | 0x1F000..=0x1FAFF)
}

/// Whether a text has characters of scripts without spaces, or what may become one when it is folded.
pub(crate) fn has_unspaced(text: &str) -> bool {
    let becomes = |letter: char| {
        matches!(letter as u32,
            0x0EDC..=0x0EDD | 0x3038..=0x303A | 0x3192..=0x319F | 0x3200..=0x33FF | 0xFF65..=0xFFDC | 0x1F200..=0x1F2FF)
    };
    !text.is_ascii() && text.chars().any(|letter| is_unspaced(letter) || becomes(letter))
}

/// Characters of scripts without spaces that no folding changes: most of them by far.
fn is_settled(letter: char) -> bool {
    matches!(letter as u32, 0x3041..=0x3096 | 0x30A1..=0x30FA | 0x4E00..=0x9FFF | 0xAC00..=0xD7A3)
}

/// The tokenizer of the words and pairs.
#[derive(Clone, Copy)]
pub(crate) struct Words;

/// The tokenizer of the single characters, for questions of one character.
#[derive(Clone, Copy)]
pub(crate) struct Characters;

/// Tokens as the engine takes them.
pub(crate) struct Stream<'t> {
    tokens: Tokens<'t>,
    characters: bool,
    token: Tantivy,
}

impl Tokenizer for Words {
    type TokenStream<'t> = Stream<'t>;
    fn token_stream<'t>(&'t mut self, text: &'t str) -> Stream<'t> {
        Stream { tokens: Tokens::new(text), characters: false, token: Tantivy::default() }
    }
}

impl Tokenizer for Characters {
    type TokenStream<'t> = Stream<'t>;
    fn token_stream<'t>(&'t mut self, text: &'t str) -> Stream<'t> {
        Stream { tokens: Tokens::new(text), characters: true, token: Tantivy::default() }
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        let characters = self.characters;
        let Some(mut token) = self.tokens.find(|token| !characters || token.character) else { return false };
        if characters {
            token.text.truncate(token.text.chars().next().map_or(0, char::len_utf8));
        }
        let Token { text, start, end, position, .. } = token;
        self.token = Tantivy { offset_from: start, offset_to: end, position, text, position_length: 1 };
        true
    }

    fn token(&self) -> &Tantivy {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Tantivy {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        Tokens::new(text).map(|token| token.text).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(texts(text), expected, "{text}");
    }

    #[test]
    fn words_are_told_apart_and_folded() {
        check("Hello, World!", &["hello", "world"]);
        check("Ärger über Größe", &["arger", "uber", "grosse"]);
        check("e\u{301}te\u{301} = été", &["ete", "ete"]);
        check("example.com/a_b-c", &["example", "com", "a", "b", "c"]);
        check("don’t don't", &["don", "t", "don", "t"]);
        check("ＦＵＬＬ ﬁne ①", &["full", "fine", "1"]);
        check("İstanbul Łódź Ørsted Ὀδυσσεύς", &["istanbul", "lodz", "orsted", "οδυσσευσ"]);
        check("3.14 x²", &["3", "14", "x2"]);
        check("", &[]);
        check(" .,;\n", &[]);
    }

    #[test]
    fn scripts_without_spaces_give_pairs_and_the_last_character() {
        check("東京都", &["東京", "京都", "都"]);
        check("北", &["北"]);
        check("東京、大阪", &["東京", "京", "大阪", "阪"]);
        check("ひらがなカタカナ", &["ひら", "らが", "がな", "なカ", "カタ", "タカ", "カナ", "ナ"]);
        check("ｶﾞﾗｽ", &["ガラ", "ラス", "ス"]);
        check("か\u{3099}", &["が"]);
        check("한국어 책", &["한국", "국어", "어", "책"]);
        check("\u{1112}\u{1161}\u{11AB}국", &["한국", "국"]);
        check("㍿", &["株式", "式会", "会社", "社"]);
        check("ภาษา", &["ภา", "าษ", "ษา", "า"]);
        check("iPhone新品だ", &["iphone", "新品", "品だ", "だ"]);
        check("新iPhone", &["新", "iphone"]);
        check("𠮷野", &["𠮷野", "野"]);
    }

    #[test]
    fn emoji_and_marks_are_what_people_see() {
        check("party 🎉🎉 now", &["party", "🎉", "🎉", "now"]);
        check("👨‍👩‍👧 👍🏽 ❤️", &["👨\u{200D}👩\u{200D}👧", "👍", "❤"]);
        check("🇩🇪x", &["🇩🇪", "x"]);
        check("שָׁלוֹם", &["שלום"]);
        check("مُحَمَّد مـحـمد", &["محمد", "محمد"]);
        check("می\u{200C}خواهم", &["میخواهم"]);
        check("हिन्दी", &["हिन्दी"]);
        check("\u{200F}שלום\u{200E} abc", &["שלום", "abc"]);
    }

    #[test]
    fn the_short_ways_lead_to_the_same() {
        for letter in '\0'..=char::MAX {
            let folded: Vec<char> = std::iter::once(letter).nfkc().collect();
            assert!(!is_settled(letter) || (is_unspaced(letter) && folded == [letter]), "{:x}", letter as u32);
            assert!(
                !folded.iter().any(|letter| is_unspaced(*letter)) || has_unspaced(&letter.to_string()),
                "{:x}",
                letter as u32
            );
        }
    }

    #[test]
    fn a_prank_is_bounded() {
        let long = "x".repeat(1000);
        assert_eq!(texts(&long)[0].len(), MAX_WORD);
        let zalgo = format!("a{}b", "\u{489}".repeat(10_000));
        assert!(texts(&zalgo).iter().all(|token| token.len() <= MAX_WORD));
        let marks = format!("🎉{}", "\u{200D}🎉".repeat(10_000));
        assert!(texts(&marks).iter().all(|token| token.chars().count() <= MAX_CLUSTER + 1));
    }

    #[test]
    fn a_token_says_where_it_stands() {
        let text = "Über 東京!";
        let tokens: Vec<Token> = Tokens::new(text).collect();
        let places: Vec<_> =
            tokens.iter().map(|token| (&text[token.start..token.end], &text[token.start..token.first_end])).collect();
        assert_eq!(places, [("Über", "Über"), ("東京", "東"), ("京", "京")]);
        assert_eq!(tokens.iter().map(|token| token.position).collect::<Vec<_>>(), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn any_text_gives_tokens_within_it(text in "\\PC{0,40}|[\u{0}-\u{10ffff}]{0,40}") {
            let mut position = None;
            for token in Tokens::new(&text) {
                prop_assert!(token.start < token.end && token.first_end <= token.end && token.first_end > token.start);
                prop_assert!(text.get(token.start..token.end).is_some() && text.get(token.start..token.first_end).is_some());
                prop_assert!(!token.text.is_empty() && token.text.len() <= MAX_WORD);
                prop_assert!(position.is_none_or(|before| before < token.position), "positions rise");
                position = Some(token.position);
            }
        }
    }
}
