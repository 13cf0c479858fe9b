//! What a liar does, as a table: the frames, who can send them, and what the rules say becomes of the sender. The rules are
//! those of `ipc/PROTOCOL.md`, "What ends a sender".

use std::{
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use ipc::{
    Code, Instance, Refusal, Role, codec,
    frame::{Frame, max_body},
    header::{
        Direction::{self, Down, Up},
        Flags, HEADER_LEN, Header, Kind,
    },
    id::{CallId, Generation},
    limits::{MAX_BODY, MAX_DATA, MAX_FORBIDDEN, WINDOW_FRAMES},
    messages::{
        common::{Done, Echoed},
        start::{Hello, Outcome, Report},
    },
};

use crate::{
    double::WORD,
    peer::{Peer, bytes_of, call, of_call, permitted, piece, with},
    world::PATIENCE,
};

/// When a script is played.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// In the place of Hello and Ready.
    Never,
    /// When its process is asked for an echo of the word.
    Echo,
    /// When its process is asked for a stream.
    Stream,
}

/// Who can play a script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Processes and command lines.
    Anybody,
    /// Processes only: it takes being asked.
    Asked,
    /// Who has a row in the policy.
    Asks,
    /// Command lines only.
    Cli,
}

/// One way to lie.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) asked: Asked,
    pub(crate) who: Who,
    pub(crate) play: fn(&mut Liar),
    /// Why its sender is ended; `None` if it is not.
    pub(crate) ends: Option<&'static str>,
    /// The one who asked gets a good answer all the same.
    pub(crate) answers: bool,
    /// It answers no ping.
    pub(crate) deaf: bool,
}

/// Who plays.
pub(crate) struct Liar {
    pub(crate) role: Role,
    pub(crate) data: Peer,
    /// The same as `data` for a command line.
    pub(crate) control: UnixStream,
    /// The call that gave the word.
    pub(crate) asked: Option<u64>,
}

impl Liar {
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.data.raw(bytes);
    }

    pub(crate) fn send(&mut self, header: Header, body: &[u8]) {
        self.data.send(&with(header, body));
    }

    /// Answers a call well.
    pub(crate) fn answer(&mut self, call: u64, body: &[u8]) {
        self.send(of_call(Kind::Answer, call), body);
    }

    fn word(&mut self) -> u64 {
        self.asked.expect("it was asked")
    }

    /// The refusal of a call of its own.
    fn refused(&mut self) -> (u64, Code) {
        let until = Instant::now() + PATIENCE;
        loop {
            let frame = self.data.next_until(until).expect("an answer comes");
            if matches!(frame.header.kind, Kind::Answer | Kind::Refuse) {
                assert_eq!(frame.header.kind, Kind::Refuse, "it got what it asked for");
                return (frame.header.call.0, Refusal::from_body(frame.body.as_slice()).code);
            }
        }
    }

    fn permitted(&self, number: u64) -> Header {
        permitted(self.role, number).expect("it has a row").0
    }
}

/// The script of this name.
pub(crate) fn find(name: &str) -> &'static Script {
    SCRIPTS
        .iter()
        .chain(crate::deaths::SCRIPTS)
        .chain(crate::floods::SCRIPTS)
        .chain(crate::doors::SCRIPTS)
        .chain(crate::no_chum::SCRIPTS)
        .find(|script| script.name == name)
        .expect("a script has this name")
}

pub(crate) const fn script(name: &'static str, who: Who, ends: Option<&'static str>, play: fn(&mut Liar)) -> Script {
    Script { name, asked: Asked::Echo, who, play, ends, answers: ends.is_none(), deaf: false }
}

const fn anybody(name: &'static str, ends: &'static str, play: fn(&mut Liar)) -> Script {
    script(name, Who::Anybody, Some(ends), play)
}

const fn no_frame(name: &'static str, play: fn(&mut Liar)) -> Script {
    script(name, Who::Anybody, Some("it sent what is no frame"), play)
}

