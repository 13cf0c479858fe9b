//! Server-sent events, read as bytes: lines are split before anything is decoded, so that a character or a line end that
//! falls between two pieces of the network is whole again before anyone looks at it.
//!
//! Line ends are LF, CR and CRLF, mixed as the server likes, and CR | LF in two pieces. Bytes are looked at once, however
//! small the pieces are. Nothing here knows what an event means.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// Largest event, and longest line, in bytes. More is not an answer but an attack or a fault.
pub(crate) const MAX_EVENT: usize = 1 << 20;

/// What may stand before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One event that holds data. Comments and empty frames are none.
pub(crate) struct Event<'a> {
    /// Its type; empty if the server gave none.
    pub(crate) name: Cow<'a, str>,
    /// Its data lines, joined.
    pub(crate) data: Cow<'a, str>,
}

/// An event is larger than [`MAX_EVENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Reads the events of one stream.
#[derive(Default)]
pub(crate) struct Reader {
    /// A line that has not ended yet.
    line: Vec<u8>,
    name: Vec<u8>,
    /// Data lines, each with a line end.
    data: Vec<u8>,
    /// The last line ended with a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// A line has been read: what follows is not the beginning.
    begun: bool,
    /// The event was given out: the next line begins another.
    given: bool,
}

impl Reader {
    /// Takes bytes from the front of `bytes` up to the end of the next event. `None` when it needs more bytes.
    pub(crate) fn next<'a>(&'a mut self, bytes: &mut &[u8]) -> Result<Option<Event<'a>>, TooLong> {
        if self.given {
            self.given = false;
            self.name.clear();
            self.data.clear();
        }
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                *bytes = &bytes[1..];
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', bytes) else {
                self.keep(bytes)?;
                *bytes = &[];
                break;
            };
            let (head, rest) = bytes.split_at(end);
            self.after_cr = rest.first() == Some(&b'\r');
            *bytes = rest.get(1..).unwrap_or_default();
            self.keep(head)?;
            let line = std::mem::take(&mut self.line);
            let ended = self.take_line(&line);
            self.line = line;
            self.line.clear();
            if ended {
                self.given = true;
                let data = self.data.strip_suffix(b"\n").unwrap_or(&self.data);
                return Ok(Some(Event { name: String::from_utf8_lossy(&self.name), data: String::from_utf8_lossy(data) }));
            }
        }
        Ok(None)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + self.data.len() + bytes.len() > MAX_EVENT {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes a whole line. True if it ends an event with data.
    fn take_line(&mut self, line: &[u8]) -> bool {
        let begun = std::mem::replace(&mut self.begun, true);
        let line = if begun { line } else { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) };
        if line.is_empty() {
            if self.data.len() > 1 {
                return true;
            }
            self.name.clear();
            self.data.clear();
            return false;
        }
        let (field, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            // Comments (an empty field name), `id`, `retry` and what may come one day.
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All events of `pieces`, as `name|data`.
    fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, TooLong> {
        let mut reader = Reader::default();
        let mut all = Vec::new();
        for mut piece in pieces {
            while let Some(event) = reader.next(&mut piece)? {
                all.push(format!("{}|{}", event.name, event.data));
            }
        }
        Ok(all)
    }

    #[test]
    fn every_form_at_every_size_of_piece() {
        let rows: &[(&str, &[&str])] = &[
            ("data: a\n\ndata: b\n\n", &["|a", "|b"]),
            ("data: a\r\rdata: b\r\r", &["|a", "|b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &["|a", "|b"]),
            ("data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", &["|a", "|b", "|c"]),
            ("data:a\n\n", &["|a"]),
            ("data:  two spaces\n\n", &["| two spaces"]),
            ("data: a\ndata: b\ndata:\ndata: c\n\n", &["|a\nb\n\nc"]),
            ("data: a\r\ndata: b\r\n\r\n", &["|a\nb"]),
            ("event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", &["x|a", "|b"]),
            ("event: ping\ndata: {}\n\n", &["ping|{}"]),
            ("event: x\n\ndata: a\n\n", &["|a"]),
            ("data: a\nevent: late\n\n", &["late|a"]),
            (":\n\n: OPENROUTER PROCESSING\n\n:\r\n\r\ndata: a\n\n", &["|a"]),
            ("\u{feff}data: a\n\n", &["|a"]),
            ("data: a\n\n\u{feff}data: b\n\n", &["|a"]),
            ("data\n\ndata:\n\ndata: \n\n\n\n", &[]),
            ("id: 1\nretry: 5\nfoo: bar\ndata: a\n\n", &["|a"]),
            ("data: 東京 🗼\n\n", &["|東京 🗼"]),
            ("data: whole\n\ndata: not dispatched\n", &["|whole"]),
            ("data: whole\n\ndata: cut", &["|whole"]),
            ("data: : keepalive\n\n", &["|: keepalive"]),
        ];
        for (stream, wanted) in rows {
            for size in 1..=stream.len() {
                let events = events(stream.as_bytes().chunks(size)).expect("short enough");
                assert_eq!(&events, wanted, "{stream:?} by {size}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_become_marks_and_nothing_else() {
        assert_eq!(events([&b"data: a\xffb\n\n"[..]]), Ok(vec!["|a\u{fffd}b".to_owned()]));
    }

    #[test]
    fn an_event_has_an_end() {
        let long = vec![b'x'; MAX_EVENT];
        assert_eq!(events([&b"data: "[..], &long[..]]), Err(TooLong), "a line that never ends");
        assert_eq!(events([&b": "[..], &long[..]]), Err(TooLong), "a comment that never ends");
        let lines = b"data: 0123456789\n".repeat(MAX_EVENT / 10);
        assert_eq!(events([&lines[..]]), Err(TooLong), "an event of many lines");
        let fits = [b"data: ", &long[..MAX_EVENT - 6], b"\n\n"].concat();
        assert_eq!(events([&fits[..]]).map(|all| all[0].len()), Ok(MAX_EVENT - 6 + 1));
    }

    #[test]
    fn comments_do_not_add_up() {
        let comments = b": ping\n\n".repeat(MAX_EVENT / 4);
        assert_eq!(events([&comments[..], b"data: a\n\n"]), Ok(vec!["|a".to_owned()]));
    }

    #[test]
    fn a_large_event_in_tiny_pieces_is_looked_at_once() {
        // Quadratic readers need minutes for this; the bound is generous for a busy machine.
        let stream = [b"data: ", &vec![b'x'; MAX_EVENT - 100][..], b"\n\n"].concat();
        let begin = std::time::Instant::now();
        assert_eq!(events(stream.chunks(7)).map(|all| all.len()), Ok(1));
        assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    }
}
