//! Whatever the bytes between two replicas suffer: cut anywhere, delivered in any pieces, either side killed and started
//! again. Nothing is missing in the end, nothing is there twice, and at no moment is an event there without its parents.

use proptest::prelude::*;
use replica::chum::{Settings, Span};

use crate::{
    line::{Line, archive, end, once, sync},
    memory::{Memory, NOON},
};

/// What was written where, by whom first.
fn fill(one: &mut Memory, other: &mut Memory, words: &[(bool, u8, u16)]) {
    for (first, entity, length) in words {
        let side = if *first { &mut *one } else { &mut *other };
        side.write(2, entity % 4, &vec![*entity; usize::from(*length)]);
        one.now += 10;
        other.now += 10;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn archives_cut_anywhere(
        words in proptest::collection::vec((any::<bool>(), any::<u8>(), 0..900u16), 0..120),
        cuts in proptest::collection::vec(0..60_000u64, 0..8),
        pieces in proptest::collection::vec(1..5000usize, 1..12),
        live in any::<bool>(),
    ) {
        let (mut one, mut other) = (Memory::new(1), Memory::new(2));
        let (before, after) = words.split_at(words.len() / 2);
        fill(&mut one, &mut other, before);
        for (number, cut) in cuts.iter().enumerate() {
            let settings = Settings { live, audit: number % 3 == 2, ..archive() };
            let mut line = Line::new(end(settings.clone()), end(settings));
            line.cut = *cut;
            let mut pieces = pieces.clone().into_iter().cycle();
            line.piece = Box::new(move || pieces.next().unwrap());
            line.run(&mut one, &mut other).unwrap();
            one.check_no_hole();
            other.check_no_hole();
            // Life goes on between two sessions, and during the last.
            let share = after.len() / cuts.len();
            fill(&mut one, &mut other, &after[number * share..(number + 1) * share]);
        }
        sync(&mut one, &mut other);
        prop_assert_eq!(one.ids(), other.ids());
        prop_assert_eq!(one.kept, other.kept);
        one.check_no_hole();
        other.check_no_hole();
        let line = sync(&mut one, &mut other);
        prop_assert!(line.bytes() <= 400);
    }

    #[test]
    fn a_window_cut_anywhere(
        ages in proptest::collection::vec((0..60u64, 0..600u16), 0..120),
        cuts in proptest::collection::vec(0..60_000u64, 0..8),
        pieces in proptest::collection::vec(1..5000usize, 1..12),
    ) {
        const DAY: u64 = 86_400_000;
        let (mut archive, mut window) = (Memory::new(1), Memory::window(2));
        let mut ages = ages;
        ages.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        for (age, length) in &ages {
            archive.now = NOON - age * DAY;
            archive.write(2, 1, &vec![1; usize::from(*length)]);
        }
        archive.now = NOON;
        let spans = Span::recent(ipc::event::Clock::from_millis(NOON), 30);
        let settings = Settings { live: false, ..Settings::window(once().peer, spans) };
        for cut in cuts.into_iter().chain([u64::MAX]) {
            let mut line = Line::new(end(settings.clone()), end(once()));
            line.cut = cut;
            let mut pieces = pieces.clone().into_iter().cycle();
            line.piece = Box::new(move || pieces.next().unwrap());
            line.run(&mut window, &mut archive).unwrap();
        }
        let young = ages.iter().filter(|(age, _)| *age <= 30).count();
        prop_assert_eq!(window.ids().len(), young);
        prop_assert_eq!(window.kept as usize, young);
        let mut line = Line::new(end(settings), end(once()));
        line.run(&mut window, &mut archive).unwrap();
        prop_assert!(line.is_finished() && line.bytes() <= 400, "{} bytes", line.bytes());
    }
}

#[test]
fn every_single_byte_is_a_place_to_be_cut() {
    let make = || {
        let (mut one, mut other) = (Memory::new(1), Memory::new(2));
        fill(&mut one, &mut other, &[(true, 1, 3), (false, 1, 4), (true, 2, 5), (true, 1, 2), (false, 2, 9)]);
        (one, other)
    };
    let (mut one, mut other) = make();
    let whole = sync(&mut one, &mut other).delivered;
    for cut in 0..whole {
        let (mut one, mut other) = make();
        let mut line = Line::new(end(once()), end(once()));
        line.cut = cut;
        line.run(&mut one, &mut other).unwrap();
        one.check_no_hole();
        other.check_no_hole();
        sync(&mut one, &mut other);
        assert_eq!((one.ids().len(), other.ids().len(), one.kept, other.kept), (5, 5, 5, 5), "cut at {cut}");
    }
}

#[test]
fn one_event_from_two_peers_at_once_is_kept_once() {
    let mut all: Vec<Memory> = (1..4).map(Memory::new).collect();
    for number in 0..30u8 {
        all[0].write(2, 1, &[number; 200]);
    }
    let [one, two, three] = &mut all[..] else { unreachable!() };
    sync(one, two);
    let mut lines = [Line::new(end(once()), end(once())), Line::new(end(once()), end(once()))];
    lines.iter_mut().for_each(|line| line.piece = Box::new(|| 700));
    for _ in 0..200 {
        lines[0].step(0, three).unwrap();
        lines[1].step(0, three).unwrap();
        lines[0].step(1, one).unwrap();
        lines[1].step(1, two).unwrap();
    }
    assert!(lines.iter().all(Line::is_finished));
    assert_eq!((three.kept, three.handed), (30, 60));
}
