//! `vc-api`: other programs of this machine ask over HTTP, for as long as this command runs. Here it is only said what is
//! served and to whom, and told what was asked; who listens and who answers are other processes.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use data_encoding::HEXLOWER;
use ipc::{
    Code, Refusal,
    endpoint::{Options, StreamCall},
    messages::{
        crypto::{KeyState, KeyStatus},
        gate::{Admits, Requested, ServeCredentials},
        supervisor::{GateOpened, OpenGate},
    },
};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use super::{
    args::{Common, SuiteName},
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, tell},
};
use crate::{
    exit,
    tree::restart::{Restarts, Verdict},
};

/// Random bytes of a token.
const TOKEN: usize = 32;

/// How long what is being asked has when the command is to end; a little more than whoever answers takes.
const GRACE: Duration = Duration::from_secs(3);

/// The status of what is not there.
const NOT_FOUND: u16 = 404;

/// Arguments of `vc-api`.
#[derive(Debug, Args)]
pub struct VcApiArgs {
    /// Listen on this port of 127.0.0.1; 0 takes any that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u16,

    /// Listen on the same port of ::1 too
    #[arg(long)]
    pub ipv6: bool,

    /// Let every program of this machine ask, whoever runs it: for tests alone
    #[arg(long, conflicts_with = "token_file")]
    pub no_token: bool,

    /// Write the token to this file, which only you can read, instead of printing it; it is removed when the command ends
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Sign with this suite where a request does not say
    #[arg(long, value_enum, value_name = "SUITE", default_value = "jcs")]
    pub suite: SuiteName,
}

/// `lamos vc-api`.
pub async fn vc_api(session: &Session, common: &Common, args: VcApiArgs) -> Outcome {
    sign_in(session, common).await?;
    if let KeyState::Open { demo: true } = session.client.call(&KeyStatus).await? {
        tell("The demo space issues nothing: what it signed, everybody could have signed. It checks what is shown to it.");
    }
    // Before anything is served: who must not end it by accident has been heard from then on.
    let mut terminate = signal(SignalKind::terminate())?;
    let opened = session.client.call(&OpenGate { port: args.port, ipv6: args.ipv6 }).await?;
    let token = if args.no_token { None } else { Some(new_token()?) };
    let _file = match (&token, &args.token_file) {
        (Some(token), Some(path)) => Some(TokenFile::write(path, token)?),
        _ => None,
    };
    let admits = token.as_ref().map_or(Admits::Anybody, |token| Admits::Token(*blake3::hash(token.as_bytes()).as_bytes()));
    let serve = ServeCredentials { admits, suite: args.suite.into() };
    let stream = session.client.open(&serve, Options::at(opened.instance))?;
    introduce(common, &args, opened.port, token)?;
    stay(session, &serve, OpenGate { port: opened.port, ipv6: args.ipv6 }, stream, &mut terminate).await
}

/// Says where it is, and prints the token the one time.
fn introduce(common: &Common, args: &VcApiArgs, port: u16, token: Option<Zeroizing<String>>) -> Outcome {
    let mut addresses = vec![format!("http://127.0.0.1:{port}")];
    if args.ipv6 {
        addresses.push(format!("http://[::1]:{port}"));
    }
    let shown = token.filter(|_| args.token_file.is_none());
    if args.no_token {
        tell("WARNING: there is no token. Every program of this machine can have credentials signed in your name.");
    }
    if common.json {
        let shown = shown.as_ref().map(|token| token.as_str());
        words::json(&json!({ "addresses": addresses, "port": port, "token": shown }))?;
    } else {
        for address in &addresses {
            words::say(address)?;
        }
        if let Some(token) = shown {
            words::say(&format!("Authorization: Bearer {}", token.as_str()))?;
        }
    }
    tell("Ctrl-C ends it.");
    Ok(())
}

/// Tells what is asked until the person has enough of it. Where who answers has ended, another one is started.
async fn stay(
    session: &Session,
    serve: &ServeCredentials,
    again: OpenGate,
    mut stream: StreamCall<ServeCredentials>,
    terminate: &mut Signal,
) -> Outcome {
    let mut restarts = Restarts::default();
    loop {
        let begun = Instant::now();
        let enough = tokio::select! {
            () = tell_all(&mut stream) => false,
            _ = tokio::signal::ctrl_c() => true,
            _ = terminate.recv() => true,
            () = session.ended() => true,
        };
        if enough {
            stream.cancel();
            // It is over either way.
            let _ = tokio::time::timeout(GRACE, stream.answer()).await;
            return Ok(());
        }
        match stream.answer().await {
            // A call has an end, and a person who stays longer has not.
            Ok(_) => {}
            Err(refusal) if refusal.code == Code::DeadlineExceeded => {}
            Err(refusal) if refusal.code == Code::PeerDied => {
                tell(&format!("{}; it is started again.", refusal.sentence));
            }
            Err(refusal) => return Err(refusal.into()),
        }
        let Verdict::After(wait) = restarts.ended(Instant::now(), Some(begun.elapsed()), 1.0) else {
            return Err(Failure::new(exit::OURS, "who answers over HTTP ends again and again; `lamos tail` shows why"));
        };
        tokio::time::sleep(wait).await;
        let GateOpened { instance, .. } = reopen(session, again).await?;
        stream = session.client.open(serve, Options::at(instance))?;
    }
}

/// Another process for the same listener. The one before may not have ended yet, of which the refusal knew.
async fn reopen(session: &Session, again: OpenGate) -> Result<GateOpened, Refusal> {
    let until = Instant::now() + GRACE;
    loop {
        match session.client.call(&again).await {
            Err(refusal) if refusal.code == Code::Busy && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => return other,
        }
    }
}

async fn tell_all(stream: &mut StreamCall<ServeCredentials>) {
    while let Some(Ok(Requested { route, status, micros, missed })) = stream.next().await {
        if missed > 0 {
            tell(&format!("… and {missed} more"));
        }
        let route = match route.as_str() {
            "" if status == NOT_FOUND => "nothing that is here",
            "" => "not let in",
            route => route,
        };
        tell(&format!("{status} {route} {} ms", micros.div_ceil(1000)));
    }
}

fn new_token() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0_u8; TOKEN]);
    getrandom::fill(&mut *bytes).map_err(|error| Failure::new(exit::OURS, format!("failed to get random bytes: {error}")))?;
    Ok(Zeroizing::new(HEXLOWER.encode(&*bytes)))
}

fn is_token(text: &[u8]) -> bool {
    text.len() == 2 * TOKEN && HEXLOWER.decode(text).is_ok()
}

/// A file with a token in it, for as long as the token is good for something.
struct TokenFile<'a>(&'a Path);

impl<'a> TokenFile<'a> {
    fn write(path: &'a Path, token: &str) -> Result<TokenFile<'a>, Failure> {
        let bad = |error: io::Error| {
            Failure::new(
                exit::GIVEN,
                format!("failed to write the token to {}: {error}", words::line(&path.display().to_string())),
            )
        };
        // One that a command has left that was killed is good for nothing. Any other file is not ours to remove.
        if fs::read(path).is_ok_and(|text| is_token(text.trim_ascii_end())) {
            fs::remove_file(path).map_err(bad)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(bad)?;
        // Whatever the mask says.
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(bad)?;
        let written = TokenFile(path);
        file.write_all(token.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(bad)?;
        Ok(written)
    }
}

impl Drop for TokenFile<'_> {
    fn drop(&mut self) {
        // The token opens nothing any more.
        let _ = fs::remove_file(self.0);
    }
}
