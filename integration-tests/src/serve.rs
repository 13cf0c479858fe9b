//! A supervisor that stays up.

use std::{
    io::{BufRead as _, BufReader},
    process::Child,
};

use serde_json::Value;

use crate::{
    home::{Call, Home},
    processes::Process,
};

/// `lamos serve`, until it is dropped.
pub struct Serve<'h> {
    home: &'h Home,
    pub child: Child,
}

impl<'h> Serve<'h> {
    /// Starts one and waits until it says that it is up.
    pub fn start(home: &'h Home) -> Serve<'h> {
        Serve::of(home, home.command(["serve"]))
    }

    /// Starts one by this command.
    pub fn of(home: &'h Home, call: Call) -> Serve<'h> {
        let mut child = call.start();
        let mut said = BufReader::new(child.stderr.take().expect("it has a standard error"));
        let mut line = String::new();
        while !line.contains("Lamos is up") {
            line.clear();
            assert!(said.read_line(&mut line).expect("it speaks text") > 0, "it ended before it was up");
        }
        Serve { home, child }
    }

    /// What `lamos ps` says.
    pub fn status(&self) -> Value {
        self.home.run(["--json", "ps"]).json()
    }

    /// The processes of a role as `ps` lists them.
    pub fn of_role(&self, role: &str) -> Vec<Value> {
        let status = self.status();
        let processes = status["processes"].as_array().expect("it lists processes");
        processes.iter().filter(|process| process["role"] == role).cloned().collect()
    }

    /// The process of a role, as the kernel lists it.
    pub fn process(&self, role: &str) -> Process {
        let found = self.home.processes().into_iter().find(|process| process.is(role));
        found.unwrap_or_else(|| panic!("no {role} process lives"))
    }
}

impl Drop for Serve<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
