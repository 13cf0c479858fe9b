//! A sparse store beside an archive, by CHUM: titles of everything, the newest messages, those behind them, what is new as it
//! comes, and what left again when it is asked for.

use replica::{
    Draft, Taken,
    chum::{Carried, Progress, Side},
    sparse::{Ask, Profile, Sparse},
};

use crate::{
    line::Line,
    world::{DAY, Home, NOON, TINY, Watch, bring_titles, entity, fetch, meet, noise, open, prefetch, run, say, shown},
};

/// Conversations of which the older ones are older than any window, each of 300 messages.
fn hundred_days(count: u64) -> (Watch, Home) {
    let watch = Watch::new(NOON - 100 * DAY);
    let mut home = Home::new(1, &watch);
    for number in 0..count {
        watch.set(NOON - 100 * DAY + number * 100 * DAY / count);
        home.begin(entity(number), &format!("conversation {number}"));
        home.say(entity(number), 300, 100);
    }
    watch.set(NOON);
    (watch, home)
}

/// What it shows of a conversation is the end of what the archive has.
fn assert_true(sparse: &Sparse, home: &Home, number: u64) -> (usize, bool) {
    let (ids, whole) = shown(sparse, &entity(number));
    let all = home.messages(&entity(number));
    assert_eq!(ids, all[all.len() - ids.len()..], "conversation {number}");
    assert!(!whole || ids.len() == all.len(), "it says that it is all of conversation {number}");
    (ids.len(), whole)
}

#[test]
fn titles_then_the_newest_then_those_behind_then_news() {
    let (watch, mut home) = hundred_days(10);
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = open(directory.path(), Profile::STANDARD, &watch);
    assert_eq!(sparse.prefetch().unwrap(), [Ask::Titles]);
    bring_titles(&mut sparse, &mut home);
    // Everything has its name, and nothing is said yet.
    let names: Vec<String> = sparse.conversations(None, 100).unwrap().items.into_iter().map(|one| one.view.title).collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names[0], "conversation 9");
    for number in 0..10 {
        assert_eq!(assert_true(&sparse, &home, number), (0, false), "its messages are missing");
    }
    // First the newest of each, then those behind.
    let plan = sparse.prefetch().unwrap();
    let limits: Vec<u32> = plan.iter().map(|ask| if let Ask::Some(missing) = ask { missing.limit } else { 0 }).collect();
    assert_eq!(limits, [51; 10]);
    // The sessions so far brought titles alone; one for what is asked by name compares nothing.
    let settings = replica::chum::Settings {
        wants: replica::chum::Wants::OnDemand,
        ..replica::chum::Settings::window(crate::line::archive().peer, Vec::new())
    };
    let mut line = Line::new(crate::line::end(settings), crate::line::end(crate::line::archive()));
    for ask in plan {
        let Ask::Some(missing) = ask else { panic!("titles came a moment ago") };
        fetch(&mut line, &mut sparse, &mut home, &missing);
    }
    for number in 0..10 {
        let (count, whole) = assert_true(&sparse, &home, number);
        assert_eq!((count, whole), (50, false), "of conversation {number}");
    }
    let behind = prefetch(&mut line, &mut sparse, &mut home);
    let limits: Vec<u32> = behind.iter().map(|ask| if let Ask::Some(missing) = ask { missing.limit } else { 0 }).collect();
    assert_eq!(limits, [201; 10]);
    for number in 0..10 {
        let (count, whole) = assert_true(&sparse, &home, number);
        assert_eq!((count, whole), (250, false), "of conversation {number}");
    }
    // What the window covers comes without being asked for, and what is new as it comes.
    let mut line = meet(&mut sparse, &mut home);
    assert_eq!(assert_true(&sparse, &home, 9), (300, true));
    home.say(entity(9), 3, 100);
    home.begin(entity(50), "new");
    home.say(entity(50), 2, 100);
    line.ends[1].session.changed();
    run(&mut line, &mut sparse, &mut home);
    assert_eq!(assert_true(&sparse, &home, 9), (303, true));
    assert_eq!(assert_true(&sparse, &home, 50), (2, true));
    // A word in an old conversation: what is before it is known as far as it was.
    home.say(entity(2), 1, 100);
    line.ends[1].session.changed();
    run(&mut line, &mut sparse, &mut home);
    let (count, whole) = assert_true(&sparse, &home, 2);
    assert!(count > 250 && !whole, "{count}");
    let views = home.replica.snapshot().unwrap();
    for entry in sparse.conversations(None, 100).unwrap().items {
        let view = views.conversation(&entry.id).unwrap().unwrap();
        assert_eq!((&entry.view.title, entry.view.changed), (&view.title, view.changed));
        if shown(&sparse, &entry.id).1 {
            assert_eq!(entry.view, view, "what is whole is folded to the same");
        }
    }
}

