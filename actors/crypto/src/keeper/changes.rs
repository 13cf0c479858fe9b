//! What changes how a space opens: another pair, a kit, a device that remembers. Each wants what opens the space now once
//! more, so that nobody who finds it open can make a way in for later.

use std::time::Instant;

use actix::{Context, Handler, Message};
use ipc::{
    Code, Refusal,
    messages::{
        common::Done,
        crypto::{DerivationCost, Kit, Picture, Remembered},
    },
    secret::Secret,
};
use zeroize::Zeroizing;

use super::{Keeper, Opening, refusal};
use crate::{
    audit::Act,
    derive::{Cost, Root, expand},
    kit,
    slots::{Found, Keys, Region},
};

/// Bytes of what a device remembers.
const REMEMBERED_LEN: usize = 32;

/// Both pairs were derived: the space of the old one is to open for the new one.
#[derive(Message)]
#[rtype(result = "Result<Done, Refusal>")]
pub(crate) struct ChangePair {
    pub(crate) old: Root,
    pub(crate) new: Root,
    pub(crate) act: Act,
}

/// Make a kit for the space of a pair.
#[derive(Message)]
#[rtype(result = "Result<Kit, Refusal>")]
pub(crate) struct NewKit {
    pub(crate) root: Root,
    pub(crate) act: Act,
}

/// Open the space of a kit for a new pair.
#[derive(Message)]
#[rtype(result = "Result<Opening, Refusal>")]
pub(crate) struct FindKit {
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) new: Root,
}

/// Remember the space of a pair.
#[derive(Message)]
#[rtype(result = "Result<Remembered, Refusal>")]
pub(crate) struct RememberPlace {
    pub(crate) root: Root,
    pub(crate) act: Act,
}

/// Open what is remembered.
#[derive(Message)]
#[rtype(result = "Result<Opening, Refusal>")]
pub(crate) struct TryRemembered {
    pub(crate) secret: Secret,
}

/// Forget what is remembered of the open space.
#[derive(Message)]
#[rtype(result = "Result<Done, Refusal>")]
pub(crate) struct ForgetPlace;

/// The words of the open space.
#[derive(Message)]
#[rtype(result = "Result<Picture, Refusal>")]
pub(crate) struct ShowWords;

/// The cost of a derivation.
#[derive(Message)]
#[rtype(result = "DerivationCost")]
pub(crate) struct ShowCost;

/// For the public demo space, in which nothing is worth it.
pub(crate) fn demo_refused() -> Refusal {
    Refusal::new(
        Code::DemoRefused,
        "the public demo space opens for everybody, and that is not changed; --user NAME opens your own",
    )
}

impl Keeper {
    /// What a pair opens, which must be there, and its words.
    pub(super) fn find_pair(&mut self, root: &Root) -> Result<Found, Refusal> {
        let found = self.slots.find(Region::Password, &root.wrapping).map_err(|error| refusal(&error))?;
        let mut found = found.ok_or_else(|| self.miss("this name and password open no space that there is"))?;
        self.throttle.opened();
        found.keys.picture = Some(root.picture.clone());
        Ok(found)
    }

    /// The same, of a space that is a person's own and is open, if any is.
    fn find_own(&mut self, root: &Root) -> Result<Found, Refusal> {
        let found = self.find_pair(root)?;
        self.check_no_other(&found.keys)?;
        if found.keys.demo { Err(demo_refused()) } else { Ok(found) }
    }

    fn check_no_other(&self, keys: &Keys) -> Result<(), Refusal> {
        if self.open.as_ref().is_some_and(|open| !open.is(keys)) {
            return Err(Refusal::new(Code::OtherSpaceOpen, "another space is open; close it with `lamos lock` first"));
        }
        Ok(())
    }

    fn miss(&mut self, sentence: &str) -> Refusal {
        self.throttle.missed(Instant::now());
        self.audit.missed();
        Refusal::new(Code::NotFound, sentence)
    }

    /// A pair that opens a space would hide one of the two for ever.
    fn check_is_free(&mut self, new: &Root, but_for: Option<usize>) -> Result<(), Refusal> {
        let found = self.slots.find(Region::Password, &new.wrapping).map_err(|error| refusal(&error))?;
        if found.is_none_or(|found| Some(found.place) == but_for) {
            return Ok(());
        }
        Err(Refusal::new(Code::Credentials, "this new name and password are in use already; choose another password"))
    }
}

impl Handler<ChangePair> for Keeper {
    type Result = Result<Done, Refusal>;

