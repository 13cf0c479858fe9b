//! Linux: the steps in their order, and the small ones among them.

use ipc::messages::start::Wall;
use rustix::{
    process::{
        DumpableBehavior, Pid, Resource, Rlimit, Signal, getppid, getpriority_process, set_dumpable_behavior,
        set_parent_process_death_signal, setpriority_process, setrlimit,
    },
    thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs},
};

use super::{
    Birthright, Breach, Lockdown, landlocked, namespaces,
    rights::{Files, Forbidden, Rights},
    seccomp, wall,
};

/// Linux 6.7 and newer, whose Landlock knows TCP ports; older ones refuse to start the model process, which must not
/// reach every port.
pub struct Linux;

impl Lockdown for Linux {
    fn lock(rights: &Rights, birthright: &Birthright) -> Result<Vec<Wall>, Breach> {
        alone()?;
        let mut walls = namespaces::enter(rights, birthright);
        walls.push(limits(rights)?);
        step_back(rights).map_err(|error| Breach(format!("step back for others: {error}")))?;
        walls.push(drop_privileges()?);
        walls.extend(landlocked::enter(rights, birthright)?);
        // After the namespaces: gaining a user namespace clears both settings.
        walls.push(bind_to_parent(birthright)?);
        if rights.undumpable {
            set_dumpable_behavior(DumpableBehavior::NotDumpable)
                .map_err(|error| Breach(format!("make memory unreadable: {error}")))?;
            walls.push(wall("undumpable", true, "other processes of this person cannot read its memory"));
        }
        walls.push(seccomp::refuse(rights)?);
        Ok(walls)
    }

    fn seal(rights: &Rights) -> Result<Vec<Wall>, Breach> {
        match rights.forbidden {
            Forbidden::Errno => Ok(Vec::new()),
            Forbidden::Kill => Ok(vec![seccomp::kill(rights)?]),
        }
    }
}

/// A second thread would stay outside: filters, Landlock and capabilities bind the thread that asks for them.
fn alone() -> Result<(), Breach> {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    match threads.map_err(|error| Breach(format!("count its threads: {error}")))? {
        1 => Ok(()),
        many => Err(Breach(format!("bind {many} threads, not one"))),
    }
}

/// Resource limits that bind root too.
fn limits(rights: &Rights) -> Result<Wall, Breach> {
    let mut limits = vec![(Resource::Core, 0), (Resource::Nofile, rights.open_files)];
    if rights.files == Files::None && !rights.calls.contains(&super::rights::Calls::HandedFile) {
        limits.push((Resource::Fsize, 0));
    }
    if let Some(bytes) = rights.address_space {
        limits.push((Resource::As, bytes));
    }
    if let Some(seconds) = rights.cpu_seconds {
        limits.push((Resource::Cpu, seconds));
    }
    for &(resource, limit) in &limits {
        let both = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, both).map_err(|error| Breach(format!("limit {resource:?}: {error}")))?;
    }
    let words: Vec<_> = limits.iter().map(|(resource, limit)| format!("{resource:?} {limit}")).collect();
    Ok(wall("limits", true, words.join(", ").to_lowercase()))
}

/// From where the supervisor is: it may have been told to step back itself, and nobody may come forward.
fn step_back(rights: &Rights) -> rustix::io::Result<()> {
    if rights.steps_back == 0 {
        return Ok(());
    }
    setpriority_process(None, (getpriority_process(None)? + rights.steps_back).min(FURTHEST_BACK))
}

/// The kernel knows no nice value above it.
const FURTHEST_BACK: i32 = 19;

/// No capability, and none to be gained by running another program.
fn drop_privileges() -> Result<Wall, Breach> {
    set_no_new_privs(true).map_err(|error| Breach(format!("set no_new_privs: {error}")))?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(|error| Breach(format!("drop capabilities: {error}")))?;
    Ok(wall("no_new_privs", true, "and no capability"))
}

/// Dies with the supervisor. A parent that died before this took effect is seen by comparing.
fn bind_to_parent(birthright: &Birthright) -> Result<Wall, Breach> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| Breach(format!("bind to the supervisor: {error}")))?;
    if getppid().map(Pid::as_raw_nonzero).map(i32::from) != Some(birthright.parent) {
        return Err(Breach("the supervisor is gone already".to_owned()));
    }
    Ok(wall("dies with the supervisor", true, "SIGKILL on its death, and the end of the socket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_second_thread_is_not_locked_down() {
        // A test runs beside the thread that started it.
        assert!(alone().is_err());
    }
}
