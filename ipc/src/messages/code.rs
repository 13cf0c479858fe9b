//! One run of a script in a process of its own.

use bincode::{Decode, Encode};

use super::common::Chunk;

crate::service! {
    Code {
        1 Run -> Ran, up Chunk, down Output;
    }
}

/// Most bytes of all files of a run together.
pub const MAX_FILES: u64 = 16 << 20;

/// Run a script. The bytes of its files follow as one stream, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Run {
    /// Python source.
    pub source: String,
    /// What to run of it.
    pub entry: Entry,
    /// A JSON object: the inputs.
    pub inputs: String,
    /// What `open` finds.
    pub files: Vec<RunFile>,
    /// What it may use up.
    pub limits: RunLimits,
    /// Seeds `random`, `hash` and `os.urandom`, so that the same run gives the same result.
    pub seed: u64,
}

/// What to run of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// The whole script; its value is that of its last expression.
    Script,
    /// The whole script and then its function `execute(inputs)`; its value is what that returns, as JSON.
    Execute,
}

/// A file of a run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunFile {
    /// Its name, without a path.
    pub name: String,
    /// Its length.
    pub length: u64,
}

/// What a run may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunLimits {
    /// Milliseconds by the clock on the wall.
    pub millis: u32,
    /// Bytes of memory above what an idle interpreter has.
    pub memory: u64,
    /// Bytes of standard output and of standard error, each.
    pub output: u32,
}

impl RunLimits {
    /// What a script gets if nobody says otherwise.
    pub const STANDARD: RunLimits = RunLimits { millis: 30_000, memory: 512 << 20, output: 256 << 10 };
}

/// Something a script wrote.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Output {
    /// On standard output.
    Stdout(String),
    /// On standard error.
    Stderr(String),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ran {
    /// Whether it did what it should.
    pub ending: Ending,
    /// The value: `repr` of a script's, JSON of `execute`'s; empty if it has none.
    pub value: String,
    /// Microseconds the script ran.
    pub micros: u64,
    /// Most bytes of memory the script held at once above what an idle interpreter has.
    pub peak_memory: u64,
}

/// Whether a script did what it should.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ending {
    /// It ran to its end.
    Finished,
    /// It raised an exception, or is not Python.
    Raised {
        /// The traceback.
        traceback: String,
        /// Its last line.
        summary: String,
    },
    /// It took longer than it may.
    TimeLimit,
    /// It needed more memory than it may.
    MemoryLimit,
    /// It wrote more than it may.
    OutputLimit,
}
