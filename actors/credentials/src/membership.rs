//! The membership credential of an Internet of Me: who may do what with a person's data, for how long, and whether they may
//! let others.
//!
//! It is a credential of the data model 2.0 of the type `IoMMembershipCredential`. Reading is strict: a member of
//! `iomMembership` that is not known here would be a permission or a limit that nobody keeps.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    contexts::{CREDENTIALS_V2, MEMBERSHIP},
    credential::Credential,
    error::{Kind, Refused, Result, refuse, short},
    json::MAX_INTEGER,
    key::PublicKey,
    moment::{Moment, Validity},
};

/// The type of the credential.
pub const TYPE: &str = "IoMMembershipCredential";
/// How long one counts if nothing else is said, in seconds: a day.
pub const LIFETIME: i64 = 24 * 60 * 60;
/// How long one may count, in seconds: thirty days.
pub const MAX_LIFETIME: i64 = 30 * LIFETIME;
/// How long before its end it is renewed, in seconds: an hour.
pub const RENEW_BEFORE: i64 = 60 * 60;
/// How often it may be renewed before a person is asked again.
pub const MAX_RENEWALS: u8 = 30;
/// How many links a delegation may have below the first.
pub const MAX_DEPTH: u8 = 8;

/// The standing of a member. The later ones are above the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees what is shown to it, and lets nobody in.
    Guest,
    /// Takes part.
    Member,
    /// Keeps house.
    Admin,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Receive what others wrote.
    Read,
    /// Have its own writing received.
    Write,
    /// Carry data on between others.
    Sync,
    /// Let others.
    Delegate,
}

/// What is carried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// When there is nothing else to carry.
    Low,
    /// In its turn.
    Normal,
    /// Before others.
    High,
}

macro_rules! names {
    ($of:ty, $what:literal, $($name:literal => $value:ident),+) => {
        impl $of {
            /// Its name in credentials.
            pub fn name(self) -> &'static str {
                match self { $(Self::$value => $name),+ }
            }

            fn named(value: &Value) -> Result<Self> {
                match value.as_str() {
                    $(Some($name) => Ok(Self::$value),)+
                    _ => refuse(Kind::Malformed, concat!($what, " is not one that is known")),
                }
            }
        }
    };
}

names!(Role, "its role", "guest" => Guest, "member" => Member, "admin" => Admin);
names!(Permission, "a permission", "read" => Read, "write" => Write, "sync" => Sync, "delegate" => Delegate);
names!(Priority, "its syncPriority", "low" => Low, "normal" => Normal, "high" => High);

/// What a member keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoragePolicy {
    /// At most so many bytes.
    pub max_storage: Option<u64>,
    /// Only these kinds of objects.
    pub allowed_types: Option<BTreeSet<String>>,
    /// In which turn it is served.
    pub priority: Priority,
}

/// What a membership says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its standing.
    pub role: Role,
    /// What it may do: one thing at least.
    pub permissions: BTreeSet<Permission>,
    /// What it keeps.
    pub storage: StoragePolicy,
    /// Whether it may issue memberships itself.
    pub can_issue: bool,
    /// How many links may follow.
    pub max_depth: u8,
    /// How often it was renewed.
    pub renewal: u8,
}

impl Grant {
    /// Whether it agrees with itself.
    pub fn check(&self) -> Result<()> {
        let refused = |what: &str| refuse(Kind::Malformed, what);
        if self.permissions.is_empty() {
            return refused("it permits nothing");
        }
        if self.can_issue && (self.role == Role::Guest || !self.permissions.contains(&Permission::Delegate)) {
            return refused("who issues memberships is no guest, and has the permission to delegate");
        }
        if self.max_depth > MAX_DEPTH || (self.max_depth > 0) != self.can_issue {
            return refused("its maxDelegationDepth does not go with what it may issue");
        }
        if self.renewal > MAX_RENEWALS {
            return refused("it was renewed too often without a person being asked");
        }
        if self.storage.allowed_types.as_ref().is_some_and(|types| types.is_empty() || types.contains("")) {
            return refused("its allowedTypes are empty");
        }
        if self.storage.max_storage.is_some_and(|most| most > MAX_INTEGER) {
            return refused("its maxStorage is too large");
        }
        Ok(())
    }

    /// The credential, to be signed with [`crate::issue`] by the issuer. `status` is what [`crate::status::entry`] makes.
    pub fn to_credential(
        &self,
        id: Option<&str>,
        issuer: &PublicKey,
        subject: &PublicKey,
        from: Moment,
        until: Moment,
        status: Option<Value>,
    ) -> Result<Map<String, Value>> {
        self.check()?;
        lifetime(from, until)?;
        let Grant { role, permissions, storage, can_issue, max_depth, renewal } = self;
        let StoragePolicy { max_storage, allowed_types, priority } = storage;
        let mut policy = json!({ "syncPriority": priority.name() });
        if let Some(policy) = policy.as_object_mut() {
            policy.extend(max_storage.map(|most| ("maxStorage".to_owned(), json!(most))));
            policy.extend(allowed_types.as_ref().map(|types| ("allowedTypes".to_owned(), json!(types))));
        }
        let names: Vec<&str> = permissions.iter().map(|permission| permission.name()).collect();
        let document = json!({
            "@context": [CREDENTIALS_V2, MEMBERSHIP],
            "type": ["VerifiableCredential", TYPE],
            "issuer": issuer.did(),
            "validFrom": from.to_string(),
            "validUntil": until.to_string(),
            "credentialSubject": {
                "id": subject.did(),
                "iomMembership": {
                    "role": role.name(),
                    "permissions": names,
                    "storagePolicy": policy,
                    "canIssueCredentials": can_issue,
                    "maxDelegationDepth": max_depth,
                    "renewal": renewal,
                },
            },
        });
        let Value::Object(mut document) = document else {
            return refuse(Kind::CannotMake, "make an object");
        };
        document.extend(id.map(|id| ("id".to_owned(), json!(id))));
        document.extend(status.map(|status| ("credentialStatus".to_owned(), status)));
        Ok(document)
    }
}

