//! Too much of everything: frames, refusals that are not read, calls that are not taken, words in the log. The supervisor's
//! memory stays within what [`in_world`] allows.

use std::{fs, io::Write as _, thread};

use ipc::{
    Code, Role,
    frame::Frame,
    header::{Flags, Header, Kind},
    id::CallId,
    messages::common::Echo,
};

use crate::{
    frames::honest,
    peer::{bytes_of, of_call, permitted, with},
    scripts::{Liar, Script, Who, script},
    world::{Cli, World, in_world},
};

const A_MILLION: u64 = 1_000_000;

/// Frames in one write.
const BATCH: u64 = 1000;

const UNREAD: &str = "it asks and does not read the answers";

pub(crate) const SCRIPTS: &[Script] = &[
    script("a million tiny frames", Who::Asked, None, |liar| {
        let pong = bytes_of(&Frame::bare(Header { flags: Flags::REPLY, ..Header::new(Kind::Ping) }));
        for batch in 0..A_MILLION / BATCH {
            let frames = (0..BATCH / 2).flat_map(|index| {
                let cancel = Frame::bare(of_call(Kind::Cancel, 1 + batch * BATCH + index));
                [bytes_of(&cancel), pong.clone()].concat()
            });
            liar.raw(&frames.collect::<Vec<u8>>());
        }
    }),
    script("a million calls and no ear", Who::Asks, Some(UNREAD), |liar| {
        let (header, _) = permitted(liar.role, 1).expect("it has a row");
        for batch in 0..A_MILLION / BATCH {
            let frames = (0..BATCH)
                .flat_map(|index| bytes_of(&with(Header { call: CallId(1 + batch * BATCH + index), ..header }, &[0xff; 8])));
            liar.raw(&frames.collect::<Vec<u8>>());
        }
        wait();
    }),
    // Pings are answered meanwhile.
    script("asked and no ear", Who::Asked, Some("it does not stop when it is told to"), |_| wait()),
    script("a flood of words", Who::Asked, None, flood_of_words),
];

fn wait() {
    loop {
        thread::park();
    }
}

/// More lines than are taken, one that does not end, and what a terminal would obey.
fn flood_of_words(_: &mut Liar) {
    let mut log = std::io::stderr().lock();
    let line = format!("{{\"event\":\"flood\",\"fields\":\"{}\"}}\n", "x".repeat(200));
    (0..200_000).for_each(|_| log.write_all(line.as_bytes()).expect("somebody reads"));
    (0..20).for_each(|_| log.write_all(&[b'y'; 1 << 20]).expect("somebody reads"));
    log.write_all(b"\n\x1b]0;owned\x07\x1b[2J\xff\xfe\0\n").expect("somebody reads");
}

/// Starts a role anew as this liar and gives it its word.
fn give_word(world: &World<'_>, cli: &mut Cli, role: Role, script: &str) -> u64 {
    world.next_is(role, script);
    let place = if role == Role::Agent {
        (role, cli.engage(1).expect("an agent"))
    } else {
        world.restart(role);
        (role, 0)
    };
    cli.give_word(place)
}

pub(crate) fn a_million_tiny_frames() {
    in_world("a million", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        for role in [Role::Llm, Role::Storage, Role::Code, Role::Agent] {
            let mark = world.mark();
            let call = give_word(world, &mut cli, role, "a million tiny frames");
            cli.all_answer(&honest(role));
            assert!(cli.answer(call).is_ok(), "{role}: it is served like others");
            cli.all_answer(&honest(role));
            assert!(world.ended(role, mark).is_empty(), "{role}");
            if role != Role::Agent {
                world.restart(role);
            }
        }
        let call = give_word(world, &mut cli, Role::Crypto, "a million tiny frames");
        cli.all_answer(&honest(Role::Crypto));
        assert!(cli.answer(call).is_ok());
        cli.one_answer_each();
    });
}

