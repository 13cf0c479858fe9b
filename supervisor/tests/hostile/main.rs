//! A whole Lamos with a liar in it: what each role, and a command line, may do to the others when it is not ours.
//!
//! This one program is three. Under its own name it tells the stories. Under the name `lamos`, which a home gives it, it
//! is the program that ships, except that a process of a role lives by a script if the file `hostile` beside it names its
//! role; and such a process can knock at the control socket. Nothing here is in the shipped binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod attached;
mod deaths;
mod doors;
mod double;
mod floods;
mod frames;
mod no_chum;
mod peer;
mod scripts;
mod teller;
mod world;

use std::{env, process::ExitCode};

/// As `main.rs` of the program has it.
#[global_allocator]
static ALLOCATOR: code::memory::Counting<mimalloc::MiMalloc> = code::memory::Counting(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let itself = env::current_exe().expect("this program has a path");
    if itself.file_name().is_some_and(|name| name == "lamos") {
        if let Some(socket) = env::var_os(doors::KNOCK) {
            return doors::knock_and_tell(socket.as_ref());
        }
        return lamos::run(|role| match double::script_of(&itself, role) {
            Some(name) => double::live(role, &name),
            None => lamos::live(role),
        });
    }
    teller::tell(
        &env::args().skip(1).collect::<Vec<_>>(),
        &[
            ("an_archive_that_lies", frames::an_archive_that_lies),
            ("a_key_process_that_lies", frames::a_key_process_that_lies),
            ("a_model_process_that_lies", frames::a_model_process_that_lies),
            ("a_courier_that_lies", frames::a_courier_that_lies),
            ("an_agent_that_lies", frames::an_agent_that_lies),
            ("a_run_that_lies", frames::a_run_that_lies),
            ("a_window_that_lies", frames::a_window_that_lies),
            ("a_window_that_speaks_no_chum", no_chum::a_window_that_speaks_no_chum),
            ("a_command_line_that_lies", attached::a_command_line_that_lies),
            ("what_no_command_line_sends_is_no_line", attached::what_no_command_line_sends_is_no_line),
            ("a_million_tiny_frames", floods::a_million_tiny_frames),
            ("who_asks_and_never_reads", floods::who_asks_and_never_reads),
            ("who_is_asked_and_never_reads", floods::who_is_asked_and_never_reads),
            ("a_command_line_that_never_reads", floods::a_command_line_that_never_reads),
            ("a_flood_of_words", floods::a_flood_of_words),
            ("who_answers_no_ping", deaths::who_answers_no_ping),
            ("who_is_never_ready", deaths::who_is_never_ready),
            ("who_needs_more_memory_than_there_is", deaths::who_needs_more_memory_than_there_is),
            ("a_request_that_kills_its_worker_twice", deaths::a_request_that_kills_its_worker_twice),
            ("who_hangs_up_and_stays", deaths::who_hangs_up_and_stays),
            ("the_tree_does_not_talk_to_its_own", doors::the_tree_does_not_talk_to_its_own),
        ],
    )
}
