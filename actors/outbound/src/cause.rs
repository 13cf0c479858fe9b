//! What lies behind an error of the HTTP client, which says it in its sources and not in its words.

use std::{error::Error, io};

use rustls::CertificateError;

/// The causes of an error, nearest first. What an I/O error carries is not among its sources, only what lies behind it.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let cause = |error: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        }
    };
    // A chain that is longer was not made by us.
    std::iter::successors(Some(error), cause).take(32)
}

/// The nearest cause of this type.
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// What TLS could not do, in words.
pub fn certificate(error: &rustls::Error) -> &'static str {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet (or this machine's clock is wrong)"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "its certificate is for another name",
            Bad::UnknownIssuer => "its certificate is signed by nobody this system trusts, or by itself",
            Bad::Revoked => "its certificate was revoked",
            _ => "its certificate is not valid",
        },
        rustls::Error::PeerIncompatible(_) => "it speaks only old or weak encryption",
        rustls::Error::InvalidMessage(_) => "it does not speak TLS (is it a http:// server?)",
        _ => "the encryption could not be agreed on",
    }
}
