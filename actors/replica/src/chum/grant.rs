//! Who may have what, and whose events are taken. Grants themselves are kept elsewhere; here is the place where the exporting
//! end asks, each time before something leaves, so that what is taken back stops within one round, and the importing end
//! before something is kept.

use std::sync::Arc;

use ipc::event::EventHeader;

/// The other side, by the key it proved to the transport to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer(pub [u8; 32]);

/// How much of the space a peer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nothing.
    Nothing,
    /// Single events, each by its own grant. No heads and no chains, which would show what else there is.
    Some,
    /// Every header: heads and whole chains are exchanged. Bodies still follow their own grants and the policy for their kind.
    Whole,
}

/// What decides.
pub trait Grants {
    /// How much of the space this peer may see.
    fn reach(&self, peer: &Peer) -> Reach;

    /// Whether this event may go to this peer.
    fn may_export(&self, peer: &Peer, header: &EventHeader) -> bool;

    /// Whether this event is taken from this peer: of its own making, or of another's and carried by it.
    fn may_import(&self, peer: &Peer, header: &EventHeader) -> bool;
}

/// Grants nothing to anybody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Grants for Nothing {
    fn reach(&self, _: &Peer) -> Reach {
        Reach::Nothing
    }

    fn may_export(&self, _: &Peer, _: &EventHeader) -> bool {
        false
    }

    fn may_import(&self, _: &Peer, _: &EventHeader) -> bool {
        false
    }
}

/// Grants everything: for the two instances of one person on one machine, whose supervisor has said who is who.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Grants for Everything {
    fn reach(&self, _: &Peer) -> Reach {
        Reach::Whole
    }

    fn may_export(&self, _: &Peer, _: &EventHeader) -> bool {
        true
    }

    fn may_import(&self, _: &Peer, _: &EventHeader) -> bool {
        true
    }
}

impl<G: Grants + ?Sized> Grants for Arc<G> {
    fn reach(&self, peer: &Peer) -> Reach {
        (**self).reach(peer)
    }

    fn may_export(&self, peer: &Peer, header: &EventHeader) -> bool {
        (**self).may_export(peer, header)
    }

    fn may_import(&self, peer: &Peer, header: &EventHeader) -> bool {
        (**self).may_import(peer, header)
    }
}
