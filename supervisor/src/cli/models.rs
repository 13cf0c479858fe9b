//! Which model answers: what the person said, then what the environment says. A key goes from here to the key process and
//! is lent from there; nobody in between sees it.

use std::env;

use ipc::{
    Role,
    messages::{
        crypto::{Lend, LendKept},
        llm::{ModelChoice, Wire},
        storage::{KeptSecret, ListSecrets},
        supervisor::AllowPorts,
    },
    secret::Secret,
};
use zeroize::Zeroizing;

use super::{
    args::{ModelArgs, WireArg},
    session::Session,
    words::Failure,
};
use crate::exit;

const OPENAI: &str = "https://api.openai.com/v1";
const ANTHROPIC: &str = "https://api.anthropic.com";

/// Where Ollama listens if nobody says otherwise.
const OLLAMA_PORT: u16 = 11434;

/// A server and what is needed to speak to it.
pub struct Server {
    /// What found it, for people.
    pub found_by: &'static str,
    /// Where it is.
    pub base_url: String,
    /// What it speaks.
    pub wire: Wire,
    key: Option<Zeroizing<String>>,
    /// A kept key, sealed; there is no other then.
    kept: Option<KeptSecret>,
}

/// Where a provider that everybody knows is.
pub fn address_of(provider: &str) -> Option<&'static str> {
    match provider {
        "anthropic" => Some(ANTHROPIC),
        "openai" => Some(OPENAI),
        _ => None,
    }
}

/// The servers that are configured, the first of which is asked: those of the environment, then those of which a key is kept.
/// Whoever gives an address asks that one; a kept key goes there if it was kept for it, and to no other.
pub async fn all(session: &Session, args: &ModelArgs) -> Result<Vec<Server>, Failure> {
    let mut servers = servers(args);
    let needs_one = args.base_url.is_none() || servers.iter().any(|server| server.key.is_none());
    if args.no_model || !needs_one {
        return Ok(servers);
    }
    let kept = session.client.call(&ListSecrets).await?.items;
    add_kept(&mut servers, args, kept.into_iter().map(|item| item.secret).collect());
    Ok(servers)
}

/// Adds what is kept to what the environment says.
fn add_kept(servers: &mut Vec<Server>, args: &ModelArgs, kept: Vec<KeptSecret>) {
    // A server that is named without a key, and one is kept for exactly this address.
    for server in servers.iter_mut().filter(|server| server.key.is_none()) {
        server.kept = kept.iter().find(|kept| same(&kept.base_url, &server.base_url)).cloned();
    }
    if args.base_url.is_some() {
        return;
    }
    for secret in kept {
        if servers.iter().any(|server| same(&server.base_url, &secret.base_url)) {
            continue;
        }
        let wire = if secret.provider == "anthropic" || secret.base_url.contains("anthropic.com") {
            Wire::Anthropic
        } else {
            Wire::OpenAiChat
        };
        let base_url = secret.base_url.clone();
        servers.push(Server { found_by: "lamos keys", base_url, wire, key: None, kept: Some(secret) });
    }
    sort(servers, args);
}

/// The servers of the environment or of the command line.
pub fn servers(args: &ModelArgs) -> Vec<Server> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let key = |name: &str| variable(name).map(Zeroizing::new);
    if args.no_model {
        return Vec::new();
    }
    if let Some(base_url) = &args.base_url {
        let wire = match args.wire {
            Some(WireArg::Anthropic) => Wire::Anthropic,
            Some(WireArg::Openai) => Wire::OpenAiChat,
            None if base_url.contains("anthropic.com") => Wire::Anthropic,
            None => Wire::OpenAiChat,
        };
        // A key of the environment goes to the server the environment names, or to its own: never to any other address.
        let own = match wire {
            Wire::OpenAiChat => [variable("OPENAI_BASE_URL"), Some(OPENAI.to_owned())],
            Wire::Anthropic => [variable("ANTHROPIC_BASE_URL"), Some(ANTHROPIC.to_owned())],
        };
        let name = if wire == Wire::Anthropic { "ANTHROPIC_API_KEY" } else { "OPENAI_API_KEY" };
        let its_own = own.into_iter().flatten().any(|own| same(&own, base_url));
        return vec![Server {
            found_by: "--base-url",
            base_url: base_url.clone(),
            wire,
            key: key(name).filter(|_| its_own),
            kept: None,
        }];
    }
    let mut servers = Vec::new();
    if let (url, Some(_)) | (url @ Some(_), _) = (variable("OPENAI_BASE_URL"), variable("OPENAI_API_KEY")) {
        let found_by = if url.is_some() { "OPENAI_BASE_URL" } else { "OPENAI_API_KEY" };
        servers.push(Server {
            found_by,
            base_url: url.unwrap_or_else(|| OPENAI.to_owned()),
            wire: Wire::OpenAiChat,
            key: key("OPENAI_API_KEY"),
            kept: None,
        });
    }
    if let (url, Some(_)) | (url @ Some(_), _) = (variable("ANTHROPIC_BASE_URL"), variable("ANTHROPIC_API_KEY")) {
        let found_by = if url.is_some() { "ANTHROPIC_BASE_URL" } else { "ANTHROPIC_API_KEY" };
        servers.push(Server {
            found_by,
            base_url: url.unwrap_or_else(|| ANTHROPIC.to_owned()),
            wire: Wire::Anthropic,
            key: key("ANTHROPIC_API_KEY"),
            kept: None,
        });
    }
    if let Some(host) = variable("OLLAMA_HOST") {
        servers.push(Server { found_by: "OLLAMA_HOST", base_url: ollama(&host), wire: Wire::OpenAiChat, key: None, kept: None });
    }
    sort(&mut servers, args);
    servers
}

