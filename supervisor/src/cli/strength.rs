//! How long a password holds against somebody who has a copy of the disk and time. It is reckoned here, in the process into
//! which it was typed, and nothing of it goes anywhere else.

use ipc::messages::crypto::DerivationCost;

/// Guesses a second of one NVIDIA RTX 4090 (2022) against Argon2id with 64 MiB and 3 passes, as hashcat's authors measured
/// when they added it: <https://github.com/hashcat/hashcat/pull/4284>. The cost of a guess grows with memory times passes.
const GUESSES_A_SECOND: f64 = 1667.0;
const AT: f64 = (64 << 10) as f64 * 3.0;

/// One honest sentence for a person: how many guesses a good guesser needs, and how long one graphics card takes for them.
pub fn sentence(user: &str, password: &str, cost: DerivationCost) -> String {
    let guesses = 10_f64.powf(zxcvbn::zxcvbn(password, &[user]).guesses_log10());
    let rate = rate(cost);
    format!(
        "Who has a copy of this disk can try passwords: this one takes about {} guesses. One graphics card (RTX 4090) tries some \
         {} a second with the settings of this installation: {}",
        count(guesses),
        count(rate),
        time(guesses / rate)
    )
}

/// Guesses a second of the card, at this cost.
fn rate(cost: DerivationCost) -> f64 {
    GUESSES_A_SECOND * AT / (f64::from(cost.memory) * f64::from(cost.passes)).max(1.0)
}

/// A number with one or two digits that matter, and the word for the rest.
fn count(number: f64) -> String {
    const NAMES: [(f64, &str); 5] =
        [(1e3, " thousand"), (1e6, " million"), (1e9, " billion"), (1e12, " trillion"), (1e15, " quadrillion")];
    if number >= 1e18 {
        return format!("10^{:.0}", number.log10());
    }
    // Whole numbers as long as they are short.
    let fits = |unit: f64| number >= if unit > 1e3 { 0.95 * unit } else { 10.0 * unit };
    let (unit, name) = NAMES.iter().rev().find(|(unit, _)| fits(*unit)).copied().unwrap_or((1.0, ""));
    let value = number / unit;
    let scale = 10_f64.powf(value.log10().floor() - 1.0);
    let rounded = (value / scale).round() * scale;
    let digits = usize::from(rounded < 9.95 && (rounded - rounded.round()).abs() > 0.01);
    format!("{rounded:.digits$}{name}")
}

fn time(seconds: f64) -> String {
    const UNITS: [(f64, &str); 5] =
        [(1.0, "seconds"), (60.0, "minutes"), (3600.0, "hours"), (86_400.0, "days"), (31_557_600.0, "years")];
    if seconds < 2.0 {
        return "it is found at once.".to_owned();
    }
    let (unit, name) = UNITS.iter().rev().find(|(unit, _)| seconds >= *unit * 2.0).copied().unwrap_or((1.0, "seconds"));
    if seconds / unit > 1e9 {
        "longer than there are stars.".to_owned()
    } else {
        format!("about {} {name}.", count(seconds / unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: DerivationCost = DerivationCost { memory: 64 << 10, passes: 3, lanes: 4 };

    #[test]
    fn what_everybody_guesses_is_found_at_once() {
        for (user, password) in [("demo", "demo"), ("anna", "password"), ("anna", "Anna"), ("anna", "123456")] {
            let said = sentence(user, password, FLOOR);
            assert!(said.contains("at once"), "{said}");
        }
    }

    #[test]
    fn what_nobody_guesses_holds_for_years() {
        let said = sentence("anna", "correct horse battery staple", FLOOR);
        assert!(said.contains("years"), "{said}");
        assert!(!said.contains("horse") && !said.contains("anna"), "what was typed is not repeated: {said}");
    }

    #[test]
    fn the_name_is_the_first_guess() {
        let guesses = |user| zxcvbn::zxcvbn("oldenburger", &[user]).guesses_log10();
        assert!(guesses("oldenburger") < guesses("anna"));
    }

    #[test]
    fn a_dearer_derivation_is_guessed_more_slowly() {
        assert!((rate(FLOOR) - GUESSES_A_SECOND).abs() < 0.001);
        assert!((rate(DerivationCost { memory: 256 << 10, ..FLOOR }) - GUESSES_A_SECOND / 4.0).abs() < 0.001);
    }

    #[test]
    fn numbers_are_as_people_say_them() {
        let said = [1.0, 12.0, 1667.0, 12_345.0, 123_456.0, 999_999.0, 1.52e6, 12_345_678.0, 3e15, 4e20].map(count);
        assert_eq!(
            said,
            [
                "1",
                "12",
                "1700",
                "12 thousand",
                "120 thousand",
                "1 million",
                "1.5 million",
                "12 million",
                "3 quadrillion",
                "10^21"
            ]
        );
        let said = [0.5, 30.0, 600.0, 1e5, 1e9, 1e30].map(time);
        let expected = [
            "it is found at once.",
            "about 30 seconds.",
            "about 10 minutes.",
            "about 28 hours.",
            "about 32 years.",
            "longer than there are stars.",
        ];
        assert_eq!(said, expected);
    }
}
