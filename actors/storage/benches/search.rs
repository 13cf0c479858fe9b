//! `cargo bench -p storage`: the search index beside SQLite's FTS5 (trigram), on the same texts in the same run.
//!
//! The texts are messages of a real archive on disk, 20 % of them in scripts without spaces; ours includes reading and
//! opening them there, and sealing the index. `LAMOS_SEARCH_MB` says how much text (20; 100 where `LAMOS_LARGE=1`),
//! `LAMOS_SEARCH_MESSAGES` how many short messages the second part has (100000; 1000000).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a bench that cannot go on says so")]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use ipc::messages::storage::{Found, MAX_HITS, MAX_SKIP};
use replica::{
    Draft, Replica, StoreKeys,
    body::{Author, Body, Message, Part, Status, Title},
};
use storage::Search;

/// Questions of each kind.
const QUESTIONS: usize = 40;

/// Texts in one transaction.
const TOGETHER: usize = 5000;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let small = std::env::args().any(|word| word == "--test");
    let size = |name: &str, usual: usize| match std::env::var(name) {
        _ if small => usual / 100,
        Ok(value) => value.parse().expect("a number"),
        Err(_) => usual,
    };
    let large = std::env::var("LAMOS_LARGE").is_ok_and(|large| large == "1");
    let (megabytes, messages) = if large { (100, 1_000_000) } else { (20, 100_000) };
    beside_sqlite(size("LAMOS_SEARCH_MB", megabytes).max(1) << 20);
    many_short(size("LAMOS_SEARCH_MESSAGES", messages));
}

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Few often and many seldom, as words are (Zipf).
    fn rank(&mut self, end: usize) -> usize {
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((end as f64).powf(share) as usize - 1).min(end - 1)
    }

    fn word(&mut self) -> String {
        let mut of = Chance(self.rank(30_000) as u64 * 7919 + 88_172_645_463_325_252);
        (0..2 + of.below(3)).map(|_| ["ka", "mer", "lo", "tun", "si", "bra", "ve", "on", "qui", "da"][of.below(10)]).collect()
    }

    fn character(&mut self) -> char {
        char::from_u32(0x4E00 + self.rank(3000) as u32).unwrap()
    }

    fn text(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 20);
        let unspaced = self.below(5) == 0;
        while text.len() < bytes {
            if unspaced {
                (0..2 + self.below(18)).for_each(|_| text.push(self.character()));
                text.push('。');
            } else {
                text.push_str(&self.word());
                text.push(' ');
            }
        }
        text
    }
}

struct Archive {
    directory: tempfile::TempDir,
    replica: Replica,
    /// The place of the first text.
    first: u64,
}

/// An archive with these texts.
fn archive(texts: impl Iterator<Item = String>) -> Archive {
    let directory = tempfile::tempdir().unwrap();
    let replica = Replica::open(directory.path(), StoreKeys::new(&[1; 32], [2; 16], [3; 32])).unwrap();
    let mut writer = replica.writer().unwrap();
    let mut texts = texts.enumerate().peekable();
    let begin = Draft { entity: [1; 16], body: Body::Conversation(Title { title: "bench".to_owned() }), once: None };
    let first = writer.write(|batch| batch.append(&begin)).unwrap().unwrap().position + 1;
    while texts.peek().is_some() {
        let drafts: Vec<Draft> = texts.by_ref().take(TOGETHER).map(|(number, text)| draft(number, text)).collect();
        writer.write(|batch| drafts.iter().try_for_each(|draft| batch.append(draft).map(|kept| assert!(kept.is_ok())))).unwrap();
    }
    Archive { directory, replica, first }
}

fn draft(number: usize, text: String) -> Draft {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number as u64).to_le_bytes());
    let body = Message {
        id,
        turn: [0; 16],
        author: Author::Person,
        parts: vec![Part::Text(text)],
        attachments: Vec::new(),
        status: Status::Complete,
        made_by: String::new(),
    };
    Draft { entity: [1; 16], body: Body::Message(body), once: None }
}

struct Ours {
    system: actix::SystemRunner,
    search: Search,
    took: Duration,
    bytes: u64,
}

impl Ours {
    fn build(archive: &Archive) -> Ours {
        let system = actix::System::new();
        let search = Search::start(archive.directory.path(), archive.replica.clone()).unwrap();
        let begun = Instant::now();
        let bytes = system.block_on(search.reindex()).unwrap().bytes;
        Ours { system, search, took: begun.elapsed(), bytes }
    }

    fn ask(&self, question: &str, skip: u32, limit: u16) -> Found {
        let request = ipc::messages::storage::Search { question: question.to_owned(), skip, limit };
        let found = self.system.block_on(self.search.find(request)).unwrap();
        assert!(found.complete);
        found
    }

