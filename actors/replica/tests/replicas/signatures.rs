//! Signatures of others that some programs accept and others refuse: with keys of small order, points with a part of small
//! order, and numbers written in a second way. A batch, which is checked up to such parts, lets them through; here each
//! event is checked by itself and strictly, so that two stores that see the same bytes come to the same answer. The cases
//! are those of "Taming the Many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020).

use curve25519_dalek::{
    EdwardsPoint, Scalar,
    constants::{ED25519_BASEPOINT_POINT as BASE, EIGHT_TORSION},
    edwards::CompressedEdwardsY,
    traits::IsIdentity as _,
};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use ipc::event::{EventHeader, SIGNING_TAG};
use replica::{Carried, Form, Parcel, Taken, Unfit};
use sha2::{Digest as _, Sha512};

use crate::world::{Device, begin};

/// The order of the base point, as a number of 32 bytes.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0x10,
];

fn message(header: &[u8]) -> Vec<u8> {
    [&SIGNING_TAG[..], blake3::hash(header).as_bytes()].concat()
}

/// What the scheme multiplies the key by.
fn challenge(point: &CompressedEdwardsY, author: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(point.as_bytes()).chain_update(author).chain_update(message).finalize();
    let mut wide = [0; 64];
    wide.copy_from_slice(&hash);
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// What a batch checks, which is up to parts of small order.
fn holds_in_a_batch(parcel: &Parcel, author: &[u8; 32]) -> bool {
    let (point, number) = parcel.signature.split_at(32);
    let point = CompressedEdwardsY(point.try_into().unwrap());
    let number = Scalar::from_bytes_mod_order(number.try_into().unwrap());
    let k = challenge(&point, author, &message(&parcel.header));
    let (key, point) = (CompressedEdwardsY(*author).decompress().unwrap(), point.decompress().unwrap());
    (BASE * number - key * k - point).mul_by_cofactor().is_identity()
}

/// What a check by itself takes that is not strict.
fn is_taken_laxly((parcel, author): &(Parcel, [u8; 32])) -> bool {
    let key = VerifyingKey::from_bytes(author).unwrap();
    key.verify(&message(&parcel.header), &Signature::from_bytes(&parcel.signature)).is_ok()
}

/// An event of an author whose secret number is this, with a part of small order in the key and in the signature's point.
fn event(like: &EventHeader, secret: Scalar, in_key: EdwardsPoint, in_point: EdwardsPoint, chance: u64) -> (Parcel, [u8; 32]) {
    let author = (BASE * secret + in_key).compress().0;
    let header = EventHeader { author, sequence: 1, previous: [0; 32], seen: Vec::new(), ..like.clone() }.encode();
    let once = Scalar::from(chance + 2);
    let point = (BASE * once + in_point).compress();
    let number = once + challenge(&point, &author, &message(&header)) * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(point.as_bytes());
    signature[32..].copy_from_slice(number.as_bytes());
    (Parcel { header, signature, body: Carried::Erased }, author)
}

#[test]
fn an_event_that_a_batch_would_take_and_a_strict_check_does_not_is_not_taken() {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    one.append(&begin(1, "a"));
    one.sign();
    let like = EventHeader::decode(&one.everything(Form::Open)[0].header).unwrap();
    let (secret, zero, none) = (Scalar::from(77_u64), Scalar::ZERO, EdwardsPoint::default());
    // The same with nothing wrong is taken, so it is the signature that is judged.
    let (good, author) = event(&like, secret, none, none, 1);
    assert!(holds_in_a_batch(&good, &author));
    assert!(matches!(two.take_one(&good), Ok(Taken::Bare(_))));

    let mut cases = Vec::new();
    for (order, torsion) in EIGHT_TORSION.into_iter().enumerate() {
        // A key of small order signs anything, without a secret: one in so many of what one tries, as many as its order.
        let signs = (3..400).map(|chance| event(&like, zero, torsion, none, chance)).find(is_taken_laxly);
        cases.push((format!("key {order}"), signs.unwrap()));
        cases.push((format!("key and point {order}"), event(&like, zero, torsion, torsion, 4)));
        if order > 0 {
            cases.push((format!("point {order}"), event(&like, secret, none, torsion, 5)));
            // A key with such a part: the check by itself fails wherever the hash is no multiple of that order.
            let mixed = (6..400).map(|chance| event(&like, secret, torsion, none, chance)).find(|one| !is_taken_laxly(one));
            cases.push((format!("mixed key {order}"), mixed.unwrap()));
        }
    }
    let mut lax = 0;
    for (what, case @ (parcel, author)) in &cases {
        assert!(holds_in_a_batch(parcel, author), "{what}: a batch takes it");
        lax += usize::from(is_taken_laxly(case));
        assert_eq!(two.take_one(parcel), Err(Unfit::Signature), "{what}");
    }
    assert!(lax >= 8, "a check that is not strict takes {lax} of {}", cases.len());

    // The same number written in another way, and a point that is none.
    let (mut second, _) = event(&like, secret, none, none, 7);
    let mut carry = 0;
    for (byte, order) in second.signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = ((sum & 0xff) as u8, sum >> 8);
    }
    assert_eq!(two.take_one(&second), Err(Unfit::Signature));
    let (mut nowhere, _) = event(&like, secret, none, none, 8);
    nowhere.signature[..32].fill(0xff);
    assert_eq!(two.take_one(&nowhere), Err(Unfit::Signature));
    let nobody = EventHeader { author: [2; 32], sequence: 1, previous: [0; 32], seen: Vec::new(), ..like }.encode();
    assert_eq!(two.take_one(&Parcel { header: nobody, ..nowhere }), Err(Unfit::Signature));

    // In one parcel with good ones, each is judged by itself.
    let like = EventHeader::decode(&good.header).unwrap();
    let (bad, _) = event(&like, zero, EIGHT_TORSION[1], none, 9);
    let (fine, _) = event(&like, Scalar::from(78_u64), none, none, 10);
    let taken = two.take(&[bad, fine]);
    assert!(matches!(taken[..], [Err(Unfit::Signature), Ok(Taken::Bare(_))]), "{taken:?}");
}
