//! The file as it is used: what opens, what does not, and what is seen of it.

mod power;

use super::{
    layout::{
        BANK_LEN, CHECKSUM_AT, FILE_LEN, FIRST_LEN, HEADER_LEN, PLACE_LEN, PLACES_LEN, REGION_LEN, UNFINISHED, bank_at, within,
    },
    *,
};
use crate::picture::Picture;

const PASSWORD: Region = Region::Password;

fn file() -> File {
    tempfile::tempfile().expect("a file")
}

fn open(file: File) -> Result<Slots, SlotsError> {
    Slots::open(file, || Ok(Cost::FLOOR))
}

fn reopen(slots: &Slots) -> Result<Slots, SlotsError> {
    open(slots.banks.disk().try_clone().expect("a clone"))
}

fn keys() -> Keys {
    Keys::random(false).expect("keys")
}

fn found<D: Disk>(slots: &mut Slots<D>, region: Region, key: u8) -> Option<Found> {
    slots.find(region, &[key; 32]).expect("read")
}

/// All of a file's bytes.
fn bytes(slots: &Slots) -> Vec<u8> {
    let disk = slots.banks.disk();
    let mut bytes = vec![0; disk.length().expect("a length") as usize];
    disk.read_at(&mut bytes, 0).expect("read");
    bytes
}

fn flip(slots: &Slots, bit: u64) {
    let mut byte = [0];
    slots.banks.disk().read_at(&mut byte, bit / 8).expect("read");
    slots.banks.disk().write_at(&[byte[0] ^ (1 << (bit % 8))], bit / 8).expect("written");
}

#[track_caller]
fn assert_mirrored(bytes: &[u8]) {
    assert_eq!(bytes.len(), FILE_LEN);
    assert!(bytes[..BANK_LEN] == bytes[BANK_LEN..], "the banks differ");
}

