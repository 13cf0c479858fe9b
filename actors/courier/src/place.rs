//! The base URL of a place, checked before anything is sent.

use std::net::IpAddr;

use reqwest::Url;

use crate::BadTarget;

/// Longest base URL.
const MAX_URL: usize = 2048;

/// Checks a base URL. With `keyed` a credential goes there.
pub(crate) fn parse(text: &str, keyed: bool) -> Result<Url, BadTarget> {
    let url = Url::parse(text).ok().filter(|url| text.len() <= MAX_URL && url.has_host()).ok_or(BadTarget::Url)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BadTarget::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadTarget::SecretInUrl);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(BadTarget::Url);
    }
    if keyed && url.scheme() == "http" && !is_this_machine(&url) {
        return Err(BadTarget::InTheClear);
    }
    Ok(url)
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}
