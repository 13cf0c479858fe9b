//! `keys`: provider keys that are kept. A key goes from a prompt or a descriptor to the key process and nowhere else; what
//! comes back is sealed, and goes to the archive.

use clap::{Args, Subcommand};
use ipc::{
    messages::{
        crypto::{KeepKey, SealedKey},
        storage::{KeptSecret, ListSecrets, PutSecret, RemoveSecret, SecretListed, SecretRemoved},
    },
    secret::Secret,
};
use serde_json::{Value, json};

use super::{
    args::Common,
    entries, models,
    session::Session,
    sign_in::{self, sign_in},
    words::{self, Failure, Outcome, line, moment, table, tell},
};
use crate::exit;

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// What to do
    #[command(subcommand)]
    pub action: KeysAction,
}

/// What to do with kept keys.
#[derive(Debug, Subcommand)]
pub enum KeysAction {
    /// Keep a key; one that was kept for this provider is erased
    ///
    /// The key is asked for, or read from a descriptor; it is never an argument. It is bound to one address: for another one it
    /// must be entered again.
    Add {
        /// anthropic, openai, or another name of your own with --base-url
        provider: String,
        /// Where the key may go, as in https://host/v1, and nowhere else
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// Read the key from this descriptor, as in --key-fd 4 4<file
        #[arg(long, value_name = "N")]
        key_fd: Option<i32>,
    },
    /// List the providers of which a key is kept
    List,
    /// Erase the key of a provider for good
    Remove {
        /// Its name
        provider: String,
    },
}

impl KeysArgs {
    /// The descriptor that a key comes on.
    pub fn key_fd(&self) -> Option<i32> {
        if let KeysAction::Add { key_fd, .. } = &self.action { *key_fd } else { None }
    }
}

/// `lamos keys`.
pub async fn keys(session: &Session, common: &Common, args: KeysArgs) -> Outcome {
    sign_in(session, common).await?;
    match args.action {
        KeysAction::Add { provider, base_url, key_fd } => {
            sign_in::refuse_demo(session, "where a provider's key is kept").await?;
            add(session, provider, base_url, key_fd).await
        }
        KeysAction::List => list(session, common.json).await,
        KeysAction::Remove { provider } => {
            let SecretRemoved { events: _ } = session.client.call(&RemoveSecret { provider: provider.clone() }).await?;
            tell(&format!(
                "The key of {} is erased. Backups made before have it still, sealed; the provider can make it worthless.",
                line(&provider)
            ));
            Ok(())
        }
    }
}

async fn add(session: &Session, provider: String, base_url: Option<String>, key_fd: Option<i32>) -> Outcome {
    let known = models::address_of(&provider).map(str::to_owned);
    let Some(base_url) = base_url.or(known) else {
        return Err(Failure::new(exit::USAGE, format!("where {} is, --base-url URL says", line(&provider))));
    };
    let base_url = base_url.trim_end_matches('/').to_owned();
    if models::port(&base_url).is_none() {
        let sentence = format!("{} is not the address of a server; it is written https://host/v1", line(&base_url));
        return Err(Failure::new(exit::USAGE, sentence));
    }
    let key = entries::secret_line(key_fd, "--key-fd", "Key: ")?;
    let key = Secret::new(key.trim().as_bytes().to_vec());
    let sealed = KeepKey { provider: provider.clone(), base_url: base_url.clone(), key };
    let SealedKey { sealed } = session.client.call(&sealed).await?;
    let secret = KeptSecret { provider: provider.clone(), base_url: base_url.clone(), sealed };
    session.client.call(&PutSecret { secret }).await?;
    tell(&format!("The key of {} is kept. It goes to {} and nowhere else.", line(&provider), line(&base_url)));
    Ok(())
}

async fn list(session: &Session, as_json: bool) -> Outcome {
    let items = session.client.call(&ListSecrets).await?.items;
    if as_json {
        let item = |SecretListed { secret, added_ms }: &SecretListed| json!({ "provider": secret.provider, "base_url": secret.base_url, "added_ms": added_ms });
        return Ok(words::json(&items.iter().map(item).collect::<Vec<Value>>().into())?);
    }
    let row = |SecretListed { secret, added_ms }: &SecretListed| {
        vec![line(&secret.provider), line(&secret.base_url), moment(*added_ms)]
    };
    words::answer(&table(&items.iter().map(row).collect::<Vec<_>>()))?;
    if items.is_empty() {
        tell("No key is kept. `lamos keys add PROVIDER` keeps one.");
    }
    Ok(())
}
