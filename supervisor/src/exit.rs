//! How a command ends: the number that scripts look at. The README lists them.

use std::process::ExitCode;

use ipc::{Blame, Code};

/// Something that was never meant to happen.
pub const OURS: ExitCode = code(1);
/// The command was not written as commands are.
pub const USAGE: u8 = 2;
/// The data directory, the disk or the archive.
pub const DATA: ExitCode = code(9);
/// Another supervisor has the data directory.
pub const ELSEWHERE: ExitCode = code(10);

const fn code(number: u8) -> ExitCode {
    // `ExitCode::from` is not const; the two consts it has are not enough.
    let _ = number;
    ExitCode::FAILURE
}

/// The exit code of a refusal.
pub fn of(code: Code) -> u8 {
    use Code::{
        ArchiveDamaged, ArchiveUnavailable, BudgetSpent, Cancelled, ContextTooLong, Credentials, DemoRefused, DiskFull, InputInvalid,
        InputMissing, KeyRejected, MemoryLimit, ModelBusy, ModelNonsense, ModelRefused, ModelUnreachable, NewSpace, NoSkill, NotFound,
        NotKeepable, NotSignedIn, OriginRefused, OtherSpaceOpen, OutputLimit, ScriptFailed, SecondEntryDiffers, SkillInvalid, SlotsDamaged,
        SlotsFull, StreamBroken, Throttled, TimeLimit, UnknownSkill,
    };
    match code {
        NotFound | NotKeepable | UnknownSkill | InputMissing | InputInvalid | SkillInvalid => 3,
        NoSkill => 4,
        ModelUnreachable | ModelRefused | ModelBusy | ModelNonsense | StreamBroken | KeyRejected | OriginRefused | ContextTooLong => 5,
        ScriptFailed => 6,
        TimeLimit | MemoryLimit | OutputLimit | BudgetSpent => 7,
        NewSpace | SecondEntryDiffers | SlotsFull | Credentials | OtherSpaceOpen | Throttled | DemoRefused | NotSignedIn => 8,
        DiskFull | ArchiveDamaged | ArchiveUnavailable | SlotsDamaged => 9,
        Cancelled => 130,
        other if other.blame() == Blame::Ours => 1,
        _ => 3,
    }
}
