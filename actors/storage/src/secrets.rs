//! Sealed provider keys: ciphertext of the key process, which alone can open it. Kept as registers in the state of one entity,
//! by provider, so that they are in the history, the backup and on every device; sealed once more like everything here, so
//! that not even a provider's name lies on the disk.
//!
//! A key that is removed, or takes another's place, is erased: every event that held the old one says nothing any more, here
//! and wherever the erasure arrives. Backups that were made before have it still, sealed.
//!
//! **Architecture Invariant:** nothing here can open what it keeps, and nothing that a model's words reach is told of it.

use std::collections::BTreeSet;

use ipc::{
    Code, Refusal,
    event::Clock,
    messages::storage::{
        KeptSecret, MAX_KEPT_URL, MAX_PROVIDER, MAX_PROVIDERS, MAX_SEALED, PutSecret, RemoveSecret, SecretListed, SecretRemoved,
        Secrets,
    },
};
use replica::{
    Draft, Replica, ReplicaError, Snapshot,
    body::Body,
    state::{Act, Change, Node, Operation, Step, Value},
};

use crate::{
    errors::refusal,
    keep::erase::{Clearing, Mark},
    writer::WriterHandle,
};

/// The entity whose state the keys are.
const SECRETS: [u8; 16] = *b"lamos/secrets\0\0\0";

/// Fields of a provider.
const ADDRESS: &str = "address";
const SEALED: &str = "sealed";

fn field(provider: &str, name: &str) -> Vec<Step> {
    vec![Step::Field(provider.to_owned()), Step::from(name)]
}

/// Keeps a sealed key, and erases the one that was kept for its provider.
pub(crate) async fn put(
    replica: &Replica,
    writer: &WriterHandle,
    clearing: &Clearing,
    request: PutSecret,
) -> Result<(), Refusal> {
    let KeptSecret { provider, base_url, sealed } = request.secret;
    if provider.is_empty() || provider.len() > MAX_PROVIDER || base_url.len() > MAX_KEPT_URL || sealed.len() > MAX_SEALED {
        return Err(Refusal::new(Code::NotKeepable, "a sealed key of this size cannot be kept"));
    }
    let kept = list(replica)?.items;
    if kept.len() >= MAX_PROVIDERS && kept.iter().all(|item| item.secret.provider != provider) {
        let sentence = format!("keys of {MAX_PROVIDERS} providers are kept; `lamos keys remove` makes room");
        return Err(Refusal::new(Code::NotKeepable, sentence));
    }
    let before = holders(replica, &provider)?;
    let operations = vec![
        Operation { path: field(&provider, ADDRESS), act: Act::Set(Value::Text(base_url)) },
        Operation { path: field(&provider, SEALED), act: Act::Set(Value::Bytes(sealed)) },
    ];
    let mut drafts = vec![Draft { entity: SECRETS, body: Body::Change(Change { operations }), once: None }];
    drafts.extend(before.iter().map(|event| Draft::erase_event(SECRETS, *event)));
    erase(writer, clearing, drafts, !before.is_empty()).await
}

/// The keys that are kept.
pub(crate) fn list(replica: &Replica) -> Result<Secrets, Refusal> {
    let state = replica.snapshot().and_then(|snapshot| snapshot.state(&SECRETS)).map_err(|error| refusal(&error))?;
    let fields = state.map(|state| state.root.fields).unwrap_or_default();
    let items = fields.iter().filter_map(|(provider, node)| listed(provider, node)).take(MAX_PROVIDERS).collect();
    Ok(Secrets { items })
}

fn listed(provider: &str, node: &Node) -> Option<SecretListed> {
    let sealed = node.fields.get(SEALED)?;
    let (Value::Text(base_url), Value::Bytes(bytes)) = (node.fields.get(ADDRESS)?.value()?, sealed.value()?) else { return None };
    let secret = KeptSecret { provider: provider.to_owned(), base_url: base_url.clone(), sealed: bytes.clone() };
    Some(SecretListed { secret, added_ms: Clock(sealed.value.stamp()?.clock).millis() })
}

/// Erases the key of a provider.
pub(crate) async fn remove(
    replica: &Replica,
    writer: &WriterHandle,
    clearing: &Clearing,
    request: RemoveSecret,
) -> Result<SecretRemoved, Refusal> {
    let events = holders(replica, &request.provider)?;
    if events.is_empty() {
        return Err(Refusal::new(Code::NotFound, "no key is kept for this provider; `lamos keys list` shows those that are"));
    }
    let drafts = events.iter().map(|event| Draft::erase_event(SECRETS, *event)).collect();
    erase(writer, clearing, drafts, true).await?;
    Ok(SecretRemoved { events: events.len() as u64 })
}

/// Every event that still holds a key of a provider.
fn holders(replica: &Replica, provider: &str) -> Result<BTreeSet<[u8; 32]>, Refusal> {
    let found = |snapshot: Snapshot<'_>| -> Result<BTreeSet<[u8; 32]>, ReplicaError> {
        let mut holders = BTreeSet::new();
        for listed in snapshot.of_entity(&SECRETS)? {
            let id = listed?.event.id;
            if let Some(Body::Change(change)) = snapshot.version(&id)?.and_then(|version| version.body)
                && change.operations.iter().any(|operation| operation.path.first() == Some(&Step::from(provider)))
            {
                holders.insert(id);
            }
        }
        Ok(holders)
    };
    replica.snapshot().and_then(found).map_err(|error| refusal(&error))
}

/// Keeps these together, and overwrites what they erase wherever it may still lie on the disk.
async fn erase(writer: &WriterHandle, clearing: &Clearing, drafts: Vec<Draft>, erases: bool) -> Result<(), Refusal> {
    if erases {
        clearing.begin().map_err(|error| refusal(&error.into()))?;
    }
    writer.append_all(drafts, Vec::new()).await?;
    if erases {
        clearing.overwrite(writer, Mark::Goes);
    }
    Ok(())
}
