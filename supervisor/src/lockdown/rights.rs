//! What each role may do once it has locked itself down: design §2 as data, read top to bottom.
//!
//! A right that is not in this table does not exist. The acts that are tried are listed by the rights in it
//! ([`acts`](super::acts)): a new right does not compile before there is an act that it allows, and every role that has
//! not got it must then fail at that act.

use ipc::Role;

/// The files a role may open after lockdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// None. What it needs it was handed as a descriptor or read before.
    None,
    /// Everything below the one directory it was born with, for reading and writing.
    OneDirectory,
}

/// The sockets a role may make after lockdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// None.
    None,
    /// TCP connections to 443, 53 and the ports the person configured.
    TcpConnect,
    /// None; but it accepts connections on the listeners that it was born with, which it has not made and cannot make.
    AcceptInherited,
}

/// What happens when a system call is made that is not on the role's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The call fails with `EPERM`.
    Errno,
    /// The process dies at once.
    Kill,
}

/// What one role may do.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// Whose rights they are.
    pub role: Role,
    /// Files it may open.
    pub files: Files,
    /// Sockets it may make.
    pub network: Network,
    /// The system calls beyond those that every role needs to live.
    pub calls: &'static [Calls],
    /// What the other system calls do.
    pub forbidden: Forbidden,
    /// Most open descriptors.
    pub open_files: u64,
    /// Most bytes of address space; `None` where a database is mapped.
    pub address_space: Option<u64>,
    /// Most seconds of the processor before it is ended; `None` for one that lives as long as it is needed.
    pub cpu_seconds: Option<u64>,
    /// Its memory cannot be read by other processes of the same person: it holds keys.
    pub undumpable: bool,
    /// How far it steps back when others want the processor too (a nice value): what computes for minutes must not keep
    /// anybody waiting for a word.
    pub steps_back: i32,
}

/// Groups of system calls; [`seccomp`](super::seccomp) says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Read, write and sync a descriptor that was handed over, at a place.
    HandedFile,
    /// Lock pages against swapping and dumping.
    LockMemory,
    /// Open, rename, remove, list and lock files; map them shared.
    Directory,
    /// Connect over TCP.
    TcpConnect,
    /// Accept connections.
    Accept,
}

/// One right that a role has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Files it may open.
    Files(Files),
    /// Sockets it may make.
    Network(Network),
    /// System calls.
    Calls(Calls),
    /// As much address space as it likes.
    AddressSpace,
}

impl Rights {
    /// Every right in it. A field that is added here must be taken apart before this compiles; the ones left out take
    /// away and give nothing.
    pub fn each(&self) -> impl Iterator<Item = Right> {
        let Rights {
            role: _,
            files,
            network,
            calls,
            forbidden: _,
            open_files: _,
            address_space,
            cpu_seconds: _,
            undumpable: _,
            steps_back: _,
        } = self;
        let unlimited = address_space.is_none().then_some(Right::AddressSpace);
        let calls = calls.iter().map(|&calls| Right::Calls(calls));
        [Right::Files(*files), Right::Network(*network)].into_iter().chain(calls).chain(unlimited)
    }
}

const GIB: u64 = 1 << 30;

/// The rights of every role that is spawned.
pub const TABLE: &[Rights] = &[
    Rights {
        role: Role::Storage,
        files: Files::OneDirectory,
        network: Network::None,
        calls: &[Calls::HandedFile, Calls::Directory],
        forbidden: Forbidden::Errno,
        open_files: 256,
        address_space: None,
        cpu_seconds: None,
        undumpable: true,
        steps_back: 0,
    },
    // As the archive, and another directory: neither can open what is in the other's.
    Rights {
        role: Role::Ui,
        files: Files::OneDirectory,
        network: Network::None,
        calls: &[Calls::HandedFile, Calls::Directory],
        forbidden: Forbidden::Errno,
        open_files: 128,
        address_space: None,
        cpu_seconds: None,
        undumpable: true,
        steps_back: 0,
    },
    Rights {
        role: Role::Crypto,
        files: Files::None,
        network: Network::None,
        calls: &[Calls::HandedFile, Calls::LockMemory],
        forbidden: Forbidden::Kill,
        open_files: 32,
        address_space: Some(4 * GIB),
        cpu_seconds: None,
        undumpable: true,
        steps_back: 0,
    },
    Rights {
        role: Role::Llm,
        files: Files::None,
        network: Network::TcpConnect,
        calls: &[Calls::TcpConnect],
        forbidden: Forbidden::Errno,
        open_files: 256,
        address_space: Some(4 * GIB),
        cpu_seconds: None,
        undumpable: true,
        steps_back: 0,
    },
    Rights {
        role: Role::Courier,
        files: Files::None,
        network: Network::TcpConnect,
        calls: &[Calls::TcpConnect],
        forbidden: Forbidden::Errno,
        open_files: 256,
        address_space: Some(4 * GIB),
        cpu_seconds: None,
        undumpable: true,
        steps_back: 0,
    },
    // A socket stays in the network it was made in: this process has one of its own, with nothing in it, and accepts on a
    // listener of the machine's.
    Rights {
        role: Role::Gate,
        files: Files::None,
        network: Network::AcceptInherited,
        calls: &[Calls::Accept],
        forbidden: Forbidden::Errno,
        open_files: 128,
        address_space: Some(4 * GIB),
        cpu_seconds: None,
        undumpable: true,
        steps_back: 0,
    },
    Rights {
        role: Role::Agent,
        files: Files::None,
        network: Network::None,
        calls: &[],
        forbidden: Forbidden::Errno,
        open_files: 32,
        address_space: Some(4 * GIB),
        cpu_seconds: None,
        undumpable: false,
        steps_back: 0,
    },
    Rights {
        role: Role::Code,
        files: Files::None,
        network: Network::None,
        calls: &[],
        forbidden: Forbidden::Errno,
        open_files: 16,
        address_space: Some(4 * GIB),
        cpu_seconds: None,
        undumpable: false,
        steps_back: 10,
    },
    // As a run, and for a moment: what it checks it checks within milliseconds.
    Rights {
        role: Role::Verifier,
        files: Files::None,
        network: Network::None,
        calls: &[],
        forbidden: Forbidden::Errno,
        open_files: 16,
        address_space: Some(2 * GIB),
        cpu_seconds: Some(20),
        undumpable: false,
        steps_back: 5,
    },
];

/// The rights of a role; `None` for those that are not spawned.
pub fn of(role: Role) -> Option<&'static Rights> {
    TABLE.iter().find(|rights| rights.role == role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parses_strangers_words_has_no_files_and_no_network() {
        for role in [Role::Agent, Role::Code, Role::Verifier] {
            let rights = of(role).expect("spawned");
            assert_eq!((rights.files, rights.network, rights.calls.len()), (Files::None, Network::None, 0));
        }
    }

    #[test]
    fn who_reaches_the_network_has_no_files() {
        let online: Vec<_> = TABLE.iter().filter(|rights| rights.network != Network::None).collect();
        assert_eq!(online.iter().map(|rights| rights.role).collect::<Vec<_>>(), [Role::Llm, Role::Courier, Role::Gate]);
        assert!(online.iter().all(|rights| rights.files == Files::None));
    }

    #[test]
    fn what_holds_the_keys_dies_at_the_first_forbidden_call() {
        assert_eq!(of(Role::Crypto).expect("spawned").forbidden, Forbidden::Kill);
    }
}
