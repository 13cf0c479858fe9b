//! The processes of a home, as the kernel lists them.

use std::{fs, path::Path};

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
