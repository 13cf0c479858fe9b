//! Who may ask whom for what, how much of it, and what that does to the asker. The rows themselves are [`table`].
//!
//! The table is the ceiling: what a person grants while the program runs narrows it or fills it in, and can never add a
//! row. No row means no.

mod table;

use std::fmt;

pub use table::TABLE;

use crate::{role::Role, service::Method};

/// What a call does to the process that makes it, kept by the hub whatever the process says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// Nothing.
    pub const NONE: Marks = Marks(0);
    /// The answer is private data.
    pub const READS_PRIVATE: Marks = Marks(1);
    /// The answer is text that somebody else may have written.
    pub const BRINGS_UNTRUSTED: Marks = Marks(2);
    /// The request leaves the machine.
    pub const EGRESS: Marks = Marks(4);

    /// Whether all of `other` are set.
    pub const fn has(self, other: Marks) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            [(Marks::READS_PRIVATE, "reads-private"), (Marks::BRINGS_UNTRUSTED, "brings-untrusted"), (Marks::EGRESS, "egress")];
        let mut set = names.iter().filter(|(mark, _)| self.has(*mark)).map(|(_, name)| *name);
        let Some(first) = set.next() else { return f.write_str("-") };
        f.write_str(first)?;
        set.try_for_each(|name| write!(f, " {name}"))
    }
}

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who asks.
    pub source: Role,
    /// Who answers.
    pub destination: Role,
    /// The method's number.
    pub method: u16,
    /// The method's name.
    pub name: &'static str,
    /// Whether it has a stream.
    pub stream: bool,
    /// Whether its bodies hold secrets.
    pub sensitive: bool,
    /// Largest request in bytes.
    pub max_body: usize,
    /// Most calls of one process that may be unanswered.
    pub in_flight: u16,
    /// Most calls of one process in a second.
    pub per_second: u16,
    /// Seconds until the answer is of no use, at most.
    pub deadline_s: u32,
    /// What the call does to the process that makes it.
    pub marks: Marks,
    /// The process that answers serves this one call and no other.
    pub fresh: bool,
}

/// The row for a call, if there is one.
pub fn find(table: &'static [Row], source: Role, destination: Role, method: u16) -> Option<&'static Row> {
    table.iter().find(|row| row.source == source && row.destination == destination && row.method == method)
}

/// What the method with this number is called, where `destination` answers it.
pub fn method_name(destination: Role, method: u16) -> Option<&'static str> {
    TABLE.iter().find(|row| row.destination == destination && row.method == method).map(|row| row.name)
}

/// A source for which the table has a row with this method. Implemented by the table itself, so that a call without a
/// row does not compile.
#[diagnostic::on_unimplemented(
    message = "no policy row lets `{Self}` call `{M}`",
    note = "the rows are in ipc/src/policy/table.rs; without one the hub refuses the call"
)]
pub trait Permits<M: Method> {}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Rows as they stand in [`table`]: `Source -> service::Method [@ Destination]: body, in flight, a second, deadline, marks;`
macro_rules! policy {
    (@row $source:ident, $method:ty, $destination:expr, $body:expr, $flight:literal, $rate:literal, $deadline:literal, $marks:expr, $fresh:expr) => {
        Row {
            source: Role::$source,
            destination: $destination,
            method: <$method as Method>::NUMBER,
            name: <$method as Method>::NAME,
            stream: <$method as Method>::STREAM,
            sensitive: <$method as Method>::SENSITIVE,
            max_body: $body,
            in_flight: $flight,
            per_second: $rate,
            deadline_s: $deadline,
            marks: $marks,
            fresh: $fresh,
        }
    };
    (@fresh) => { false };
    (@fresh fresh) => { true };
    ($($source:ident -> $service:ident :: $method:ident : $body:expr, $flight:literal, $rate:literal, $deadline:literal, $marks:expr $(, $fresh:ident)?;)*
     $(* $asker:ident -> [$($answerer:ident)*] $common:ident : $cbody:expr, $cflight:literal, $crate_:literal, $cdeadline:literal;)*) => {
        /// Every permission there is, read from top to bottom.
        pub const TABLE: &[Row] = &[
            $(policy!(
                @row $source, $service::$method,
                match <$service::$method as Method>::ROLE { Some(role) => role, None => Role::Supervisor },
                $body, $flight, $rate, $deadline, $marks, policy!(@fresh $($fresh)?)
            ),)*
            $($(policy!(@row $asker, common::$common, Role::$answerer, $cbody, $cflight, $crate_, $cdeadline, Marks::NONE, false),)*)*
        ];
        $(impl Permits<$service::$method> for source::$source {})*
        $(impl Permits<common::$common> for source::$asker {})*
    };
}
use policy;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_BODY;

    #[test]
    fn no_permission_stands_twice() {
        for (index, row) in TABLE.iter().enumerate() {
            let again = TABLE[index + 1..]
                .iter()
                .find(|other| (row.source, row.destination, row.method) == (other.source, other.destination, other.method));
            assert_eq!(again, None, "{row:?}");
        }
    }

    #[test]
    fn every_row_has_limits_that_hold() {
        for row in TABLE {
            assert!((1..=MAX_BODY).contains(&row.max_body), "{row:?}");
            assert!(row.in_flight > 0 && row.per_second > 0 && row.deadline_s > 0, "{row:?}");
        }
    }

    /// The shape of the house, said once more in other words than the table's.
    #[test]
    fn keys_and_network_stay_apart() {
        let asks = |source: Role| TABLE.iter().filter(move |row| row.source == source);
        let person = |row: &Row| matches!(row.source, Role::Cli | Role::Supervisor);
        assert!(asks(Role::Code).next().is_none(), "a script asks nobody");
        assert!(asks(Role::Verifier).next().is_none(), "what reads strangers' credentials asks nobody");
        assert!(asks(Role::Llm).all(|row| row.destination == Role::Crypto), "the network asks for a key and nothing else");
        assert!(asks(Role::Agent).all(|row| row.destination != Role::Crypto), "what reads strangers' words never meets a key");
        assert!(asks(Role::Storage).all(|row| matches!(row.destination, Role::Crypto | Role::Courier)));
        assert!(asks(Role::Courier).all(|row| row.destination == Role::Crypto), "it is told what to carry, and reads nothing");
        assert!(asks(Role::Agent).all(|row| row.destination != Role::Courier), "what was talked into it stays here");
        assert!(asks(Role::Ui).all(|row| !matches!(row.destination, Role::Llm | Role::Code)));
        let by_gate = asks(Role::Gate).all(|row| matches!(row.destination, Role::Crypto | Role::Verifier) && !row.sensitive);
        assert!(by_gate, "what strangers speak to gets no key");
        assert!(TABLE.iter().filter(|row| row.destination == Role::Gate).all(person), "nobody but the person opens a gate");
        assert!(TABLE.iter().all(|row| row.destination != Role::Cli), "a person's command line asks and does not answer");
        let answered = |row: &&Row| row.destination == Role::Ui;
        assert!(TABLE.iter().filter(answered).all(person), "the window answers the person and nobody who parses or keeps");
        let keys = asks(Role::Ui).filter(|row| row.destination == Role::Crypto && row.name.starts_with("Release"));
        assert!(keys.map(|row| row.name).eq(["ReleaseCacheKey"]), "the window gets the key of its own cache and no other");
    }

    #[test]
    fn only_the_key_process_handles_secrets() {
        for row in TABLE.iter().filter(|row| row.sensitive) {
            assert_eq!(row.destination, Role::Crypto, "{row:?}");
        }
    }
}
