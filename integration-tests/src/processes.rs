//! The processes of a home, as the kernel lists them.

use std::{fs, path::Path};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// A process that lives.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub session: i32,
    pub command: String,
}

impl Process {
    /// Sends it a signal; one that has gone needs none.
    pub fn signal(&self, signal: i32) {
        // SAFETY: no memory is involved.
        #[expect(unsafe_code, reason = "a system call")]
        unsafe {
            libc::kill(self.pid, signal);
        }
    }

    /// Sets what it may use of something from now on, and gives back what it might before.
    pub fn limit(&self, resource: Resource, current: Option<u64>) -> Option<u64> {
        let pid = Pid::from_raw(self.pid);
        let before = prlimit(pid, resource, Rlimit { current, maximum: self.most(resource) }).unwrap();
        before.current
    }

    /// Bytes of address space it has.
    pub fn address_space(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    }

    /// What may not be exceeded by any limit that is set.
    fn most(&self, resource: Resource) -> Option<u64> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.pid)).unwrap();
        let name = match resource {
            Resource::Nofile => "Max open files",
            Resource::As => "Max address space",
            other => panic!("{other:?} is not known here"),
        };
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().ok()
    }

    /// Whether it is the process of this role.
    pub fn is(&self, role: &str) -> bool {
        self.command.split('\0').any(|word| word.strip_prefix("--role=") == Some(role))
    }
}

/// The processes that run `binary`, and those of the sessions they made: what may not be looked into is known by its
/// session.
pub fn of(binary: &Path) -> Vec<Process> {
    let all: Vec<(Process, bool)> = fs::read_dir("/proc")
        .expect("/proc can be read")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| {
            let process = look(pid)?;
            let runs = fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == binary);
            Some((process, runs))
        })
        .collect();
    let sessions: Vec<i32> = all
        .iter()
        .filter(|(process, runs)| *runs && process.command.contains("--role=supervisor"))
        .map(|(process, _)| process.session)
        .collect();
    all.into_iter().filter(|(process, runs)| *runs || sessions.contains(&process.session)).map(|(process, _)| process).collect()
}

/// A process as `/proc` shows it; `None` if it has gone or is dead and only not buried yet.
fn look(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything; what follows the last bracket is fixed (proc(5)).
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let mut number = || fields.next()?.parse().ok();
    let (parent, _group, session): (i32, i32, i32) = (number()?, number()?, number()?);
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).into_owned();
    (state != "Z" && state != "X").then_some(Process { pid, parent, session, command })
}
