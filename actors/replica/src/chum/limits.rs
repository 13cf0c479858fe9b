//! The numbers: a limit on everything a peer can make longer.

/// The one version of the protocol there is.
pub const VERSION: u16 = 1;

/// Most bytes of one message after its five bytes of prefix.
pub const MAX_FRAME: usize = 1_310_720;

/// Most bytes of an event header: the fixed part and eight heads.
pub const MAX_HEADER: usize = ipc::event::FIXED_LEN + 32 * ipc::event::MAX_SEEN;

/// Most bytes of a carried body, with what its sealing adds. What is longer is a blob and travels in chunks.
pub const MAX_BODY: usize = (1 << 20) + 4096;

/// Bytes of parcels one message is filled with, unless a single parcel is longer.
pub const CHUNK: usize = 256 << 10;

/// Bytes of parcels that may be on their way unread: what each side lets the other send at first.
pub const CREDIT: u32 = 4 << 20;

/// The least credit a side may give. Half of it is returned at a time, and each half must let the longest message pass.
pub const LEAST_CREDIT: u32 = 2 * MAX_FRAME as u32;

/// The most that is counted of a credit.
pub const MOST_CREDIT: u64 = 256 << 20;

/// Most authors of one space.
pub const MAX_AUTHORS: usize = 4096;

/// Most ids in one message.
pub const MAX_IDS: usize = 512;

/// Most rules in a greeting.
pub const MAX_RULES: usize = 256;

/// Most events that one request for an entity brings.
pub const MAX_ENTITY: u32 = 512;

/// Most bytes of one message of the set reconciliation.
pub const RECONCILE_FRAME: usize = 512 << 10;

/// Spans a peer may have reconciled in one session: each makes this side list what it holds.
pub const MAX_SPANS: u32 = 256;

/// Requests by a peer that may wait for their answers.
pub const MAX_WAITING: usize = 8;

/// Messages of this side that may wait to be sent.
pub const MAX_CONTROL: usize = 64;

/// News of a session that nobody has looked at; older ones leave first.
pub const MAX_PROGRESS: usize = 1024;

/// Rounds a reconciliation may take. Who holds `ours` ids is asked to list or summarise each of them a few times and no
/// more: forty bytes each on sixteen branches, and some rounds to begin with. Who never comes to an end lies.
pub fn rounds(ours: usize) -> u64 {
    64 + (ours as u64).saturating_mul(640) / RECONCILE_FRAME as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_parcel_passes() {
        let longest = MAX_HEADER + 64 + MAX_BODY + 64;
        assert!(longest <= MAX_FRAME && MAX_FRAME <= LEAST_CREDIT as usize / 2 && LEAST_CREDIT <= CREDIT);
    }
}