/// A file of the first version as it was written by the program that made it, with these keys in its first places.
fn first_version(spaces: &[(u8, &Keys)]) -> Vec<u8> {
    let mut image = vec![0; FIRST_LEN];
    getrandom::fill(&mut image[HEADER_LEN..]).expect("noise");
    image[..8].copy_from_slice(b"LAMOSKEY");
    for (at, number) in [(8, 1_u32), (12, 64 << 10), (16, 3), (20, 4), (56, spaces.len() as u32)] {
        image[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    getrandom::fill(&mut image[24..56]).expect("a salt");
    let checksum = blake3::hash(&image[..CHECKSUM_AT]);
    image[CHECKSUM_AT..HEADER_LEN].copy_from_slice(checksum.as_bytes());
    let associated: Vec<u8> = image[..56].to_vec();
    for (index, (key, keys)) in spaces.iter().enumerate() {
        use chacha20poly1305::{AeadInOut as _, KeyInit as _, XChaCha20Poly1305};
        // Version, flags, space, master key, device seed, zeros: as they lay from the beginning.
        let mut plain = vec![1, u8::from(keys.demo)];
        plain.extend([&keys.space[..], keys.master(), keys.seed(), &[0; 134]].concat());
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).expect("a nonce");
        let cipher = XChaCha20Poly1305::new(&[*key; 32].into());
        let tag = cipher.encrypt_inout_detached((&nonce).into(), &associated, (&mut plain[..]).into()).expect("sealed");
        let at = HEADER_LEN + index * PLACE_LEN;
        image[at..at + PLACE_LEN].copy_from_slice(&[&nonce[..], &plain, &tag[..]].concat());
    }
    image
}

#[test]
fn keys_come_back_under_their_own_key_only() {
    let mut slots = open(file()).expect("new");
    let keys = keys();
    slots.add(&[7; 32], &keys).expect("added");
    let mut again = reopen(&slots).expect("reopened");
    let Found { place, keys: found_keys } = found(&mut again, PASSWORD, 7).expect("found");
    let as_found = (place, found_keys.space, found_keys.master(), found_keys.seed(), found_keys.demo);
    assert_eq!(as_found, (0, keys.space, keys.master(), keys.seed(), false));
    assert!(found(&mut again, PASSWORD, 8).is_none());
    for region in [Region::Recovery, Region::Remembered] {
        assert!(found(&mut again, region, 7).is_none(), "a key opens in its own way only");
    }
}

#[test]
fn every_way_in_is_one_and_ends_alone() {
    let mut slots = open(file()).expect("new");
    slots.add(&[9; 32], &keys()).expect("added");
    let mut mine = keys();
    mine.picture = Some(Picture::of(&[1]));
    let place = slots.add(&[1; 32], &mine).expect("added");
    slots.also(Region::Recovery, place, &[2; 32], &mine).expect("a kit");
    slots.also(Region::Remembered, place, &[3; 32], &mine).expect("remembered");
    let opens = |slots: &mut Slots| {
        [(PASSWORD, 1), (Region::Recovery, 2), (Region::Remembered, 3), (Region::Recovery, 4), (PASSWORD, 5), (PASSWORD, 9)].map(
            |(region, key)| {
                let found = found(slots, region, key);
                let same =
                    found.as_ref().is_none_or(|found| key == 9 || found.keys.seed() == mine.seed() && found.place == place);
                assert!(same, "the same keys in every way");
                found.is_some()
            },
        )
    };
    assert_eq!(opens(&mut slots), [true, true, true, false, false, true]);
    let remembered = found(&mut slots, Region::Remembered, 3).expect("found");
    assert!(remembered.keys.picture == mine.picture, "who is remembered sees his words");
    slots.also(Region::Recovery, place, &[4; 32], &mine).expect("another kit");
    assert_eq!(opens(&mut slots), [true, false, true, true, false, true]);
    slots.wrap(place, &[5; 32], &mine).expect("another password");
    assert_eq!(opens(&mut reopen(&slots).expect("reopened")), [false, false, false, true, true, true]);
    slots.also(Region::Remembered, place, &[3; 32], &mine).expect("remembered");
    slots.forget(Region::Remembered, place).expect("forgotten");
    assert_eq!(opens(&mut slots), [false, false, false, true, true, true]);
    assert_mirrored(&bytes(&slots));
}

#[test]
fn a_new_device_is_that_of_the_kit_too() {
    let mut slots = open(file()).expect("new");
    let mut keys = keys();
    slots.add(&[1; 32], &Keys::random(false).expect("keys")).expect("added");
    let place = slots.add(&[7; 32], &keys).expect("added");
    slots.also(Region::Recovery, place, &[8; 32], &keys).expect("a kit");
    slots.also(Region::Remembered, place, &[9; 32], &keys).expect("remembered");
    let before = *keys.seed();
    keys.renew_device().expect("renewed");
    assert_ne!(*keys.seed(), before);
    slots.wrap_device(place, &[7; 32], &keys).expect("wrapped");
    let mut again = reopen(&slots).expect("reopened");
    for (region, key) in [(PASSWORD, 7), (Region::Recovery, 8)] {
        let found = found(&mut again, region, key).expect("found");
        assert_eq!((found.keys.space, found.keys.master(), found.keys.seed()), (keys.space, keys.master(), keys.seed()));
    }
    assert!(found(&mut again, Region::Remembered, 9).is_none(), "what another device remembers opens nothing here");
    assert!(found(&mut again, PASSWORD, 1).is_some(), "the other is what it was");
}

#[test]
fn a_kit_without_its_device_opens_the_space_as_another() {
    let mut slots = open(file()).expect("new");
    let keys = keys();
    let place = slots.add(&[7; 32], &keys).expect("added");
    slots.also(Region::Recovery, place, &[8; 32], &keys).expect("a kit");
    for bank in 0..2 {
        flip(&slots, 8 * (bank_at(bank) + within(Region::Recovery, place) as u64 + 250));
    }
    let found = found(&mut slots, Region::Recovery, 8).expect("found");
    assert_eq!((found.keys.space, found.keys.master()), (keys.space, keys.master()));
    assert_ne!(found.keys.seed(), keys.seed());
}

#[test]
fn a_place_of_one_kind_or_space_opens_for_no_other() {
    let mut slots = open(file()).expect("new");
    let (one, other) = (keys(), keys());
    for (key, keys) in [(1, &one), (2, &other)] {
        let place = slots.add(&[key; 32], keys).expect("added");
        slots.also(Region::Recovery, place, &[key; 32], keys).expect("a kit");
        slots.also(Region::Remembered, place, &[key; 32], keys).expect("remembered");
    }
    // The kit of one space is put into the place of the other, and of another kind.
    let kit = slots.banks.read(0, Region::Recovery, 0).expect("read");
    for bank in 0..2 {
        for (region, index) in [(Region::Recovery, 1), (Region::Remembered, 0)] {
            slots.banks.disk().write_at(&*kit, bank_at(bank) + within(region, index) as u64).expect("written");
        }
    }
    assert_eq!(found(&mut slots, Region::Recovery, 1).map(|found| found.place), Some(0));
    assert!(found(&mut slots, Region::Recovery, 2).is_none() && found(&mut slots, Region::Remembered, 1).is_none());
}

#[test]
fn an_empty_place_looks_like_a_used_one() {
    let mut slots = open(file()).expect("new");
    let keys = Keys::random(true).expect("keys");
    let place = slots.add(&[7; 32], &keys).expect("added");
    slots.also(Region::Recovery, place, &[7; 32], &keys).expect("a kit");
    slots.also(Region::Remembered, place, &[7; 32], &keys).expect("remembered");
    for place in bytes(&slots)[HEADER_LEN..BANK_LEN].chunks(PLACE_LEN) {
        let ones: u32 = place.iter().map(|byte| byte.count_ones()).sum();
        assert!((880..1170).contains(&ones), "{ones} of 2048 bits are set");
        assert!(place.windows(5).all(|window| window != [0; 5]), "zeros");
    }
}

#[test]
fn sixty_four_spaces_fit_and_no_more() {
    let mut slots = open(file()).expect("new");
    let keys = keys();
    for number in 0..64 {
        slots.add(&[number; 32], &keys).expect("added");
    }
    assert!(matches!(slots.add(&[99; 32], &keys), Err(SlotsError::Full)));
    assert!(found(&mut slots, PASSWORD, 63).is_some());
    slots.wrap(63, &[98; 32], &keys).expect("a change needs no room");
    assert!(found(&mut reopen(&slots).expect("reopened"), PASSWORD, 98).is_some());
}

#[test]
fn the_number_of_changes_is_not_kept() {
    let mut slots = open(file()).expect("new");
    let keys = keys();
    slots.add(&[1; 32], &keys).expect("added");
    let generation = |slots: &Slots| bytes(slots)[60];
    let seen: Vec<u8> = (0..7)
        .map(|number| {
            slots.wrap(0, &[2 + number; 32], &keys).expect("changed");
            generation(&slots)
        })
        .collect();
    assert!(seen.iter().all(|generation| *generation < 3), "{seen:?}");
    assert_eq!(seen[..4], seen[3..], "it comes round");
}

#[test]
fn a_file_of_the_first_version_is_brought_forward_and_opens_as_before() {
    let (mine, demo) = (keys(), Keys::random(true).expect("keys"));
    let image = first_version(&[(7, &mine), (8, &demo)]);
    let old = file();
    old.write_at(&image, 0).expect("written");
    let mut slots = open(old).expect("brought forward");
    assert_eq!((slots.cost(), &slots.salt()[..]), (Cost::FLOOR, &image[24..56]));
    let now = bytes(&slots);
    assert_mirrored(&now);
    assert_eq!(now[HEADER_LEN..FIRST_LEN], image[HEADER_LEN..], "no key was needed, and no place was touched");
    let opened = found(&mut slots, PASSWORD, 7).expect("found");
    assert_eq!((opened.place, opened.keys.space, opened.keys.seed()), (0, mine.space, mine.seed()));
    assert!(found(&mut slots, PASSWORD, 8).is_some_and(|found| found.keys.demo));
    // It goes on like any other.
    assert_eq!(slots.add(&[9; 32], &keys()).expect("added"), 2);
    slots.also(Region::Recovery, 0, &[3; 32], &mine).expect("a kit");
    slots.wrap(0, &[6; 32], &mine).expect("another password");
    let mut again = reopen(&slots).expect("reopened");
    assert!(found(&mut again, PASSWORD, 7).is_none() && found(&mut again, PASSWORD, 6).is_some());
    assert!(found(&mut again, Region::Recovery, 3).is_some() && found(&mut again, PASSWORD, 9).is_some());
}

#[test]
fn a_place_that_was_not_counted_is_found_and_not_written_over() {
    // The power went between the place and the count, which the first version wrote one after the other.
    let mine = keys();
    let mut image = first_version(&[(1, &mine)]);
    image[56] = 0;
    let checksum = blake3::hash(&image[..CHECKSUM_AT]);
    image[CHECKSUM_AT..HEADER_LEN].copy_from_slice(checksum.as_bytes());
    let old = file();
    old.write_at(&image, 0).expect("written");
    let mut slots = open(old).expect("brought forward");
    assert!(found(&mut slots, PASSWORD, 1).is_some());
    assert_eq!(slots.add(&[2; 32], &keys()).expect("added"), 1);
    assert!(found(&mut reopen(&slots).expect("reopened"), PASSWORD, 1).is_some());
}

#[test]
fn a_flipped_bit_anywhere_is_answered_from_the_other_bank_and_mended() {
    let mut slots = open(file()).expect("new");
    let mine = keys();
    slots.add(&[1; 32], &mine).expect("added");
    slots.add(&[2; 32], &keys()).expect("added");
    slots.also(Region::Recovery, 0, &[3; 32], &mine).expect("a kit");
    let before = bytes(&slots);
    let used = |at: u64| -> bool {
        let at = at % BANK_LEN as u64;
        let kit = within(Region::Recovery, 0) as u64;
        at < (HEADER_LEN + 2 * PLACE_LEN) as u64 || (kit..kit + PLACE_LEN as u64).contains(&at)
    };
    // Every byte of what is used, and some of the rest; another bit of each.
    for at in (0..FILE_LEN as u64).filter(|at| used(*at) || at % 977 == 0) {
        let bit = 8 * at + at % 8;
        // While it is open.
        flip(&slots, bit);
        for (region, key) in [(PASSWORD, 1), (PASSWORD, 2), (Region::Recovery, 3)] {
            let opened = found(&mut slots, region, key);
            assert!(opened.is_some(), "byte {at}: {region:?} {key}");
        }
        // At a start.
        let mut again = reopen(&slots).unwrap_or_else(|error| panic!("byte {at}: {error}"));
        assert!(found(&mut again, PASSWORD, 1).is_some(), "byte {at}");
        assert!(bytes(&slots) == before, "byte {at} is mended");
    }
}

#[test]
fn damage_in_both_banks_closes_what_it_is_in_alone() {
    let mut slots = open(file()).expect("new");
    slots.add(&[1; 32], &keys()).expect("added");
    slots.add(&[2; 32], &keys()).expect("added");
    let at = |bank, place| 8 * (bank_at(bank) + within(PASSWORD, place) as u64 + 100);
    // Each bank has another damage: both open, and both are mended.
    let before = bytes(&slots);
    flip(&slots, at(0, 0));
    flip(&slots, at(1, 1));
    let mut again = reopen(&slots).expect("reopened");
    assert!(found(&mut again, PASSWORD, 1).is_some() && found(&mut again, PASSWORD, 2).is_some());
    assert!(bytes(&slots) == before, "mended");
    flip(&slots, at(0, 0));
    flip(&slots, at(1, 0));
    let mut again = reopen(&slots).expect("reopened");
    assert!(found(&mut again, PASSWORD, 1).is_none() && found(&mut again, PASSWORD, 2).is_some());
}

#[test]
fn what_is_damaged_is_named_and_left_alone() {
    let slots = open(file()).expect("new");
    let whole = bytes(&slots);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        bytes
    };
    let damaged = [
        with(&|bytes| bytes.truncate(100)),
        with(&|bytes| bytes.truncate(5000)),
        with(&|bytes| bytes.truncate(BANK_LEN - 1)),
        with(&|bytes| bytes.fill(7)),
        with(&|bytes| bytes.fill(0)),
        with(&|bytes| [0, BANK_LEN].into_iter().for_each(|bank| bytes[bank + 30] ^= 1)),
        // Cut off within the second bank, and the first is damaged.
        with(&|bytes| {
            bytes.truncate(FILE_LEN - 1);
            bytes[HEADER_LEN] ^= 1;
        }),
        first_version(&[])[..FIRST_LEN - 1].to_vec(),
    ];
    for (number, image) in damaged.into_iter().enumerate() {
        let file = file();
        file.write_at(&image, 0).expect("written");
        let mut left = vec![0; image.len()];
        assert!(matches!(open(file.try_clone().expect("a clone")), Err(SlotsError::Damaged(_))), "number {number}");
        file.read_at(&mut left, 0).expect("read");
        assert!(left == image && file.length().expect("a length") == image.len() as u64, "number {number} was written to");
    }
}

