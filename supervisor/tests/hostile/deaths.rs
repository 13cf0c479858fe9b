//! Processes that end, or do not, at the wrong time: who asked them is told once, nobody else notices.

use std::{net::Shutdown, process, thread};

use ipc::{Code, Role};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::{
    double::WORD,
    frames::honest,
    peer::{bytes_of, call, with},
    scripts::{Asked, Liar, Script, Who, script},
    world::{Cli, World, in_world},
};

pub(crate) const SCRIPTS: &[Script] = &[
    Script {
        deaf: true,
        ..script("no reply to a ping", Who::Asked, Some("it did not answer three pings"), |_| {
            loop {
                thread::park()
            }
        })
    },
    Script { asked: Asked::Never, ..script("not a word", Who::Asked, Some("it was not ready in time"), |_| {}) },
    script("more memory than there is", Who::Asked, None, |_| take_all_memory()),
    script("poisoned by its word", Who::Asked, None, |_| process::abort()),
    script("half a frame and then nothing", Who::Asked, Some(HUNG_UP), |liar| {
        let whole = bytes_of(&with(call(ipc::header::Kind::Call, (Role::Llm, ipc::Instance(0)), 1, 1), &[0; 100]));
        liar.raw(&whole[..100]);
        hang_up(liar);
    }),
    script("nothing more", Who::Asked, Some(HUNG_UP), hang_up),
];

const HUNG_UP: &str = "it hung up and did not end";

/// Says that nothing more comes, and lives on.
fn hang_up(liar: &mut Liar) {
    liar.data.socket.shutdown(Shutdown::Write).expect("a socket can be shut down");
    loop {
        thread::park();
    }
}

/// Sets itself a limit and goes beyond it.
fn take_all_memory() {
    let limit = Some(512 << 20);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).expect("a limit can be set");
    let mut all = Vec::new();
    loop {
        all.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// Starts a role anew as this liar, gives it its word, and gives back the call.
fn give_word(world: &World<'_>, cli: &mut Cli, role: Role, script: &str) -> u64 {
    world.next_is(role, script);
    world.restart(role);
    cli.give_word((role, 0))
}

pub(crate) fn who_answers_no_ping() {
    in_world("no ping", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        let mark = world.mark();
        let call = give_word(world, &mut cli, Role::Llm, "no reply to a ping");
        // The caller waits no longer than its row allows, whether or not the process is ended by then.
        let code = cli.answer(call).expect_err("there is no answer").code;
        assert!([Code::DeadlineExceeded, Code::PeerDied].contains(&code), "{code:?}");
        cli.all_answer(&honest(Role::Llm));
        world.until("it is ended", || world.ended(Role::Llm, mark).contains(&"it did not answer three pings".to_owned()));
        cli.all_answer(&[Role::Llm]);
        cli.one_answer_each();
    });
}

pub(crate) fn who_is_never_ready() {
    in_world("never ready", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        for role in [Role::Llm, Role::Storage, Role::Code] {
            let mark = world.mark();
            let call = give_word(world, &mut cli, role, "not a word");
            cli.all_answer(&honest(role));
            // It waited for the one that never came, and was served by the next.
            assert!(cli.answer(call).is_ok(), "{role} does not come back");
            assert_eq!(world.ended(role, mark), ["it was not ready in time"]);
        }
        world.next_is(Role::Agent, "not a word");
        let refusal = cli.engage(1).expect_err("there is no agent");
        assert_eq!(refusal.code, Code::CannotStart);
        let agent = cli.engage(1).expect("there is one now");
        cli.echo((Role::Agent, agent), b"x").expect("it answers");
        cli.one_answer_each();
    });
}

pub(crate) fn who_needs_more_memory_than_there_is() {
    in_world("no memory", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        for role in [Role::Llm, Role::Storage, Role::Code, Role::Crypto] {
            let call = give_word(world, &mut cli, role, "more memory than there is");
            cli.all_answer(&honest(role));
            let refusal = cli.answer(call).expect_err("it died");
            let signal = refusal.death.expect("it says how").signal;
            assert_eq!((refusal.code, signal), (Code::PeerDied, Some(6)), "{role}: {refusal}");
            cli.all_answer(&[role]);
            cli.demo();
            cli.all_answer(&honest(Role::Cli));
        }
        cli.one_answer_each();
    });
}

pub(crate) fn a_request_that_kills_its_worker_twice() {
    in_world("poison", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        for role in [Role::Llm, Role::Storage] {
            world.none_is();
            world.all_are(role, "poisoned by its word");
            world.ask("restart", serde_json::json!({ "role": role.name() }));
            world.until("the liar is there", || cli.echo((role, 0), b"a").is_ok() && cli.echo((role, 0), b"b").is_ok());
            let mut codes = Vec::new();
            while codes.last() != Some(&Code::Quarantined) && codes.len() < 4 {
                codes.push(cli.echo((role, 0), WORD).expect_err("it is poison").code);
            }
            assert_eq!(codes.iter().filter(|code| **code == Code::PeerDied).count(), 2, "{codes:?}");
            assert_eq!(codes.last(), Some(&Code::Quarantined), "{codes:?}");
            // Others are served, by the same process.
            cli.all_answer(&[role]);
            cli.all_answer(&honest(role));
        }
        cli.one_answer_each();
    });
}

pub(crate) fn who_hangs_up_and_stays() {
    in_world("hung up", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        for (role, name) in [
            (Role::Llm, "half a frame and then nothing"),
            (Role::Code, "half a frame and then nothing"),
            (Role::Storage, "nothing more"),
        ] {
            let mark = world.mark();
            let call = give_word(world, &mut cli, role, name);
            cli.all_answer(&honest(role));
            let code = cli.answer(call).expect_err("there is no answer").code;
            assert!([Code::PeerDied, Code::DeadlineExceeded].contains(&code), "{role}: {code:?}");
            world.until("it is ended", || world.ended(role, mark).contains(&HUNG_UP.to_owned()));
            cli.all_answer(&[role]);
        }
        cli.one_answer_each();
    });
}
