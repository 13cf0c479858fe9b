//! `recovery make`: 24 words on a sheet to print, which open a space when its password is lost. `recovery use`: they open it,
//! and give it a new password.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use bip39::Language;
use ipc::messages::crypto::{Kit, MakeKit, Recover};
use zeroize::Zeroizing;

use super::{
    args::{Common, RecoveryAction, RecoveryArgs},
    entries::{Entries, secret},
    session::Session,
    sign_in::{entered, new_password},
    words::{self, Failure, Outcome, tell},
};
use crate::exit;

/// Words of a kit.
const WORDS: usize = 24;
/// Lines of the sheet that have words on them.
const ROWS: usize = 6;
/// Letters after which no two words of the list are the same.
const ENOUGH: usize = 4;
/// Words that are proposed for one that is none.
const PROPOSED: usize = 4;

/// `lamos recovery`.
pub async fn recovery(session: &Session, common: &Common, args: RecoveryArgs) -> Outcome {
    match args.action {
        RecoveryAction::Make { out } => make(session, common, out.as_deref()).await,
        RecoveryAction::Use => {
            let user =
                common.user.as_deref().ok_or_else(|| Failure::new(exit::USAGE, "--user NAME says the name from now on"))?;
            let mut entries = Entries::new(common.password_fd)?;
            recover(session, user, &mut entries).await?;
            tell("Your space is open, and opens with the new name and password from now on. The kit stays good.");
            Ok(())
        }
    }
}

async fn make(session: &Session, common: &Common, out: Option<&Path>) -> Outcome {
    let (user, password) = entered(common)?;
    // The file is made first: a kit that cannot be written down must not take the place of the one before.
    let file = out.map(|path| {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.map_err(|error| Failure::new(exit::GIVEN, format!("cannot make the file {}: {error}", path.display())))
    });
    let file = file.transpose()?;
    let made = session.client.call(&MakeKit { user: secret(&user), password: secret(&password) }).await;
    let (Kit { words }, file) = match (made, file) {
        (Ok(kit), file) => (kit, file),
        (Err(refusal), file) => {
            if let (Some(path), Some(_)) = (out, file) {
                // It is empty and of no use.
                let _ = std::fs::remove_file(path);
            }
            return Err(refusal.into());
        }
    };
    let sheet = sheet(&String::from_utf8_lossy(words.expose()));
    match file {
        Some(mut file) => file.write_all(sheet.as_bytes()).and_then(|()| file.sync_all())?,
        None => words::answer(&sheet)?,
    }
    tell(
        "This kit opens your space without the password; every kit made before is worthless now. Print it, and keep it where you keep what matters.",
    );
    Ok(())
}

/// What is printed. It names nobody.
fn sheet(words: &str) -> Zeroizing<String> {
    let words: Vec<&str> = words.split(' ').collect();
    let mut sheet = Zeroizing::new(String::with_capacity(4096));
    sheet.push_str("LAMOS RECOVERY KIT\n==================\n\n");
    for row in 0..ROWS {
        for (index, word) in words.iter().enumerate().skip(row).step_by(ROWS) {
            let last = index + ROWS >= words.len();
            sheet.push_str(&Zeroizing::new(format!("{:>3}. {word:<width$}", index + 1, width = if last { 0 } else { 11 })));
        }
        sheet.push('\n');
    }
    sheet.push_str(
        "
What it is for
  These 24 words open one space when its name or password is lost. Whoever has
  them and a copy of its data opens it too: keep this sheet as you keep a key.
  Making another kit makes this one worthless; a new password does not.

How to use it
  On the same machine:      lamos recovery use --user NAME
  On a new one, with a backup:
                            lamos restore FOLDER --recovery --user NAME
  NAME is the name from now on. The words are asked for in their order, then a
  new password, twice. The first four letters of each word are enough.

",
    );
    sheet
}

/// Reads the words and a new password, and opens the space of the kit for them; the new password.
pub async fn recover(session: &Session, user: &str, entries: &mut Entries) -> Result<Zeroizing<String>, Failure> {
    let words = read_words(entries)?;
    let password = new_password(session, user, entries).await?;
    session.client.call(&Recover { words: secret(&words), user: secret(user), password: secret(&password) }).await?;
    Ok(password)
}

