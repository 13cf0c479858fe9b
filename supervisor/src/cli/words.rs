//! Words on a terminal: answers on standard output, everything else on standard error, and nothing that a terminal would
//! obey.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use ipc::Refusal;

use crate::places::NoPlace;

/// Why a command did not do what it should, and how it ends.
#[derive(Debug)]
pub struct Failure {
    /// The number a script looks at.
    pub exit: u8,
    /// One sentence for a person.
    pub sentence: String,
    /// The number of the refusal, in JSON.
    pub code: Option<u16>,
}

impl Failure {
    /// A failure of the command's own.
    pub fn new(exit: u8, sentence: impl Into<String>) -> Failure {
        Failure { exit, sentence: sentence.into(), code: None }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure { exit: crate::exit::of(refusal.code), code: Some(refusal.code as u16), sentence: refusal.sentence }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new(crate::exit::PIPE, ""),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Failure::new(crate::exit::DATA, format!("failed to write the answer: {error}"))
            }
            _ => Failure::new(crate::exit::OURS, format!("failed to write the answer: {error}")),
        }
    }
}

impl From<NoPlace> for Failure {
    fn from(error: NoPlace) -> Failure {
        Failure::new(crate::exit::DATA, error.to_string())
    }
}

/// What a command ends with.
pub type Outcome = Result<(), Failure>;

const DIM: Style = Style::new().dimmed();
const BAD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red))).bold();

/// Text without what a terminal would obey and without what hides or turns other text around. Nothing is lost: what is
/// taken out is shown by its number.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => plain.push(letter),
            '\r' => {}
            letter if letter.is_control() || is_hidden(letter) => {
                // Writing to a string cannot fail.
                let _ = write!(plain, "<U+{:04X}>", letter as u32);
            }
            letter => plain.push(letter),
        }
    }
    plain
}

/// Characters that turn the direction of text, or carry text that is not seen.
fn is_hidden(letter: char) -> bool {
    matches!(letter, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// One line of text.
pub fn line(text: &str) -> String {
    plain(text).replace(['\n', '\t'], " ")
}

/// Writes a part of an answer to standard output, at once.
pub fn answer(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a line to standard output.
pub fn say(text: &str) -> io::Result<()> {
    answer(&format!("{text}\n"))
}

/// Writes JSON to standard output.
pub fn json(value: &serde_json::Value) -> io::Result<()> {
    say(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Tells something on standard error that is not the answer. Nobody is told who has closed it.
pub fn tell(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{DIM}{}{DIM:#}", plain(text));
}

/// Says on standard error why a command did not do what it should.
pub fn complain(failure: &Failure, as_json: bool) {
    if failure.sentence.is_empty() {
        return;
    }
    let mut err = anstream::stderr().lock();
    let _ = if as_json {
        writeln!(err, "{}", serde_json::json!({ "error": failure.sentence, "exit": failure.exit, "code": failure.code }))
    } else {
        writeln!(err, "{BAD}lamos:{BAD:#} {}", plain(&failure.sentence))
    };
}

/// Something is being waited for. Seen only on a terminal.
pub struct Waiting(Option<ProgressBar>);

impl Waiting {
    /// Begins to wait.
    pub fn begin(what: &str) -> Waiting {
        if !io::stderr().is_terminal() {
            return Waiting(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner:.dim} {msg:.dim}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Waiting(Some(bar))
    }

    /// Waits for something else.
    pub fn now(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(line(what));
        }
    }

    /// Does something that writes to the terminal, with the line of waiting out of its way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Has waited.
    pub fn end(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.end();
    }
}

/// Rows with columns as wide as they need to be; the last one is as long as it is.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                let pad = widths.get(column).unwrap_or(&0).saturating_sub(cell.chars().count()) + 2;
                line.extend(std::iter::repeat_n(' ', pad));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A length in bytes, as people read it.
pub fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1024.0, "KiB");
    for larger in ["MiB", "GiB"] {
        // What would be shown as 1024.0 is one of the next.
        if value >= 1023.95 {
            (value, unit) = (value / 1024.0, larger);
        }
    }
    format!("{value:.1} {unit}")
}

/// A time span, as people read it.
pub fn span(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{:.1} s", millis as f64 / 1000.0),
        60_000..3_600_000 => format!("{} min", millis / 60_000),
        3_600_000..86_400_000 => format!("{} h", millis / 3_600_000),
        _ => format!("{} d", millis / 86_400_000),
    }
}

/// A moment as the clock on this person's wall shows it.
pub fn moment(millis: u64) -> String {
    let moment = i64::try_from(millis).ok().and_then(chrono::DateTime::from_timestamp_millis);
    moment.map(|moment| moment.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}

/// The same to the millisecond, for who looks for what came first.
pub fn instant(millis: u64) -> String {
    let moment = i64::try_from(millis).ok().and_then(chrono::DateTime::from_timestamp_millis);
    moment.map(|moment| moment.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S%.3f").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_it_would_obey() {
        let text = "\u{1b}]52;c;ZXZpbA==\u{7}red\u{1b}[31m\u{202e}abc\u{e0041}\u{200b}\r\n\tok";
        let safe = plain(text);
        assert_eq!(safe, "<U+001B>]52;c;ZXZpbA==<U+0007>red<U+001B>[31m<U+202E>abc<U+E0041><U+200B>\n\tok");
        assert!(!safe.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t'));
    }

    #[test]
    fn a_table_lines_up() {
        let rows = vec![vec!["a".into(), "bb".into()], vec!["ccc".into(), "d".into()]];
        assert_eq!(table(&rows), "a    bb\nccc  d\n");
    }
}