#[test]
fn halves_of_two_files_are_not_put_together() {
    let (one, other) = (open(file()).expect("new"), open(file()).expect("new"));
    one.banks.disk().write_at(&bytes(&other)[BANK_LEN..], bank_at(1)).expect("written");
    assert!(matches!(reopen(&one), Err(SlotsError::Damaged(_))));
}

#[test]
fn a_file_that_lost_its_second_half_gets_it_again() {
    let mut slots = open(file()).expect("new");
    slots.add(&[1; 32], &keys()).expect("added");
    let before = bytes(&slots);
    slots.banks.disk().set_len(BANK_LEN as u64 + 77).expect("cut");
    assert!(found(&mut reopen(&slots).expect("reopened"), PASSWORD, 1).is_some());
    assert!(bytes(&slots) == before);
}

#[test]
fn a_file_that_was_cut_off_while_it_was_made_is_made_again() {
    for length in [0, 3, 8, 9, 512, 600, FIRST_LEN as u64, BANK_LEN as u64, FILE_LEN as u64] {
        let cut_off = file();
        cut_off.write_at(UNFINISHED, 0).expect("written");
        cut_off.set_len(length).expect("cut");
        let mut slots = open(cut_off).expect("made");
        slots.add(&[1; 32], &keys()).expect("added");
        assert!(found(&mut reopen(&slots).expect("reopened"), PASSWORD, 1).is_some());
        assert_mirrored(&bytes(&slots));
    }
}

#[test]
fn the_cost_is_asked_for_once_and_stays() {
    let dear = Cost { memory: 96 << 10, passes: 4, lanes: 4 };
    let slots = Slots::open(file(), || Ok(dear)).expect("new");
    assert_eq!(slots.cost(), dear);
    let again = Slots::open(slots.banks.disk().try_clone().expect("a clone"), || panic!("asked again")).expect("reopened");
    assert_eq!(again.cost(), dear);
    assert_eq!(PLACES_LEN, 3 * REGION_LEN);
}
