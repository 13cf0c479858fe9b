//! Bytes that must not outlive their use: passwords and keys on their way between two processes.

use bincode::{
    Decode, Encode,
    de::{BorrowDecoder, Decoder},
    enc::Encoder,
    error::{DecodeError, EncodeError},
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Longest secret that is accepted, in bytes. Refused before anything is derived from it.
pub const MAX_SECRET: usize = 4096;

/// A secret. It is overwritten when dropped, has no `Debug`, no `Display`, no `Clone` and no equality, and may only be
/// a field of a message whose method is marked sensitive.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over. The vector must not have been grown with the secret in it.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(bytes)
    }

    /// The bytes, for as long as they are looked at.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as an array.
    pub fn expose_array<const N: usize>(&self) -> Result<&[u8; N], WrongLength> {
        self.0.as_slice().try_into().map_err(|_| WrongLength { wanted: N })
    }
}

/// A secret has another length than its use demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use a secret that is not {wanted} bytes long")]
pub struct WrongLength {
    /// The length it should have.
    pub wanted: usize,
}

impl Encode for Secret {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.as_slice().encode(encoder)
    }
}

impl<Context> Decode<Context> for Secret {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let bytes = Vec::<u8>::decode(decoder)?;
        if bytes.len() > MAX_SECRET { Err(DecodeError::OtherString("a secret of this length".into())) } else { Ok(Secret(bytes)) }
    }
}

impl<'de, Context> bincode::BorrowDecode<'de, Context> for Secret {
    fn borrow_decode<D: BorrowDecoder<'de, Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Secret::decode(decoder)
    }
}

/// Fails to compile if one of these types can be printed or copied: each line would have two meanings then.
///
/// ```compile_fail
/// #[derive(Debug)]
/// struct Careless(ipc::secret::Secret);
/// ```
///
/// ```compile_fail
/// #[derive(Debug)]
/// struct Token([u8; 32]);
/// ipc::never_printed!(Token);
/// ```
///
/// ```
/// struct Token([u8; 32]);
/// ipc::never_printed!(Token);
/// ```
#[macro_export]
macro_rules! never_printed {
    ($($secret:ty),+ $(,)?) => {
        const _: () = {
            trait Cannot<Way> {
                const IT: () = ();
            }
            impl<T: ?Sized> Cannot<()> for T {}
            struct Debugged;
            impl<T: ?Sized + ::core::fmt::Debug> Cannot<Debugged> for T {}
            struct Displayed;
            impl<T: ?Sized + ::core::fmt::Display> Cannot<Displayed> for T {}
            struct Cloned;
            impl<T: ::core::clone::Clone> Cannot<Cloned> for T {}
            $(let () = <$secret as Cannot<_>>::IT;)+
        };
    };
}

crate::never_printed!(
    Secret,
    crate::messages::crypto::Unlock,
    crate::messages::crypto::UnlockAnew,
    crate::messages::crypto::Deploy,
    crate::messages::crypto::StoreKey,
    crate::messages::crypto::CacheKey,
    crate::messages::crypto::Lend,
    crate::messages::crypto::ApiKey,
    crate::messages::crypto::KeepKey,
    crate::messages::crypto::LendKept,
);