    fn handle(&mut self, ChangePair { old, new, act }: ChangePair, _: &mut Context<Self>) -> Self::Result {
        let Found { place, mut keys } = self.find_own(&old)?;
        self.check_is_free(&new, None)?;
        keys.picture = Some(new.picture.clone());
        self.slots.wrap(place, &new.wrapping, &keys).map_err(|error| refusal(&error))?;
        if let Some(open) = &mut self.open {
            open.set_picture(new.picture);
        }
        self.note_of(keys, act)?;
        Ok(Done)
    }
}

impl Handler<NewKit> for Keeper {
    type Result = Result<Kit, Refusal>;

    fn handle(&mut self, NewKit { root, act }: NewKit, _: &mut Context<Self>) -> Self::Result {
        let Found { place, keys } = self.find_own(&root)?;
        let kit = kit::Kit::random().map_err(|error| refusal(&error.into()))?;
        self.slots.also(Region::Recovery, place, &kit.key, &keys).map_err(|error| refusal(&error))?;
        self.note_of(keys, act)?;
        Ok(Kit { words: kit.words })
    }
}

impl Handler<FindKit> for Keeper {
    type Result = Result<Opening, Refusal>;

    fn handle(&mut self, FindKit { key, new }: FindKit, _: &mut Context<Self>) -> Self::Result {
        if self.open.is_some() {
            return Err(Refusal::new(Code::OtherSpaceOpen, "a space is open; close it with `lamos lock` first"));
        }
        let found = self.slots.find(Region::Recovery, &key).map_err(|error| refusal(&error))?;
        let mut found = found
            .ok_or_else(|| self.miss("these words open no space whose keys are here; a newer kit makes older ones worthless"))?;
        self.check_is_free(&new, Some(found.place))?;
        found.keys.picture = Some(new.picture.clone());
        self.slots.wrap(found.place, &new.wrapping, &found.keys).map_err(|error| refusal(&error))?;
        self.open(found)
    }
}

impl Handler<RememberPlace> for Keeper {
    type Result = Result<Remembered, Refusal>;

    fn handle(&mut self, RememberPlace { root, act }: RememberPlace, _: &mut Context<Self>) -> Self::Result {
        let Found { place, keys } = self.find_own(&root)?;
        let mut secret = vec![0; REMEMBERED_LEN];
        getrandom::fill(&mut secret).map_err(|error| Refusal::internal(format!("get random bytes: {error}")))?;
        let secret = Secret::new(secret);
        self.slots.also(Region::Remembered, place, &*remembered(&secret)?, &keys).map_err(|error| refusal(&error))?;
        self.note_of(keys, act)?;
        Ok(Remembered { secret })
    }
}

impl Handler<TryRemembered> for Keeper {
    type Result = Result<Opening, Refusal>;

    fn handle(&mut self, TryRemembered { secret }: TryRemembered, _: &mut Context<Self>) -> Self::Result {
        let found = self.slots.find(Region::Remembered, &*remembered(&secret)?).map_err(|error| refusal(&error))?;
        let found =
            found.ok_or_else(|| self.miss("what is remembered opens no space any more; enter the name and the password"))?;
        self.check_no_other(&found.keys)?;
        self.open(found)
    }
}

impl Handler<ForgetPlace> for Keeper {
    type Result = Result<Done, Refusal>;

    fn handle(&mut self, _: ForgetPlace, _: &mut Context<Self>) -> Self::Result {
        if self.space()?.is_demo() {
            return Err(demo_refused());
        }
        self.slots.forget(Region::Remembered, self.place).map_err(|error| refusal(&error))?;
        Ok(Done)
    }
}

impl Handler<ShowWords> for Keeper {
    type Result = Result<Picture, Refusal>;

    fn handle(&mut self, _: ShowWords, _: &mut Context<Self>) -> Self::Result {
        let picture = self.space()?.picture();
        let picture = picture
            .ok_or_else(|| Refusal::new(Code::NotFound, "the words of this space are known when its password was entered"))?;
        Ok(Picture { words: Secret::new(picture.words().into_bytes()) })
    }
}

impl Handler<ShowCost> for Keeper {
    type Result = actix::MessageResult<ShowCost>;

    fn handle(&mut self, _: ShowCost, _: &mut Context<Self>) -> Self::Result {
        let Cost { memory, passes, lanes } = self.slots.cost();
        actix::MessageResult(DerivationCost { memory, passes, lanes })
    }
}

/// The key that a secret of a device stands for.
fn remembered(secret: &Secret) -> Result<Zeroizing<[u8; 32]>, Refusal> {
    let bytes: &[u8; REMEMBERED_LEN] =
        secret.expose_array().map_err(|error| Refusal::new(Code::Credentials, format!("failed to {error}")))?;
    Ok(expand(bytes, "lamos/v1/remembered"))
}
