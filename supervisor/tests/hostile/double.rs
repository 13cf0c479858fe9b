//! A process that is not ours. It is started as ours are, takes its sockets and its start message as ours do, locks
//! nothing away, and then lives by a script.

use std::{
    fs,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use ipc::{
    Code, Refusal, Role, codec,
    header::{Flags, Header, Kind},
    messages::{
        common::{Echo, Echoed, Source},
        start::{Hello, Outcome, Report, Start},
    },
    service::Method as _,
};

use crate::{
    peer::{Peer, of_call, with},
    scripts::{self, Asked, Liar, Script},
};

/// What a liar that waits for its word waits for: an echo that begins with it.
pub(crate) const WORD: &[u8] = b"go";

/// Longer than any story.
const EVER: Duration = Duration::from_secs(600);

/// The script a process of this role lives by, if it is the one that the file beside its program names.
pub(crate) fn script_of(program: &Path, role: Role) -> Option<String> {
    let file = program.with_file_name("hostile");
    let text = fs::read_to_string(&file).ok()?;
    let (who, rest) = text.split_once(' ')?;
    let script = rest.strip_prefix(role.name())?.strip_prefix(' ')?.to_owned();
    // Whoever takes it away is the one.
    (who == "all" || fs::remove_file(&file).is_ok()).then_some(script)
}

/// Lives by a script until the supervisor hangs up.
pub(crate) fn live(role: Role, name: &str) -> ExitCode {
    let script = scripts::find(name);
    let socket = |from| UnixStream::from(rustix::io::fcntl_dupfd_cloexec::<&OwnedFd>(from, 3).expect("a socket can be kept"));
    let (stdin, stdout) = (own(rustix::stdio::stdin()), own(rustix::stdio::stdout()));
    let (mut data, control) = (Peer::new(socket(&stdin)), socket(&stdout));
    let first = data.next_until(Instant::now() + EVER).expect("a start message");
    let start: Start = codec::decode(first.body.as_slice()).expect("a start message");
    assert_eq!(start.role, role, "it is what it was started as");
    let mut liar = Liar { role, data, control, asked: None };
    if script.asked == Asked::Never {
        (script.play)(&mut liar);
        wait(&mut liar.data);
        return ExitCode::SUCCESS;
    }
    let greet = |kind, body: &[u8]| assert!(liar.data.send(&with(Header::new(kind), body)), "the supervisor listens");
    greet(Kind::Hello, &codec::encode(&Hello::ours()).expect("a greeting"));
    greet(Kind::Ready, &codec::encode(&Outcome::Ready(Report::default())).expect("a report"));
    if !script.deaf {
        let (heard, data) =
            (Peer::new(liar.control.try_clone().expect("a socket")), liar.data.socket.try_clone().expect("a socket"));
        thread::spawn(move || answer_pings(heard, &data));
    }
    serve(&mut liar, script);
    ExitCode::SUCCESS
}

fn own(borrowed: std::os::fd::BorrowedFd<'_>) -> OwnedFd {
    borrowed.try_clone_to_owned().expect("a descriptor can be kept")
}

/// Says that it lives, and goes when it is told to.
fn answer_pings(mut control: Peer, data: &UnixStream) {
    while let Some(frame) = control.next_until(Instant::now() + EVER) {
        match frame.header.kind {
            Kind::Ping => {
                control.send(&with(Header { flags: Flags::REPLY, ..Header::new(Kind::Ping) }, &[]));
            }
            Kind::Drain => break,
            _ => {}
        }
    }
    // The other thread may have gone.
    let _ = data.shutdown(std::net::Shutdown::Both);
}

/// Answers as an honest process would, until the word comes; then plays, and is honest again.
fn serve(liar: &mut Liar, script: &Script) {
    while let Some(frame) = liar.data.next_until(Instant::now() + EVER) {
        let call = frame.header.call.0;
        let echo = (frame.header.kind == Kind::Call && frame.header.method == Echo::NUMBER)
            .then(|| codec::decode::<Echo>(frame.body.as_slice()).expect("an echo").bytes);
        let word = match script.asked {
            Asked::Stream => frame.header.kind == Kind::Open && frame.header.method == Source::NUMBER,
            _ => echo.as_ref().is_some_and(|bytes| bytes.starts_with(WORD)),
        };
        match frame.header.kind {
            Kind::Call | Kind::Open if word => {
                liar.asked = Some(call);
                (script.play)(liar);
                if let Some(call) = liar.asked.take().filter(|_| script.ends.is_none()) {
                    liar.answer(call, &codec::encode(&Echoed { bytes: WORD.to_vec() }).expect("an echo"));
                }
            }
            Kind::Call | Kind::Open => {
                let answer = match echo {
                    Some(bytes) => with(of_call(Kind::Answer, call), &codec::encode(&Echoed { bytes }).expect("an echo")),
                    None => with(of_call(Kind::Refuse, call), &Refusal::new(Code::Internal, "this is not done here").to_body()),
                };
                liar.data.send(&answer);
            }
            _ => {}
        }
    }
}

/// Waits for its end without a word.
fn wait(data: &mut Peer) {
    while data.next_until(Instant::now() + EVER).is_some() {}
}
