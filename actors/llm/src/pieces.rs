//! Pieces on their way to the caller: small ones of a kind that lie next to each other become one, large ones are cut at
//! a character, so that neither a fast model nor a large delta costs the caller more than it must.
//!
//! A seal that is too long for one piece comes as several in direct succession, which the caller joins. Two seals that
//! follow each other directly (a provider may send thinking that is nothing but a seal) are kept apart by an empty piece
//! of thinking: it begins the next thought.

use std::collections::VecDeque;

use ipc::messages::llm::ModelEvent;

/// Largest piece, in bytes: half of what a frame may hold.
pub(crate) const MAX_PIECE: usize = 32 << 10;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Words.
    Text,
    /// Thinking.
    Thinking,
    /// A whole seal.
    Seal,
}

impl Kind {
    fn piece(self, text: String) -> ModelEvent {
        match self {
            Kind::Text => ModelEvent::Text(text),
            Kind::Thinking => ModelEvent::Thinking(text),
            Kind::Seal => ModelEvent::ThinkingSealed(text),
        }
    }
}

/// Pieces that were not sent yet, in order.
#[derive(Default)]
pub(crate) struct Pieces {
    waiting: VecDeque<(Kind, String)>,
    bytes: usize,
    /// What came last, sent or not.
    last: Option<Kind>,
}

impl Pieces {
    /// Puts text behind what waits.
    pub(crate) fn push(&mut self, kind: Kind, text: String) {
        if text.is_empty() {
            return;
        }
        if kind == Kind::Seal && self.last == Some(Kind::Seal) {
            self.waiting.push_back((Kind::Thinking, String::new()));
        }
        self.last = Some(kind);
        self.bytes += text.len();
        match self.waiting.back_mut() {
            Some((before, words)) if *before == kind && kind != Kind::Seal && words.len() + text.len() <= MAX_PIECE => {
                words.push_str(&text);
            }
            _ if text.len() <= MAX_PIECE => self.waiting.push_back((kind, text)),
            _ => {
                let mut rest = text.as_str();
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_PIECE));
                    self.waiting.push_back((kind, piece.to_owned()));
                    rest = after;
                }
            }
        }
    }

    /// The oldest piece.
    pub(crate) fn pop(&mut self) -> Option<ModelEvent> {
        let (kind, text) = self.waiting.pop_front()?;
        self.bytes -= text.len();
        Some(kind.piece(text))
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pushed: Vec<(Kind, String)>) -> Vec<ModelEvent> {
        let mut pieces = Pieces::default();
        pushed.into_iter().for_each(|(kind, text)| pieces.push(kind, text));
        let mut all = Vec::new();
        while let Some(piece) = pieces.pop() {
            all.push(piece);
        }
        assert_eq!(pieces.bytes(), 0);
        all
    }

    #[test]
    fn what_lies_together_goes_together() {
        let text = |text: &str| (Kind::Text, text.to_owned());
        let thought = |text: &str| (Kind::Thinking, text.to_owned());
        let pushed = vec![thought("a"), thought("b"), text("c"), text(""), text("d"), thought("e"), text("f")];
        let wanted = [
            ModelEvent::Thinking("ab".into()),
            ModelEvent::Text("cd".into()),
            ModelEvent::Thinking("e".into()),
            ModelEvent::Text("f".into()),
        ];
        assert_eq!(all(pushed), wanted);
    }

    #[test]
    fn no_piece_is_too_large_and_no_character_is_cut() {
        let long = "東".repeat(MAX_PIECE);
        let pieces = all(vec![(Kind::Text, long.clone())]);
        let mut joined = String::new();
        for piece in &pieces {
            let ModelEvent::Text(text) = piece else { panic!("text was pushed") };
            assert!(text.len() <= MAX_PIECE);
            joined.push_str(text);
        }
        assert_eq!(joined, long);
    }

    #[test]
    fn two_seals_are_not_mistaken_for_one() {
        let seal = |text: &str| (Kind::Seal, text.to_owned());
        let wanted =
            [ModelEvent::ThinkingSealed("a".into()), ModelEvent::Thinking(String::new()), ModelEvent::ThinkingSealed("b".into())];
        assert_eq!(all(vec![seal("a"), seal("b")]), wanted);
        let long = "x".repeat(MAX_PIECE + 1);
        let pieces = all(vec![seal(&long)]);
        assert!(matches!(&pieces[..], [ModelEvent::ThinkingSealed(_), ModelEvent::ThinkingSealed(_)]));
    }
}
