//! Taking credentials back: Bitstring Status List 1.0.
//!
//! The issuer publishes one list for very many credentials, signed as a credential itself; each credential names its place in
//! it. Whoever fetches the list asks about thousands at once, so the issuer does not learn about which. This crate does not
//! fetch: the caller has the lists.

use std::io::{Read as _, Write as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, GzBuilder, bufread::GzDecoder};
use serde_json::{Map, Value, json};

use crate::{
    contexts::CREDENTIALS_V2,
    credential::{Credential, Verifier},
    error::{Kind, Refused, Result, refuse},
    key::PublicKey,
    model::{STATUS_ENTRY, StatusEntry, strings},
    moment::Validity,
};

/// The shortest list, in bytes: among fewer credentials (8 × 16 KiB = 131,072) a request for it would tell too much.
pub const MIN_BYTES: usize = 16 * 1024;
/// The longest list that is read, in bytes: 8,388,608 credentials.
pub const MAX_BYTES: usize = 1024 * 1024;

const CREDENTIAL: &str = "BitstringStatusListCredential";
const LIST: &str = "BitstringStatusList";

/// What a bit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusPurpose {
    /// Taken back for good.
    Revocation,
    /// Taken back for the time being.
    Suspension,
}

impl StatusPurpose {
    /// Its name in lists and entries.
    pub fn name(self) -> &'static str {
        match self {
            StatusPurpose::Revocation => "revocation",
            StatusPurpose::Suspension => "suspension",
        }
    }

    fn named(name: &str) -> Option<StatusPurpose> {
        [StatusPurpose::Revocation, StatusPurpose::Suspension].into_iter().find(|purpose| purpose.name() == name)
    }
}

/// One bit for each credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList {
    bits: Vec<u8>,
}

impl StatusList {
    /// A list for so many credentials, of which none is taken back. It has room for 131,072 at least.
    pub fn new(entries: u64) -> Result<StatusList> {
        let bytes = usize::try_from(entries.div_ceil(8)).unwrap_or(usize::MAX).max(MIN_BYTES);
        if bytes > MAX_BYTES {
            return refuse(Kind::CannotMake, format!("a list has at most {} entries", MAX_BYTES * 8));
        }
        Ok(StatusList { bits: vec![0; bytes] })
    }

    /// How many credentials it has room for.
    pub fn entries(&self) -> u64 {
        self.bits.len() as u64 * 8
    }

    /// Whether the bit of a credential is set.
    pub fn get(&self, index: u64) -> Result<bool> {
        let (byte, mask) = place(index);
        match byte.and_then(|byte| self.bits.get(byte)) {
            Some(byte) => Ok(byte & mask != 0),
            None => refuse(Kind::Malformed, format!("the status list has no entry {index}")),
        }
    }

    /// Sets the bit of a credential. A revocation is never unset: that is the caller's to keep.
    pub fn set(&mut self, index: u64, value: bool) -> Result<()> {
        let (byte, mask) = place(index);
        let Some(byte) = byte.and_then(|byte| self.bits.get_mut(byte)) else {
            return refuse(Kind::CannotMake, format!("the status list has no entry {index}"));
        };
        if value {
            *byte |= mask;
        } else {
            *byte &= !mask;
        }
        Ok(())
    }

    /// The list as `encodedList` writes it: gzip, then base64url after a `u`. The same bits give the same text.
    pub fn encode(&self) -> Result<String> {
        let failed = |_| Refused::new(Kind::CannotMake, "compress the status list");
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
        gzip.write_all(&self.bits).map_err(failed)?;
        Ok(format!("u{}", URL_SAFE_NO_PAD.encode(gzip.finish().map_err(failed)?)))
    }

    /// Reads an `encodedList` from a stranger: never more than [`MAX_BYTES`] are unpacked, whatever it says of its length.
    pub fn decode(text: &str) -> Result<StatusList> {
        let malformed = |what: &str| Refused::new(Kind::Malformed, format!("the status list {what}"));
        let packed = text.strip_prefix('u').ok_or_else(|| malformed("is not in base64url (`u…`)"))?;
        let packed = URL_SAFE_NO_PAD.decode(packed).map_err(|_| malformed("is not in base64url (`u…`)"))?;
        let mut gzip = GzDecoder::new(packed.as_slice());
        let mut bits = Vec::new();
        (&mut gzip).take(MAX_BYTES as u64 + 1).read_to_end(&mut bits).map_err(|_| malformed("is not gzip"))?;
        if bits.len() > MAX_BYTES {
            return refuse(Kind::TooLarge, format!("the status list has more than {MAX_BYTES} bytes"));
        }
        if !gzip.into_inner().is_empty() {
            return Err(malformed("is followed by something else"));
        }
        if bits.len() < MIN_BYTES {
            return Err(malformed("has less than 131,072 entries"));
        }
        Ok(StatusList { bits })
    }