pub(crate) fn who_asks_and_never_reads() {
    in_world("no ear for answers", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        for role in [Role::Agent, Role::Llm, Role::Storage, Role::Crypto] {
            let mark = world.mark();
            let call = give_word(world, &mut cli, role, "a million calls and no ear");
            cli.all_answer(&honest(role));
            let refusal = cli.answer(call).expect_err("it is not answered");
            assert!([Code::PeerDied, Code::DeadlineExceeded].contains(&refusal.code), "{role}: {refusal}");
            world.until(&format!("{role} is ended"), || world.ended(role, mark).iter().any(|why| why == UNREAD));
            cli.all_answer(&honest(role));
        }
        cli.one_answer_each();
    });
}

pub(crate) fn who_is_asked_and_never_reads() {
    in_world("no ear for calls", |world| {
        let mut clis: Vec<Cli> = (0..4).map(|_| Cli::attach(world.home)).collect();
        clis[0].demo();
        let role = Role::Llm;
        let mark = world.mark();
        let word = give_word(world, &mut clis[0], role, "asked and no ear");
        // Four times eight megabytes: more than is queued for one that does not read.
        let big = Echo { bytes: vec![7; 1_000_000] };
        let calls: Vec<Vec<u64>> = clis.iter_mut().map(|cli| (0..7).map(|_| cli.ask((role, 0), &big, 1000)).collect()).collect();
        clis[3].all_answer(&honest(role));
        let mut codes = Vec::new();
        for (cli, calls) in clis.iter_mut().zip(calls) {
            codes.extend(calls.into_iter().map(|call| cli.answer(call).expect_err("nobody answers").code));
        }
        assert!(codes.contains(&Code::Busy) && codes.contains(&Code::DeadlineExceeded), "{codes:?}");
        assert!(codes.iter().all(|code| [Code::Busy, Code::DeadlineExceeded].contains(code)), "{codes:?}");
        assert!(clis[0].answer(word).is_err());
        world.restart(role);
        clis[0].all_answer(&[role]);
        // Small ones are not too much to queue, and too many to leave unended.
        let word = give_word(world, &mut clis[0], role, "asked and no ear");
        let mut given_up = 0;
        while world.ended(role, mark).is_empty() {
            given_up += 1;
            assert!(given_up < 1000, "it is never ended");
            let call = clis[1].ask((role, 0), &Echo { bytes: vec![] }, 1);
            // The last of them may reach the next process.
            let _ = clis[1].answer(call);
        }
        assert_eq!(world.ended(role, mark), ["it does not stop when it is told to"]);
        assert!(clis[0].answer(word).is_err());
        clis.iter_mut().for_each(Cli::one_answer_each);
    });
}

pub(crate) fn a_command_line_that_never_reads() {
    in_world("a command line without an ear", |world| {
        let mut watching = Cli::attach(world.home);
        watching.demo();
        let everybody = honest(Role::Cli);
        watching.all_answer(&everybody);
        let mark = world.mark();
        let mut liar = Cli::attach(world.home);
        for role in &everybody {
            for _ in 0..8 {
                liar.ask((*role, 0), &Echo { bytes: vec![7; 1_000_000] }, 0);
            }
        }
        world.until("it is ended", || world.ended(Role::Cli, mark) == ["it does not read what it is sent"]);
        watching.all_answer(&everybody);
        watching.one_answer_each();
    });
}

pub(crate) fn a_flood_of_words() {
    in_world("words", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        for role in [Role::Llm, Role::Code] {
            let call = give_word(world, &mut cli, role, "a flood of words");
            cli.all_answer(&honest(role));
            assert!(cli.answer(call).is_ok(), "{role}: it is served like others");
            world.restart(role);
        }
        let logs = world.home.data().join("logs");
        for name in ["lamos.log", "lamos.log.1"] {
            let length = fs::metadata(logs.join(name)).map_or(0, |file| file.len());
            assert!(length < 6 << 20, "{name} has {length} bytes");
        }
        let count = |event: &str| world.log(0).iter().filter(|line| line["text"] == event).count();
        world.until("what is left out is said", || count("said too much") > 0);
        assert!(count("flood") < 20_000, "most of it is left out: {} lines are not", count("flood"));
        let tail = fs::read(logs.join("lamos.log")).expect("a log");
        assert!(tail.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control()), "nothing in it moves a terminal");
        cli.one_answer_each();
    });
}
