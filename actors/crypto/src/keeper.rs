//! The one owner of all keys. It does one thing after another and never waits; what takes long is done elsewhere and comes
//! here with its result. [`changes`] has what changes how a space opens, [`recorded`] the audit log and the kept keys.

mod changes;
mod recorded;

use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext as _, Context, Handler, Message};
use ipc::{
    Code, Instance, Refusal, Role,
    messages::crypto::{ApiKey, CacheKey, CredentialSignature, Identity, KeyState, Lend, StoreKey, ToSign},
};
use zeroize::Zeroizing;

pub(crate) use changes::{
    ChangePair, FindKit, ForgetPlace, NewKit, RememberPlace, ShowCost, ShowWords, TryRemembered, demo_refused,
};

use crate::{
    audit::{Act, Audit},
    derive::{Cost, Root, normal_password, normal_user},
    leases::Leases,
    pending::{PATIENCE, Pending, Waiting},
    slots::{Found, Keys, Region, Slots, SlotsError},
    space::Space,
    throttle::{Made, Throttle},
};

pub(crate) use recorded::{AuditStep, AuditTop, Flush, Keep, LendSealed, Note};

/// The pair everybody knows.
const DEMO: &str = "demo";

/// How often what is summed for the audit log is written.
const FLUSH: Duration = Duration::from_secs(600);

/// See the module.
pub(crate) struct Keeper {
    slots: Slots,
    audit: Audit,
    open: Option<Space>,
    /// Which of the file's places is that of the open space.
    place: usize,
    /// Pairs that opened nothing, until they are entered again.
    pending: Waiting,
    leases: Leases,
    throttle: Throttle,
    /// What was open last was not the demo space.
    own: bool,
    made: Made,
}

impl Keeper {
    /// Locked, with these files.
    pub(crate) fn new(slots: Slots, audit: Audit) -> Keeper {
        Keeper {
            slots,
            audit,
            open: None,
            place: 0,
            pending: Waiting::default(),
            leases: Leases::default(),
            throttle: Throttle::default(),
            own: false,
            made: Made::default(),
        }
    }

    fn space(&self) -> Result<&Space, Refusal> {
        self.open.as_ref().ok_or_else(|| Refusal::new(Code::NotSignedIn, "no space is open; sign in first"))
    }

    /// The same, for what counts in it.
    pub(crate) fn space_mut(&mut self) -> Result<&mut Space, Refusal> {
        self.open.as_mut().ok_or_else(|| Refusal::new(Code::NotSignedIn, "no space is open; sign in first"))
    }

    /// Writes what is summed; what cannot be written now is tried again.
    fn flush(&mut self) {
        if let Err(refusal) = self.audit.flush() {
            tracing::error!(code = ?refusal.code, "the audit log cannot be written");
        }
    }

    /// Records what was done to a space, which need not be the open one.
    fn note_of(&mut self, keys: Keys, act: Act) -> Result<(), Refusal> {
        if self.open.is_some() {
            return self.audit.act(act);
        }
        self.follow(&Space::open(keys))?;
        let noted = self.audit.act(act);
        self.flush();
        self.audit.leave();
        noted
    }

    fn follow(&mut self, space: &Space) -> Result<(), Refusal> {
        self.audit.enter(space).map_err(|error| Refusal::internal(format!("follow the audit log: {error}")))
    }

    fn open(&mut self, Found { place, keys }: Found) -> Result<Opening, Refusal> {
        let space = Space::open(keys);
        self.follow(&space)?;
        self.place = place;
        let opening = Opening { directory: space.directory(), demo: space.is_demo() };
        self.own = !opening.demo;
        self.open = Some(space);
        self.throttle.opened();
        Ok(opening)
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(FLUSH, |keeper, _| keeper.flush());
    }
}

/// A pair as entered.
pub(crate) struct Pair {
    /// Who entered it.
    pub(crate) by: Instance,
    /// The name, as it is derived from.
    pub(crate) user: Zeroizing<String>,
    /// The password, as it is derived from.
    pub(crate) password: Zeroizing<String>,
}

impl Pair {
    /// The pair in the form in which two entries are compared.
    pub(crate) fn new(by: Instance, user: &[u8], password: &[u8]) -> Result<Pair, Refusal> {
        Ok(Pair { by, user: normal_user(user)?, password: normal_password(password)? })
    }

    /// It is the one everybody knows.
    pub(crate) fn is_demo(&self) -> bool {
        *self.user == DEMO && *self.password == DEMO
    }

    fn digest(&self, key: &[u8; 32]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(&(self.user.len() as u64).to_le_bytes());
        hasher.update(self.user.as_bytes());
        hasher.update(self.password.as_bytes());
        hasher.finalize()
    }
}

/// A space has been opened.
pub(crate) struct Opening {
    /// Name of its directory.
    pub(crate) directory: String,
    /// It is the public demo space.
    pub(crate) demo: bool,
}

