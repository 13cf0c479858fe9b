//! A window that speaks something else than CHUM where it should: its stream is refused, and the archive lives on.

use std::time::Instant;

use ipc::{
    Code, Instance, Refusal, Role, codec,
    header::{Direction, Kind},
    messages::{
        common::Chunk,
        crypto::{IssueMembership, MayDo, MemberPriority, MemberRole, MemberSubject, MemberTerms},
        storage::{Provision, Sync},
    },
    service::Method,
};

use crate::{
    frames::honest,
    peer::{call, piece},
    scripts::{Liar, Script, Who, script},
    world::{Cli, PATIENCE, in_world},
};

const JUNK: &str = "junk in the place of chum";
const ENDLESS: &str = "a message of chum without an end";

pub(crate) const SCRIPTS: &[Script] = &[
    script(JUNK, Who::Asked, None, |liar| speak(liar, &[0xa5; 60_000])),
    script(ENDLESS, Who::Asked, None, |liar| speak(liar, &[&u32::MAX.to_le_bytes()[..], &[1]].concat())),
];

/// Has itself let in as an honest window does: the archive gives it nothing before.
fn be_let_in(liar: &mut Liar) {
    let may = MayDo { read: true, write: true, sync: true, delegate: false };
    let (role, priority) = (MemberRole::Admin, MemberPriority::Normal);
    let terms = MemberTerms { role, may, max_storage: None, allowed_types: None, priority, max_depth: 0 };
    let mut issued = [MemberSubject::Archive, MemberSubject::Window].into_iter().zip(2..).map(|(subject, number)| {
        let issue = IssueMembership { subject, terms: terms.clone(), lifetime_s: 3600, renewal: 0, status: None };
        answered(liar, Role::Crypto, number, &issue).credential
    });
    let (archive, window) = (issued.next().expect("one"), issued.next().expect("another"));
    drop(issued);
    answered(liar, Role::Storage, 4, &Provision { archive, window });
}

/// Asks as an honest window does, and is answered.
fn answered<M: Method>(liar: &mut Liar, to: Role, number: u64, request: &M) -> M::Answer {
    liar.send(call(Kind::Call, (to, Instance(0)), M::NUMBER, number), &codec::encode(request).expect("a request"));
    let until = Instant::now() + PATIENCE;
    loop {
        let frame = liar.data.next_until(until).expect("an answer comes");
        if frame.header.call.0 == number {
            let refusal = (frame.header.kind == Kind::Refuse).then(|| Refusal::from_body(frame.body.as_slice()));
            assert_eq!(refusal, None);
            return codec::decode(frame.body.as_slice()).expect("an answer");
        }
    }
}

/// Opens the stream, says this in the place of a greeting, and hears that it is refused.
fn speak(liar: &mut Liar, bytes: &[u8]) {
    be_let_in(liar);
    let open = codec::encode(&Sync { session: 1 }).expect("a request");
    liar.send(call(Kind::Open, (Role::Storage, Instance(0)), Sync::NUMBER, 5), &open);
    let said = codec::encode(&Chunk(bytes.to_vec())).expect("a piece");
    liar.send(piece(Kind::Data, 5, Direction::Up, 0), &said);
    let until = Instant::now() + PATIENCE;
    loop {
        let frame = liar.data.next_until(until).expect("an answer comes");
        match frame.header.kind {
            Kind::Refuse => {
                assert_eq!(Refusal::from_body(frame.body.as_slice()).code, Code::Malformed);
                return;
            }
            Kind::Answer => panic!("it got an answer"),
            _ => {}
        }
    }
}

pub(crate) fn a_window_that_speaks_no_chum() {
    in_world("no chum", |world| {
        let mut cli = Cli::attach(world.home);
        cli.demo();
        let pid = || world.of_role(Role::Storage)[0]["pid"].clone();
        let before = pid();
        for script in [JUNK, ENDLESS] {
            let mark = world.mark();
            world.next_is(Role::Ui, script);
            world.restart(Role::Ui);
            let call = cli.give_word((Role::Ui, 0));
            assert!(cli.answer(call).is_ok(), "{script}: it was not refused as it should be");
            assert!(world.ended(Role::Storage, mark).is_empty() && world.ended(Role::Ui, mark).is_empty());
            cli.all_answer(&honest(Role::Ui));
        }
        assert_eq!(pid(), before, "it is the same archive");
        world.restart(Role::Ui);
        assert!(cli.echo((Role::Ui, 0), b"again").is_ok());
        cli.one_answer_each();
    });
}
