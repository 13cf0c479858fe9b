//! What the memory keeps: what was learned from some traces, and several such things of one month together. On disk for
//! ever, like everything in [`super`].
//!
//! Both are about an entity of their own for each conversation ([`memory_of`]), so that they are sealed under a key of
//! their own and go for good, on every device, when that entity is erased with its conversation. What the traces
//! themselves say stays with the conversation and is not repeated here beyond what is shown.

use minicbor::{Decode, Encode};

/// What the memory of a conversation is about. The same on every device, so that one erasure reaches what any of them
/// made, also what comes later.
pub fn memory_of(conversation: &[u8; 16]) -> [u8; 16] {
    named("lamos memory of a conversation", &[conversation])
}

/// The id of an experience: the same wherever the same traces were put together, in whatever order.
pub fn experience_id(conversation: &[u8; 16], traces: &[[u8; 32]]) -> [u8; 16] {
    let mut sorted: Vec<&[u8]> = traces.iter().map(|trace| &trace[..]).collect();
    sorted.sort_unstable();
    sorted.insert(0, conversation);
    named("lamos experience", &sorted)
}

/// The id of a bundle: the same wherever the same experiences were put together.
pub fn bundle_id(conversation: &[u8; 16], experiences: &[[u8; 16]]) -> [u8; 16] {
    let mut sorted: Vec<&[u8]> = experiences.iter().map(|experience| &experience[..]).collect();
    sorted.sort_unstable();
    sorted.insert(0, conversation);
    named("lamos bundle", &sorted)
}

/// The first half of a BLAKE3 hash with a context, which no other use of the hash shares.
fn named(context: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    id
}

/// The body of [`EXPERIENCE`](super::EXPERIENCE): an entry of the memory log. Its fields are those of the memory log of
/// LLMos, with the conversation for the project.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Experience {
    /// See [`experience_id`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// Where it was made.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub conversation: [u8; 16],
    /// What was asked for first.
    #[n(2)]
    pub goal: String,
    /// How it went.
    #[n(3)]
    pub result: Success,
    /// Models, skills and tools, sorted.
    #[n(4)]
    pub components: Vec<String>,
    /// Paths of files that were written, sorted.
    #[n(5)]
    pub files: Vec<String>,
    /// A line for each trace: what was asked for, and how that ended.
    #[n(6)]
    pub summary: Vec<String>,
    /// Milliseconds, of all traces together.
    #[n(7)]
    pub millis: u64,
    /// What went wrong, a line for each.
    #[n(8)]
    pub learnings: Vec<String>,
    /// Milliseconds since 1970 of the first trace.
    #[n(9)]
    pub since_ms: u64,
    /// Milliseconds since 1970 of the last trace. It is the age of the entry.
    #[n(10)]
    pub at_ms: u64,
    /// Ids of the events of the traces, in the order of their clocks.
    #[n(11)]
    pub traces: Vec<TraceId>,
}

/// The id of the event that keeps a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct TraceId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// How well something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Success {
    /// Every turn was answered.
    #[n(0)]
    Success,
    /// Some were.
    #[n(1)]
    Partial,
    /// None was.
    #[n(2)]
    Failure,
}

/// The body of [`BUNDLE`](super::BUNDLE): experiences of one conversation and one calendar month (UTC), in one body and so
/// compressed as one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Bundle {
    /// See [`bundle_id`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// Where they were made.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub conversation: [u8; 16],
    /// Months since January of the year 0.
    #[n(2)]
    pub month: u32,
    /// By their time.
    #[n(3)]
    pub items: Vec<Bundled>,
}

/// What a bundle keeps of an experience: what it is listed and found by.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Bundled {
    /// The experience.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// See [`Experience::goal`].
    #[n(1)]
    pub goal: String,
    /// See [`Experience::result`].
    #[n(2)]
    pub result: Success,
    /// See [`Experience::learnings`].
    #[n(3)]
    pub learnings: Vec<String>,
    /// See [`Experience::at_ms`].
    #[n(4)]
    pub at_ms: u64,
    /// How many traces it was made of.
    #[n(5)]
    pub traces: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{BUNDLE, Body, EXPERIENCE};

    #[test]
    fn ids_come_from_what_is_in_them_and_not_from_its_order() {
        let one = experience_id(&[1; 16], &[[2; 32], [3; 32]]);
        assert_eq!(one, experience_id(&[1; 16], &[[3; 32], [2; 32]]));
        assert_ne!(one, experience_id(&[1; 16], &[[2; 32]]));
        assert_ne!(one, experience_id(&[4; 16], &[[2; 32], [3; 32]]));
        assert_ne!(memory_of(&[1; 16]), memory_of(&[2; 16]));
        assert_eq!(bundle_id(&[1; 16], &[[2; 16], [3; 16]]), bundle_id(&[1; 16], &[[3; 16], [2; 16]]));
    }

    /// What was written once must be read for ever: these bytes may not change.
    #[test]
    fn they_have_these_bytes() {
        let experience = Experience {
            id: [1; 16],
            conversation: [2; 16],
            goal: "g".into(),
            result: Success::Partial,
            components: vec!["tool python".into()],
            files: Vec::new(),
            summary: vec!["s".into()],
            millis: 5,
            learnings: Vec::new(),
            since_ms: 6,
            at_ms: 7,
            traces: vec![TraceId([3; 32])],
        };
        let mut bytes = vec![0x8c, 0x50];
        bytes.extend([1; 16]);
        bytes.push(0x50);
        bytes.extend([2; 16]);
        bytes.extend([0x61, b'g', 0x01, 0x81, 0x6b]);
        bytes.extend(b"tool python");
        bytes.extend([0x80, 0x81, 0x61, b's', 5, 0x80, 6, 7, 0x81, 0x58, 32]);
        bytes.extend([3; 32]);
        let body = Body::Experience(experience);
        assert_eq!(body.to_bytes(), bytes);
        assert_eq!(Body::from_bytes(EXPERIENCE, &bytes), Some(body));

        let item =
            Bundled { id: [1; 16], goal: "g".into(), result: Success::Failure, learnings: vec!["l".into()], at_ms: 7, traces: 2 };
        let mut bytes = vec![0x84, 0x50];
        bytes.extend([4; 16]);
        bytes.push(0x50);
        bytes.extend([2; 16]);
        bytes.extend([0x19, 0x5e, 0xe8, 0x81, 0x86, 0x50]);
        bytes.extend([1; 16]);
        bytes.extend([0x61, b'g', 2, 0x81, 0x61, b'l', 7, 2]);
        let body = Body::Bundle(Bundle { id: [4; 16], conversation: [2; 16], month: 24_296, items: vec![item] });
        assert_eq!(body.to_bytes(), bytes);
        assert_eq!(Body::from_bytes(BUNDLE, &bytes), Some(body));
    }
}
