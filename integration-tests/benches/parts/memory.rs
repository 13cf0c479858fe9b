//! The proportional share of memory of each process at rest, and of the whole tree.

use std::{thread, time::Duration};

use integration_tests::{
    home::Home,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{Role, endpoint::Options, messages::common::Echo};

use super::figures::{aim, line};

/// At rest means: what a question needed has been given back.
const REST: Duration = Duration::from_secs(3);

pub fn measure() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "--no-model", "What is 17 percent of 310?"]).good();
    on_wire(async {
        let to = Options { role: Some(Role::Llm), ..Options::default() };
        Attached::to(&home).client.call_with(&Echo { bytes: vec![] }, to).await.unwrap();
    });
    thread::sleep(REST);
    let status = serve.status();
    let mebibytes = |memory: &serde_json::Value| memory["pss"].as_f64().map(|bytes| bytes / f64::from(1 << 20));
    let Some(supervisor) = mebibytes(&status["memory"]) else {
        return line("not measured", "the kernel does not show the memory of these processes to this user");
    };
    line("supervisor", &format!("{supervisor:.1} MiB"));
    let mut sum = supervisor;
    for process in status["processes"].as_array().unwrap().iter().filter(|process| process["role"] != "cli") {
        let share = mebibytes(&process["memory"]).unwrap_or(0.0);
        line(process["role"].as_str().unwrap(), &format!("{share:.1} MiB"));
        sum += share;
    }
    aim("the whole tree", sum, " MiB", 60.0);
}
