//! Strangers' words as they may stand in a sentence of ours.

/// Without control characters, marks that turn or hide text, and white space in a row.
pub(crate) fn clean(words: &str) -> String {
    let mut clean = String::new();
    for char in words.chars() {
        match char {
            char if char.is_whitespace() => {
                if !clean.is_empty() && !clean.ends_with(' ') {
                    clean.push(' ');
                }
            }
            char if char.is_control() || is_hidden(char) => {}
            char => clean.push(char),
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// At most `most` characters; what is longer ends with an ellipsis.
pub(crate) fn cut(words: &str, most: usize) -> String {
    match words.char_indices().nth(most) {
        None => words.to_owned(),
        Some(_) => words.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// Zero-width, direction and tag characters: they make a sentence look like another.
fn is_hidden(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_taken_out() {
        let rows = [
            (" a \r\n\t b ", "a b"),
            ("\u{1b}[31mred\u{1b}[0m\u{7}", "[31mred[0m"),
            ("a\u{202e}b\u{200b}c\u{feff}d\u{e0041}e\u{2066}f", "abcdef"),
            ("東京 🗼", "東京 🗼"),
            ("\0", ""),
        ];
        for (words, wanted) in rows {
            assert_eq!(clean(words), wanted);
        }
    }

    #[test]
    fn long_words_are_cut_at_a_character() {
        assert_eq!(cut("東京東京", 4), "東京東京");
        assert_eq!(cut("東京東京東", 4), "東京東…");
        assert_eq!(cut("", 4), "");
    }
}
