//! What is erased is gone, here and everywhere, before and after, and does not come back.

use std::{fs, path::Path, sync::Arc, sync::atomic::AtomicU64};

use ed25519_dalek::SigningKey;
use replica::{
    Carried, Draft, Form, Parcel, Refused, Replica, StoreKeys, Table, Taken, Unfit, Wall,
    body::{self, Body, Erase},
    engine::Overwritten,
};

use crate::{
    memory::Memory,
    world::{Device, NOON, SPACE, begin, file, meet, rename, say, signature},
};

fn messages(device: &Device, entity: u8) -> usize {
    device.replica.snapshot().unwrap().messages(&[entity; 16], 0, 99, usize::MAX).unwrap().items.len()
}

#[test]
fn one_message_is_erased_and_the_others_stay() {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    one.append(&begin(1, "a"));
    let kept: Vec<_> = (1..4).map(|id| one.append(&say(1, id, "words"))).collect();
    meet(&mut one, &mut two);
    two.append(&Draft::erase_event([1; 16], kept[1].id));
    assert_eq!((messages(&two, 1), messages(&one, 1)), (2, 3));
    meet(&mut one, &mut two);
    for device in [&one, &two] {
        assert_eq!(messages(device, 1), 2);
        let snapshot = device.replica.snapshot().unwrap();
        assert_eq!(snapshot.conversation(&[1; 16]).unwrap().unwrap().messages, 2);
        let tombstone = snapshot.event(&kept[1].id).unwrap().unwrap();
        assert!(
            snapshot.record(tombstone.position).unwrap().is_none()
                && snapshot.is_erased(&tombstone.header, &tombstone.id).unwrap()
        );
        let found = snapshot.verify(0, 99).unwrap();
        assert_eq!((found.bare, found.damaged), (1, vec![]));
    }
    assert_eq!(one.fingerprint(), two.fingerprint());
    assert_eq!(one.try_append(&say(1, 2, "words")), Err(Refused::Erased), "not even by saying it again");
}

#[test]
fn a_conversation_is_erased_with_its_key_and_takes_nothing_more() {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    one.append(&begin(1, "a"));
    one.append(&say(1, 1, "words"));
    one.append(&begin(2, "another"));
    meet(&mut one, &mut two);
    one.append(&Draft::erase_entity([1; 16], None));
    // The other does not know yet and goes on.
    two.append(&say(1, 2, "more words"));
    meet(&mut one, &mut two);
    for device in [&mut one, &mut two] {
        assert!(!device.memory.keys(Table::Key).contains(&vec![1; 16]), "the key is gone");
        assert!(device.replica.snapshot().unwrap().conversation(&[1; 16]).unwrap().is_none());
        assert_eq!(device.try_append(&say(1, 3, "still")), Err(Refused::Erased));
        assert_eq!(device.try_append(&begin(1, "again")), Err(Refused::Erased));
        assert_eq!(device.replica.snapshot().unwrap().conversations(None, 9).unwrap().items.len(), 1);
        assert_eq!(device.replica.snapshot().unwrap().statistics().unwrap().bodies, 2, "the other's, and the erasure");
    }
    assert_eq!(one.fingerprint(), two.fingerprint());
}

#[test]
fn an_erasure_may_come_before_what_it_erases() {
    let (mut one, mut two, mut three) = (Device::new(1), Device::new(2), Device::new(3));
    one.append(&begin(1, "a"));
    let kept = one.append(&say(1, 1, "words"));
    meet(&mut one, &mut two);
    two.append(&Draft::erase_event([1; 16], kept.id));
    two.append(&Draft::erase_entity([9; 16], None));
    two.sign();
    // Only the erasing device's own events come first.
    let own: Vec<Parcel> = two.replica.snapshot().unwrap().range(&two.id(), 1, 9, usize::MAX, Form::Open).unwrap();
    three.take(&own);
    // Then an old peer gives what it still has, in both forms.
    let old = one.everything(Form::Sealed);
    assert!(matches!(three.take(&old)[..], [Ok(Taken::Kept(_)), Ok(Taken::Bare(_))]));
    assert_eq!(three.take_one(&one.everything(Form::Open)[1]), Ok(Taken::Known), "it cannot fill the place either");
    assert_eq!(messages(&three, 1), 0);
    meet(&mut one, &mut two);
    assert_eq!(two.fingerprint(), three.fingerprint());
}