const fn streams(name: &'static str, ends: &'static str, play: fn(&mut Liar)) -> Script {
    Script { asked: Asked::Stream, ..script(name, Who::Asked, Some(ends), play) }
}

const fn before_ready(name: &'static str, ends: &'static str, play: fn(&mut Liar)) -> Script {
    Script { asked: Asked::Never, ..script(name, Who::Asked, Some(ends), play) }
}

/// A call of something that nobody may ask for.
fn forbidden(number: u64) -> Header {
    call(Kind::Call, (Role::Cli, Instance(0)), 1, number)
}

/// A call that would be one, were it not for this byte.
fn poked(at: usize, value: u8) -> Vec<u8> {
    let mut bytes = bytes_of(&Frame::bare(forbidden(1)));
    bytes[4 + at] = value;
    bytes
}

/// The front of a frame of this kind, whose body would be one byte longer than it may be.
fn too_long(kind: Kind) -> Vec<u8> {
    let header = match kind {
        Kind::Data | Kind::End => piece(kind, 1, Down, 0),
        Kind::Credit => piece(kind, 1, Up, 1),
        Kind::Call | Kind::Open => call(kind, (Role::Storage, Instance(0)), 1, 1),
        Kind::Ping => Header { flags: Flags::REPLY, ..Header::new(kind) },
        Kind::Hello | Kind::Ready | Kind::Drain => Header::new(kind),
        Kind::Answer | Kind::Refuse | Kind::Cancel => of_call(kind, 1),
    };
    let mut bytes = bytes_of(&Frame::bare(header));
    let length = u32::try_from(HEADER_LEN + max_body(kind) + 1).expect("a length");
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn hello(schema: u64) -> Vec<u8> {
    codec::encode(&Hello { schema, ..Hello::ours() }).expect("a greeting")
}

fn report() -> Vec<u8> {
    codec::encode(&Outcome::Ready(Report::default())).expect("a report")
}

fn echoed() -> Vec<u8> {
    codec::encode(&Echoed { bytes: WORD.to_vec() }).expect("an echo")
}

const NO_STREAM: &str = "it sent a piece of a stream it does not have";
const NO_CREDIT: &str = "it sent data without credit";
const FALSE_CREDIT: &str = "it gave back credit it never had";
const NOTHING: &str = "it answered a call it never got";
const TWICE: &str = "it used a call id twice";
const SPOOFED: &str = "it said itself who it is";
const PLACE: &str = "it sent a frame of a kind it may not send";
const TURN: &str = "it said out of turn that it is ready";
const VERSION: &str = "it speaks another version";
const WRONGLY: &str = "it called a method in the wrong way";

fn piece_of_nothing(liar: &mut Liar, kind: Kind, direction: Direction) {
    liar.send(piece(kind, 999, direction, u16::from(kind == Kind::Credit)), &[]);
}

pub(crate) const SCRIPTS: &[Script] = &[
    // Bytes that are no frame.
    no_frame("a length of 0", |liar| liar.raw(&0_u32.to_le_bytes())),
    no_frame("a length of 63", |liar| liar.raw(&63_u32.to_le_bytes())),
    no_frame("a length of 2^31", |liar| liar.raw(&(1_u32 << 31).to_le_bytes())),
    no_frame("a length of -1", |liar| liar.raw(&u32::MAX.to_le_bytes())),
    no_frame("a byte more than any frame has", |liar| liar.raw(&((HEADER_LEN + MAX_BODY + 1) as u32).to_le_bytes())),
    no_frame("a call too long", |liar| liar.raw(&too_long(Kind::Call))),
    no_frame("a piece too long", |liar| liar.raw(&too_long(Kind::Data))),
    no_frame("a cancel with a body", |liar| liar.raw(&too_long(Kind::Cancel))),
    no_frame("a credit with a body", |liar| liar.raw(&too_long(Kind::Credit))),
    no_frame("an end with a body", |liar| liar.raw(&too_long(Kind::End))),
    no_frame("a ping with a body", |liar| liar.raw(&too_long(Kind::Ping))),
    no_frame("kind 0", |liar| liar.raw(&poked(1, 0))),
    no_frame("kind 13", |liar| liar.raw(&poked(1, 13))),
    no_frame("kind 255", |liar| liar.raw(&poked(1, 255))),
    no_frame("version 0", |liar| liar.raw(&poked(0, 0))),
    no_frame("version 2", |liar| liar.raw(&poked(0, 2))),
    no_frame("a flag nobody knows", |liar| liar.raw(&poked(2, 0x80))),
    no_frame("a call that says it is a reply", |liar| liar.raw(&poked(2, 2))),
    no_frame("to a role nobody knows", |liar| liar.raw(&poked(4, 99))),
    no_frame("from a role nobody knows", |liar| liar.raw(&poked(3, 99))),
    no_frame("from an instance of nothing", |liar| liar.raw(&poked(8, 1))),
    no_frame("a call with a direction", |liar| liar.raw(&poked(5, 1))),
    no_frame("call 0", |liar| liar.raw(&poked(16, 0))),
    no_frame("a call with credit", |liar| liar.raw(&poked(40, 1))),
    no_frame("reserved bytes", |liar| liar.raw(&poked(47, 1))),
    no_frame("a frame and then noise", |liar| {
        liar.raw(&[bytes_of(&Frame::bare(of_call(Kind::Cancel, 1))), vec![0xff; 4096]].concat());
    }),
    // Frames that say something untrue.
    anybody("another's name on a call", SPOOFED, |liar| {
        liar.send(Header { source: Some((Role::Cli, Instance(1))), ..forbidden(1) }, &[]);
    }),
    anybody("its own name on a call", SPOOFED, |liar| {
        liar.send(Header { source: Some((liar.role, Instance(1))), ..forbidden(1) }, &[]);
    }),
    anybody("another's name on a cancel", SPOOFED, |liar| {
        liar.send(Header { source: Some((Role::Crypto, Instance(1))), ..of_call(Kind::Cancel, 1) }, &[]);
    }),
    anybody("a generation", SPOOFED, |liar| liar.send(Header { generation: Generation(1), ..forbidden(1) }, &[])),
    script("another's name on an answer", Who::Asked, Some(SPOOFED), |liar| {
        let header = of_call(Kind::Answer, liar.word());
        liar.send(Header { source: Some((Role::Crypto, Instance(1))), ..header }, &echoed());
    }),
    anybody("a call replayed", TWICE, |liar| {
        let bytes = bytes_of(&Frame::bare(forbidden(5)));
        liar.raw(&[&bytes[..], &bytes].concat());
    }),
    anybody("call ids that fall", TWICE, |liar| {
        liar.send(forbidden(9), &[]);
        liar.send(forbidden(4), &[]);
    }),
    anybody("the last call id and one more", TWICE, |liar| {
        liar.send(forbidden(u64::MAX), &[]);
        liar.send(forbidden(1), &[]);
    }),
    script("a permitted call replayed", Who::Asks, Some(TWICE), |liar| {
        let bytes = bytes_of(&with(liar.permitted(5), &[0xff]));
        liar.raw(&[&bytes[..], &bytes].concat());
    }),
    anybody("what is forbidden, again and again", "it asked too often for what it may not have", |liar| {
        let others: Vec<Role> = Role::ALL.iter().copied().filter(|role| *role != Role::Supervisor).collect();
        for number in 1..=u64::from(MAX_FORBIDDEN) {
            let to = others[number as usize % others.len()];
            liar.send(call(Kind::Call, (to, Instance(0)), 0x7000, number), b"please");
            assert_eq!(liar.refused(), (number, Code::Forbidden));
        }
        liar.send(forbidden(1000), &[]);
    }),
    script("for a call that is not its own", Who::Asks, Some("it called on behalf of a call that is not its own"), |liar| {
        liar.send(Header { parent: Some(CallId(1 << 40)), ..liar.permitted(1) }, &[0xff]);
    }),
    script("a plain method with a stream", Who::Asks, Some(WRONGLY), |liar| {
        liar.send(Header { kind: Kind::Open, ..liar.permitted(1) }, &[0xff]);
    }),
    script("a secret that is none, or none that is", Who::Asks, Some(WRONGLY), |liar| {
        let header = liar.permitted(1);
        let flags = if header.flags == Flags::NONE { Flags::SENSITIVE } else { Flags::NONE };
        liar.send(Header { flags, ..header }, &[0xff]);
    }),
    // Frames at the wrong time.
    anybody("an answer to nothing", NOTHING, |liar| liar.answer(999, b"42")),
    anybody("a refusal of nothing", NOTHING, |liar| liar.send(of_call(Kind::Refuse, 999), &[])),
    Script {
        answers: true,
        ..script("a second answer", Who::Asked, Some(NOTHING), |liar| {
            let call = liar.word();
            liar.answer(call, &echoed());
            liar.answer(call, &echoed());
        })
    },
    script("an answer that says it is secret", Who::Asked, Some(WRONGLY), |liar| {
        let header = of_call(Kind::Answer, liar.word());
        liar.send(Header { flags: Flags::SENSITIVE, ..header }, &echoed());
    }),
    anybody("ready again", TURN, |liar| liar.send(Header::new(Kind::Ready), &report())),
    anybody("hello from another version", VERSION, |liar| liar.send(Header::new(Kind::Hello), &hello(1))),
    anybody("hello without a word", VERSION, |liar| liar.send(Header::new(Kind::Hello), &[])),
    anybody("a ping of its own", PLACE, |liar| liar.send(Header::new(Kind::Ping), &[])),
    anybody("a drain of its own", PLACE, |liar| liar.send(Header::new(Kind::Drain), &[])),
    // Streams.
    anybody("a piece down of no stream", NO_STREAM, |liar| piece_of_nothing(liar, Kind::Data, Down)),
    anybody("a piece up of no stream", NO_STREAM, |liar| piece_of_nothing(liar, Kind::Data, Up)),
    anybody("the end of no stream", NO_STREAM, |liar| piece_of_nothing(liar, Kind::End, Down)),
    anybody("credit for no stream", NO_STREAM, |liar| piece_of_nothing(liar, Kind::Credit, Down)),
    script("a piece where there is no stream", Who::Asked, Some(NO_STREAM), |liar| {
        let header = piece(Kind::Data, liar.word(), Down, 0);
        liar.send(header, b"x");
    }),
    streams("a piece more than there is credit for", NO_CREDIT, |liar| {
        let header = piece(Kind::Data, liar.word(), Down, 0);
        (0..=WINDOW_FRAMES).for_each(|_| liar.send(header, &[0]));
    }),
    streams("a byte more than there is credit for", NO_CREDIT, |liar| {
        let header = piece(Kind::Data, liar.word(), Down, 0);
        (0..4).for_each(|_| liar.send(header, &[0; MAX_DATA]));
        liar.send(header, &[0]);
    }),
    streams("a piece after the end", NO_CREDIT, |liar| {
        let call = liar.word();
        liar.send(piece(Kind::End, call, Down, 0), &[]);
        liar.send(piece(Kind::Data, call, Down, 0), &[0]);
    }),
    streams("the end twice", NO_STREAM, |liar| {
        let header = piece(Kind::End, liar.word(), Down, 0);
        (0..2).for_each(|_| liar.send(header, &[]));
    }),
    streams("credit for what never came", FALSE_CREDIT, |liar| {
        let header = piece(Kind::Credit, liar.word(), Up, 1);
        liar.send(header, &[]);
    }),
    streams("all the credit there is", FALSE_CREDIT, |liar| {
        let header = piece(Kind::Credit, liar.word(), Up, u16::MAX);
        liar.send(header, &[]);
    }),
    streams("a piece in the direction of its caller", NO_STREAM, |liar| {
        let header = piece(Kind::Data, liar.word(), Up, 0);
        liar.send(header, &[0]);
    }),
    Script {
        answers: true,
        ..streams("a piece after the answer", NO_STREAM, |liar| {
            let call = liar.word();
            liar.answer(call, &codec::encode(&Done).expect("no bytes"));
            liar.send(piece(Kind::Data, call, Down, 0), &[0]);
        })
    },
    script("credit for pieces not read", Who::Cli, Some(FALSE_CREDIT), |liar| {
        open_source(liar);
        liar.send(piece(Kind::Credit, 1, Down, u16::MAX), &[]);
    }),
    script("a flood up a stream", Who::Cli, Some(NO_CREDIT), |liar| {
        open_source(liar);
        (0..=WINDOW_FRAMES).for_each(|_| liar.send(piece(Kind::Data, 1, Up, 0), &[0]));
    }),
    // In the place of Hello and Ready.
    before_ready("ready without hello", TURN, |liar| liar.send(Header::new(Kind::Ready), &report())),
    before_ready("hello of another schema", VERSION, |liar| liar.send(Header::new(Kind::Hello), &hello(1))),
    before_ready("a report that is none", "it sent a report that is none", |liar| {
        liar.send(Header::new(Kind::Hello), &hello(ipc::SCHEMA_HASH));
        liar.send(Header::new(Kind::Ready), &[0xff; 64]);
    }),
    before_ready("noise from the first byte", "it sent what is no frame", |liar| liar.raw(&[0xff; 4096])),
    before_ready("an answer before anything", NOTHING, |liar| liar.answer(1, b"42")),
    // What is odd and allowed.
    script("an answer byte by byte", Who::Asked, None, |liar| {
        let call = liar.asked.take().expect("it was asked");
        for byte in bytes_of(&with(of_call(Kind::Answer, call), &echoed())) {
            liar.raw(&[byte]);
            // So that the hub reads them one by one; nothing waits for this.
            thread::sleep(Duration::from_micros(300));
        }
    }),
    script("many frames in one write", Who::Asked, None, |liar| {
        let call = liar.asked.take().expect("it was asked");
        let cancel = bytes_of(&Frame::bare(of_call(Kind::Cancel, 7)));
        liar.raw(&[cancel.repeat(500), bytes_of(&with(of_call(Kind::Answer, call), &echoed())), cancel].concat());
    }),
    script("replies to pings that never were", Who::Anybody, None, |liar| {
        (0..100).for_each(|_| liar.send(Header { flags: Flags::REPLY, ..Header::new(Kind::Ping) }, &[]));
    }),
    script("hello again", Who::Anybody, None, |liar| liar.send(Header::new(Kind::Hello), &hello(ipc::SCHEMA_HASH))),
    script("a question taken back before it is asked", Who::Asks, None, |liar| {
        liar.send(of_call(Kind::Cancel, 7), &[]);
        liar.send(liar.permitted(7), &[0xff]);
        assert_eq!(liar.refused(), (7, Code::Cancelled));
    }),
    script("more calls than its row has", Who::Asks, None, |liar| {
        let (calls, mut heard) = (200, Vec::new());
        (1..=calls).for_each(|number| liar.send(liar.permitted(number), &[0xff; 8]));
        (1..=calls).for_each(|_| heard.push(liar.refused()));
        assert!(heard.iter().any(|(_, code)| *code == Code::Busy), "{heard:?}");
        heard.sort_by_key(|(call, _)| *call);
        assert!(heard.iter().map(|(call, _)| *call).eq(1..=calls), "one answer each: {heard:?}");
    }),
];

/// Opens a stream from the model process, as its own call 1, and reads its first piece.
fn open_source(liar: &mut Liar) {
    use ipc::{messages::common::Source, service::Method as _};
    let body = codec::encode(&Source { pieces: 100, size: 10 }).expect("a request");
    liar.send(call(Kind::Open, (Role::Llm, Instance(0)), Source::NUMBER, 1), &body);
    let until = Instant::now() + PATIENCE;
    while liar.data.next_until(until).expect("a piece comes").header.kind != Kind::Data {}
}
