//! Answers that are still being spoken.
//!
//! Each turn has a file of sealed pieces. A piece is written before anybody sees it, so it survives the death of every
//! process; a thread of its own syncs the files that changed, at least every 50 ms, so a power cut costs a syllable. When
//! the finished answer is an event, the file goes. A file that is left over belongs to a turn that was cut short: what it
//! holds becomes a message that says so.
//!
//! ```text
//! conversation 16 ‖ then for each piece: length u32 ‖ sealed text
//! ```

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use actix::{Actor, Context, Handler, Message, MessageResult};
use ipc::{
    Code, Refusal,
    id::{ConversationId, TurnId},
    messages::{chat::MAX_TEXT, storage::Unfinished},
};
use replica::Replica;

/// Longest time between a piece being written and being synced.
const SYNC_EVERY: Duration = Duration::from_millis(50);

/// Files that may wait to be synced; one more is synced at once by who wrote it.
const WAITING: usize = 64;

/// Largest file of one turn: pieces of a few letters each carry ten times their length.
const MAX_JOURNAL: u64 = 64 * MAX_TEXT as u64;

/// Largest sealed piece that is read back.
const MAX_PIECE: usize = 128 << 10;

/// All journals of the open space.
pub(crate) struct Journals {
    directory: PathBuf,
    replica: Replica,
    open: HashMap<TurnId, Journal>,
    syncer: SyncSender<Arc<File>>,
}

/// The journal of one turn.
struct Journal {
    conversation: ConversationId,
    file: Arc<File>,
    pieces: u32,
    text: String,
}

impl Journals {
    /// Uses this directory, and makes it if it is not there.
    pub(crate) fn open(directory: &Path, replica: Replica) -> io::Result<Journals> {
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let (syncer, waiting) = sync_channel::<Arc<File>>(WAITING);
        let thread = thread::Builder::new().name("journal".to_owned());
        thread.spawn(move || {
            while let Ok(first) = waiting.recv() {
                let mut changed = vec![first];
                // Everything that changes meanwhile is synced together with the first.
                let until = std::time::Instant::now() + SYNC_EVERY / 2;
                loop {
                    match waiting.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
                        Ok(file) if !changed.iter().any(|other| Arc::ptr_eq(other, &file)) => changed.push(file),
                        Ok(_) => {}
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                    }
                }
                for file in changed {
                    if let Err(error) = file.sync_data() {
                        tracing::error!(%error, "the journal could not be synced");
                    }
                }
            }
        })?;
        Ok(Journals { directory: directory.to_owned(), replica, open: HashMap::new(), syncer })
    }

    fn path(&self, turn: TurnId) -> PathBuf {
        self.directory.join(turn.to_string())
    }

    /// The journal of a turn: the one that is open, the one that is on disk, or a new one.
    fn of(&mut self, conversation: ConversationId, turn: TurnId) -> io::Result<&mut Journal> {
        if !self.open.contains_key(&turn) {
            let path = self.path(turn);
            let journal = match load(&path, turn, &self.replica)? {
                Some(journal) => journal,
                None => create(&path, conversation)?,
            };
            self.open.insert(turn, journal);
        }
        self.open.get_mut(&turn).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn append(&mut self, piece: &Append) -> Result<u32, Refusal> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull => Refusal::new(Code::DiskFull, "the disk has no room left; make room and try again"),
            _ => Refusal::new(Code::ArchiveUnavailable, format!("the journal cannot be written: {error}")),
        };
        let replica = self.replica.clone();
        let journal = self.of(piece.conversation, piece.turn).map_err(failed)?;
        if journal.conversation != piece.conversation {
            return Err(Refusal::new(Code::Conflict, "this turn belongs to another conversation"));
        }
        if piece.index < journal.pieces {
            return Ok(journal.pieces);
        }
        if piece.index > journal.pieces {
            return Err(Refusal::new(Code::Conflict, format!("the journal of this turn goes on with piece {}", journal.pieces)));
        }
        if journal.text.len() + piece.text.len() > MAX_TEXT {
            return Err(Refusal::new(Code::NotKeepable, format!("an answer has at most {MAX_TEXT} bytes")));
        }
        let sealed = replica.seal_journal(&piece.turn.0, piece.index, piece.text.as_bytes());
        let sealed = sealed.map_err(|error| crate::errors::refusal(&error))?;
        let length = u32::try_from(sealed.len()).map_err(|error| Refusal::internal(format!("write a piece: {error}")))?;
        let record = [&length.to_le_bytes()[..], &sealed].concat();
        let mut file = &*journal.file;
        let before = file.stream_position().map_err(failed)?;
        if before + record.len() as u64 > MAX_JOURNAL {
            return Err(Refusal::new(Code::NotKeepable, "an answer in so many pieces cannot be kept"));
        }
        if let Err(error) = file.write_all(&record) {
            // A piece that is half there would hide every one after it.
            let undone = file.set_len(before).and_then(|()| file.seek(SeekFrom::Start(before)));
            if undone.is_err() {
                self.open.remove(&piece.turn);
            }
            return Err(failed(error));
        }
        journal.pieces += 1;
        journal.text.push_str(&piece.text);
        let (file, next) = (Arc::clone(&journal.file), journal.pieces);
        if let Err(std::sync::mpsc::TrySendError::Full(file)) = self.syncer.try_send(file) {
            file.sync_data().map_err(failed)?;
        }
        Ok(next)
    }

    fn unfinished(&self, conversation: ConversationId) -> Vec<Unfinished> {
        let of_it = self.open.iter().filter(|(_, journal)| journal.conversation == conversation && !journal.text.is_empty());
        of_it.map(|(turn, journal)| Unfinished { turn: *turn, text: journal.text.clone() }).collect()
    }

    /// What is left over in the directory, of one conversation or of all.
    fn left(&mut self, conversation: Option<ConversationId>) -> Vec<Left> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let turns = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<TurnId>().ok());
        let mut left = Vec::new();
        for turn in turns {
            let (of, text) = match self.open.get(&turn) {
                Some(journal) => (journal.conversation, journal.text.clone()),
                None => match load(&self.path(turn), turn, &self.replica) {
                    Ok(Some(journal)) => (journal.conversation, journal.text),
                    _ => continue,
                },
            };
            if conversation.is_none_or(|wanted| wanted == of) {
                left.push(Left { turn, conversation: of, text });
            }
        }
        left
    }

    fn finish(&mut self, turn: TurnId) {
        self.open.remove(&turn);
        // Where it stays, the next start finds that its answer is kept and removes it then.
        let _ = fs::remove_file(self.path(turn));
    }
}