#[test]
fn an_old_backup_does_not_bring_it_back() {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    one.append(&begin(1, "a"));
    let kept = one.append(&say(1, 1, "words to be erased"));
    meet(&mut one, &mut two);
    let backup = two.memory.copy();
    let whole = one.everything(Form::Sealed);
    one.append(&Draft::erase_event([1; 16], kept.id));
    one.sign();
    // Everything there ever was is given to it once more; it stays erased.
    assert!(one.take(&whole).iter().all(|taken| *taken == Ok(Taken::Known)));
    assert_eq!(messages(&one, 1), 0);
    // Who is restored from the backup learns of the erasure and erases.
    let mut restored = Device::with(2, [9; 32], backup);
    assert_eq!(messages(&restored, 1), 1);
    meet(&mut one, &mut restored);
    assert_eq!((messages(&one, 1), messages(&restored, 1)), (0, 0));
    restored.writer.rebuild().unwrap();
    assert_eq!(one.fingerprint(), restored.fingerprint());
}

#[test]
fn a_path_can_be_used_again_after_what_was_there_is_erased() {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    one.append(&file(0x20, b"secret"));
    meet(&mut one, &mut two);
    two.append(&file(0x20, b"secret as well"));
    two.sign();
    let old = two.everything(Form::Sealed);
    let until = two.replica.snapshot().unwrap().latest().unwrap();
    two.append(&Draft::erase_entity([0x20; 16], Some(until.0)));
    two.append(&file(0x20, b"new"));
    meet(&mut one, &mut two);
    one.take(&old);
    for device in [&one, &two] {
        assert_eq!(device.replica.snapshot().unwrap().file(&[0x20; 16]).unwrap(), Some(b"new".to_vec()));
        assert_eq!(device.replica.snapshot().unwrap().statistics().unwrap().bodies, 2);
    }
    assert_eq!(one.fingerprint(), two.fingerprint());
    // A third takes the old, sealed under the key that was destroyed, after the erasure: that key stays away.
    let mut three = Device::new(3);
    three.take(&two.replica.snapshot().unwrap().range(&two.id(), 1, 9, usize::MAX, Form::Open).unwrap());
    three.take(&old);
    let Carried::Sealed(sealed) = &old[0].body else { panic!("it is sealed") };
    assert!(!three.memory.holds(&sealed[..72]), "the wrapped key of what is erased is not taken");
}

#[test]
fn erasures_cannot_be_erased_nor_come_without_what_they_say() {
    let (mut one, mut two) = (Device::new(1), Device::new(2));
    one.append(&begin(1, "a"));
    let kept = one.append(&say(1, 1, "words"));
    let erasure = one.append(&Draft::erase_event([1; 16], kept.id));
    one.append(&Draft::erase_event(body::ERASURES, erasure.id));
    one.append(&Draft::erase_entity(body::ERASURES, None));
    one.sign();
    let mut parcels = one.everything(Form::Open);
    assert!(parcels.iter().filter(|parcel| parcel.body == Carried::Erased).count() == 1);
    two.take(&parcels);
    assert_eq!((messages(&one, 1), messages(&two, 1), one.fingerprint()), (0, 0, two.fingerprint()));
    parcels[2].body = Carried::Erased;
    let mut three = Device::new(3);
    assert_eq!(three.take(&parcels)[2], Err(Unfit::Body));
    // One that is about something else is carried and erases nothing.
    let mut odd = Device::new(4);
    odd.append(&begin(1, "b"));
    let theirs = odd.append(&say(1, 9, "stays"));
    let body = Body::Erase(Erase { entity: [1; 16], event: Some(theirs.id), until: None });
    let draft = Draft { entity: [1; 16], body, once: None };
    assert_eq!(odd.append(&draft).entity, body::ERASURES, "one of our own is put where it belongs");
}