fn sort(servers: &mut Vec<Server>, args: &ModelArgs) {
    // A model that is named says whose it is.
    if args.model.as_ref().is_some_and(|model| model.starts_with("claude")) {
        servers.sort_by_key(|server| server.wire != Wire::Anthropic);
    }
    if let Some(wire) = args.wire {
        let wanted = if wire == WireArg::Anthropic { Wire::Anthropic } else { Wire::OpenAiChat };
        servers.retain(|server| server.wire == wanted);
    }
}

fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// `OLLAMA_HOST` is written in many ways: `host`, `host:port`, `http://host:port`, `0.0.0.0`.
fn ollama(host: &str) -> String {
    let (scheme, rest) =
        host.trim().trim_end_matches('/').split_once("://").unwrap_or(("http", host.trim().trim_end_matches('/')));
    let rest = rest.replace("0.0.0.0", "127.0.0.1");
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { format!("{scheme}://{rest}/v1") } else { format!("{scheme}://{rest}:{OLLAMA_PORT}/v1") }
}

/// Makes a server's port reachable and lends its key: then it can be asked.
pub async fn prepare(session: &Session, server: Server, model: Option<&str>) -> Result<ModelChoice, Failure> {
    let port = port(&server.base_url).ok_or_else(|| {
        Failure::new(
            exit::USAGE,
            format!("{} is not the address of a server; it is written http://host:port/v1 or https://host/v1", server.base_url),
        )
    })?;
    session.client.call(&AllowPorts { role: Role::Llm, ports: vec![port] }).await?;
    if let Some(KeptSecret { provider, base_url, sealed }) = server.kept {
        let lease = session.client.call(&LendKept { provider, base_url, sealed }).await?;
        return Ok(ModelChoice { lease: lease.number, wire: server.wire, model: model.unwrap_or_default().to_owned() });
    }
    let key = server.key.map(|key| Secret::new(key.as_bytes().to_vec())).unwrap_or_else(|| Secret::new(Vec::new()));
    let lease = session.client.call(&Lend { base_url: server.base_url, key, holder: Role::Llm }).await?;
    Ok(ModelChoice { lease: lease.number, wire: server.wire, model: model.unwrap_or_default().to_owned() })
}

/// The TCP port of an address.
pub(super) fn port(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let after_address = host.rsplit_once(']').map_or(host, |(_, after)| after);
    match (after_address.rsplit_once(':'), scheme) {
        (Some((_, port)), "http" | "https") => port.parse().ok().filter(|port| *port != 0),
        (None, "http") if !host.is_empty() => Some(80),
        (None, "https") if !host.is_empty() => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_in_addresses() {
        for (url, found) in [
            ("https://api.openai.com/v1", Some(443)),
            ("http://127.0.0.1:8099/v1", Some(8099)),
            ("http://[::1]:8099/v1", Some(8099)),
            ("http://[::1]/v1", Some(80)),
            ("http://host", Some(80)),
            ("http://u:p@host:1/v1", Some(1)),
            ("ftp://host", None),
            ("host:80", None),
            ("http://", None),
            ("http://host:99999", None),
            ("http://host:0", None),
        ] {
            assert_eq!(port(url), found, "{url}");
        }
    }

    #[test]
    fn ollama_is_written_in_many_ways() {
        for (host, url) in [
            ("127.0.0.1", "http://127.0.0.1:11434/v1"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080/v1"),
            ("http://box:1234/", "http://box:1234/v1"),
            ("https://box", "https://box:11434/v1"),
        ] {
            assert_eq!(ollama(host), url);
        }
    }
}