/// May a pair be tried now, and at which cost?
#[derive(Message)]
#[rtype(result = "Result<([u8; 32], Cost), Refusal>")]
pub(crate) struct MayTry;

/// A pair was derived: does it open a space?
#[derive(Message)]
#[rtype(result = "Result<Opening, Refusal>")]
pub(crate) struct Try {
    pub(crate) pair: Pair,
    pub(crate) root: Root,
}

/// A pair was derived: open its space as another device.
#[derive(Message)]
#[rtype(result = "Result<Opening, Refusal>")]
pub(crate) struct TryAnew {
    pub(crate) root: Root,
}

/// A pair was entered a second time: make its space.
#[derive(Message)]
#[rtype(result = "Result<Opening, Refusal>")]
pub(crate) struct Confirm {
    pub(crate) pair: Pair,
}

/// Forget the open space and every lent key. The record says why, if there was anything to forget.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Forget(pub(crate) Act);

/// What is open?
#[derive(Message)]
#[rtype(result = "KeyState")]
pub(crate) struct Look;

/// The archive's key.
#[derive(Message)]
#[rtype(result = "Result<StoreKey, Refusal>")]
pub(crate) struct Release;

/// The key of the window's cache.
#[derive(Message)]
#[rtype(result = "Result<CacheKey, Refusal>")]
pub(crate) struct ReleaseCache;

/// Who is this?
#[derive(Message)]
#[rtype(result = "Result<Identity, Refusal>")]
pub(crate) struct Who;

/// Sign events.
#[derive(Message)]
#[rtype(result = "Result<Vec<[u8; 64]>, Refusal>")]
pub(crate) struct Sign {
    pub(crate) headers: Vec<Vec<u8>>,
}

/// Sign something of a credential.
#[derive(Message)]
#[rtype(result = "Result<CredentialSignature, Refusal>")]
pub(crate) struct SignFor {
    pub(crate) what: ToSign,
}

/// Lend a provider's key.
#[derive(Message)]
#[rtype(result = "Result<u64, Refusal>")]
pub(crate) struct LendKey {
    pub(crate) lend: Lend,
}

/// Give a lent key to who calls the provider.
#[derive(Message)]
#[rtype(result = "Result<ApiKey, Refusal>")]
pub(crate) struct ReleaseKey {
    pub(crate) lease: u64,
    /// Who asks, as the hub says.
    pub(crate) asks: Role,
}

impl Handler<MayTry> for Keeper {
    type Result = Result<([u8; 32], Cost), Refusal>;

    fn handle(&mut self, _: MayTry, _: &mut Context<Self>) -> Self::Result {
        match self.throttle.wait(Instant::now()) {
            Some(wait) => {
                let seconds = wait.as_secs() + 1;
                Err(Refusal::new(Code::Throttled, format!("too many pairs that open nothing; wait {seconds} seconds")))
            }
            None => Ok((self.slots.salt(), self.slots.cost())),
        }
    }
}

impl Handler<Try> for Keeper {
    type Result = Result<Opening, Refusal>;

    fn handle(&mut self, Try { pair, root }: Try, context: &mut Context<Self>) -> Self::Result {
        let found = self.slots.find(Region::Password, &root.wrapping).map_err(|error| refusal(&error))?;
        match found {
            Some(found) if self.open.as_ref().is_some_and(|open| !open.is(&found.keys)) => {
                Err(Refusal::new(Code::OtherSpaceOpen, "another space is open; close it with `lamos lock` first"))
            }
            Some(mut found) => {
                // It needs no second entry any more.
                drop(self.pending.take(pair.by, Instant::now()));
                found.keys.picture = Some(root.picture);
                self.open(found)
            }
            None => {
                self.audit.missed();
                let demo = pair.is_demo();
                if !demo {
                    self.throttle.missed(Instant::now());
                }
                let mut digest_key = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *digest_key).map_err(|error| Refusal::internal(format!("get random bytes: {error}")))?;
                let digest = pair.digest(&digest_key);
                let words = root.picture.words();
                self.pending.add(Pending { by: pair.by, digest_key, digest, root, demo, at: Instant::now() });
                // Nobody may come for it; what was derived does not stay for that.
                context.run_later(PATIENCE + Duration::from_secs(1), |keeper, _| keeper.pending.expire(Instant::now()));
                Err(Refusal::new(
                    Code::NewSpace,
                    format!(
                        "this name and password open a new, empty space, whose words are: {words}; if you have been here before \
                         and know other words, something was mistyped; enter the password again to make it, or go back if that \
                         is not what you want"
                    ),
                ))
            }
        }
    }
}

impl Handler<TryAnew> for Keeper {
    type Result = Result<Opening, Refusal>;

    fn handle(&mut self, TryAnew { root }: TryAnew, _: &mut Context<Self>) -> Self::Result {
        if self.open.is_some() {
            return Err(Refusal::new(Code::OtherSpaceOpen, "a space is open; close it with `lamos lock` first"));
        }
        let mut found = self.find_pair(&root)?;
        found.keys.renew_device().map_err(|error| refusal(&error.into()))?;
        self.slots.wrap_device(found.place, &root.wrapping, &found.keys).map_err(|error| refusal(&error))?;
        self.open(found)
    }
}