    /// The numbers of all texts that are found.
    fn all(&self, question: &str) -> BTreeSet<[u8; 16]> {
        let (mut all, mut skip) = (BTreeSet::new(), 0);
        loop {
            let found = self.ask(question, skip, MAX_HITS);
            all.extend(found.hits.iter().filter_map(|hit| Some(hit.message?.0)));
            match found.next {
                Some(next) if next <= MAX_SKIP => skip = next,
                _ => return all,
            }
        }
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) * percent).div_ceil(100)]
}

fn print(what: &str, figures: &str) {
    println!("  {what:<34} {figures}");
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Kinds of questions: how they are called, and one as we and as FTS5 read it.
fn questions(texts: &[String], chance: &mut Chance) -> Vec<(&'static str, Vec<(String, String)>)> {
    let mut spaced = || loop {
        let text = &texts[chance.below(texts.len())];
        if text.is_ascii() {
            let words: Vec<&str> = text.split_whitespace().collect();
            return (words[chance.below(words.len())].to_owned(), words[..2].join(" "));
        }
    };
    let words = (0..QUESTIONS).map(|_| spaced().0).map(|word| (word.clone(), format!("\"{word}\""))).collect();
    let both =
        (0..QUESTIONS).map(|_| (spaced().0, spaced().0)).map(|(a, b)| (format!("{a} {b}"), format!("\"{a}\" AND \"{b}\"")));
    let both = both.collect();
    let phrases = (0..QUESTIONS).map(|_| spaced().1).map(|phrase| (format!("\"{phrase}\""), format!("\"{phrase}\""))).collect();
    let beginnings =
        (0..QUESTIONS).map(|_| spaced().0).map(|word| (format!("{}*", &word[..3]), format!("\"{}\"", &word[..3]))).collect();
    let mut row = |length: usize| loop {
        let text = &texts[chance.below(texts.len())];
        if !text.is_ascii() {
            let letters: Vec<char> = text.chars().collect();
            let at = chance.below(letters.len() - length);
            let row = &letters[at..at + length];
            if row.iter().all(|letter| *letter != '。') {
                return row.iter().collect::<String>();
            }
        }
    };
    let mut rows = |length| (0..QUESTIONS).map(|_| row(length)).map(|row| (row.clone(), format!("\"{row}\""))).collect();
    vec![
        ("a word", words),
        ("two words", both),
        ("a phrase of two", phrases),
        ("a beginning of three letters", beginnings),
        ("one CJK character", rows(1)),
        ("two CJK characters", rows(2)),
        ("three CJK characters", rows(3)),
    ]
}

fn beside_sqlite(bytes: usize) {
    let mut chance = Chance(42);
    let mut texts = Vec::new();
    let mut total = 0;
    while total < bytes {
        let length = 100 + chance.below(800);
        texts.push(chance.text(length));
        total += texts.last().map_or(0, String::len);
    }
    println!("\nsearch, {} texts, {:.1} MB, 20 % CJK, beside SQLite FTS5 (trigram)", texts.len(), total as f64 / 1e6);
    let archive = archive(texts.iter().cloned());
    let ours = Ours::build(&archive);
    let (theirs, their_time, their_bytes) = fts5(&texts, archive.directory.path());
    let rate = |time: Duration| total as f64 / 1e6 / time.as_secs_f64();
    let share = |bytes: u64| bytes as f64 / total as f64 * 100.0;
    print(
        "index, of the text",
        &format!(
            "{:.0} % against {:.0} %: {:.2} ×",
            share(ours.bytes),
            share(their_bytes),
            ours.bytes as f64 / their_bytes as f64
        ),
    );
    let (our_rate, their_rate) = (rate(ours.took), rate(their_time));
    print("building", &format!("{our_rate:.1} MB/s against {their_rate:.1} MB/s: {:.2} ×", our_rate / their_rate));
    let mut statement = theirs.prepare("SELECT rowid FROM texts WHERE texts MATCH ?1 ORDER BY rank LIMIT 10").unwrap();
    for (kind, questions) in questions(&texts, &mut chance) {
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for round in 0..2 {
            for (our_words, their_words) in &questions {
                let begun = Instant::now();
                ours.ask(our_words, 0, 10);
                let our_time = begun.elapsed();
                let begun = Instant::now();
                let rows = statement.query_map([their_words], |row| row.get::<_, i64>(0)).unwrap().count();
                // The first round warms both.
                if round > 0 && rows <= 10 {
                    our_times.push(our_time);
                    their_times.push(begun.elapsed());
                }
            }
        }
        let [ours50, ours99] = [50, 99].map(|percent| percentile(&mut our_times, percent));
        let [theirs50, theirs99] = [50, 99].map(|percent| percentile(&mut their_times, percent));
        print(
            kind,
            &format!(
                "p50 {} p99 {} against {} {}: {:.2} × and {:.2} ×",
                milliseconds(ours50),
                milliseconds(ours99),
                milliseconds(theirs50),
                milliseconds(theirs99),
                ours50.as_secs_f64() / theirs50.as_secs_f64(),
                ours99.as_secs_f64() / theirs99.as_secs_f64(),
            ),
        );
    }
    recall(&texts, &ours, &theirs, &mut chance);
    assert_eq!(archive.first, 2);
}

/// How much of what has a row of one or two characters is found.
fn recall(texts: &[String], ours: &Ours, theirs: &rusqlite::Connection, chance: &mut Chance) {
    let mut statement = theirs.prepare("SELECT rowid FROM texts WHERE texts MATCH ?1").unwrap();
    for length in [1, 2] {
        let (mut there, mut our_found, mut their_found, mut wrong) = (0, 0, 0, 0);
        let mut asked = 0;
        while asked < QUESTIONS {
            let row: String = (0..length).map(|_| chance.character()).collect();
            let having: BTreeSet<[u8; 16]> =
                (0_u64..).zip(texts).filter(|(_, text)| text.contains(&row)).map(|(number, _)| id(number)).collect();
            // All of them are looked at, page by page.
            if having.is_empty() || having.len() > 1000 {
                continue;
            }
            asked += 1;
            let found = ours.all(&row);
            there += having.len();
            our_found += found.intersection(&having).count();
            wrong += found.difference(&having).count();
            let rows = statement.query_map([format!("\"{row}\"")], |row| row.get::<_, i64>(0)).unwrap();
            their_found += rows.filter(|row| having.contains(&id(*row.as_ref().unwrap() as u64))).count();
        }
        let share = |found: usize| found as f64 / there as f64 * 100.0;
        print(
            &format!("found of {length} CJK characters"),
            &format!("{:.1} % ({wrong} wrong) against {:.1} %", share(our_found), share(their_found)),
        );
    }
}

fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    id
}