fn holds(directory: &Path, bytes: &[u8]) -> bool {
    fs::read(directory.join("data.mdb")).unwrap().windows(bytes.len()).any(|window| window == bytes)
}

/// On a real disk: the sealed bodies and the wrapped key lie there, and after the erasure and the overwriting they do not.
#[test]
fn nothing_of_what_is_erased_is_left_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let key = SigningKey::from_bytes(&[1; 32]);
    let wall = Arc::new(AtomicU64::new(NOON));
    let open = || {
        let wall = wall.clone();
        let wall = Wall::new(move || wall.load(std::sync::atomic::Ordering::Relaxed));
        Replica::open_by(directory.path(), StoreKeys::new(&[9; 32], SPACE, key.verifying_key().to_bytes()), wall).unwrap()
    };
    let replica = open();
    let mut writer = replica.writer().unwrap();
    let mut noise = vec![0; 30_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let long: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
    writer
        .write(|batch| {
            for entity in 1..4 {
                batch.append(&begin(entity, "title"))?.unwrap();
                for id in 0..20 {
                    let text = if id % 5 == 0 { &long } else { "short words" };
                    batch.append(&say(entity, u16::from(entity) * 100 + id, text))?.unwrap();
                }
            }
            Ok(())
        })
        .unwrap();
    let unsigned = replica.snapshot().unwrap().unsigned(usize::MAX).unwrap();
    writer
        .write(|batch| unsigned.iter().try_for_each(|(position, header)| batch.sign(*position, &signature(&key, header))))
        .unwrap();
    let all = replica.snapshot().unwrap().range(&key.verifying_key().to_bytes(), 1, 99, usize::MAX, Form::Sealed).unwrap();
    // A stretch out of the middle of each sealed body, and the wrapped key.
    let mut gone: Vec<Vec<u8>> = Vec::new();
    for parcel in &all[..21] {
        let Carried::Sealed(bytes) = &parcel.body else { panic!("it is sealed") };
        gone.push(bytes[..72].to_vec());
        gone.push(bytes[72 + (bytes.len() - 72) / 2..][..30].to_vec());
    }
    assert!(gone.iter().all(|bytes| holds(directory.path(), bytes)), "they are there before");
    writer.write(|batch| batch.append(&Draft::erase_entity([1; 16], None))).unwrap().unwrap();
    let before = replica.bytes_on_disk().unwrap();
    // Others write in between.
    let mut done = Overwritten::default();
    while writer.overwrite_some(&mut done).unwrap() {
        writer.write(|batch| batch.append(&rename(2, "in between"))).unwrap().unwrap();
    }
    assert!(done.bytes > 0 && done.rounds > 3, "{done:?}");
    let left = gone.iter().filter(|bytes| holds(directory.path(), bytes)).count();
    assert_eq!(left, 0, "{left} of {} stretches are still there", gone.len());
    assert!(replica.bytes_on_disk().unwrap() < before + (2 << 20), "it does not grow for that");
    drop(writer);
    assert_eq!(replica.snapshot().unwrap().verify(0, 999).unwrap().damaged, []);
    drop(replica);
    let replica = open();
    assert_eq!(replica.snapshot().unwrap().messages(&[2; 16], 0, 99, usize::MAX).unwrap().items.len(), 20);
}

#[test]
fn what_is_erased_stays_erased_when_everything_is_folded_anew() {
    let mut one = Device::with(1, [9; 32], Memory::new());
    one.append(&begin(1, "a"));
    let kept = one.append(&say(1, 1, "words"));
    one.append(&Draft::erase_event([1; 16], kept.id));
    let before = one.fingerprint();
    one.writer.rebuild().unwrap();
    assert_eq!((before, messages(&one, 1)), (one.fingerprint(), 0));
}
