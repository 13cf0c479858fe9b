//! Every table of the database and what it maps to what.
//!
//! Keys are big-endian where their order matters. Positions rise with each event and are the one key in the order of
//! which is written, so that pages fill up. Positions are this store's own: no other store is told one.

macro_rules! tables {
    ($($(#[$doc:meta])* $variant:ident: $name:literal;)*) => {
        /// Every table there is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Table { $($(#[$doc])* $variant,)* }

        impl Table {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Table] = &[$(Table::$variant),*];

            /// What it is called on disk.
            pub const fn name(self) -> &'static str {
                match self { $(Table::$variant => $name,)* }
            }
        }
    };
}

tables! {
    /// position `u64` → signed `u8` ‖ signature `64` ‖ header
    Event: "event";
    /// position `u64` → sealed body; missing where it was erased
    Body: "body";
    /// event id `32` → position `u64`
    Id: "id";
    /// entity `16` ‖ clock `u64` ‖ author's first `16` ‖ position `u64` → nothing
    Entity: "entity";
    /// kind `u16` ‖ position `u64` → nothing
    Kind: "kind";
    /// author `32` ‖ sequence `u64` → position `u64`
    Sequence: "sequence";
    /// clock `u64` ‖ event id `32` → position `u64`
    Time: "time";
    /// entity `16` ‖ event id `32` → 1: a head of the entity, 2: seen by an event that came before it
    Tip: "tip";
    /// author `32` → sequence `u64` ‖ clock `u64` ‖ event id `32`
    Head: "head";
    /// entity `16` → its wrapped key
    Key: "key";
    /// kind `u16` ‖ identity `16` → position `u64` ‖ keyed digest of the body `16`; what must be kept once
    Once: "once";
    /// position `u64` → nothing; events without a signature
    Unsigned: "unsigned";
    /// 0 ‖ entity `16` → the last clock erased `u64`; 1 ‖ event id `32` → nothing
    Tomb: "tomb";
    /// author `32` ‖ sequence `u64` ‖ event id `32` → signature `64` ‖ header; a second event of the same number
    Fork: "fork";
    /// conversation `16` → sealed view
    Conversation: "conversation";
    /// clock of the newest change `u64` ‖ conversation `16` → nothing
    Recent: "recent";
    /// conversation `16` ‖ clock `u64` ‖ author's first `16` ‖ position `u64` → nothing; messages alone
    Message: "message";
    /// file `16` → sealed view
    File: "file";
    /// branch `16` → sealed view
    Branch: "branch";
    /// entity `16` → sealed view
    State: "state";
    /// target `16` ‖ source `16` ‖ by what `u8` ‖ event id or zeros `32` → nothing; see `references.rs`
    Reference: "reference";
    /// source `16` ‖ by what `u8` ‖ event id or zeros `32` ‖ target `16` → nothing
    Refers: "refers";
    /// position `u64` → nothing; events that are carried and not folded
    Unknown: "unknown";
    /// name of a chunk `16` → where it lies, sealed
    Chunk: "chunk";
    /// upload `16` → entity `16` ‖ how far it is, sealed under the key of the entity
    Upload: "upload";
    /// 0 ‖ position `u64` → command's id `16` ‖ keyed digest `16` ‖ sealed command; 1 ‖ command's id `16` → position `u64`;
    /// 2 ‖ entity `16` → nothing, what is pinned; only in a database of its own, see `outbox.rs`
    Outbox: "outbox";
    /// entity `16` → how it was used, see `sparse/uses.rs`; like the next four only in a sparse store
    Use: "use";
    /// 0: with content, 1: without, 2 and 3: the same of what is pinned ‖ last use in milliseconds `u64` ‖ entity `16` → nothing
    Least: "least";
    /// event id `32` → header; what was held and let go, and would come again with a comparison
    Gone: "gone";
    /// clock `u64` ‖ event id `32` → nothing; the same by time
    GoneTime: "gone time";
    /// author `32` → sequence `u64` ‖ event id `32`; how far a peer's events were looked at
    Reached: "reached";
    /// 0 ‖ key → keyed digest `16` ‖ value; rows of who follows the log, see `ledger.rs`; 1 ‖ entity `16` → nothing, what it
    /// is to look at again
    Ledger: "ledger";
    /// name → value; see `store.rs`, and `outbox.rs` for its own
    Meta: "meta";
}

impl Table {
    /// What is made of the events alone: found again by looking at each once more.
    pub(crate) const DERIVED: &[Table] = &[
        Table::Id,
        Table::Entity,
        Table::Kind,
        Table::Sequence,
        Table::Time,
        Table::Tip,
        Table::Conversation,
        Table::Recent,
        Table::Message,
        Table::File,
        Table::Branch,
        Table::State,
        Table::Reference,
        Table::Refers,
        Table::Unknown,
        Table::Ledger,
    ];
}