    /// The credential that publishes the list, to be signed with [`crate::issue`]. `id` is the address at which it will be had.
    pub fn to_credential(
        &self,
        id: &str,
        issuer: &PublicKey,
        purpose: StatusPurpose,
        validity: Validity,
    ) -> Result<Map<String, Value>> {
        let mut document = Map::new();
        document.insert("@context".to_owned(), json!([CREDENTIALS_V2]));
        document.insert("id".to_owned(), json!(id));
        document.insert("type".to_owned(), json!(["VerifiableCredential", CREDENTIAL]));
        document.insert("issuer".to_owned(), json!(issuer.did()));
        for (name, moment) in [("validFrom", validity.from), ("validUntil", validity.until)] {
            document.extend(moment.map(|moment| (name.to_owned(), json!(moment.to_string()))));
        }
        let subject = json!({
            "id": format!("{id}#list"), "type": LIST, "statusPurpose": purpose.name(), "encodedList": self.encode()?,
        });
        document.insert("credentialSubject".to_owned(), subject);
        Ok(document)
    }
}

/// From the left: entry 0 is the highest bit of the first byte.
fn place(index: u64) -> (Option<usize>, u8) {
    (usize::try_from(index / 8).ok(), 0x80 >> (index % 8))
}

/// What a credential says about where its status stands, to be put into it as `credentialStatus`.
pub fn entry(list: &str, index: u64, purpose: StatusPurpose) -> Value {
    json!({
        "type": STATUS_ENTRY, "statusPurpose": purpose.name(), "statusListIndex": index.to_string(), "statusListCredential": list,
    })
}

/// A list whose credential was verified.
#[derive(Debug, Clone)]
pub struct PublishedList {
    id: String,
    issuer: PublicKey,
    purposes: Vec<StatusPurpose>,
    validity: Validity,
    list: StatusList,
}

impl PublishedList {
    /// Reads the list out of its credential.
    pub fn read(credential: &Credential) -> Result<PublishedList> {
        let claims = credential.claims()?;
        if !credential.is(CREDENTIAL) || !strings(claims, "type")?.iter().any(|name| name == LIST) {
            return refuse(Kind::Malformed, "it is not the credential of a status list");
        }
        let Some(id) = credential.id().map(str::to_owned) else {
            return refuse(Kind::Malformed, "the status list has no id");
        };
        let purposes: Vec<_> = strings(claims, "statusPurpose")?.iter().filter_map(|name| StatusPurpose::named(name)).collect();
        if purposes.is_empty() {
            return refuse(Kind::Unsupported, "the status list is neither for revocation nor for suspension");
        }
        if claims.get("statusSize").is_some_and(|size| size.as_u64() != Some(1)) {
            return refuse(Kind::Unsupported, "the status list has more than one bit for an entry");
        }
        let list = StatusList::decode(claims.get("encodedList").and_then(Value::as_str).unwrap_or_default())?;
        Ok(PublishedList { id, issuer: *credential.issuer_key(), purposes, validity: credential.validity(), list })
    }

    /// The address at which it can be had.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bits.
    pub fn list(&self) -> &StatusList {
        &self.list
    }
}

impl Verifier<'_> {
    /// Whether a credential still counts, by the lists at hand. A list counts only while it is valid, and only if the
    /// credential's own issuer published it. An entry whose list is not at hand is refused as
    /// [`Kind::StatusUnknown`]; entries for other purposes than revocation and suspension say nothing about that.
    pub fn status(&self, credential: &Credential, lists: &[PublishedList]) -> Result<()> {
        for StatusEntry { purpose, index, list } in credential.status() {
            let Some(purpose) = StatusPurpose::named(purpose) else { continue };
            let fits = |known: &&PublishedList| {
                known.id == *list && known.issuer == *credential.issuer_key() && known.purposes.contains(&purpose)
            };
            let Some(known) = lists.iter().find(fits) else {
                return refuse(Kind::StatusUnknown, format!("its issuer's list for {} is not at hand", purpose.name()));
            };
            known.validity.check(self.now).map_err(|refused| refused.at("its status list"))?;
            if known.list.get(*index)? {
                let kind = if purpose == StatusPurpose::Revocation { Kind::Revoked } else { Kind::Suspended };
                return refuse(kind, format!("its issuer has set it to {}", purpose.name()));
            }
        }
        Ok(())
    }
}
