//! The person's side as the liar: bytes over an attached control socket that no command line of ours sends, and lines
//! that are none.

use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use integration_tests::wire::{control, request, say};
use ipc::{
    Role, codec,
    header::{Header, Kind},
    messages::{common::Echo, start::Hello},
    service::Method as _,
};
use serde_json::json;

use crate::{
    frames::honest,
    peer::{call, with},
    scripts::{Asked, Liar, SCRIPTS, Who},
    world::{Cli, PATIENCE, in_world},
};

pub(crate) fn a_command_line_that_lies() {
    in_world("cli", |world| {
        let mut watching = Cli::attach(world.home);
        watching.demo();
        let everybody = honest(Role::Cli);
        watching.all_answer(&everybody);
        for script in SCRIPTS.iter().filter(|script| script.who != Who::Asked && script.asked != Asked::Never) {
            let mark = world.mark();
            let peer = Cli::attach(world.home).peer;
            let control = peer.socket.try_clone().expect("a socket");
            let mut liar = Liar { role: Role::Cli, data: peer, control, asked: None };
            (script.play)(&mut liar);
            watching.all_answer(&everybody);
            let why = |_: ()| world.ended(Role::Cli, mark);
            match script.ends {
                Some(ends) => {
                    world.until(script.name, || why(()).iter().any(|why| why.contains(ends)));
                    assert!(liar.data.hangs_up(Instant::now() + PATIENCE), "{}: it is still attached", script.name);
                }
                None => {
                    let body = codec::encode(&Echo { bytes: vec![1] }).expect("a request");
                    let header: Header = call(Kind::Call, (Role::Llm, ipc::Instance(0)), Echo::NUMBER, 100_000);
                    liar.data.send(&with(header, &body));
                    let until = Instant::now() + PATIENCE;
                    while liar.data.next_until(until).expect("it is served").header.call.0 != 100_000 {}
                    assert!(why(()).is_empty(), "{}: {:?}", script.name, why(()));
                }
            }
        }
        // Half a frame, and gone: nothing is left of it.
        for length in [1, 4, 67, 1000] {
            let peer = Cli::attach(world.home).peer;
            let whole =
                crate::peer::bytes_of(&with(call(Kind::Call, (Role::Llm, ipc::Instance(0)), Echo::NUMBER, 1), &[0; 2000]));
            peer.raw(&whole[..length]);
        }
        let attached = || world.of_role(Role::Cli).len();
        world.until("only the honest ones are attached", || attached() == 2);
        watching.one_answer_each();
    });
}

pub(crate) fn what_no_command_line_sends_is_no_line() {
    in_world("lines", |world| {
        let mut watching = Cli::attach(world.home);
        let ours = Hello::ours();
        let attach = |schema: u64| json!({ "version": ours.version, "schema": schema, "program": "x", "serves": false });
        // Each is answered with this error, and the connection goes on.
        for (line, code) in [
            ("\0".to_owned(), -32700),
            ("[".repeat(60_000), -32700),
            ("{\"a\":".repeat(10_000), -32700),
            ("1e999999".to_owned(), -32700),
            ("null".to_owned(), -32600),
            ("[]".to_owned(), -32600),
            (r#"{"jsonrpc":"2.0","id":1}"#.to_owned(), -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#.to_owned(), -32600),
            (request("nothing", json!({})), -32601),
            (request("attach", json!({})), -32602),
            (request("attach", json!([1, 2, 3])), -32602),
            (request("attach", json!({ "version": 300, "schema": -1, "program": 1, "serves": 2 })), -32602),
            (request("restart", json!({ "role": "\u{202e}" })), -32602),
        ] {
            let socket = control(world.home);
            let short: String = line.chars().take(60).collect();
            let answer = say(&socket, &line).unwrap_or_else(|| panic!("{short}: not answered"));
            assert_eq!(answer["error"]["code"], code, "{short}: {answer}");
            assert!(say(&socket, &request("status", json!({}))).is_some_and(|answer| answer["error"].is_null()), "{short}");
        }
        // Each of these ends its connection.
        let lines = [
            b"\xff\xfe\n".to_vec(),
            vec![b'x'; 1 << 20],
            format!("{}\n", request("attach", attach(1))).into_bytes(),
            // Frames before the answer that allows them.
            [format!("{}\n", request("attach", attach(ours.schema))).as_bytes(), &[0; 68]].concat(),
        ];
        for line in lines {
            let mut socket = control(world.home);
            // It may hang up before it has read everything.
            let _ = socket.write_all(&line);
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
            let mut answer = Vec::new();
            let ended = socket.read_to_end(&mut answer);
            let reset = ended.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
            assert!(ended.is_ok() || reset, "{:?}: {ended:?}", &line[..3]);
        }
        // As many as it takes, all with half a line; then they go.
        let many: Vec<_> = (0..60).map(|_| control(world.home)).collect();
        for mut socket in &many {
            socket.write_all(&[b'x'; 60_000]).expect("half a line is taken");
        }
        watching.all_answer(&[Role::Crypto, Role::Llm, Role::Code]);
        drop(many);
        world.until("there is room again", || {
            std::thread::sleep(Duration::from_millis(1));
            say(&control(world.home), &request("status", json!({}))).is_some()
        });
        watching.one_answer_each();
    });
}
