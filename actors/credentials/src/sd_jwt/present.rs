//! The holder's side: choosing what to show, and proving to be the holder.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    disclosure::{Disclosure, hash},
    process::{MAX_DISCLOSURES, hashes_in},
};
use crate::{
    canonical::canonical,
    error::{Kind, Result, refuse},
    json,
    jws::{self, Algorithm, Header},
    moment::Moment,
    presentation::Question,
    signer::Signer,
    to_sign::ToSign,
};

/// The type of the token that proves who presents.
pub(crate) const BINDING: &str = "kb+jwt";

/// An SD-JWT, taken apart. Nothing of it is checked: a holder may present what it cannot check, a verifier never relies on it.
#[derive(Debug, Clone)]
pub struct Presentable {
    token: String,
    disclosures: Vec<Disclosure>,
}

/// The parts of an SD-JWT: the issuer's token, the disclosures, and the token that proves who presents.
pub(crate) fn split(text: &str) -> Result<(&str, Vec<Disclosure>, Option<&str>)> {
    if text.len() > json::MAX_BYTES {
        return refuse(Kind::TooLarge, format!("it has {} bytes, at most {} are read", text.len(), json::MAX_BYTES));
    }
    let mut parts = text.split('~');
    let (Some(token), Some(binding)) = (parts.next(), parts.next_back()) else {
        return refuse(Kind::Malformed, "it is not an SD-JWT: there is no ~ in it");
    };
    let mut disclosures = Vec::new();
    for part in parts {
        if disclosures.len() == MAX_DISCLOSURES {
            return refuse(Kind::TooLarge, format!("it has more than {MAX_DISCLOSURES} disclosures"));
        }
        disclosures.push(Disclosure::read(part)?);
    }
    Ok((token, disclosures, Some(binding).filter(|binding| !binding.is_empty())))
}

impl Presentable {
    /// Takes an SD-JWT apart, as the issuer gave it.
    pub fn read(text: &str) -> Result<Presentable> {
        let (token, disclosures, binding) = split(text)?;
        if binding.is_some() {
            return refuse(Kind::Malformed, "it was presented to somebody already");
        }
        Ok(Presentable { token: token.to_owned(), disclosures })
    }

    /// What can be shown.
    pub fn disclosures(&self) -> &[Disclosure] {
        &self.disclosures
    }

    /// Shows what `show` chooses, with what contains it. With a question it answers that, and proves who presents.
    pub fn present(
        &self,
        show: impl Fn(&Disclosure) -> bool,
        answer: Option<(&Question, Moment, Algorithm, &dyn Signer)>,
    ) -> Result<String> {
        let mut text = format!("{}~", self.token);
        for disclosure in self.chosen(show) {
            text.push_str(disclosure.text());
            text.push('~');
        }
        if let Some((question, now, algorithm, signer)) = answer {
            let claims: Map<String, Value> = [
                ("iat".to_owned(), json!(now.seconds())),
                ("aud".to_owned(), json!(question.domain)),
                ("nonce".to_owned(), json!(question.challenge)),
                ("sd_hash".to_owned(), json!(hash(text.as_bytes()))),
            ]
            .into_iter()
            .collect();
            let header = Header { algorithm, typ: BINDING, content: None, names_key: false };
            let binding =
                jws::sign(header, &canonical(&claims)?, signer, |header, payload| ToSign::KeyBinding { header, payload })?;
            text.push_str(&binding);
        }
        if text.len() > json::MAX_BYTES { refuse(Kind::TooLarge, "it would be too large to be read") } else { Ok(text) }
    }

    /// What is chosen, and what it is within: without that it belongs nowhere.
    fn chosen(&self, show: impl Fn(&Disclosure) -> bool) -> Vec<&Disclosure> {
        let mut wanted: BTreeSet<String> =
            self.disclosures.iter().filter(|disclosure| show(disclosure)).map(Disclosure::hash).collect();
        loop {
            let before = wanted.len();
            for disclosure in &self.disclosures {
                let mut within = BTreeSet::new();
                hashes_in(disclosure.value(), &mut within);
                if !within.is_disjoint(&wanted) {
                    wanted.insert(disclosure.hash());
                }
            }
            if wanted.len() == before {
                return self.disclosures.iter().filter(|disclosure| wanted.contains(&disclosure.hash())).collect();
            }
        }
    }
}
