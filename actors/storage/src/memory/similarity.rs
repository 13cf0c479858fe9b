//! How alike two texts are: the cosine of the angle between their vectors of term counts (Salton, Wong and Yang, "A vector
//! space model for automatic indexing", Communications of the ACM 18(11), 1975; equation 6.10 in Manning, Raghavan and
//! Schütze, "Introduction to Information Retrieval", 2008). The terms are the tokens of the search, so 東京都 and 京都 share
//! one, and accents and case make no difference.

use std::collections::HashMap;

use crate::search::Tokens;

/// How often each term occurs.
pub(super) struct Terms {
    counts: HashMap<String, u32>,
    /// The length of the vector.
    norm: f64,
}

impl Terms {
    /// Of a text.
    pub(super) fn of(text: &str) -> Terms {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for token in Tokens::new(text) {
            *counts.entry(token.text).or_default() += 1;
        }
        let norm = counts.values().map(|count| f64::from(*count).powi(2)).sum::<f64>().sqrt();
        Terms { counts, norm }
    }

    /// From 0, nothing in common, to 1, the same terms in the same proportions.
    pub(super) fn similarity(&self, other: &Terms) -> f64 {
        let both = |(term, count): (&String, &u32)| other.counts.get(term).map(|there| f64::from(*count) * f64::from(*there));
        let dot: f64 = self.counts.iter().filter_map(both).sum();
        let norms = self.norm * other.norm;
        if norms > 0.0 { dot / norms } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &str, other: &str) -> f64 {
        Terms::of(one).similarity(&Terms::of(other))
    }

    #[test]
    fn it_is_the_cosine() {
        assert!((alike("plan the trip", "Plan: THE trip!") - 1.0).abs() < 1e-9);
        assert_eq!(alike("plan", "nothing of it"), 0.0);
        assert_eq!((alike("", "plan"), alike("", "")), (0.0, 0.0));
        // (1, 1) and (1, 0, 1): 1 / (√2 · √2).
        assert!((alike("a b", "a c") - 0.5).abs() < 1e-9);
        // Pairs of characters: 東京 京都 都, and 京都 都.
        assert!((alike("東京都", "京都") - 2.0 / 6f64.sqrt()).abs() < 1e-9);
        assert!(alike("über", "uber") > 0.99);
    }
}