/// The same texts in SQLite, which stores nothing but the index, as we do.
fn fts5(texts: &[String], directory: &Path) -> (rusqlite::Connection, Duration, u64) {
    let path = directory.join("peer.sqlite");
    let mut peer = rusqlite::Connection::open(&path).unwrap();
    peer.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE VIRTUAL TABLE texts USING fts5(text, content='', tokenize='trigram')")
        .unwrap();
    let begun = Instant::now();
    let transaction = peer.transaction().unwrap();
    {
        let mut insert = transaction.prepare("INSERT INTO texts (rowid, text) VALUES (?1, ?2)").unwrap();
        for (number, text) in texts.iter().enumerate() {
            insert.execute((number as i64, text)).unwrap();
        }
    }
    transaction.commit().unwrap();
    let took = begun.elapsed();
    (peer, took, fs::metadata(path).unwrap().len())
}

fn many_short(count: usize) {
    let mut chance = Chance(7);
    let mut sample = Vec::new();
    let texts = (0..count).map(|number| {
        let length = 20 + chance.below(100);
        let text = chance.text(length);
        if number % (count / 1000).max(1) == 0 && (!text.is_ascii() || text.split_whitespace().count() > 1) {
            sample.push(text.clone());
        }
        text
    });
    let archive = archive(texts);
    let ours = Ours::build(&archive);
    println!("\nsearch, {count} short messages");
    print(
        "building",
        &format!("{:.0} messages a second, {:.1} MB", count as f64 / ours.took.as_secs_f64(), ours.bytes as f64 / 1e6),
    );
    sample.retain(|text| text.chars().count() > 8);
    let mut all = Vec::new();
    for (kind, questions) in questions(&sample, &mut Chance(9)) {
        let mut times = Vec::new();
        for round in 0..2 {
            for (words, _) in &questions {
                let begun = Instant::now();
                ours.ask(words, 0, 10);
                if round > 0 {
                    times.push(begun.elapsed());
                }
            }
        }
        all.extend_from_slice(&times);
        print(
            kind,
            &format!("p50 {} p99 {}", milliseconds(percentile(&mut times, 50)), milliseconds(percentile(&mut times, 99))),
        );
    }
    let p99 = percentile(&mut all, 99);
    let verdict = if p99 <= Duration::from_millis(10) { "reached" } else { "MISSED" };
    print("all of them, p99", &format!("{}   aim ≤ 10 ms: {verdict}", milliseconds(p99)));
}
