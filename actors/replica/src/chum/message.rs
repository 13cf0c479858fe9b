//! The messages. Each is a CBOR array with numbered fields behind the prefix of its frame: a field of tomorrow is skipped, a
//! number is never used twice. [`Hello`] keeps its first two fields for ever, so that versions can always be compared.

use minicbor::{Decode, Encode};

use super::{
    fault::{PeerFault, Reason},
    frame,
    limits::{MAX_AUTHORS, MAX_ENTITY, MAX_FRAME, MAX_IDS, MAX_RULES, RECONCILE_FRAME},
    parcel::Parcel,
    policy::Rule,
    records::{Author, Head, Id, Packed, Range, Span},
};

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The oldest version it speaks.
    #[n(0)]
    pub oldest: u16,
    /// The newest version it speaks.
    #[n(1)]
    pub newest: u16,
    /// Bits for what it can beyond its version; unknown ones are ignored. None is in use.
    #[n(2)]
    pub features: u64,
    /// The space it belongs to.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub space: [u8; 16],
    /// What it wants.
    #[n(4)]
    pub wants: Wants,
    /// It holds whole chains, and so everything it has ever named.
    #[n(5)]
    pub complete: bool,
    /// Bytes of [`Parcels`] that may be sent to it before it gives more.
    #[n(6)]
    pub credit: u32,
    /// Its rules for kinds.
    #[n(7)]
    pub rules: Vec<Rule>,
    /// The digest of its heads; zeros where the other side is not granted to know them.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub state: [u8; 32],
}

/// What a side wants of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Wants {
    /// All events.
    #[n(0)]
    Everything,
    /// Those of some spans of time, and what is new.
    #[n(1)]
    Window,
    /// What it asks for by name.
    #[n(2)]
    OnDemand,
}

/// The heads of a side.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Heads {
    /// Them.
    #[n(0)]
    pub heads: Packed<Head>,
    /// It answers the other's; otherwise the other's are asked for.
    #[n(1)]
    pub answer: bool,
}

/// Asks, in a session that stays open, whether the heads are still the same.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct State {
    /// The digest of the sender's.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub state: [u8; 32],
    /// They were found to be the same; nothing is to be answered.
    #[n(1)]
    pub answer: bool,
}

/// Asks for events in their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pull {
    /// The number of the request, from 1.
    #[n(0)]
    pub request: u32,
    /// What is asked for, one range for an author.
    #[n(1)]
    pub ranges: Packed<Range>,
}

/// Events.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Parcels {
    /// What they answer; 0 if they are pushed.
    #[n(0)]
    pub request: u32,
    /// Them.
    #[n(1)]
    pub parcels: Vec<Parcel>,
}

/// Lets the other side send more parcels.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Credit {
    /// Bytes.
    #[n(0)]
    pub bytes: u32,
}

/// A [`Pull`], [`Want`] or [`WantEntity`] is answered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Done {
    /// Which.
    #[n(0)]
    pub request: u32,
    /// What was asked for by id and is not given; whether it is not held or not granted is not said.
    #[n(1)]
    pub absent: Packed<Id>,
    /// Authors whose event the asking side named in its range is another here.
    #[n(2)]
    pub forked: Packed<Author>,
    /// Authors of whom less is held here than was asked for.
    #[n(3)]
    pub short: Packed<Author>,
}

/// One round of comparing sets.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reconcile {
    /// The number of the reconciliation.
    #[n(0)]
    pub request: u32,
    /// The moments it is about.
    #[n(1)]
    pub span: Span,
    /// A message of negentropy's protocol, version 1.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub message: Vec<u8>,
}

/// The answer to [`Reconcile`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reconciled {
    /// Which.
    #[n(0)]
    pub request: u32,
    /// A message of negentropy's protocol, version 1.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub message: Vec<u8>,
}

/// Asks for events by id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Want {
    /// The number of the request.
    #[n(0)]
    pub request: u32,
    /// The [`Offer`] it answers, 0 for none. An offer of which nothing is wanted is answered with no ids.
    #[n(1)]
    pub offer: u32,
    /// Newest first, otherwise parents before children.
    #[n(2)]
    pub newest_first: bool,
    /// What is wanted.
    #[n(3)]
    pub ids: Packed<Id>,
}

