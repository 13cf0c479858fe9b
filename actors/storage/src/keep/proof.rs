//! Checking an export without a key, without an archive and without trusting whoever made it: every id, every signature,
//! that each event says what its author signed, that what is to be read is that, that no author's event is missing between
//! two others, and that large content is what its hash says.
//!
//! What it cannot see: whether the newest events of an author were left out together with the last line, and whose device
//! a public key is.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, Read as _},
    path::Path,
};

use replica::{Said, prove};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    export::{last_line, outside},
    hex,
    readable::readable,
};

/// Longest line, in bytes: a body of 16 MiB in digits and once more as text.
const MAX_LINE: u64 = 160 << 20;

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Events that are what their authors signed.
    pub events: u64,
    /// Of those, erased ones: their ids and signatures are there, and nothing else.
    pub erased: u64,
    /// Of those, such as were damaged when the export was made.
    pub damaged: u64,
    /// Authors.
    pub authors: u64,
    /// Files of large content.
    pub files: u64,
    /// Things that are wrong, all of which were told.
    pub wrong: u64,
}

/// An author's events: the id of each and of the one before it, by number.
type Chain = BTreeMap<u64, ([u8; 32], [u8; 32])>;

struct Checking<'a> {
    files: &'a Path,
    tell: &'a mut dyn FnMut(String),
    checked: Checked,
    chains: BTreeMap<[u8; 32], Chain>,
    seen_files: std::collections::BTreeSet<[u8; 32]>,
    whole: bool,
    ended: bool,
}

/// Checks the lines of an export; its files of large content lie in the folder `files`. What is wrong is told, line by line.
pub fn check(lines: &mut dyn BufRead, files: &Path, tell: &mut dyn FnMut(String)) -> io::Result<Checked> {
    let mut checking = Checking {
        files,
        tell,
        checked: Checked::default(),
        chains: BTreeMap::new(),
        seen_files: Default::default(),
        whole: true,
        ended: false,
    };
    let mut hasher = blake3::Hasher::new();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if lines.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        if checking.ended {
            checking.wrong(number, "something follows the last line");
            break;
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(value) if value.get("blake3").is_some() => checking.end(number, &line, &hasher),
            Ok(value) => checking.line(number, &value),
            Err(_) => checking.wrong(number, "it is not a line of an export: it was changed or cut off"),
        }
        hasher.update(&line);
    }
    if !checking.ended {
        checking.wrong(number, "the last line is missing: the export was cut off");
    }
    checking.chains();
    Ok(checking.checked)
}

impl Checking<'_> {
    fn wrong(&mut self, number: u64, what: &str) {
        self.checked.wrong += 1;
        (self.tell)(format!("line {number}: {what}"));
    }

    /// The last line, byte for byte: nothing stands after it whose hash could speak for it.
    fn end(&mut self, number: u64, line: &[u8], before: &blake3::Hasher) {
        self.ended = true;
        let hash = hex(before.finalize().as_bytes());
        let counted = last_line(self.checked.events, self.checked.files, &hash).to_string();
        if !line.windows(hash.len()).any(|part| part == hash.as_bytes()) {
            self.wrong(number, "the lines before it are not those that were written");
        } else if self.checked.wrong == 0 && line.trim_ascii_end() != counted.as_bytes() {
            self.wrong(number, "it tells of another number of events or of files");
        }
    }

    fn line(&mut self, number: u64, value: &Value) {
        if number == 1 {
            self.whole = value["conversation"].is_null();
            if value["lamos"] != "export" || value["version"] != 1 {
                self.wrong(number, "it is no export of Lamos, or of a version this program does not know");
            }
        } else if let Err(what) = self.event(value) {
            let id = value["id"].as_str().unwrap_or_default().to_owned();
            self.wrong(number, &format!("event {}: {what}", id.get(..16).unwrap_or(&id)));
        }
    }

    fn event(&mut self, value: &Value) -> Result<(), String> {
        let header = bytes(value, "header")?;
        let signature: [u8; 64] = bytes(value, "signature")?.try_into().map_err(|_| "it has no signature")?;
        let said = match value.get("body") {
            None => None,
            Some(_) => {
                let digest_key = bytes(value, "digest_key")?.try_into().map_err(|_| "its digest has no key")?;
                Some(Said { digest_key, plain: Zeroizing::new(bytes(value, "body")?) })
            }
        };
        let proved = prove(&header, &signature, said.as_ref()).map_err(|unfit| unfit.to_string())?;
        let mut expected = outside(&proved.header, &proved.id, &signature);
        match (&proved.body, &said) {
            (Some(body), Some(said)) => {
                expected["says"] = readable(body);
                expected["digest_key"] = json!(hex(&said.digest_key));
                expected["body"] = json!(hex(&said.plain));
            }
            _ if value["erased"] == true => {
                expected["erased"] = json!(true);
                self.checked.erased += 1;
            }
            _ => {
                expected["damaged"] = json!(true);
                self.checked.damaged += 1;
            }
        }
        if expected != *value {
            return Err("what is to be read is not what was signed".to_owned());
        }
        self.checked.events += 1;
        let chain = self.chains.entry(proved.header.author).or_default();
        if chain.insert(proved.header.sequence, (proved.id, proved.header.previous)).is_some_and(|(id, _)| id != proved.id) {
            return Err("its author has made two events of one number".to_owned());
        }
        match proved.body.as_ref().and_then(|body| body.blob()) {
            Some(blob) => self.content(&blob.hash, blob.length),
            None => Ok(()),
        }
    }

    fn content(&mut self, hash: &[u8; 32], length: u64) -> Result<(), String> {
        if !self.seen_files.insert(*hash) {
            return Ok(());
        }
        let name = hex(hash);
        let mut file = File::open(self.files.join(&name)).map_err(|_| format!("its content, file {name}, is missing"))?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 64 << 10];
        let mut found = 0;
        loop {
            let read = file.read(&mut buffer).map_err(|error| format!("its content, file {name}, cannot be read: {error}"))?;
            if read == 0 {
                break;
            }
            found += read as u64;
            hasher.update(&buffer[..read]);
        }
        if found != length || hasher.finalize() != *hash {
            return Err(format!("its content, file {name}, is not what it was"));
        }
        self.checked.files += 1;
        Ok(())
    }

    /// Whether each author's events follow one another. Of one conversation there are only some.
    fn chains(&mut self) {
        self.checked.authors = self.chains.len() as u64;
        for (author, chain) in std::mem::take(&mut self.chains) {
            let mut before: Option<(u64, [u8; 32])> = None;
            for (sequence, (id, previous)) in chain {
                let next_to = before.is_some_and(|(number, _)| number + 1 == sequence);
                let first = sequence == 1;
                let fits = match before {
                    Some((_, before)) if next_to => before == previous,
                    None if first => previous == [0; 32],
                    // Something lies between, or before the first that is here.
                    _ => !self.whole,
                };
                if !fits {
                    let author = hex(&author[..8]);
                    self.checked.wrong += 1;
                    (self.tell)(format!("event {}: the event of device {author} before it is missing or another", hex(&id[..8])));
                }
                before = Some((sequence, id));
            }
        }
    }
}

fn bytes(value: &Value, field: &str) -> Result<Vec<u8>, String> {
    let none = || format!("its {field} cannot be read");
    let digits = value[field].as_str().ok_or_else(none)?.as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(none()) };
    let digit = |digit: u8| (digit as char).to_digit(16).filter(|_| !digit.is_ascii_uppercase());
    let byte = |pair: &[u8; 2]| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8);
    pairs.iter().map(byte).collect::<Option<_>>().ok_or_else(none)
}
