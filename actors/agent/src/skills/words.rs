//! Words as they are compared: whole, in lower case, without their endings.

use rust_stemmers::{Algorithm, Stemmer};

/// Words that say nothing about what is wanted.
const COMMON: &[&str] = &[
    "a", "about", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "does", "each", "every", "for", "from", "get", "give", "given", "gives", "had", "has", "have", "here", "how", "i",
    "if", "in", "into", "is", "it", "its", "just", "let", "like", "make", "many", "may", "me", "much", "my", "need", "no", "not",
    "now", "of", "on", "one", "or", "our", "out", "please", "put", "s", "see", "shall", "should", "show", "so", "some", "such",
    "take", "tell", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to", "up", "us",
    "use", "used", "using", "want", "was", "we", "were", "what", "when", "where", "which", "who", "will", "with", "would", "you",
    "your",
];

/// Takes texts apart.
pub(crate) struct Words {
    stemmer: Stemmer,
}

impl Words {
    /// For English, whose endings are taken off; other languages are compared as they are.
    pub(crate) fn new() -> Words {
        Words { stemmer: Stemmer::create(Algorithm::English) }
    }

    /// The words of a text that say something, in their order.
    pub(crate) fn of(&self, text: &str) -> Vec<String> {
        // Signs that are words when they are spoken.
        let lower =
            text.to_lowercase().replace('%', " percent ").replace('€', " euro ").replace('$', " dollar ").replace('£', " pound ");
        let whole = lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        whole
            .flat_map(|word| self.parts(word))
            .filter(|word| !COMMON.contains(&word.as_str()))
            .map(|word| self.stem(&word))
            .collect()
    }

    /// Scripts without spaces are taken by the character.
    fn parts(&self, word: &str) -> Vec<String> {
        if word.chars().any(is_ideograph) { word.chars().map(String::from).collect() } else { vec![word.to_owned()] }
    }

    fn stem(&self, word: &str) -> String {
        if word.is_ascii() { self.stemmer.stem(word).into_owned() } else { word.to_owned() }
    }
}

fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_common_words_do_not_count() {
        let words = Words::new();
        assert_eq!(words.of("Show me the statistics of all columns, please!"), ["statist", "column"]);
        assert_eq!(words.of("capability"), ["capabl"], "and is not a word that begins with c");
        assert_eq!(words.of("東京 plan"), ["東", "京", "plan"]);
    }
}
