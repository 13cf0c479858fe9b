//! What the disposable process is asked that reads what strangers wrote about credentials. It has no key, no file and no
//! socket, takes one call and ends.
//!
//! Nothing is ever fetched: lists that say what was taken back come with the question. What a refusal says names members, ids
//! of keys and of issuers, never what somebody wrote into a credential.

use bincode::{Decode, Encode};

use super::credentials::ToSign;

crate::service! {
    Verifier {
        1 Check -> Verdict;
        2 Compose -> Composed;
    }
}

/// Most status lists that come with one question.
pub const MAX_LISTS: usize = 16;
/// Most keys that are named as having to have signed.
pub const MAX_SIGNERS: usize = 8;
/// Most credentials in one presentation.
pub const MAX_SHOWN: usize = 16;
/// Most claims that are named in one request, as JSON Pointers.
pub const MAX_POINTERS: usize = 512;

/// Does this hold? A credential or a presentation with Data Integrity proofs, a `vc+jwt`, or an SD-JWT: which it is it says
/// itself. The moment is that of the clock of the process.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Check {
    /// The text as it came; at most 256 KiB are read.
    pub text: Vec<u8>,
    /// Credentials of status lists, as texts of any of the kinds above. One that does not hold is a fault.
    pub lists: Vec<Vec<u8>>,
    /// What was asked of the holder, for presentations and SD-JWTs that are presented.
    pub expected: Expected,
    /// Whether credentials must be about who presents them.
    pub about: About,
    /// What is to be done where a status cannot be checked.
    pub status: StatusDemand,
    /// Public keys (Ed25519) that must all have signed a credential, besides its issuer.
    pub signers: Vec<[u8; 32]>,
}

/// What was asked of the holder. Without a challenge an answer is good for anybody, as often as they like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Expected {
    /// The verifier's question: something new each time.
    pub challenge: Option<String>,
    /// Whom the answer is for: the domain of a presentation, the audience (`aud`) of an SD-JWT.
    pub domain: Option<String>,
}

/// Whose credentials may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum About {
    /// Anybody's.
    #[default]
    Anybody,
    /// The holder's own.
    Holder,
}

/// What is to be done where a credential has a status and its list is not at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum StatusDemand {
    /// It is a fault.
    #[default]
    Checked,
    /// It is told and no fault.
    IfAtHand,
}

/// What came of checking.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Verdict {
    /// Milliseconds since 1970: when it was checked, by the clock of the process.
    pub at_ms: u64,
    /// What it is; `None` if that cannot be said.
    pub shape: Option<Shape>,
    /// Why it does not hold. It is verified if there is none.
    pub faults: Vec<Fault>,
    /// The id of who presented it, if somebody proved to.
    pub holder: Option<String>,
    /// What is in it: one credential, or those of a presentation. Nothing of what does not hold, except where the fault is
    /// its status.
    pub credentials: Vec<Checked>,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Shape {
    /// A credential with Data Integrity proofs.
    Document,
    /// A presentation with a Data Integrity proof.
    Presentation,
    /// A credential as a `vc+jwt`.
    Token,
    /// An SD-JWT.
    SdJwt,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Fault {
    /// One word for programs, as in `expired`.
    pub code: String,
    /// What is wrong, for the person: a fragment without a full stop.
    pub sentence: String,
    /// What to do, as a sentence.
    pub advice: String,
}

/// A credential whose signatures hold.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Checked {
    /// Its own id, if it has one.
    pub id: Option<String>,
    /// The id of who issued it.
    pub issuer: String,
    /// The ids of those it is about; `None` for one without.
    pub subjects: Vec<Option<String>>,
    /// Its types.
    pub types: Vec<String>,
    /// Not before, in milliseconds since 1970.
    pub from_ms: Option<u64>,
    /// Not after, in milliseconds since 1970.
    pub until_ms: Option<u64>,
    /// How it is signed: names of suites, or of algorithms of a token; one for each signature.
    pub suites: Vec<String>,
    /// The ids of who signed, one for each signature.
    pub signers: Vec<String>,
    /// What its issuer says about whether it still counts.
    pub status: Status,
    /// What was signed, and disclosed, as JSON.
    pub document: String,
}

/// What an issuer says about whether a credential still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// It says nothing about that.
    None,
    /// It says where that stands, and the list is not at hand.
    Unchecked,
    /// It counts, by a list that was checked.
    Counts,
    /// It was taken back, for good or for the time being: the fault says which.
    TakenBack,
}

/// What is to be signed for this? Nothing is signed here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Compose {
    /// The public key (Ed25519) of who will sign.
    pub signer: [u8; 32],
    /// What.
    pub what: Making,
}

/// What can be made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Making {
    /// A credential.
    Credential {
        /// A JSON object: the credential without a signature. An issuer that is missing becomes who signs; a validity that
        /// is missing begins now. With proofs it gets a further one, in a document only.
        template: Vec<u8>,
        /// How it is written and signed.
        form: Form,
        /// For how many seconds from now it is valid; `None` for what the template says.
        valid_s: Option<u64>,
        /// Where its status will stand.
        status: Option<StatusPlace>,
    },
    /// The credential that publishes a status list for revocation, of 131,072 entries.
    StatusList {
        /// Its id, to which credentials refer.
        id: String,
        /// The entries that are revoked.
        revoked: Vec<u32>,
        /// With which suite.
        suite: Suite,
        /// For how many seconds from now it is valid.
        valid_s: u64,
    },
    /// A presentation of credentials: documents as they are, tokens in envelopes.
    Presentation {
        /// The credentials.
        shown: Vec<Vec<u8>>,
        /// The verifier's question.
        challenge: String,
        /// Who asks.
        domain: String,
        /// With which suite.
        suite: Suite,
    },
    /// An SD-JWT, presented.
    Disclosure {
        /// As the issuer gave it.
        sd_jwt: Vec<u8>,
        /// Which of its claims are shown: names of claims; none is shown that is not named.
        shown: Vec<String>,
        /// The verifier's question.
        challenge: String,
        /// Who asks.
        domain: String,
    },
}

/// How a credential is written and signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Form {
    /// A document with a Data Integrity proof.
    Document {
        /// With which suite.
        suite: Suite,
        /// The id of the proof, so that later ones can be made after it.
        id: Option<String>,
        /// The ids of the proofs it is made after, and covers.
        previous: Vec<String>,
        /// When the proof is made, in milliseconds since 1970; `None` for now.
        created_ms: Option<u64>,
    },
    /// A token: `vc+jwt`.
    Token,
    /// An SD-JWT (`vc+sd-jwt`), bound to the key of its subject.
    SdJwt {
        /// Which claims may be kept back: JSON Pointers.
        disclosable: Vec<String>,
        /// How many hashes of nothing stand among theirs.
        decoys: u16,
    },
}

/// Over what a Data Integrity proof is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Suite {
    /// `eddsa-jcs-2022`.
    #[default]
    Jcs,
    /// `eddsa-rdfc-2022`.
    Rdfc,
}

/// Where the status of a credential stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StatusPlace {
    /// The id of the list.
    pub list: String,
    /// The entry.
    pub index: u32,
}

/// What is to be signed, and what it becomes with the signature: `before`, the text of the signature, `after`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Composed {
    /// What the key process is asked to sign.
    pub sign: ToSign,
    /// What stands before the signature.
    pub before: String,
    /// What stands after it.
    pub after: String,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// The ids of those it is about; `None` for one without.
    pub subjects: Vec<Option<String>>,
    /// Its types.
    pub types: Vec<String>,
    /// Not after, in milliseconds since 1970.
    pub until_ms: Option<u64>,
}
