//! CHUM: how two replicas come to hold the same events.
//!
//! [`Session`] is the protocol and nothing else: bytes that came in go into it, bytes that shall go out come from it, and a
//! [`Side`] is asked for what the own replica holds. It knows no socket, no process, no runtime and no clock, so the same
//! exchange runs over the hub's streams, over QUIC, and in a test that cuts the bytes wherever it likes. Everything that
//! must outlive a session lies in the `Side`; a session that was cut is thrown away and the next one goes on from what is
//! held.
//!
//! `PROTOCOL.md` beside this file has the bytes.
//!
//! - [`frame`] cuts the stream into messages, [`message`] and [`records`] say what they are, [`parcel`] what is carried.
//! - [`side`] is what is needed of a replica, `archive` is one on the store of this crate, [`grant`] who may have what, [`policy`] which kinds travel and how, `rules` how that is
//!   written.
//! - `import` asks and takes, `export` answers and pushes, `merge` puts parents before children, `reconcile` finds what two
//!   sets differ in.
//! - [`fault`] says what ended a session, and whose fault it was.
//!
//! **Architecture Invariant:** nothing received is kept here beyond one frame, one batch of parcels and lists of identifiers
//! whose lengths [`limits`] bounds. Nothing of a replica leaves without having passed the grant and the policy in `export`.

mod archive;
mod deal;
mod expected;
mod export;
pub mod fault;
pub mod frame;
pub mod grant;
mod import;
pub mod limits;
mod merge;
pub mod message;
pub mod parcel;
pub mod policy;
mod progress;
mod reconcile;
pub mod records;
mod rules;
mod session;
pub mod side;
mod span;

pub use archive::{Archive, Intake};
pub(crate) use archive::{failed, judge, pack, unpack};
pub use deal::Settings;
pub use fault::{Blame, Fault, PeerFault, Reason};
pub use grant::{Everything, Grants, Nothing, Peer, Reach};
pub use message::Wants;
pub use parcel::{Carried, Parcel};
pub use policy::{Keep, Rule, Rules, When};
pub use progress::{Progress, Tally};
pub use records::{Author, Head, Id, Link, Range, Span};
pub use rules::{BadRules, kind_name};
pub use session::Session;
pub use side::{BadParcel, Side, SideError, Taken};
