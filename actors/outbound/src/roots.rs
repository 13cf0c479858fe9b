//! Whom TLS trusts: the system's certificates, or those that ship with the program where the system has none.

use rustls::RootCertStore;

/// Reads the system's certificates.
pub fn read() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be read is not trusted; the others still are.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