/// 24 words of the list, with a space between: one a line or more.
fn read_words(entries: &mut Entries) -> Result<Zeroizing<String>, Failure> {
    let mut words = Zeroizing::new(String::with_capacity(WORDS * 9));
    let mut count = 0;
    while count < WORDS {
        let line = entries.next(&format!("Word {}: ", count + 1))?;
        for word in line.split_whitespace() {
            let found = match known(word) {
                Ok(found) if count < WORDS => found,
                Ok(_) => return Err(Failure::new(exit::GIVEN, "these are more than 24 words")),
                Err(proposed) => {
                    let near = if proposed.is_empty() { String::new() } else { format!("; near it are {}", proposed.join(", ")) };
                    let sentence = format!("word {} is none of the list{near}", count + 1);
                    if !entries.are_typed() {
                        return Err(Failure::new(exit::GIVEN, sentence));
                    }
                    tell(&format!("{sentence}. Enter it again."));
                    break;
                }
            };
            if count > 0 {
                words.push(' ');
            }
            words.push_str(found);
            count += 1;
        }
    }
    Ok(words)
}

/// The word of the list that is meant: by its first letters, if they are enough. Else words that are near it.
fn known(word: &str) -> Result<&'static str, Vec<&'static str>> {
    let word = Zeroizing::new(word.to_lowercase());
    let list = Language::English;
    if let Some(index) = list.find_word(&word) {
        return Ok(list.word_list()[usize::from(index)]);
    }
    let mut fitting = list.words_by_prefix_iter(&word);
    if word.chars().count() >= ENOUGH
        && let (Some(only), None) = (fitting.next(), fitting.next())
    {
        return Ok(only);
    }
    let mut near: Vec<(usize, &'static str)> = list.word_list().iter().map(|other| (distance(&word, other), *other)).collect();
    near.sort();
    Err(near.into_iter().take_while(|(distance, _)| *distance <= 2).take(PROPOSED).map(|(_, word)| word).collect())
}

/// How many letters must be put in, taken out or changed (Levenshtein's distance). A word that is much longer is far.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(16).collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (index, with) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != with);
            diagonal = row[index + 1];
            row[index + 1] = changed.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Entries {
        Entries::Lines(lines.iter().map(|line| Zeroizing::new((*line).to_owned())).collect::<Vec<_>>().into_iter())
    }

    #[test]
    fn a_word_is_known_by_four_letters_and_a_wrong_one_by_its_neighbours() {
        assert_eq!(known("Abandon"), Ok("abandon"));
        assert_eq!(known("aban"), Ok("abandon"));
        assert_eq!(known("act"), Ok("act"), "a word that others begin with is itself");
        assert!(known("abandn").is_err_and(|near| near.contains(&"abandon")));
        assert!(known("rivr").is_err_and(|near| near.contains(&"river")));
        assert_eq!(known("qqqqqqqqqqqqqqqqqqqqqqqq"), Err(Vec::new()));
    }

    #[test]
    fn the_words_are_read_however_they_lie_on_lines() {
        let all = "zoo ".repeat(24);
        let expected = all.trim();
        assert_eq!(*read_words(&mut lines(&[expected])).unwrap_or_default(), expected);
        assert_eq!(*read_words(&mut lines(&["ZOO"; 24])).unwrap_or_default(), expected);
        let two = "zoo ".repeat(12);
        assert_eq!(*read_words(&mut lines(&[&two, "", &two])).unwrap_or_default(), expected);
        let said = |entered: &[&str]| read_words(&mut lines(entered)).err().map(|failure| failure.sentence).unwrap_or_default();
        assert!(said(&["zoo zoo zooo"]).starts_with("word 3 is none"));
        assert!(said(&["zoo"]).contains("no password"), "they end too soon");
        assert!(said(&["zoo ".repeat(25).as_str()]).contains("more than 24"));
    }

    #[test]
    fn the_sheet_has_every_word_by_its_number() {
        let words: Vec<&str> = Language::English.word_list()[..WORDS].to_vec();
        let sheet = sheet(&words.join(" "));
        for (index, word) in words.iter().enumerate() {
            assert!(sheet.contains(&format!("{:>3}. {word}", index + 1)), "{word}");
        }
        assert!(sheet.lines().all(|line| line.len() < 80 && line == line.trim_end()));
    }
}
