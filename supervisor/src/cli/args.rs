//! The command line as it is written and as it is explained.

pub mod credential;
mod keep;
mod keys;
mod members;
mod place;
mod rules;
mod tend;
mod vol;

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
pub use credential::SuiteName;
use ipc::messages::start::{CacheProfile, KeyCost};
pub use keep::{Backup, BackupAction, EraseArgs, ExportArgs, Restore, VerifyArgs};
pub use keys::{PasswordArgs, RecoveryAction, RecoveryArgs};
pub use members::{
    Access, AccessAction, AccessArgs, GroupAction, GroupArgs, IssueArgs, MayArg, MemberAction, MemberArgs, RoleArg, Wanted,
};
pub use place::{PlaceAction, PlaceArgs};
use rules::InstanceRules;
pub use tend::{Flight, Log, Tail};
pub use vol::{Layers, ObjectsArgs, Vol, VolAction};

use super::{
    audit::AuditArgs, instance::InstanceArgs, keys::KeysArgs, memory::MemoryArgs, search::SearchArgs, vc_api::VcApiArgs,
};
use crate::levels::Levels;

/// A person's own AI operating system, on their own machine.
///
/// Ask something, with files if you like. Without any model, skills answer what they can; with a key in ANTHROPIC_API_KEY
/// or OPENAI_API_KEY, a server in OPENAI_BASE_URL, or OLLAMA_HOST, a model answers and may run Python in a locked process.
/// Everything is kept, signed and encrypted, in an archive on this machine.
#[derive(Debug, Parser)]
#[command(name = "lamos", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Lamos {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Keep everything in this directory instead of the one of the desktop standard
    #[arg(long, global = true, value_name = "DIR", env = "LAMOS_DATA_DIR")]
    pub data_dir: Option<PathBuf>,

    /// Keep it there even if that is a network or FUSE file system, on which it may be damaged
    #[arg(long, global = true, env = "LAMOS_ALLOW_NETWORK_DIR", value_parser = clap::builder::FalseyValueParser::new())]
    pub allow_network_dir: bool,

    /// How much the window's cache holds, from when nothing runs yet: `standard` (a month, 500 MB) or `small` (a week, 50 MB)
    #[arg(long, global = true, value_name = "PROFILE", env = "LAMOS_INSTANCE_PROFILE", default_value_t)]
    pub instance_profile: CacheProfile,

    /// Which kinds of events the window's cache has by itself, from when nothing runs yet: a table of rules, a line for each
    /// kind, as in `file on-demand` and `file-removed on-demand`; what has no line comes by itself
    #[arg(long, global = true, value_name = "FILE", env = "LAMOS_INSTANCE_RULES", value_parser = rules::parser())]
    pub instance_rules: Option<InstanceRules>,

    /// What making a key from a password costs, if this place is new: `calibrated` (0.7 to 1 s on this machine) or `floor`, the
    /// least of RFC 9106 (64 MiB, 3 passes), for machines on which many sign in all the time, as those that run tests
    #[arg(long, global = true, hide = true, value_name = "COST", default_value_t)]
    pub key_cost: KeyCost,

    /// Sign in under this name; without it the public demo space is used
    #[arg(long, short, global = true, value_name = "NAME", env = "LAMOS_USER")]
    pub user: Option<String>,

    /// Read the password from this descriptor: one line, and for a new space the same line again
    #[arg(long, global = true, value_name = "N")]
    pub password_fd: Option<i32>,

    /// Write JSON
    #[arg(long, global = true)]
    pub json: bool,

    /// How much a supervisor that is started for this call writes to its log: warn (what went wrong), info (what happened),
    /// debug (each step) or trace (everything), for all or for some, as in info,llm=trace
    #[arg(long, global = true, default_value = "warn", value_name = "LEVELS")]
    pub log: Levels,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask something and print the answer
    Ask(Ask),
    /// Run a skill
    Run(Run),
    /// Talk, line by line, in one conversation
    Chat(Chat),
    /// List conversations, or show one
    History(History),
    /// Use what the window keeps of its own: recent history, and what you did there, also while the archive is away
    Instance(InstanceArgs),
    /// Find what was said, titles, files and goals by their words
    Search(SearchArgs),
    /// Make the search index again from what is kept
    Reindex,
    /// What was done lately and learned from it: list it, ask it, see what moves with time
    Memory(MemoryArgs),
    /// List skills, show one, add or remove your own
    Skills(Skills),
    /// List, read and write files of volumes, and see and bring back what they were
    ///
    /// A path begins with its volume: system/… (what ships, never written), user/…, team/ID/…, project/ID/… or credentials/…
    /// (what `lamos credential` keeps). A path that begins otherwise, as in skills/plan/SKILL.md, is looked for in the
    /// project, then in user, then in the teams, then in system.
    ///
    /// With @NAME after its volume, as in user@draft/notes.md or team/red@next/x, a path is on a branch: what is written there
    /// changes nothing in the volume until the branch is merged.
    Vol(Vol),
    /// List, read and write values at places outside: folders, S3, WebDAV, Vercel Blob
    ///
    /// A place is a folder of this machine, or a file that describes a remote one, as in
    /// `{"kind": "s3", "endpoint": "https://s3.example.com", "bucket": "mine", "region": "auto", "token": "mine"}`,
    /// `{"kind": "webdav", "endpoint": "https://dav.example.com/files", "token": "mine"}` or
    /// `{"kind": "vercel-blob", "token": "mine"}`; "folder" says under which folder of it everything lies (lamos). Its secret is
    /// never in the file: it is read from `LAMOS_PLACE_SECRET`, or asked for. It is `key id:secret key` for s3, `user:password`
    /// for webdav, and the read-write token for vercel-blob.
    ///
    /// "near" names a folder beside the file: then everything is written there first and at once, carried after, and read from
    /// there first. LAMOS_PROFILE says which of the two are used: production (both), development (the near folder alone) or
    /// test (nothing lasts).
    Place(PlaceArgs),
    /// Issue, verify, present and take back credentials that others can check without this program
    Credential(credential::CredentialArgs),
    /// List the events of the archive, or show one
    Objects(ObjectsArgs),
    /// Count everything that is kept, and the room it takes
    Stats,
    /// Erase conversations and files for good: what they say, their keys, what is found of them
    Erase(EraseArgs),
    /// Look at everything that is kept and name what is not as it was written; put it back from a backup
    Verify(VerifyArgs),
    /// Bring a backup up to date: sealed files in a folder, only what is new
    Backup(Backup),
    /// Put a backup back into an empty place
    Restore(Restore),
    /// Write everything to a file that any program can read and anybody can check
    Export(ExportArgs),
    /// Let other programs of this machine have credentials issued in your name and checked, over HTTP (the W3C's VC-API)
    VcApi(VcApiArgs),
    /// Let others into this space: memberships, which they show when they connect, and which run out or are taken back
    Member(MemberArgs),
    /// Say what guests may have: nothing is shown to them but what is granted here
    Access(AccessArgs),
    /// Put those who may have the same into groups
    Group(GroupArgs),
    /// List the processes, or what is enforced on them
    Ps(Ps),
    /// Stay up, so that other commands are answered at once
    Serve(ServeArgs),
    /// Forget the keys of the open space and end what works on it
    Lock,
    /// Change the password of your space, or your name; the one so far is asked for, then the new one, twice
    Password(PasswordArgs),
    /// Make a recovery kit, 24 words that open your space when the password is lost, or use one
    Recovery(RecoveryArgs),
    /// Show the words by which you know your space, and the public keys by which others know you
    Whoami,
    /// List what was done with the keys of the open space, the newest first, and see whether that log is whole
    Audit(AuditArgs),
    /// Keep the keys of providers, sealed, so that they need not be in the environment
    Keys(KeysArgs),
    /// Shut down: what is in progress has a few seconds to end
    Stop(Stop),
    /// Take no new work, wait for what is in progress however long it takes, then shut down (Ctrl-C only stops watching)
    Drain,
    /// Remove everything that is kept, and begin anew
    Reset(Reset),
    /// End a process and start it again; what waits for it is told, and what was kept is safe
    Restart(Restart),
    /// Print the log, and go on as it is written
    Tail(Tail),
    /// Print how much is logged, or change it while Lamos runs
    Log(Log),
    /// Print the flight recorder: what passed between the processes, by its headers; also after a crash
    Flight(Flight),
    /// Show who may ask whom for what
    Policy(Policy),
    /// See whether everything is in order, and say what is not
    Doctor,
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page
    Man,
}

