//! Landlock: which files and TCP ports the process can reach by name, and which processes it can signal.

use ipc::messages::start::Wall;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort, PathBeneath,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use super::{
    Birthright, Breach,
    rights::{Files, Network, Rights},
    wall,
};

/// Every access this program knows of; a kernel that knows fewer enforces those.
const NEWEST: ABI = ABI::V6;

/// Forbids every file and every TCP port but those of the rights.
pub(super) fn enter(rights: &Rights, birthright: &Birthright) -> Result<Vec<Wall>, Breach> {
    let status = restrict(rights, birthright).map_err(|error| Breach(format!("build the Landlock rules: {error}")))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(Breach(
            "this kernel has no Landlock, which Lamos needs: use Linux 6.7 or newer with landlock in its list of security modules".to_owned(),
        ));
    }
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
        _ => ABI::Unsupported,
    };
    let files = match rights.files {
        Files::None => "no file",
        Files::OneDirectory => "one directory",
    };
    let ports = match rights.network {
        Network::None | Network::AcceptInherited => "no TCP port".to_owned(),
        Network::TcpConnect => format!("TCP {:?}", birthright.ports),
    };
    Ok(vec![
        wall("landlock files", true, format!("{files}; Landlock ABI {abi}")),
        wall("landlock ports", abi >= ABI::V4, ports),
        wall("landlock scopes", abi >= ABI::V6, "no signal and no abstract socket outside"),
    ])
}

fn restrict(rights: &Rights, birthright: &Birthright) -> Result<RestrictionStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let ruleset = match (&birthright.directory, rights.files) {
        (Some(directory), Files::OneDirectory) => allow_directory(ruleset, directory)?,
        _ => ruleset,
    };
    let ruleset = match rights.network {
        Network::None | Network::AcceptInherited => ruleset,
        Network::TcpConnect => birthright
            .ports
            .iter()
            .try_fold(ruleset, |ruleset, &port| ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp)))?,
    };
    ruleset.restrict_self()
}

fn allow_directory(ruleset: RulesetCreated, directory: &std::os::fd::OwnedFd) -> Result<RulesetCreated, RulesetError> {
    let mut access: BitFlags<AccessFs> = AccessFs::from_all(NEWEST);
    access.remove(
        AccessFs::Execute
            | AccessFs::MakeChar
            | AccessFs::MakeBlock
            | AccessFs::MakeSock
            | AccessFs::MakeFifo
            | AccessFs::MakeSym,
    );
    ruleset.add_rule(PathBeneath::new(directory, access))
}
