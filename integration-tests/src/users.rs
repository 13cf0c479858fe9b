//! Commands and homes of other users than the one that runs the tests. Only root can make any.

use std::process::Command;

use crate::home::Home;

/// An ordinary user.
pub const NOBODY: &str = "65534";

/// Another one.
pub const SOMEBODY_ELSE: &str = "65533";

/// The words of a command.
pub fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Whether the tests are run by root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that runs what follows it as this user, without any capability. Who is not root stays who he is.
pub fn as_user(id: &str) -> Vec<String> {
    if !is_root() {
        return words("env");
    }
    words(&format!("setpriv --reuid {id} --regid {id} --clear-groups --no-new-privs"))
}

/// An empty home that belongs to this user.
pub fn home_of(user: &str) -> Home {
    let home = Home::new();
    if is_root() {
        let given = Command::new("chown").args(["-R", user]).arg(home.path("")).status();
        assert!(given.is_ok_and(|status| status.success()), "the home can be given to {user}");
    }
    home
}
