//! The power is cut at every moment of every operation: after each write and within each, at every byte, and of what was
//! written since the last sync any part is on the disk. What is left opens, and it is the old state or the new one.

use std::{cell::RefCell, rc::Rc};

use super::*;

/// What was asked of a disk.
enum Asked {
    Write(u64, Vec<u8>),
    Sync,
}

/// A disk in memory that keeps a record.
#[derive(Clone, Default)]
struct Memory(Rc<RefCell<(Vec<u8>, Vec<Asked>)>>);

impl Memory {
    fn with(image: &[u8]) -> Memory {
        Memory(Rc::new(RefCell::new((image.to_vec(), Vec::new()))))
    }

    fn image(&self) -> Vec<u8> {
        self.0.borrow().0.clone()
    }

    fn record(&self) -> Vec<Asked> {
        std::mem::take(&mut self.0.borrow_mut().1)
    }
}

fn put(image: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = at as usize;
    if image.len() < at + bytes.len() {
        image.resize(at + bytes.len(), 0);
    }
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

impl Disk for Memory {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.borrow().0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let state = self.0.borrow();
        let from = state.0.get(at as usize..at as usize + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(from);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        put(&mut state.0, at, bytes);
        state.1.push(Asked::Write(at, bytes.to_vec()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.borrow_mut().1.push(Asked::Sync);
        Ok(())
    }
}

fn open_in(disk: &Memory) -> Slots<Memory> {
    Slots::open(disk.clone(), || Ok(Cost::FLOOR)).unwrap_or_else(|error| panic!("it does not open: {error}"))
}

/// Where a write is torn: at every byte of what is short, near the ends and now and then of what is long.
fn tears(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |at| length <= HEADER_LEN || *at < 64 || length - at < 64 || at % 1009 == 0)
}

/// Calls `look` with every image that a power cut during the recorded operation can leave; the number of them.
fn each_cut(before: &[u8], record: &[Asked], mut look: impl FnMut(&[u8])) -> usize {
    let mut images = 0;
    let mut durable = before.to_vec();
    let mut unsynced: Vec<(u64, &[u8])> = Vec::new();
    let mut see = |image: &[u8]| {
        images += 1;
        look(image);
    };
    see(&durable);
    for asked in record {
        match asked {
            Asked::Sync => {
                for (at, bytes) in unsynced.drain(..) {
                    put(&mut durable, at, bytes);
                }
                see(&durable);
            }
            Asked::Write(at, bytes) => {
                // Of what was written before it since the last sync, any part; and any part of it.
                assert!(unsynced.len() < 6, "so many unsynced writes have too many parts to try");
                for subset in 0..1_u32 << unsynced.len() {
                    let mut image = durable.clone();
                    for (index, (at, bytes)) in unsynced.iter().enumerate() {
                        if subset & (1 << index) != 0 {
                            put(&mut image, *at, bytes);
                        }
                    }
                    for end in tears(bytes.len()) {
                        // Its beginning, or its end: a disk has no order within a write.
                        let mut torn = image.clone();
                        put(&mut torn, *at, &bytes[..end]);
                        see(&torn);
                        if end % 16 == 0 {
                            let mut torn = image.clone();
                            put(&mut torn, *at + end as u64, &bytes[end..]);
                            see(&torn);
                        }
                    }
                }
                unsynced.push((*at, bytes));
            }
        }
    }
    images
}

/// Which of these open.
fn opens<const N: usize>(slots: &mut Slots<Memory>, ways: [(Region, u8); N]) -> [bool; N] {
    ways.map(|(region, key)| found(slots, region, key).is_some())
}

/// What an image opens to, which must be whole and must not change by being opened again.
fn after<const N: usize>(image: &[u8], ways: [(Region, u8); N]) -> [bool; N] {
    let disk = Memory::with(image);
    let mut slots = open_in(&disk);
    let settled = disk.image();
    assert_mirrored(&settled);
    let opened = opens(&mut slots, ways);
    assert!(disk.image() == settled, "trying to open changes nothing");
    opened
}

/// Runs a change on a file and cuts it everywhere: each cut leaves what opened before or what opens after.
fn cut_everywhere<const N: usize>(
    before: &Memory,
    ways: [(Region, u8); N],
    old: [bool; N],
    new: [bool; N],
    change: impl Fn(&mut Slots<Memory>),
) {
    let image = before.image();
    let mut slots = open_in(before);
    drop(before.record());
    change(&mut slots);
    let record = before.record();
    assert_eq!(after(&image, ways), old);
    assert_eq!(after(&before.image(), ways), new);
    let (mut olds, mut news) = (0, 0);
    let images = each_cut(&image, &record, |left| {
        let opened = after(left, ways);
        assert!(opened == old || opened == new, "neither the old nor the new state, or both: {opened:?}");
        olds += usize::from(opened == old);
        news += usize::from(opened == new);
    });
    assert!(images > 1000 && olds > 100 && news > 100, "{images} cuts, of them {olds} before and {news} after");
    // And what a start mends may be cut off too: of some of these.
    let mut number = 0;
    each_cut(&image, &record, |left| {
        number += 1;
        if number % 797 != 0 {
            return;
        }
        let disk = Memory::with(left);
        drop(open_in(&disk));
        let first = after(left, ways);
        each_cut(left, &disk.record(), |left| {
            let mut slots = open_in(&Memory::with(left));
            assert_eq!(opens(&mut slots, ways), first, "a start that was cut off changes nothing of what counts");
        });
    });
}

/// A file with a space of another, and one that opens for key 1, has a kit for key 2 and is remembered under key 3.
fn used() -> (Memory, Keys) {
    let disk = Memory::default();
    let mut slots = open_in(&disk);
    slots.add(&[9; 32], &keys()).expect("added");
    let keys = keys();
    let place = slots.add(&[1; 32], &keys).expect("added");
    slots.also(Region::Recovery, place, &[2; 32], &keys).expect("a kit");
    slots.also(Region::Remembered, place, &[3; 32], &keys).expect("remembered");
    (disk, keys)
}

#[test]
fn a_space_is_made_or_not() {
    let (disk, _) = used();
    let mine = keys();
    cut_everywhere(&disk, [(PASSWORD, 9), (PASSWORD, 4)], [true, false], [true, true], |slots| {
        slots.add(&[4; 32], &mine).expect("added");
    });
}

#[test]
fn a_password_is_the_old_one_or_the_new_one() {
    let (disk, keys) = used();
    let ways = [(PASSWORD, 9), (PASSWORD, 1), (PASSWORD, 4), (Region::Recovery, 2), (Region::Remembered, 3)];
    cut_everywhere(&disk, ways, [true, true, false, true, true], [true, false, true, true, false], |slots| {
        slots.wrap(1, &[4; 32], &keys).expect("changed");
    });
}

#[test]
fn a_kit_is_the_old_one_or_the_new_one() {
    let (disk, keys) = used();
    let ways = [(PASSWORD, 1), (Region::Recovery, 2), (Region::Recovery, 4), (Region::Remembered, 3)];
    cut_everywhere(&disk, ways, [true, true, false, true], [true, false, true, true], |slots| {
        slots.also(Region::Recovery, 1, &[4; 32], &keys).expect("a kit");
    });
}

#[test]
fn what_is_remembered_is_the_old_or_the_new() {
    let (disk, keys) = used();
    let ways = [(PASSWORD, 1), (Region::Remembered, 3), (Region::Remembered, 4)];
    cut_everywhere(&disk, ways, [true, true, false], [true, false, true], |slots| {
        slots.also(Region::Remembered, 1, &[4; 32], &keys).expect("remembered");
    });
}

#[test]
fn what_is_remembered_is_there_or_forgotten() {
    let (disk, _) = used();
    cut_everywhere(&disk, [(PASSWORD, 1), (Region::Remembered, 3)], [true, true], [true, false], |slots| {
        slots.forget(Region::Remembered, 1).expect("forgotten");
    });
}

#[test]
fn a_device_is_the_old_one_or_the_new_one_in_every_way() {
    let (disk, keys) = used();
    let image = disk.image();
    let mut slots = open_in(&disk);
    drop(disk.record());
    let mut renewed = found(&mut slots, PASSWORD, 1).expect("found").keys;
    renewed.renew_device().expect("renewed");
    slots.wrap_device(1, &[1; 32], &renewed).expect("wrapped");
    let (mut olds, mut news) = (0, 0);
    each_cut(&image, &disk.record(), |left| {
        let mut slots = open_in(&Memory::with(left));
        let [pair, kit] =
            [(PASSWORD, 1), (Region::Recovery, 2)].map(|(region, key)| found(&mut slots, region, key).expect("found"));
        assert_eq!(pair.keys.seed(), kit.keys.seed(), "one device in every way");
        let remembered = found(&mut slots, Region::Remembered, 3).is_some();
        assert_eq!(remembered, pair.keys.seed() == keys.seed());
        assert!(remembered || pair.keys.seed() == renewed.seed());
        olds += usize::from(remembered);
        news += usize::from(!remembered);
    });
    assert!(olds > 100 && news > 100, "{olds} {news}");
}

#[test]
fn a_file_that_is_being_made_is_made_whenever_it_was_cut_off() {
    let disk = Memory::default();
    let mut slots = open_in(&disk);
    let images = each_cut(&[], &disk.record(), |left| {
        let disk = Memory::with(left);
        let mut slots = open_in(&disk);
        assert_mirrored(&disk.image());
        assert_eq!(slots.add(&[1; 32], &keys()).expect("added"), 0);
        assert!(found(&mut open_in(&disk), PASSWORD, 1).is_some());
    });
    assert!(images > 1000, "{images}");
    assert!(found(&mut slots, PASSWORD, 1).is_none());
}

#[test]
fn a_file_of_the_first_version_opens_whenever_its_change_was_cut_off() {
    let mine = keys();
    let image = first_version(&[(9, &keys()), (1, &mine)]);
    let disk = Memory::with(&image);
    drop(open_in(&disk));
    let ways = [(PASSWORD, 9), (PASSWORD, 1), (PASSWORD, 4), (Region::Recovery, 1)];
    let images = each_cut(&image, &disk.record(), |left| assert_eq!(after(left, ways), [true, true, false, false]));
    assert!(images > 1000, "{images}");
}

/// A program of the first version may be used in between, on a file that was being brought forward.
#[test]
fn a_space_that_an_older_program_made_meanwhile_is_kept() {
    let mine = keys();
    let image = first_version(&[(9, &keys())]);
    let disk = Memory::with(&image);
    drop(open_in(&disk));
    let (mut brought, record) = (image.clone(), disk.record());
    // Everything but the last header, which is what makes it another version.
    let last = record.iter().rposition(|asked| matches!(asked, Asked::Write(..))).expect("written");
    for asked in &record[..last] {
        if let Asked::Write(at, bytes) = asked {
            put(&mut brought, *at, bytes);
        }
    }
    let older = first_version(&[(9, &keys()), (1, &mine)]);
    put(&mut brought, 0, &older);
    assert_eq!(after(&brought, [(PASSWORD, 9), (PASSWORD, 1)]), [true, true]);
}

/// A disk that fails instead of losing power: what counts is known again before the next thing is done.
#[test]
fn a_change_that_fails_is_made_or_not_and_the_next_one_works() {
    struct Fails(Memory, RefCell<usize>);
    impl Fails {
        fn one(&self) -> io::Result<()> {
            let mut left = self.1.borrow_mut();
            *left = left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            Ok(())
        }
    }
    impl Disk for Rc<Fails> {
        fn length(&self) -> io::Result<u64> {
            self.0.length()
        }
        fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
            self.0.read_at(buffer, at)
        }
        fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
            self.one()?;
            self.0.write_at(bytes, at)
        }
        fn sync(&self) -> io::Result<()> {
            self.one()?;
            self.0.sync()
        }
    }
    let (disk, keys) = used();
    let image = disk.image();
    let mut outcomes = [0, 0];
    for allowed in 0..12 {
        let failing = Rc::new(Fails(Memory::with(&image), RefCell::new(1000)));
        let mut slots = Slots::open(Rc::clone(&failing), || Ok(Cost::FLOOR)).expect("opened");
        *failing.1.borrow_mut() = allowed;
        let result = slots.wrap(1, &[4; 32], &keys);
        *failing.1.borrow_mut() = 1000;
        let now = [found(&mut slots, PASSWORD, 1).is_some(), found(&mut slots, PASSWORD, 4).is_some()];
        assert_eq!(now[0], !now[1], "one of the two opens");
        if result.is_ok() {
            assert!(now[1], "what was made is made");
        }
        outcomes[usize::from(now[1])] += 1;
        slots.wrap(1, &[5; 32], &keys).expect("it works again");
        assert!(found(&mut slots, PASSWORD, 5).is_some() && found(&mut slots, PASSWORD, 9).is_some());
        assert_mirrored(&failing.0.image());
    }
    assert!(outcomes.iter().all(|outcome| *outcome > 0), "{outcomes:?}");
}