/// Asks for the newest events of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WantEntity {
    /// The number of the request.
    #[n(0)]
    pub request: u32,
    /// Which.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub entity: [u8; 16],
    /// Only what is older than this clock.
    #[n(2)]
    pub before: u64,
    /// How many at most.
    #[n(3)]
    pub limit: u32,
}

/// What the other side was found to lack.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Offer {
    /// The number of the offer, from 1.
    #[n(0)]
    pub offer: u32,
    /// Them.
    #[n(1)]
    pub ids: Packed<Id>,
}

/// Asks to be sent what is new from now on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Live {}

/// The sender will ask for nothing more; with another reason than [`Reason::Done`] the session is over.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Fin {
    /// Why.
    #[n(0)]
    pub reason: Reason,
}

trait Check {
    fn check(&self) -> bool;
}

macro_rules! messages {
    ($($kind:literal $name:ident up to $cap:expr, $check:expr;)*) => {
        /// Any message.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        /// The numbers of all messages.
        pub const KINDS: &[u8] = &[$($kind),*];

        /// Most bytes of the payload of this kind; `None` for a kind nobody knows.
        pub fn cap(kind: u8) -> Option<usize> {
            match kind {
                $($kind => Some($cap),)*
                _ => None,
            }
        }

        $(impl Check for $name {
            fn check(&self) -> bool {
                ($check)(self)
            }
        })*

        impl Message {
            /// The number of its kind.
            pub fn kind(&self) -> u8 {
                match self {
                    $(Message::$name(_) => $kind,)*
                }
            }

            /// Writes it as a frame behind what is in `out`.
            pub fn put(&self, out: &mut Vec<u8>) {
                let payload = match self {
                    // Writing to a vector cannot fail.
                    $(Message::$name(message) => minicbor::to_vec(message).unwrap_or_default(),)*
                };
                frame::put(out, self.kind(), &payload);
            }

            /// Reads the payload of a kind; `None` for a kind nobody knows.
            pub fn read(kind: u8, payload: &[u8]) -> Result<Option<Message>, PeerFault> {
                match kind {
                    $($kind => read::<$name>(kind, payload).map(|message| Some(Message::$name(message))),)*
                    _ => Ok(None),
                }
            }
        }
    };
}

messages! {
    1 Hello up to 8 << 10, |hello: &Hello| hello.rules.len() <= MAX_RULES && hello.oldest <= hello.newest;
    2 Heads up to MAX_AUTHORS * 72 + 16, |heads: &Heads| ascending(&heads.heads.0, |head| head.author);
    3 State up to 64, |_: &State| true;
    4 Pull up to MAX_AUTHORS * 80 + 16, |pull: &Pull| pull.request != 0 && ascending(&pull.ranges.0, |range| range.author);
    5 Parcels up to MAX_FRAME, |parcels: &Parcels| parcels.parcels.iter().all(Parcel::fits);
    6 Credit up to 16, |_: &Credit| true;
    7 Done up to (2 * MAX_AUTHORS + MAX_IDS) * 32 + 64, |done: &Done| done.request != 0;
    8 Reconcile up to RECONCILE_FRAME + 64, |ask: &Reconcile| ask.request != 0 && ask.span.from < ask.span.to;
    9 Reconciled up to RECONCILE_FRAME + 64, |_: &Reconciled| true;
    10 Want up to MAX_IDS * 32 + 32, |want: &Want| want.request != 0;
    11 WantEntity up to 64, |want: &WantEntity| want.request != 0 && want.limit <= MAX_ENTITY;
    12 Offer up to MAX_IDS * 32 + 32, |offer: &Offer| offer.offer != 0;
    13 Live up to 16, |_: &Live| true;
    14 Fin up to 16, |_: &Fin| true;
}

/// Whether the keys of a list rise, so that each is there once.
fn ascending<T>(list: &[T], key: impl Fn(&T) -> [u8; 32]) -> bool {
    list.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]))
}

fn read<'b, T: Decode<'b, ()> + Check>(kind: u8, payload: &'b [u8]) -> Result<T, PeerFault> {
    let malformed = PeerFault::Malformed(kind);
    let mut decoder = minicbor::Decoder::new(payload);
    let message: T = decoder.decode().map_err(|_| malformed.clone())?;
    (decoder.position() == payload.len() && message.check()).then_some(message).ok_or(malformed)
}