fn lifetime(from: Moment, until: Moment) -> Result<()> {
    if until <= from || until > from.after(MAX_LIFETIME) {
        return refuse(Kind::Malformed, "a membership counts for more than nothing and at most thirty days");
    }
    Ok(())
}

/// A membership out of a credential that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    issuer: PublicKey,
    subject: PublicKey,
    from: Moment,
    until: Moment,
    grant: Grant,
}

impl Membership {
    /// Reads it out of its credential.
    pub fn read(credential: &Credential) -> Result<Membership> {
        if !credential.is(TYPE) {
            return refuse(Kind::Malformed, format!("its type is not {TYPE}"));
        }
        let claims = Members { of: credential.claims()?, known: &["id", "iomMembership"] }.only()?;
        let says = claims.object(
            "iomMembership",
            &["role", "permissions", "storagePolicy", "canIssueCredentials", "maxDelegationDepth", "renewal"],
        )?;
        let policy = says.object("storagePolicy", &["maxStorage", "allowedTypes", "syncPriority"])?;
        let grant = Grant {
            role: Role::named(says.get("role")?)?,
            permissions: set(says.get("permissions")?, Permission::named)?,
            storage: StoragePolicy {
                max_storage: policy.of.contains_key("maxStorage").then(|| policy.number("maxStorage")).transpose()?,
                allowed_types: policy.of.get("allowedTypes").map(|types| set(types, text)).transpose()?,
                priority: Priority::named(policy.get("syncPriority")?)?,
            },
            can_issue: says.get("canIssueCredentials")?.as_bool().ok_or_else(|| malformed("canIssueCredentials"))?,
            max_depth: says.small("maxDelegationDepth")?,
            renewal: says.small("renewal")?,
        };
        grant.check()?;
        let Validity { from: Some(from), until: Some(until) } = credential.validity() else {
            return refuse(Kind::Malformed, "it does not say from when to when it counts");
        };
        lifetime(from, until)?;
        let subject = PublicKey::from_did(credential.subject()?).map_err(|refused| refused.at("its subject"))?;
        Ok(Membership { issuer: *credential.issuer_key(), subject, from, until, grant })
    }

    /// Who gave it.
    pub fn issuer(&self) -> &PublicKey {
        &self.issuer
    }

    /// Who has it.
    pub fn subject(&self) -> &PublicKey {
        &self.subject
    }

    /// What it says.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// From when it counts.
    pub fn from(&self) -> Moment {
        self.from
    }

    /// Until when it counts.
    pub fn until(&self) -> Moment {
        self.until
    }

    /// Whether it counts at a moment.
    pub fn check(&self, now: Moment) -> Result<()> {
        Validity { from: Some(self.from), until: Some(self.until) }.check(now)
    }

    /// Whether it is time to renew it: within the last hour before its end.
    pub fn is_due(&self, now: Moment) -> bool {
        now.after(RENEW_BEFORE) >= self.until
    }

    /// What the next one says, or why a person must be asked: it has ended, or was renewed often enough.
    pub fn renewed(&self, now: Moment) -> Result<Grant> {
        self.check(now)?;
        let grant = Grant { renewal: self.grant.renewal.saturating_add(1), ..self.grant.clone() };
        if grant.renewal > MAX_RENEWALS {
            return refuse(Kind::NotPermitted, format!("it was renewed {MAX_RENEWALS} times; a person must be asked"));
        }
        Ok(grant)
    }
}

fn malformed(name: &str) -> Refused {
    Refused::new(Kind::Malformed, format!("its {} is missing or of another kind", short(name)))
}

fn text(value: &Value) -> Result<String> {
    value.as_str().filter(|text| text.len() <= 256).map(str::to_owned).ok_or_else(|| malformed("allowedTypes"))
}

/// A list without an order, in which nothing stands twice.
fn set<T: Ord>(value: &Value, read: impl Fn(&Value) -> Result<T>) -> Result<BTreeSet<T>> {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let set: BTreeSet<T> = values.iter().map(read).collect::<Result<_>>()?;
    if set.len() == values.len() { Ok(set) } else { refuse(Kind::Malformed, "something stands twice in a list of it") }
}

/// An object of which every member is known.
struct Members<'a> {
    of: &'a Map<String, Value>,
    known: &'a [&'a str],
}

impl<'a> Members<'a> {
    fn only(self) -> Result<Members<'a>> {
        match self.of.keys().find(|name| !self.known.contains(&name.as_str())) {
            Some(other) => refuse(Kind::Malformed, format!("it says {}, which is not known here", short(other))),
            None => Ok(self),
        }
    }

    fn get(&self, name: &str) -> Result<&'a Value> {
        self.of.get(name).ok_or_else(|| malformed(name))
    }

    fn object(&self, name: &str, known: &'a [&'a str]) -> Result<Members<'a>> {
        Members { of: self.get(name)?.as_object().ok_or_else(|| malformed(name))?, known }.only()
    }

    fn number(&self, name: &str) -> Result<u64> {
        self.get(name)?.as_u64().ok_or_else(|| malformed(name))
    }

    fn small(&self, name: &str) -> Result<u8> {
        u8::try_from(self.number(name)?).map_err(|_| malformed(name))
    }
}