/// Which model answers, if any.
#[derive(Clone, Debug, Default, Args)]
pub struct ModelArgs {
    /// Ask this model; without it the first one the server lists
    #[arg(long, short, value_name = "MODEL", env = "LAMOS_MODEL")]
    pub model: Option<String>,

    /// Ask this server, as in http://127.0.0.1:8080/v1
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,

    /// What the server of --base-url speaks
    #[arg(long, value_enum, value_name = "WIRE")]
    pub wire: Option<WireArg>,

    /// Ask no model: skills alone answer
    #[arg(long, conflicts_with_all = ["model", "base_url", "wire"])]
    pub no_model: bool,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WireArg {
    /// OpenAI Chat Completions and what is compatible with it
    Openai,
    /// Anthropic Messages
    Anthropic,
}

/// Where a question belongs.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// Go on in this conversation (its id, or the beginning of it)
    #[arg(long, short, value_name = "ID", conflicts_with = "continue_last")]
    pub conversation: Option<String>,

    /// Go on in the newest conversation
    #[arg(long = "continue")]
    pub continue_last: bool,
}

/// Arguments of `ask`.
#[derive(Debug, Args)]
pub struct Ask {
    /// Give this file with the question
    #[arg(long = "file", short = 'f', value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Give a skill this input
    #[arg(long = "input", short = 'i', value_name = "NAME=VALUE", value_parser = input)]
    pub inputs: Vec<(String, String)>,

    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Which conversation.
    #[command(flatten)]
    pub place: Place,