fn create(path: &Path, conversation: ConversationId) -> io::Result<Journal> {
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&conversation.0)?;
    Ok(Journal { conversation, file: Arc::new(file), pieces: 0, text: String::new() })
}

/// Reads a journal back; what is torn at its end is cut off. `None` if there is none.
fn load(path: &Path, turn: TurnId, replica: &Replica) -> io::Result<Option<Journal>> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut conversation = ConversationId::default();
    let mut rest = Vec::new();
    if file.read_exact(&mut conversation.0).is_err() {
        fs::remove_file(path)?;
        return Ok(None);
    }
    (&mut file).take(MAX_JOURNAL).read_to_end(&mut rest)?;
    let (mut text, mut pieces, mut good) = (String::new(), 0, 0);
    while let Some((length, after)) = rest[good..].split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some(sealed) = after.get(..length).filter(|_| length <= MAX_PIECE) else { break };
        let Some(piece) = replica.open_journal(&turn.0, pieces, sealed) else { break };
        text.push_str(&String::from_utf8_lossy(&piece));
        pieces += 1;
        good += 4 + length;
    }
    let end = (conversation.0.len() + good) as u64;
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok(Some(Journal { conversation, file: Arc::new(file), pieces, text }))
}

impl Actor for Journals {
    type Context = Context<Self>;
}

/// Write a piece. Answers with the index of the next.
#[derive(Message)]
#[rtype(result = "Result<u32, Refusal>")]
pub(crate) struct Append {
    pub(crate) conversation: ConversationId,
    pub(crate) turn: TurnId,
    pub(crate) index: u32,
    pub(crate) text: String,
}

/// The answer of this turn is kept as an event.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Finish(pub(crate) TurnId);

/// What do the turns of this conversation say that have not ended?
#[derive(Message)]
#[rtype(result = "Vec<Unfinished>")]
pub(crate) struct Speaking(pub(crate) ConversationId);

/// What is left of turns that nobody goes on with, of one conversation or of all?
#[derive(Message)]
#[rtype(result = "Vec<Left>")]
pub(crate) struct Recover {
    pub(crate) conversation: Option<ConversationId>,
}

