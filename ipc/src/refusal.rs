//! The answer that is not the answer: why a call was refused, and who can do something about it.

use std::fmt;

use bincode::{Decode, Encode};

use crate::{codec, role::Role};

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Blame {
    /// What the person gave or asked for.
    Person,
    /// A server, a file or a device that is not ours.
    Outside,
    /// Lamos itself.
    Ours,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:tt, $blame:ident;)*) => {
        /// Every way in which a call can be refused. The numbers, which people and scripts see, are never reused; between
        /// processes a code travels as its place in this list, and the schema hash sees to it that both have the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
        #[repr(u16)]
        pub enum Code { $($(#[$doc])* $name = $number,)* }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// Who can mend it.
            pub const fn blame(self) -> Blame {
                match self { $(Code::$name => Blame::$blame,)* }
            }
        }
    };
}

codes! {
    // From the hub.
    /// The policy has no row for it.
    Forbidden = 1, Ours;
    /// The body is larger than the row allows.
    TooLarge = 2, Ours;
    /// More calls at once, or more in a second, than the row allows.
    Busy = 3, Ours;
    /// No answer came in time.
    DeadlineExceeded = 4, Ours;
    /// The caller took the question back.
    Cancelled = 5, Person;
    /// The process that worked on it ended; whether it was done is not known, ask again with the same ids.
    PeerDied = 6, Ours;
    /// The process is not running because nothing is signed in.
    NotSignedIn = 7, Person;
    /// The process failed too often and is not started again by itself.
    Degraded = 8, Ours;
    /// The system is shutting down.
    Draining = 9, Ours;
    /// This very question ended its worker twice and is not tried again.
    Quarantined = 10, Ours;
    /// Private data and untrusted text have met: a person must approve it first.
    NeedsApproval = 11, Person;
    /// A message that is not of its type.
    Malformed = 12, Ours;

    // From the key process.
    /// This pair opens no space; entering the password again makes a new, empty one.
    NewSpace = 100, Person;
    /// The second entry of the password differs from the first.
    SecondEntryDiffers = 101, Person;
    /// All places for spaces are taken.
    SlotsFull = 102, Person;
    /// The name or password is too long or empty.
    Credentials = 103, Person;
    /// Another space is open.
    OtherSpaceOpen = 104, Person;
    /// Too many tries; wait.
    Throttled = 105, Person;
    /// The public demo space does not do this.
    DemoRefused = 106, Person;
    /// No key is lent under this number, or not for this origin.
    NoSuchKey = 107, Ours;
    /// The file of wrapped keys is damaged.
    SlotsDamaged = 108, Outside;

    // From the archive.
    /// There is no such conversation, attachment or file.
    NotFound = 200, Person;
    /// The same id was written before with other content.
    Conflict = 201, Ours;
    /// The disk has no room.
    DiskFull = 202, Outside;
    /// The archive is damaged.
    ArchiveDamaged = 203, Outside;
    /// The archive cannot be written or read for another reason.
    ArchiveUnavailable = 204, Outside;
    /// What was given cannot be kept: a path that escapes, a name too long, a file too large.
    NotKeepable = 205, Person;
    /// What was to be looked for cannot be read as a question: no word in it, a filter that is none, too much of it.
    QuestionUnclear = 206, Person;
    /// The window's instance has not shown the memberships of this device, or they have run out.
    NotProvisioned = 207, Ours;
    /// A membership does not hold: forged, out of time, taken back, or given by somebody who could not.
    MembershipRefused = 208, Person;

    // From the model process.
    /// The server cannot be reached.
    ModelUnreachable = 300, Outside;
    /// The server refuses the key.
    KeyRejected = 301, Person;
    /// The server refuses the request.
    ModelRefused = 302, Outside;
    /// The server is overloaded or a limit is reached.
    ModelBusy = 303, Outside;
    /// The stream ended before the answer did.
    StreamBroken = 304, Outside;
    /// The server does not speak the protocol.
    ModelNonsense = 305, Outside;
    /// The origin was not chosen by the person.
    OriginRefused = 306, Person;
    /// The question is longer than the model can read.
    ContextTooLong = 307, Person;

    // From the run process and the agent.
    /// The script raised an error.
    ScriptFailed = 400, Person;
    /// The script took too long.
    TimeLimit = 401, Person;
    /// The script needed too much memory.
    MemoryLimit = 402, Person;
    /// The script wrote too much.
    OutputLimit = 403, Person;
    /// No skill fits and there is no model.
    NoSkill = 500, Person;
    /// No skill has this name.
    UnknownSkill = 501, Person;
    /// The skill needs something that was not given.
    InputMissing = 502, Person;
    /// An input is not of its type.
    InputInvalid = 503, Person;
    /// The turn took more steps than it may.
    BudgetSpent = 504, Person;
    /// The conversation has a turn in progress already.
    TurnInProgress = 505, Person;
    /// A skill folder that cannot be read as one.
    SkillInvalid = 506, Person;

    // From the courier.
    /// The place outside cannot be reached.
    RemoteUnreachable = 550, Outside;
    /// The place outside has too much to do, or failed.
    RemoteBusy = 551, Outside;
    /// The connection ended in the middle; whether it was done is not known, do it again.
    RemoteBroken = 552, Outside;
    /// The place outside does not speak its protocol.
    RemoteNonsense = 553, Outside;
    /// The place outside refuses: the secret, the folder, or what is asked.
    RemoteRefused = 554, Person;
    /// The place outside has no room left.
    RemoteFull = 555, Person;

    // From the supervisor.
    /// A process could not be started.
    CannotStart = 600, Ours;
    /// Something that was never meant to happen.
    Internal = 601, Ours;
    /// A port of this machine cannot be listened on.
    CannotListen = 610, Person;
}

/// Why a call was refused, in a form that a program can act on and a sentence that a person can.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// What happened.
    pub code: Code,
    /// One sentence for a person: what is wrong and what to do. Never holds a secret; strangers' text only where it is
    /// quoted, and then bounded.
    pub sentence: String,
    /// How the process ended, with [`Code::PeerDied`] or [`Code::ArchiveDamaged`].
    pub death: Option<Death>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Death {
    /// Which start of it.
    pub generation: u32,
    /// Its exit code, if it exited.
    pub exit: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

/// How often a process has ended like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Now, whatever was before.
    Once,
    /// So often within a short time that it is not started any more.
    Repeatedly,
}

impl Death {
    /// Whether a process of this role that ends like this says that the archive is damaged: the one place that decides it.
    ///
    /// The database is a file in memory and has no checksums. A file that leads nowhere (SIGBUS) or a page that is none
    /// (SIGSEGV) ends the process that reads it, and nothing else does that to it. The engine's own doubts about a page end it
    /// by SIGABRT, as a lack of memory does: once that tells nothing, at every start it does.
    pub fn means_damage(&self, role: Role, ends: Ends) -> bool {
        const ABRT: i32 = 6;
        const BUS: i32 = 7;
        const SEGV: i32 = 11;
        role == Role::Storage
            && match self.signal {
                Some(BUS | SEGV) => true,
                Some(ABRT) => ends == Ends::Repeatedly,
                _ => false,
            }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.exit, self.signal) {
            (_, Some(signal)) => write!(f, "ended by signal {signal}"),
            (Some(code), None) => write!(f, "exited with code {code}"),
            (None, None) => f.write_str("ended"),
        }
    }
}

