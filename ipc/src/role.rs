//! Who a process is. A role decides what the process may touch and whom it may ask.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $number:tt, $text:literal;)*) => {
        /// A kind of process. The numbers are in the header and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[repr(u8)]
        pub enum Role {
            $($(#[$doc])* $name = $number,)*
        }

        impl Role {
            /// Every role, in the order of their numbers.
            pub const ALL: &[Role] = &[$(Role::$name),*];

            /// The role with this number on the wire.
            pub const fn from_number(number: u8) -> Option<Role> {
                match number {
                    $($number => Some(Role::$name),)*
                    _ => None,
                }
            }

            /// The name people see and type.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Role::$name => $text,)*
                }
            }
        }

        /// One type for each role, so that what a role may ask is known when the program is compiled.
        pub mod source {
            $(
                $(#[$doc])*
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl super::Source for $name {
                    const ROLE: super::Role = super::Role::$name;
                }
            )*
        }
    };
}

roles! {
    /// Spawns, locks down, routes, restarts. Decodes no body that is not addressed to itself.
    Supervisor = 1, "supervisor";
    /// A person's command line, attached through the control socket. Asks, never answers.
    Cli = 2, "cli";
    /// The window's instance: a cache of what is recent, and what a person did and the archive has not yet. It asks as a window
    /// does, and answers the person's command line alone.
    Ui = 3, "ui";
    /// The archive.
    Storage = 4, "storage";
    /// Every key.
    Crypto = 5, "crypto";
    /// The network, as far as the models' interfaces.
    Llm = 6, "llm";
    /// One conversation in progress.
    Agent = 7, "agent";
    /// One run of a script.
    Code = 8, "code";
    /// The network, as far as the places where things are kept outside.
    Courier = 9, "courier";
    /// One look at what strangers wrote about credentials.
    Verifier = 10, "verifier";
    /// The HTTP faces: what other programs of this machine ask of this one.
    Gate = 11, "gate";
}

/// The type-level name of a role that sends calls.
pub trait Source: 'static {
    /// The role as a value.
    const ROLE: Role;
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No role has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("know a process called {0:?}; `lamos ps` lists them")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Role::ALL.iter().copied().find(|role| role.name() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_find_their_role_again() {
        for &role in Role::ALL {
            assert_eq!(Role::from_number(role as u8), Some(role));
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!(Role::from_number(0), None);
        assert_eq!(Role::from_number(200), None);
    }
}
