//! How a command ends: the number that scripts look at. The README lists them.

use ipc::{Blame, Code};

/// Well.
pub const GOOD: u8 = 0;
/// Something that was never meant to happen.
pub const OURS: u8 = 1;
/// The command was not written as commands are.
pub const USAGE: u8 = 2;
/// Something that was given or named: a file, an input, an id.
pub const GIVEN: u8 = 3;
/// A server or a place outside.
pub const SERVER: u8 = 5;
/// The data directory, the disk or the archive.
pub const DATA: u8 = 9;
/// Another Lamos has the data directory, or none is running.
pub const ELSEWHERE: u8 = 10;
/// Two sides of a merge do not fit together.
pub const CONFLICT: u8 = 11;
/// The person stopped it.
pub const STOPPED: u8 = 130;
/// Who read the output has closed it.
pub const PIPE: u8 = 141;

/// The exit code of a refusal.
pub fn of(code: Code) -> u8 {
    use Code::{
        ArchiveDamaged, ArchiveUnavailable, BudgetSpent, Busy, CannotStart, ContextTooLong, Credentials, DemoRefused, DiskFull,
        Draining, InputInvalid, InputMissing, KeyRejected, MemoryLimit, ModelBusy, ModelNonsense, ModelRefused, ModelUnreachable,
        NewSpace, NoSkill, NotFound, NotKeepable, NotSignedIn, OriginRefused, OtherSpaceOpen, OutputLimit, RemoteBroken,
        RemoteBusy, RemoteFull, RemoteNonsense, RemoteRefused, RemoteUnreachable, ScriptFailed, SecondEntryDiffers, SkillInvalid,
        SlotsDamaged, SlotsFull, StreamBroken, Throttled, TimeLimit, TurnInProgress, UnknownSkill,
    };
    match code {
        Code::QuestionUnclear => USAGE,
        NotFound | NotKeepable | UnknownSkill | InputMissing | InputInvalid | SkillInvalid => 3,
        NoSkill => 4,
        ModelUnreachable | ModelRefused | ModelBusy | ModelNonsense | StreamBroken | KeyRejected | OriginRefused
        | ContextTooLong | RemoteUnreachable | RemoteBusy | RemoteBroken | RemoteNonsense | RemoteRefused | RemoteFull => 5,
        ScriptFailed => 6,
        TimeLimit | MemoryLimit | OutputLimit | BudgetSpent => 7,
        NewSpace | SecondEntryDiffers | SlotsFull | Credentials | OtherSpaceOpen | Throttled | DemoRefused | NotSignedIn => 8,
        DiskFull | ArchiveDamaged | ArchiveUnavailable | SlotsDamaged | CannotStart => DATA,
        Busy | Draining | TurnInProgress => ELSEWHERE,
        Code::Cancelled => STOPPED,
        other if other.blame() == Blame::Ours => OURS,
        _ => 3,
    }
}
