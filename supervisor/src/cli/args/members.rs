//! The arguments of `member`, `access` and `group`: who is let in, and what they may have.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `member`.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: MemberAction,
}

/// What to do about memberships.
#[derive(Debug, Subcommand)]
pub enum MemberAction {
    /// Print a request for a membership in another's space: give it to them in a file
    Request(Wanted),
    /// Let somebody in: show what they would have, ask, and print their membership
    Issue(IssueArgs),
    /// Keep a membership that another gave this device
    Accept {
        /// A file with the membership, as `lamos member issue` printed it
        file: PathBuf,
    },
    /// List the memberships that are kept and how they stand
    List,
    /// Print a membership: the credential, or all that lead to it
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Take back a membership, and with it all that were given under it
    Revoke {
        /// Its id, or the beginning of it; or the did:key of who is to have none any more
        who: String,
    },
    /// Give a membership that is still valid for as long again
    Renew {
        /// Its id, or the beginning of it
        id: String,
    },
}

/// What is wanted.
#[derive(Clone, Debug, Args)]
pub struct Wanted {
    /// With which standing: a guest sees what is granted to it, a member the space, an admin also who may have what
    #[arg(long, value_enum, default_value_t = RoleArg::Guest)]
    pub role: RoleArg,

    /// To do what: read what others wrote, have its own writing taken, carry what others wrote (sync), let others in (delegate)
    #[arg(long, value_enum, value_delimiter = ',', default_value = "read")]
    pub may: Vec<MayArg>,

    /// Only these kinds of events, by the names of `--instance-rules`, as in message,title
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    pub types: Option<Vec<String>>,

    /// Keeping at most so many bytes
    #[arg(long, value_name = "BYTES")]
    pub max_storage: Option<u64>,

    /// To let others in over so many links
    #[arg(long, value_name = "LINKS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=8))]
    pub depth: u8,
}

/// Arguments of `member issue`.
#[derive(Clone, Debug, Args)]
pub struct IssueArgs {
    /// Who: a did:key, or a file with a request, which says the rest as well
    pub who: String,

    /// What they would have.
    #[command(flatten)]
    pub wanted: Wanted,

    /// For so many hours, at most 720
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
    pub hours: u32,

    /// Under this membership of yours in another's space (its id, or the beginning of it): they are let in there
    #[arg(long, value_name = "ID")]
    pub under: Option<String>,

    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// A standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Sees what is granted to it
    Guest,
    /// Sees the space
    Member,
    /// Sees who may have what as well
    Admin,
}

/// A permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MayArg {
    /// Receive what others wrote
    Read,
    /// Have its own writing taken
    Write,
    /// Carry what others wrote
    Sync,
    /// Let others in
    Delegate,
}

/// Arguments of `access`.
#[derive(Debug, Args)]
pub struct AccessArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: AccessAction,
}

/// What to do about what guests may have.
#[derive(Debug, Subcommand)]
pub enum AccessAction {
    /// Grant a guest, or all in a group, something
    Grant(Access),
    /// List what is granted
    List,
    /// Take back what was granted: what they have already stays with them
    Revoke(Access),
}

/// Who may have what.
#[derive(Clone, Debug, Args)]
pub struct Access {
    /// Who: a did:key, or group:NAME
    pub who: String,
    /// What: a conversation or anything else events are about (its id, or the beginning of it), kind:NAME, or everything
    pub what: String,
}

/// Arguments of `group`.
#[derive(Debug, Args)]
pub struct GroupArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: GroupAction,
}

/// What to do about groups.
#[derive(Debug, Subcommand)]
pub enum GroupAction {
    /// Put somebody into a group, which begins with the first
    Add {
        /// Its name
        group: String,
        /// Who, as did:key
        who: String,
    },
    /// Take somebody out
    Remove {
        /// Its name
        group: String,
        /// Who, as did:key
        who: String,
    },
    /// List who is in which
    List,
}
