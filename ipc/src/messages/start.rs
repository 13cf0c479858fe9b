//! How a connection begins: the supervisor tells a new process what it is, the process says that it understands, locks
//! itself down, and says what is now enforced.

use bincode::{Decode, Encode};

use crate::{PROTOCOL_VERSION, SCHEMA_HASH, id::ConversationId, refusal::Refusal, role::Role};

/// Which messages one knows. Different ends refuse each other: a supervisor that is still running while the program was
/// replaced must not guess what a newer command line means.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    pub version: u8,
    /// [`SCHEMA_HASH`].
    pub schema: u64,
    /// Version of the program, for the sentence that says what does not match.
    pub program: String,
}

impl Hello {
    /// Ours.
    pub fn ours() -> Hello {
        Hello { version: PROTOCOL_VERSION, schema: SCHEMA_HASH, program: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Whether the two ends understand each other.
    pub fn matches(&self, other: &Hello) -> bool {
        self.version == other.version && self.schema == other.schema
    }
}

/// The first frame a process reads.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Start {
    /// What the supervisor speaks.
    pub hello: Hello,
    /// What the process is.
    pub role: Role,
    /// Which of its role.
    pub instance: u32,
    /// Which start of it.
    pub generation: u32,
    /// What it works on.
    pub work: Work,
    /// The least important log line it writes.
    pub log: LogLevel,
    /// It is there for nothing but to try what its role must not be able to do.
    pub probe: Option<Probe>,
}

/// What a probe tries its acts on, and which is the first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Probe {
    /// Place of the first act in the list of acts, which is the same at both ends.
    pub act: u32,
    /// Its first step.
    pub step: u32,
    /// The person's home directory, as the operating system spells it.
    pub home: Vec<u8>,
    /// The data directory.
    pub data: Vec<u8>,
    /// The file of wrapped keys.
    pub slots: Vec<u8>,
    /// The log of what was done with the keys.
    pub audit: Vec<u8>,
    /// The log.
    pub log: Vec<u8>,
    /// The control socket.
    pub control: Vec<u8>,
    /// The name of an abstract socket that listens.
    pub unnamed: Vec<u8>,
    /// Pids of the other processes, one of each role at most.
    pub others: Vec<i32>,
}

/// What a probe says, in frames of kind `Ready`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Probed {
    /// It cannot be locked down, and this is why.
    Failed(Refusal),
    /// It is locked down, by these walls.
    Locked(Vec<Wall>),
    /// It is about to try something, which may end it.
    Tries {
        /// Its place in the list of acts.
        act: u32,
        /// Which of the things it is tried on.
        step: u32,
    },
    /// It has tried it and lives: the number of the error, 0 if it succeeded.
    Came(i32),
    /// It has tried everything.
    Done,
}

/// What a process works on from its birth, and what its rights are made from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Work {
    /// Keep the archive in this directory.
    Storage {
        /// A path, as the operating system spells it.
        directory: Vec<u8>,
        /// No agent of an earlier start can still be writing: what was left unfinished is closed.
        first: bool,
    },
    /// Keep the keys. The slots file and the audit file come as descriptors with this message.
    Crypto {
        /// What a derivation is to cost, if the slots file is empty.
        cost: KeyCost,
    },
    /// Speak to models over these ports besides 443 and 53.
    Llm {
        /// TCP ports the person configured.
        ports: Vec<u16>,
    },
    /// Hold this conversation.
    Agent {
        /// Which.
        conversation: ConversationId,
    },
    /// Run one script.
    Code,
    /// Check one credential, or compose what is to be signed of one.
    Verifier,
    /// Carry things to and from servers over these ports besides 443 and 53.
    Courier {
        /// TCP ports the person configured.
        ports: Vec<u16>,
    },
    /// Answer over HTTP on the listeners that come as descriptors with this message.
    Gate,
    /// Keep the sealed cache of the window in this directory.
    Ui {
        /// A path, as the operating system spells it.
        directory: Vec<u8>,
        /// How much it may hold.
        profile: CacheProfile,
        /// Which kinds of events come by themselves and how: a table as `actors/replica/src/chum/rules.rs` reads it.
        rules: String,
    },
}

/// What a derivation of keys from a password costs in a new installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum KeyCost {
    /// As much as a person waits for on this machine: 0.7 to 1 s.
    #[default]
    Calibrated,
    /// The least that RFC 9106 recommends where memory is short, on any machine: 64 MiB, 3 passes, 4 lanes.
    Floor,
}

impl std::str::FromStr for KeyCost {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<KeyCost, &'static str> {
        match name {
            "calibrated" => Ok(KeyCost::Calibrated),
            "floor" => Ok(KeyCost::Floor),
            _ => Err("it is `calibrated` or `floor`"),
        }
    }
}

impl std::fmt::Display for KeyCost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            KeyCost::Calibrated => "calibrated",
            KeyCost::Floor => "floor",
        })
    }
}

/// How much the window's cache may hold and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum CacheProfile {
    /// A month, 500 MB.
    #[default]
    Standard,
    /// A week, 50 MB: for a small device.
    Small,
}

impl std::str::FromStr for CacheProfile {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<CacheProfile, &'static str> {
        match name {
            "standard" => Ok(CacheProfile::Standard),
            "small" => Ok(CacheProfile::Small),
            _ => Err("it is `standard` or `small`"),
        }
    }
}

impl std::fmt::Display for CacheProfile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            CacheProfile::Standard => "standard",
            CacheProfile::Small => "small",
        })
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum LogLevel {
    /// What went wrong.
    #[default]
    Warn,
    /// What happened.
    Info,
    /// Each step.
    Debug,
    /// Everything.
    Trace,
}

/// The body of `Ready`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// The process answers from now on.
    Ready(Report),
    /// It cannot start, and this is why. It exits after this.
    Failed(Refusal),
}

/// What a process has locked away from itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Report {
    /// Each wall and how far it stands on this machine.
    pub walls: Vec<Wall>,
    /// Each forbidden act that was tried, and how it failed.
    pub proofs: Vec<Proof>,
    /// Microseconds from the first line of the process to this report.
    pub micros: u64,
}

/// One mechanism of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Wall {
    /// What it is called.
    pub name: String,
    /// Whether it stands.
    pub enforced: bool,
    /// How, or why not.
    pub detail: String,
}

/// A forbidden act that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Proof {
    /// The act.
    pub act: String,
    /// The error it got.
    pub outcome: String,
}