    /// What you want; read from standard input if it is -
    #[arg(required = true, value_name = "TEXT")]
    pub text: Vec<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The skill's name
    pub skill: String,

    /// Give it this input
    #[arg(long = "input", short = 'i', value_name = "NAME=VALUE", value_parser = input)]
    pub inputs: Vec<(String, String)>,

    /// Give it this file
    #[arg(long = "file", short = 'f', value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Which conversation.
    #[command(flatten)]
    pub place: Place,
}

/// Arguments of `chat`.
#[derive(Debug, Args)]
pub struct Chat {
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Which conversation.
    #[command(flatten)]
    pub place: Place,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// Show this conversation (its id, or the beginning of it)
    pub id: Option<String>,

    /// Show of it this message (its id, or the beginning of it, as `lamos search` prints it) and some around it
    #[arg(long, value_name = "MESSAGE", requires = "id")]
    pub at: Option<String>,

    /// List at most so many
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

/// Arguments of `skills`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Skills {
    /// Show this skill
    pub name: Option<String>,

    /// What to do with one.
    #[command(subcommand)]
    pub change: Option<SkillChange>,
}

/// What to do with a skill of one's own.
#[derive(Debug, Subcommand)]
pub enum SkillChange {
    /// Keep the skill in this folder among your own
    Add {
        /// A folder with a SKILL.md
        folder: PathBuf,
    },
    /// Remove one of your own; its history stays
    Remove {
        /// Its name
        name: String,
    },
}

/// Arguments of `ps`.
#[derive(Debug, Args)]
pub struct Ps {
    /// Show what is enforced on each process, and what it tried and could not do
    #[arg(long)]
    pub rights: bool,

    /// Try in a process of each role everything it must not be able to do, and print what came of it
    #[arg(long, requires = "rights")]
    pub prove: bool,

    /// Look again every so many seconds (2 if none are given), until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = tend::seconds)]
    pub watch: Option<f64>,

    /// Show who talks to whom
    #[arg(long)]
    pub talks: bool,
}

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// End it at once, even if it does not answer; what was kept is safe
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Forget the keys of the open space when nobody asked for anything for so long, as in 90s, 10m or 2h, and when the machine has
    /// slept; or never
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub lock_after: LockAfter,
}

/// How long nobody has to be there; `None` for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockAfter(pub Option<Duration>);

impl FromStr for LockAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<LockAfter, String> {
        if text == "never" {
            return Ok(LockAfter(None));
        }
        match humantime::parse_duration(text) {
            Ok(time) if time >= Duration::from_secs(1) => Ok(LockAfter(Some(time))),
            Ok(_) => Err("a second is the shortest".to_owned()),
            Err(error) => Err(format!("{error}; it is written as in 90s, 10m or 2h, or never")),
        }
    }
}

/// Arguments of `reset`.
#[derive(Debug, Args)]
pub struct Reset {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `restart`.
#[derive(Debug, Args)]
pub struct Restart {
    /// storage, crypto, llm, code, verifier, gate, or one process as `ps` lists it: agent/3 (the next question of its
    /// conversation starts another)
    pub role: String,
}

/// Arguments of `policy`.
#[derive(Debug, Args)]
pub struct Policy {
    /// What to do with it.
    #[command(subcommand)]
    pub action: PolicyAction,
}

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyAction {
    /// Print its rows, or those that fit
    Explain {
        /// Who asks
        source: Option<String>,
        /// Who answers
        destination: Option<String>,
        /// What for
        method: Option<String>,
    },
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    pub shell: clap_complete::Shell,
}

fn input(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
    if name.is_empty() { Err("it is written NAME=VALUE".to_owned()) } else { Ok((name.to_owned(), value.to_owned())) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Lamos::command().debug_assert();
    }

    #[test]
    fn inputs_are_names_and_values() {
        assert_eq!(input("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(input("a").is_err() && input("=b").is_err());
    }
}