/// Longest sentence of a refusal, in bytes. What is longer is cut.
const MAX_SENTENCE: usize = 2048;

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: Code, sentence: impl Into<String>) -> Refusal {
        let mut sentence = sentence.into();
        if sentence.len() > MAX_SENTENCE {
            let end = (0..=MAX_SENTENCE).rev().find(|&at| sentence.is_char_boundary(at)).unwrap_or(0);
            sentence.truncate(end);
            sentence.push('…');
        }
        Refusal { code, sentence, death: None }
    }

    /// The process that worked on the call has ended.
    pub fn peer_died(name: &str, death: Death) -> Refusal {
        Refusal {
            death: Some(death),
            ..Refusal::new(Code::PeerDied, format!("the {name} process {death} while it worked on this"))
        }
    }

    /// The archive's process has ended of what it read while it worked on the call. The database is a file in memory and has
    /// no checksums: pages that lead nowhere end the process.
    pub fn archive_died(death: Death) -> Refusal {
        let sentence = format!(
            "the storage process {death} while it worked on this; the archive is probably damaged: `lamos verify` names what is, with \
             `--rebuild` it makes anew what is derived, with `--repair-from BACKUP` it puts back the rest"
        );
        Refusal { death: Some(death), ..Refusal::new(Code::ArchiveDamaged, sentence) }
    }

    /// Something that was never meant to happen, said to a person.
    pub fn internal(error: impl fmt::Display) -> Refusal {
        Refusal::new(Code::Internal, format!("Lamos failed to {error}; this is a fault of ours, `lamos doctor` shows more"))
    }

    /// The bytes of a `Refuse` frame.
    pub fn to_body(&self) -> Vec<u8> {
        // Cannot fail: the sentence is bounded. An empty body still refuses, with a sentence made by the reader.
        codec::encode(self).unwrap_or_default()
    }

    /// The code in the body of a `Refuse` frame, without reading the rest of it: its first byte is the code's place in
    /// [`Code::ALL`].
    pub fn code_of(bytes: &[u8]) -> Option<Code> {
        Code::ALL.get(usize::from(*bytes.first()?)).copied()
    }

    /// Reads the body of a `Refuse` frame.
    pub fn from_body(bytes: &[u8]) -> Refusal {
        codec::decode(bytes).unwrap_or_else(|error| Refusal::internal(format!("read a refusal: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_end_of_an_archive_says() {
        let ended = |signal, exit| Death { generation: 1, exit, signal };
        for (death, once, repeatedly) in [
            (ended(Some(7), None), true, true),
            (ended(Some(11), None), true, true),
            (ended(Some(6), None), false, true),
            // A kill, a wall that was run into, an exit with the number of such a signal: they only end.
            (ended(Some(9), None), false, false),
            (ended(Some(31), None), false, false),
            (ended(None, Some(7)), false, false),
            (ended(None, Some(11)), false, false),
            (ended(None, None), false, false),
        ] {
            for &role in Role::ALL {
                let is_archive = role == Role::Storage;
                assert_eq!(death.means_damage(role, Ends::Once), once && is_archive, "{role} {death}");
                assert_eq!(death.means_damage(role, Ends::Repeatedly), repeatedly && is_archive, "{role} {death}");
            }
        }
    }

    #[test]
    fn a_long_sentence_is_cut_at_a_character() {
        let refusal = Refusal::new(Code::Internal, "東".repeat(2000));
        assert!(refusal.sentence.len() <= MAX_SENTENCE + '…'.len_utf8());
        assert_eq!(Refusal::from_body(&refusal.to_body()), refusal);
    }

    #[test]
    fn the_code_is_read_without_the_rest() {
        for &code in Code::ALL {
            assert_eq!(Refusal::code_of(&Refusal::new(code, "why").to_body()), Some(code));
        }
        assert_eq!((Refusal::code_of(&[]), Refusal::code_of(&[250])), (None, None));
    }

    #[test]
    fn numbers_are_their_own() {
        let mut numbers: Vec<u16> = Code::ALL.iter().map(|&code| code as u16).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
        assert!(numbers.is_sorted());
    }
}