/// What is left of a turn.
pub(crate) struct Left {
    pub(crate) turn: TurnId,
    pub(crate) conversation: ConversationId,
    pub(crate) text: String,
}

impl Handler<Append> for Journals {
    type Result = Result<u32, Refusal>;
    fn handle(&mut self, piece: Append, _: &mut Context<Self>) -> Self::Result {
        self.append(&piece)
    }
}

impl Handler<Finish> for Journals {
    type Result = ();
    fn handle(&mut self, Finish(turn): Finish, _: &mut Context<Self>) {
        self.finish(turn);
    }
}

impl Handler<Speaking> for Journals {
    type Result = MessageResult<Speaking>;
    fn handle(&mut self, Speaking(conversation): Speaking, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.unfinished(conversation))
    }
}

impl Handler<Recover> for Journals {
    type Result = MessageResult<Recover>;
    fn handle(&mut self, recover: Recover, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.left(recover.conversation))
    }
}

#[cfg(test)]
mod tests {
    use replica::StoreKeys;

    use super::*;

    fn journals(directory: &Path) -> Journals {
        let replica = Replica::open(directory, StoreKeys::new(&[1; 32], [2; 16], [3; 32])).expect("a store");
        Journals::open(&directory.join("journal"), replica).expect("a journal")
    }

    fn piece(index: u32, text: &str) -> Append {
        Append { conversation: ConversationId([1; 16]), turn: TurnId([2; 16]), index, text: text.to_owned() }
    }

    #[test]
    fn what_was_written_is_there_after_a_crash() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut before = journals(directory.path());
        assert_eq!(before.append(&piece(0, "Hello")), Ok(1));
        assert_eq!(before.append(&piece(1, ", wörld")), Ok(2));
        drop(before);
        let mut after = journals(directory.path());
        let left = after.left(None);
        assert_eq!((left.len(), left[0].text.as_str()), (1, "Hello, wörld"));
        assert_eq!(after.append(&piece(2, "!")), Ok(3), "it goes on where it was");
        assert_eq!(after.unfinished(ConversationId([1; 16]))[0].text, "Hello, wörld!");
        after.finish(TurnId([2; 16]));
        assert!(after.left(None).is_empty());
    }

    #[test]
    fn many_small_pieces_are_all_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut before = journals(directory.path());
        let words: Vec<String> = (0..40_000).map(|number| format!("{} ", number % 10)).collect();
        for (index, word) in words.iter().enumerate() {
            before.append(&piece(index as u32, word)).expect("written");
        }
        drop(before);
        let mut after = journals(directory.path());
        assert_eq!(after.left(None)[0].text, words.concat());
        assert_eq!(after.append(&piece(40_000, "!")), Ok(40_001));
    }

    #[test]
    fn a_piece_is_kept_once_and_none_is_left_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut journals = journals(directory.path());
        assert_eq!(journals.append(&piece(0, "a")), Ok(1));
        assert_eq!(journals.append(&piece(0, "a")), Ok(1));
        assert_eq!(journals.append(&piece(5, "f")).map_err(|refusal| refusal.code), Err(Code::Conflict));
        assert_eq!(journals.left(None)[0].text, "a");
    }

    #[test]
    fn a_torn_end_is_cut_off_wherever_it_is_torn() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut before = journals(directory.path());
        before.append(&piece(0, "kept")).expect("written");
        let path = before.path(TurnId([2; 16]));
        let whole = fs::metadata(&path).expect("a file").len();
        before.append(&piece(1, "torn")).expect("written");
        let bytes = fs::read(&path).expect("a file");
        drop(before);
        for length in whole as usize..bytes.len() {
            fs::write(&path, &bytes[..length]).expect("written");
            let mut after = journals(directory.path());
            assert_eq!(after.left(None)[0].text, "kept", "{length} of {} bytes", bytes.len());
            assert_eq!(after.append(&piece(1, " on")), Ok(2));
            assert_eq!(after.left(None)[0].text, "kept on");
        }
    }

    #[test]
    fn what_is_written_cannot_be_read_without_the_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut journals = journals(directory.path());
        journals.append(&piece(0, "xylophonic")).expect("written");
        let bytes = fs::read(journals.path(TurnId([2; 16]))).expect("a file");
        assert!(!bytes.windows(6).any(|window| window == b"xyloph"));
    }
}
