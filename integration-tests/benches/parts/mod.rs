//! The parts of `cargo measure`: a new one is a file and a line in [`ALL`].

mod archive;
mod ask;
mod busy;
mod calls;
mod figures;
mod idle;
mod load;
mod memory;
mod others;
mod peers;
mod python;
mod restart;
mod sign_in;
mod spawn;
mod streams;
mod sync;

pub use peers::peer;

/// How the names of the parts begin that are benches of rooms: they are built by themselves.
pub const ROOMS: &[&str] = &["archive: ", "keys: "];

/// Every part, by name.
pub const ALL: &[(&str, fn())] = &[
    ("hub calls", calls::measure),
    ("hub streams", streams::measure),
    ("hub bystander", streams::bystander),
    ("a thousand calls", load::concurrent),
    ("a million messages", load::a_million),
    ("busy", busy::measure),
    ("restart", restart::measure),
    ("spawn", spawn::measure),
    ("ask", ask::measure),
    ("memory", memory::measure),
    ("python", python::measure),
    ("idle", idle::measure),
    ("archive: keeping", archive::keeping),
    ("archive: search", archive::finding),
    ("archive: CHUM", archive::comparing),
    ("archive: large content", archive::large_content),
    ("archive: the memory's start", archive::remembering),
    ("keys: signing", archive::signing),
    ("keys: credentials", archive::credentials),
    ("sync", sync::measure),
    ("sign-in", sign_in::measure),
];