impl Handler<Confirm> for Keeper {
    type Result = Result<Opening, Refusal>;

    fn handle(&mut self, Confirm { pair }: Confirm, _: &mut Context<Self>) -> Self::Result {
        let differs =
            || Refusal::new(Code::SecondEntryDiffers, "the second entry differs from the first; nothing was made, begin again");
        let now = Instant::now();
        let pending = self.pending.take(pair.by, now).ok_or_else(differs)?;
        // `blake3::Hash` compares in constant time.
        if pair.digest(&pending.digest_key) != pending.digest {
            return Err(differs());
        }
        // Somebody else may have made the space between the two entries.
        let made = self.slots.find(Region::Password, &pending.root.wrapping).map_err(|error| refusal(&error))?;
        let differs = |open: &Space| !made.as_ref().is_some_and(|found| open.is(&found.keys));
        if self.open.as_ref().is_some_and(differs) {
            return Err(Refusal::new(Code::OtherSpaceOpen, "another space is open; close it with `lamos lock` first"));
        }
        self.audit.came();
        if let Some(mut found) = made {
            found.keys.picture = Some(pending.root.picture);
            return self.open(found);
        }
        if let Some(wait) = self.made.wait(now) {
            let minutes = wait.as_secs() / 60 + 1;
            return Err(Refusal::new(
                Code::Throttled,
                format!("five new spaces were made within an hour, which is the most; nothing was made, wait {minutes} minutes"),
            ));
        }
        let mut keys = Keys::random(pending.demo).map_err(|error| refusal(&error.into()))?;
        let place = self.slots.add(&pending.root.wrapping, &keys).map_err(|error| refusal(&error))?;
        self.made.made(now);
        keys.picture = Some(pending.root.picture);
        self.open(Found { place, keys })
    }
}

impl Handler<Forget> for Keeper {
    type Result = ();

    fn handle(&mut self, Forget(why): Forget, _: &mut Context<Self>) {
        if self.open.is_some() {
            self.flush();
            // Whatever becomes of the record, the keys go.
            let _ = self.audit.act(why);
            self.flush();
        }
        self.audit.leave();
        self.open = None;
        self.pending = Waiting::default();
        self.leases = Leases::default();
    }
}

impl Handler<Look> for Keeper {
    type Result = actix::MessageResult<Look>;

    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(match &self.open {
            Some(space) => KeyState::Open { demo: space.is_demo() },
            None => KeyState::Locked { own: self.own },
        })
    }
}

impl Handler<Release> for Keeper {
    type Result = Result<StoreKey, Refusal>;

    fn handle(&mut self, _: Release, _: &mut Context<Self>) -> Self::Result {
        self.space().map(Space::store_key)
    }
}

impl Handler<ReleaseCache> for Keeper {
    type Result = Result<CacheKey, Refusal>;

    fn handle(&mut self, _: ReleaseCache, _: &mut Context<Self>) -> Self::Result {
        self.space().map(Space::cache_key)
    }
}

impl Handler<Who> for Keeper {
    type Result = Result<Identity, Refusal>;

    fn handle(&mut self, _: Who, _: &mut Context<Self>) -> Self::Result {
        self.space().map(Space::identity)
    }
}

impl Handler<SignFor> for Keeper {
    type Result = Result<CredentialSignature, Refusal>;

    fn handle(&mut self, sign: SignFor, _: &mut Context<Self>) -> Self::Result {
        self.space()?.sign_credential(sign.what)
    }
}

impl Handler<Sign> for Keeper {
    type Result = Result<Vec<[u8; 64]>, Refusal>;

    fn handle(&mut self, sign: Sign, _: &mut Context<Self>) -> Self::Result {
        let space = self.space()?;
        sign.headers.iter().map(|header| space.sign(header)).collect()
    }
}

impl Handler<LendKey> for Keeper {
    type Result = Result<u64, Refusal>;

    fn handle(&mut self, lend: LendKey, _: &mut Context<Self>) -> Self::Result {
        self.leases.lend(lend.lend, Instant::now())
    }
}

impl Handler<ReleaseKey> for Keeper {
    type Result = Result<ApiKey, Refusal>;

    fn handle(&mut self, release: ReleaseKey, _: &mut Context<Self>) -> Self::Result {
        self.leases.release(release.lease, release.asks, Instant::now())
    }
}

fn refusal(error: &SlotsError) -> Refusal {
    let code = match error {
        SlotsError::Full => Code::SlotsFull,
        SlotsError::Damaged(_) | SlotsError::NotKept => Code::SlotsDamaged,
        SlotsError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => Code::DiskFull,
        SlotsError::Io(_) => Code::ArchiveUnavailable,
    };
    Refusal::new(code, error.to_string())
}