#[test]
fn the_next_session_finds_nothing_to_do() {
    let (watch, mut home) = hundred_days(5);
    let directory = tempfile::tempdir().unwrap();
    {
        let mut sparse = open(directory.path(), Profile::STANDARD, &watch);
        meet(&mut sparse, &mut home);
        sparse.maintain().unwrap();
    }
    let mut sparse = open(directory.path(), Profile::STANDARD, &watch);
    let heads = Side::heads(&sparse).unwrap();
    assert_eq!(heads, Side::heads(&home.side()).unwrap(), "it remembers how far it looked");
    let line = meet_once(&mut sparse, &mut home);
    assert!(line.is_finished() && line.bytes() <= 400, "{} bytes", line.bytes());
}

fn meet_once(sparse: &mut Sparse, home: &mut Home) -> Line {
    let spans = sparse.spans().unwrap();
    let settings = replica::chum::Settings::window(crate::line::archive().peer, spans);
    let settings = replica::chum::Settings { live: false, ..settings };
    let mut line = Line::new(crate::line::end(settings), crate::line::end(crate::line::once()));
    run(&mut line, sparse, home);
    line
}

#[test]
fn what_left_comes_back_when_it_is_asked_for_and_not_before() {
    let watch = Watch::new(NOON - 3 * DAY);
    let mut home = Home::new(1, &watch);
    // Three times as much as there is room for, all of it young.
    for number in 0..60 {
        home.begin(entity(number), &format!("conversation {number}"));
        home.say(entity(number), 20, 30_000);
        watch.tick(DAY / 24);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = open(directory.path(), TINY, &watch);
    let mut line = meet(&mut sparse, &mut home);
    let room = sparse.room().unwrap();
    assert!(room.gone > 300 && room.files <= room.limit, "{room:?}");
    for number in 0..60 {
        assert_true(&sparse, &home, number);
    }
    assert_eq!(assert_true(&sparse, &home, 59), (20, true), "the newest is here");
    let (count, whole) = assert_true(&sparse, &home, 0);
    assert!(count < 3 && !whole, "the oldest has left");
    // It is listed all the same, by its name.
    let list = sparse.conversations(None, 100).unwrap().items;
    assert_eq!(list.len(), 60);
    assert!(list.iter().all(|entry| entry.view.title.starts_with("conversation ")));
    // A new session with news does not bring again what was let go.
    drop(line);
    home.say(entity(59), 1, 100);
    let line_again = meet_once(&mut sparse, &mut home);
    assert!(line_again.ends[0].session.tally().taken <= 2, "{:?}", line_again.ends[0].session.tally());
    line = meet(&mut sparse, &mut home);
    // Whoever opens it has it.
    let before = sparse.hit_rate();
    let missing = sparse.page(&entity(0), None, 50).unwrap().missing.expect("it left");
    assert_eq!(sparse.hit_rate().whole, before.whole);
    fetch(&mut line, &mut sparse, &mut home, &missing);
    assert_eq!(assert_true(&sparse, &home, 0), (20, true));
    // And as it was opened just now, it is not the next to leave.
    home.begin(entity(90), "more");
    home.say(entity(90), 60, 30_000);
    line.ends[1].session.changed();
    run(&mut line, &mut sparse, &mut home);
    assert_eq!(assert_true(&sparse, &home, 0), (20, true));
    assert_eq!(assert_true(&sparse, &home, 90), (60, true));
}

#[test]
fn a_gap_in_what_comes_later_is_seen_though_all_was_told_before() {
    let watch = Watch::new(NOON);
    let mut home = Home::new(1, &watch);
    home.begin(entity(1), "one");
    home.say(entity(1), 5, 100);
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = open(directory.path(), TINY, &watch);
    let mut line = meet(&mut sparse, &mut home);
    // Asked for by name, from the newest to the first: there is nothing more.
    watch.tick(20 * DAY);
    sparse.maintain().unwrap();
    let missing = sparse.page(&entity(1), None, 50).unwrap().missing.expect("it left by its age");
    fetch(&mut line, &mut sparse, &mut home, &missing);
    assert_eq!(assert_true(&sparse, &home, 1), (5, true));
    // Of three new ones, the middle one is lost on the way.
    home.say(entity(1), 3, 100);
    let ids = home.messages(&entity(1));
    let parcels: Vec<_> = Side::parcels(&home.side(), &ids[5..], usize::MAX).unwrap().into_iter().flatten().collect();
    for parcel in [&parcels[0], &parcels[2]] {
        assert_eq!(Side::take(&mut sparse, vec![parcel.clone()]).unwrap(), [replica::chum::Taken::New]);
    }
    assert_eq!(assert_true(&sparse, &home, 1), (1, false));
    assert_eq!(Side::take(&mut sparse, vec![parcels[1].clone()]).unwrap(), [replica::chum::Taken::New]);
    assert_eq!(assert_true(&sparse, &home, 1), (8, true));
}

#[test]
fn who_goes_back_in_what_is_longer_than_the_store_is_told_the_truth() {
    let watch = Watch::new(NOON - 3 * DAY);
    let mut home = Home::new(1, &watch);
    home.begin(entity(1), "long");
    home.begin(entity(2), "short");
    for _ in 0..10 {
        home.say(entity(1), 10, 300_000);
        home.say(entity(2), 1, 100);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = open(directory.path(), TINY, &watch);
    let mut line = meet(&mut sparse, &mut home);
    let mut most = 0;
    for _ in 0..12 {
        let missing = sparse.page(&entity(1), None, usize::MAX).unwrap().missing.expect("it is longer than the store");
        let some = replica::sparse::Missing { limit: 10, ..missing };
        fetch(&mut line, &mut sparse, &mut home, &some);
        let (count, whole) = assert_true(&sparse, &home, 1);
        assert!(!whole && count < 60);
        most = most.max(count);
    }
    assert!(most >= 10, "{most}");
    // An answer that comes after something has left is none.
    let missing = sparse.page(&entity(1), None, usize::MAX).unwrap().missing.expect("it is longer than the store");
    watch.tick(20 * DAY);
    assert!(sparse.maintain().unwrap().events > 0);
    sparse.fetched(&missing, 0).unwrap();
    assert!(sparse.page(&entity(1), None, usize::MAX).unwrap().missing.is_some());
}

#[test]
fn a_session_that_is_cut_anywhere_leaves_nothing_false() {
    let watch = Watch::new(NOON - 5 * DAY);
    let mut home = Home::new(1, &watch);
    for number in 0..4 {
        home.begin(entity(number), "cut");
        home.say(entity(number), 40, 400);
        watch.tick(DAY);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = open(directory.path(), TINY, &watch);
    let mut partly = 0;
    for cut in (2_000..200_000).step_by(7_000) {
        let settings = replica::chum::Settings::window(crate::line::archive().peer, sparse.spans().unwrap());
        let mut line = Line::new(crate::line::end(settings), crate::line::end(crate::line::archive()));
        line.cut = cut;
        run(&mut line, &mut sparse, &mut home);
        drop(sparse);
        sparse = open(directory.path(), TINY, &watch);
        for number in 0..4 {
            let (count, whole) = assert_true(&sparse, &home, number);
            partly += usize::from(count < 40 && !whole);
        }
        if line.delivered < cut {
            break;
        }
    }
    assert!(partly > 0);
    meet(&mut sparse, &mut home);
    for number in 0..4 {
        assert_eq!(assert_true(&sparse, &home, number), (40, true));
    }
}

#[test]
fn what_a_peer_made_up_is_refused() {
    let watch = Watch::new(NOON);
    let mut home = Home::new(1, &watch);
    home.begin(entity(1), "true");
    home.say(entity(1), 2, 100);
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = open(directory.path(), TINY, &watch);
    let ids: Vec<_> = Side::window(&home.side(), 0, u64::MAX).unwrap().into_iter().map(|(_, id)| id).collect();
    let parcels: Vec<_> = Side::parcels(&home.side(), &ids, usize::MAX).unwrap().into_iter().flatten().collect();
    let bad = |change: &dyn Fn(&mut replica::chum::Parcel)| {
        let mut parcel = parcels[1].clone();
        change(&mut parcel);
        parcel
    };
    let flip = |bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 1;
    let hostile = [
        bad(&|parcel| parcel.signature[5] ^= 1),
        bad(&|parcel| flip(&mut parcel.header, 60)),
        bad(&|parcel| {
            if let Carried::Here(body) = &mut parcel.body {
                flip(body, 60);
            }
        }),
    ];
    for parcel in hostile {
        let taken = Side::take(&mut sparse, vec![parcel]).unwrap()[0];
        assert!(matches!(taken, replica::chum::Taken::Bad(_)), "{taken:?}");
    }
    // In the future by more than is borne.
    watch.set(NOON - DAY);
    let taken = Side::take(&mut sparse, vec![parcels[1].clone()]).unwrap()[0];
    assert!(matches!(taken, replica::chum::Taken::Ahead { .. }), "{taken:?}");
    watch.set(NOON);
    // And in any order what is true.
    for parcel in [&parcels[2], &parcels[0], &parcels[1]] {
        assert_eq!(Side::take(&mut sparse, vec![parcel.clone()]).unwrap(), [replica::chum::Taken::New]);
        assert_eq!(Side::take(&mut sparse, vec![parcel.clone()]).unwrap(), [replica::chum::Taken::Known]);
    }
}

#[test]
fn two_events_of_one_number_are_noticed_where_one_is_held() {
    let watch = Watch::new(NOON);
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = open(directory.path(), TINY, &watch);
    let (mut pen, mut clone) = (crate::world::Pen::new(5), crate::world::Pen::new(5));
    let write = |pen: &mut crate::world::Pen, text: u64| pen.write(NOON, entity(1), Vec::new(), &say(text, noise(text, 50))).0;
    let first = write(&mut pen, 1);
    let _ = write(&mut clone, 1);
    let (second, other) = (write(&mut pen, 2), write(&mut clone, 3));
    let (third, after_other) = (write(&mut pen, 4), write(&mut clone, 5));
    assert!(matches!(sparse.take(&[second]).unwrap()[0], Ok(Taken::Kept(_))));
    for fork in [other, after_other] {
        assert!(matches!(sparse.take(&[fork]).unwrap()[0], Ok(Taken::Fork(_))));
    }
    assert!(sparse.take(&[third, first]).unwrap().iter().all(|taken| matches!(taken, Ok(Taken::Kept(_)))));
}

#[test]
fn what_was_erased_is_gone_and_stays_gone() {
    let watch = Watch::new(NOON);
    let mut home = Home::new(1, &watch);
    for number in 1..4 {
        home.begin(entity(number), "erased");
        home.say(entity(number), 5, 100);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = open(directory.path(), TINY, &watch);
    let mut line = meet(&mut sparse, &mut home);
    let ids = home.messages(&entity(1));
    let parcels: Vec<_> = Side::parcels(&home.side(), &ids, usize::MAX).unwrap().into_iter().flatten().collect();
    home.append(&[Draft::erase_event(entity(1), ids[2]), Draft::erase_entity(entity(2), None)]);
    line.ends[1].session.changed();
    run(&mut line, &mut sparse, &mut home);
    assert_eq!(assert_true(&sparse, &home, 1), (4, true));
    assert_eq!(assert_true(&sparse, &home, 2), (0, true));
    // An old peer brings it again.
    Side::take(&mut sparse, parcels).unwrap();
    assert_eq!(assert_true(&sparse, &home, 1), (4, true));
    // Nothing of it can leave, and what is fetched again is known to be all there is.
    watch.tick(20 * DAY);
    sparse.maintain().unwrap();
    for number in 1..4 {
        let missing = sparse.page(&entity(number), None, 50).unwrap().missing.expect("it left by its age");
        fetch(&mut line, &mut sparse, &mut home, &missing);
        let expected = [4, 0, 5][number as usize - 1];
        assert_eq!(assert_true(&sparse, &home, number), (expected, true));
    }
    assert!(line.ends[0].news.iter().all(|news| !matches!(news, Progress::Stalled { .. })));
}
