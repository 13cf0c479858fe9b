//! The control socket and the tree's own processes: none of them is let in, whatever it makes of itself, and the person is.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, ExitCode},
    time::Duration,
};

use integration_tests::wire::request;
use ipc::Role;
use serde_json::json;

use crate::{
    double::WORD,
    scripts::{Liar, Script, Who, script},
    world::{Cli, in_world},
};

/// Names a socket at which the program is to knock, instead of being `lamos`.
pub(crate) const KNOCK: &str = "LAMOS_TEST_KNOCK";

pub(crate) const SCRIPTS: &[Script] = &[script("at the door", Who::Asked, None, knock_in_every_way)];

/// Asks a control socket what a person may ask, and what comes of it.
fn knock(socket: &Path) -> &'static str {
    let Ok(mut socket) = UnixStream::connect(socket) else { return "unreachable" };
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    let line = request("status", json!({})) + "\n";
    // It may have hung up already.
    let _ = socket.write_all(line.as_bytes());
    match socket.read(&mut [0; 16]) {
        Ok(0) => "closed",
        Ok(_) => "answered",
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => "closed",
        Err(_) => "silent",
    }
}

/// The program as a descendant of a process of the tree.
pub(crate) fn knock_and_tell(socket: &OsStr) -> ExitCode {
    println!("{}", knock(socket.as_ref()));
    ExitCode::SUCCESS
}

/// Itself; its grandchild; and one whose parents have gone.
fn knock_in_every_way(liar: &mut Liar) {
    let _ = liar;
    let itself = env::current_exe().expect("this program has a path");
    let socket = itself.with_file_name("data").join("run/control.sock");
    let shell = |words: &str| {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", words])
            .arg(&itself)
            .env("PATH", "/usr/bin:/bin")
            .env(KNOCK, &socket)
            .current_dir(itself.with_file_name(""));
        assert!(command.status().expect("a shell runs").success());
    };
    fs::write(itself.with_file_name("itself"), knock(&socket)).expect("a file can be written");
    shell("(\"$0\" > grandchild) & wait");
    // The shell has gone, and with it the one parent that leads back to us, before the knock.
    shell("(while kill -0 $$ 2>/dev/null; do :; done; \"$0\" > orphan.new; mv orphan.new orphan) & exit 0");
}

pub(crate) fn the_tree_does_not_talk_to_its_own() {
    in_world("doors", |world| {
        let mut cli = Cli::attach(world.home);
        world.next_is(Role::Code, "at the door");
        world.restart(Role::Code);
        cli.echo((Role::Code, 0), WORD).expect("it has knocked");
        for who in ["itself", "grandchild", "orphan"] {
            let file = world.home.path(who);
            world.until(who, || file.exists());
            assert_eq!(fs::read_to_string(&file).expect("it is written").trim(), "closed", "{who}");
        }
        world.home.run(["ps"]).good();
        cli.one_answer_each();
    });
}
