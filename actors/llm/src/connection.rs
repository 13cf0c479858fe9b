//! What it means when the HTTP client gives up before a server has answered: a name, a port, a certificate, or silence.

use std::{error::Error, io};

use ipc::{Code, Refusal};
use outbound::{ResolveError, causes, certificate, find};

use crate::{access::Access, errors::Trouble, retry::Again};

/// A try that gave nothing.
pub(crate) struct Failure {
    /// What to say if it was the last.
    pub(crate) refusal: Refusal,
    /// Whether another may do better.
    pub(crate) again: Again,
}

/// Looks for the cause of a failure, from the surest sign to the vaguest.
pub(crate) fn failure(access: &Access, error: &reqwest::Error) -> Failure {
    let server = access.origin().name();
    if let Some(error) = find::<ResolveError>(error) {
        return unresolved(access, error);
    }
    if let Some(error) = find::<rustls::Error>(error) {
        let why = certificate(error);
        let sentence =
            format!("there is no safe connection to {server}: {why}; there is no way around this, the server must mend it");
        return never(Code::ModelUnreachable, sentence);
    }
    let kind = find::<io::Error>(error).map(io::Error::kind);
    if error.is_connect() {
        return match kind {
            // The wall around this process, which has a door for each port the person named.
            Some(io::ErrorKind::PermissionDenied) => {
                let port = access.origin().port();
                let sentence =
                    format!("this process may not connect to port {port}; name the server {server} again, and it is allowed");
                never(Code::OriginRefused, sentence)
            }
            Some(io::ErrorKind::ConnectionRefused) => {
                soon(format!("nothing answers at {server}; start the server, or correct the base URL"))
            }
            _ if error.is_timeout() => {
                soon(format!("{server} does not answer; see that it runs and that this machine is online"))
            }
            _ => soon(format!("{server} cannot be reached; see that it runs and that this machine is online")),
        };
    }
    // The client tells a broken connection from bytes that are not HTTP in words alone.
    if says(
        error,
        &["invalid HTTP", "header parsed", "version parsed", "status parsed", "content-length parsed", "head is too large"],
    ) {
        let refusal = crate::errors::refusal(access, &Trouble::nonsense("what answers there is not HTTP"));
        return Failure { refusal, again: Again::Never };
    }
    soon(format!("the connection to {server} broke before an answer came; ask again"))
}

fn unresolved(access: &Access, error: &ResolveError) -> Failure {
    let host = access.origin().host();
    match error {
        ResolveError::Forbidden { address, what } => never(
            Code::OriginRefused,
            format!(
                "the name {host} leads to {address}, {what}; if that is the server you mean, write the address in its base URL"
            ),
        ),
        ResolveError::Unknown => {
            never(Code::ModelUnreachable, format!("nobody knows a server named {host}; correct the base URL"))
        }
        ResolveError::NoServer => never(
            Code::ModelUnreachable,
            format!("this system names no name server, so {host} cannot be found; write the server's address in its base URL"),
        ),
        ResolveError::Unavailable => {
            soon(format!("no name server answers, so {host} cannot be found; see that this machine is online"))
        }
    }
}

fn never(code: Code, sentence: String) -> Failure {
    Failure { refusal: Refusal::new(code, sentence), again: Again::Never }
}

fn soon(sentence: String) -> Failure {
    Failure { refusal: Refusal::new(Code::ModelUnreachable, sentence), again: Again::Soon }
}

fn says(error: &(dyn Error + 'static), words: &[&str]) -> bool {
    causes(error).any(|error| {
        let said = error.to_string();
        words.iter().any(|words| said.contains(words))
    })
}
