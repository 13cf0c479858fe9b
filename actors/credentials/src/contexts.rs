//! The contexts that are built in. There are no others, and none is ever fetched: what a term means must not depend on who
//! answers at an address.

/// The first context of every credential.
pub const CREDENTIALS_V2: &str = "https://www.w3.org/ns/credentials/v2";
/// The context of membership credentials.
pub const MEMBERSHIP: &str = "urn:iom:membership:v1";

/// Maps the address of each context to its text. `contexts/README.md` says where each is from.
const BUILT_IN: &[(&str, &str)] = &[
    (CREDENTIALS_V2, include_str!("../contexts/credentials-v2.jsonld")),
    ("https://w3id.org/security/data-integrity/v2", include_str!("../contexts/data-integrity-v2.jsonld")),
    ("https://www.w3.org/ns/credentials/status/v1", include_str!("../contexts/status-list-v1.jsonld")),
    ("https://www.w3.org/ns/did/v1", include_str!("../contexts/did-v1.jsonld")),
    ("https://w3id.org/security/multikey/v1", include_str!("../contexts/multikey-v1.jsonld")),
    // A vocabulary for everything: with it no term is undefined. Standards' examples use it.
    ("https://www.w3.org/ns/credentials/examples/v2", include_str!("../contexts/credentials-examples-v2.jsonld")),
    (MEMBERSHIP, include_str!("../contexts/iom-membership-v1.jsonld")),
];

/// The text of a context, if it is built in.
pub fn find(address: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == address).map(|(_, text)| *text)
}

/// The addresses of all contexts that are built in.
pub fn addresses() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(address, _)| *address)
}
