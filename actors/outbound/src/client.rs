//! The HTTP client: ring as the one TLS provider, HTTP/1.1, and names found in this process.

use std::{sync::Arc, time::Duration};

use ipc::Refusal;
use reqwest::{Client, redirect};
use rustls::{ClientConfig, RootCertStore};

use crate::{Names, resolve::Resolver, roots};

/// What a process takes before it is locked down: whom it trusts, and what the system knows of names.
pub struct Prepared {
    tls: ClientConfig,
    names: Names,
}

impl Prepared {
    /// Reads certificates, the resolver's file and the hosts file.
    pub fn read() -> Result<Prepared, Refusal> {
        Prepared::new(roots(), Names::read())
    }

    /// Trusts these roots and knows these names. For those who test; a process reads.
    pub fn new(roots: RootCertStore, names: Names) -> Result<Prepared, Refusal> {
        let tls = tls(roots).map_err(|error| Refusal::internal(format!("make TLS ready: {error}")))?;
        Ok(Prepared { tls, names })
    }

    /// The client. A connection, name and encryption included, takes at most `connect`; `kept` of them
    /// are kept for the next request, for each host. The answer to a request is waited for without end: who asks bounds that.
    pub fn client(self, connect: Duration, kept: usize) -> Result<Client, Refusal> {
        Client::builder()
            .tls_backend_preconfigured(self.tls)
            .dns_resolver(Resolver::new(self.names)?)
            .connect_timeout(connect)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("lamos/", env!("CARGO_PKG_VERSION")))
            .pool_max_idle_per_host(kept)
            .build()
            .map_err(|error| Refusal::internal(format!("make an HTTP client: {error}")))
    }
}

/// TLS with these roots and nothing else.
pub fn tls(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}
