//! What it means to be a method of a service, and the macro that lists a service's methods once.

use bincode::{Decode, Encode};

use crate::{
    codec::{self, CodecError},
    refusal::{Code, Refusal},
    role::Role,
};

/// A request that a process answers. Implemented by [`service!`](macro@crate::service) only.
pub trait Method: Encode + Decode<()> + 'static {
    /// Who answers it; `None` if every process does.
    const ROLE: Option<Role>;
    /// Its number on the wire, never reused within a service.
    const NUMBER: u16;
    /// Its name in the policy and in logs.
    const NAME: &'static str;
    /// Whether request and answer hold secrets.
    const SENSITIVE: bool;
    /// Whether it is opened with a stream.
    const STREAM: bool;
    /// Its one answer.
    type Answer: Encode + Decode<()> + 'static;
    /// A piece of the stream towards the callee.
    type Up: Piece;
    /// A piece of the stream towards the caller.
    type Down: Piece;
}

/// Something a stream carries.
pub trait Piece: Sized + 'static {
    /// The bytes of a `Data` frame.
    fn to_bytes(&self) -> Result<Vec<u8>, CodecError>;
    /// Reads the bytes of a `Data` frame.
    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError>;
}

impl<T: Encode + Decode<()> + 'static> Piece for T {
    fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(self)
    }
    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes)
    }
}

/// A piece of a direction in which a method sends nothing: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {}

impl Piece for Nothing {
    fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        match *self {}
    }
    fn from_bytes(_: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::Invalid("a piece of a stream that this method does not have".to_owned()))
    }
}

/// What a message that is not of its type is answered with.
pub fn malformed(method: &str, error: &CodecError) -> Refusal {
    Refusal::new(Code::Malformed, format!("failed to take {method}: failed to {error}"))
}

/// Lists the methods of one service: number, request, answer, and the pieces of its streams.
///
/// ```text
/// service! {
///     Storage {
///         1 CreateConversation -> Conversation;
///         2 PutAttachment -> Attached, up Chunk;
///         3 ReleaseStoreKey -> StoreKey (sensitive);
///     }
/// }
/// ```
#[macro_export]
macro_rules! service {
    ($role:ident { $($number:literal $request:ident -> $answer:ident $(($sensitive:ident))? $(, up $up:ident)? $(, down $down:ident)?;)* }) => {
        /// One value for each method of the service, as its process receives them.
        pub enum Request { $(
            #[doc = concat!("Method ", stringify!($number), ".")]
            $request($request),
        )* }

        /// Number and name of each method of the service.
        pub const METHODS: &[(u16, &str)] = &[$(($number, stringify!($request)),)*];

        impl Request {
            /// Reads the request of a call.
            pub fn decode(method: u16, body: &[u8]) -> Result<Request, $crate::Refusal> {
                match method {
                    $($number => $crate::codec::decode(body)
                        .map(Request::$request)
                        .map_err(|error| $crate::service::malformed(stringify!($request), &error)),)*
                    other => Err($crate::Refusal::new($crate::Code::Forbidden, format!("no method {other} is answered here"))),
                }
            }
        }

        $(
            impl $crate::service::Method for $request {
                const ROLE: Option<$crate::Role> = $crate::service!(@role $role);
                const NUMBER: u16 = $number;
                const NAME: &'static str = stringify!($request);
                const SENSITIVE: bool = $crate::service!(@sensitive $($sensitive)?);
                const STREAM: bool = $crate::service!(@stream $($up)? $($down)?);
                type Answer = $answer;
                type Up = $crate::service!(@piece $($up)?);
                type Down = $crate::service!(@piece $($down)?);
            }
        )*
    };
    (@role any) => { None };
    (@role $role:ident) => { Some($crate::Role::$role) };
    (@sensitive) => { false };
    (@sensitive sensitive) => { true };
    (@stream) => { false };
    (@stream $($piece:ident)+) => { true };
    (@piece) => { $crate::service::Nothing };
    (@piece $piece:ident) => { $piece };
}
