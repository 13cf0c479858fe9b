//! Two archives: both come to hold everything, cheaply, and at once.

use replica::chum::{Carried, Fault, Keep, Progress, Rule, Rules, Settings, limits};

use crate::{
    line::{Line, archive, end, once, sync},
    memory::{Memory, NOON},
};

fn pair() -> (Memory, Memory) {
    let (mut one, mut other) = (Memory::new(1), Memory::new(2));
    for number in 0..40u8 {
        one.write(2, number % 5, &[number; 30]);
        other.write(2, number % 3, &[number; 50]);
        (one.now, other.now) = (one.now + 1000, other.now + 700);
    }
    (one, other)
}

#[test]
fn both_get_what_the_other_has() {
    let (mut one, mut other) = pair();
    let line = sync(&mut one, &mut other);
    assert_eq!(one.ids(), other.ids());
    assert_eq!((one.kept, other.kept, one.handed, other.handed), (80, 80, 40, 40));
    one.check_no_hole();
    let tally = line.ends[0].session.tally();
    assert_eq!((tally.taken, tally.sent), (40, 40));
    assert_eq!(tally.bytes_in, line.ends[1].session.tally().bytes_out);
}

#[test]
fn equal_sets_cost_a_greeting() {
    let (mut one, mut other) = pair();
    // Many authors do not make it dearer.
    for key in 10..40 {
        let mut third = Memory::new(key);
        third.write(2, 9, b"hello");
        sync(&mut third, &mut one);
    }
    sync(&mut one, &mut other);
    let line = sync(&mut one, &mut other);
    assert!(line.bytes() <= 400, "{} bytes", line.bytes());
    assert_eq!(line.ends[0].session.tally().messages_out, 2, "a greeting and a farewell");
}

#[test]
fn what_is_new_is_pushed_on_the_same_session() {
    let (mut one, mut other) = pair();
    let mut line = Line::new(end(archive()), end(archive()));
    line.run(&mut one, &mut other).unwrap();
    assert_eq!(one.ids(), other.ids());
    for round in 0..3 {
        let id = one.write(2, 1, &[round]);
        line.ends[0].session.changed();
        line.run(&mut one, &mut other).unwrap();
        assert!(other.holds(&id));
        // What it was sent does not come back.
        line.ends[1].session.changed();
        let before = line.bytes();
        line.run(&mut one, &mut other).unwrap();
        assert_eq!(line.bytes(), before);
    }
    // A look whether all is the same costs two small messages.
    let before = line.bytes();
    line.ends[0].session.check(&one).unwrap();
    line.run(&mut one, &mut other).unwrap();
    assert!(line.bytes() - before <= 90, "{} bytes", line.bytes() - before);
    line.ends.iter_mut().for_each(|end| end.session.finish());
    line.run(&mut one, &mut other).unwrap();
    assert!(line.is_finished());
}

#[test]
fn a_check_finds_what_nobody_announced() {
    let (mut one, mut other) = pair();
    let mut line = Line::new(end(archive()), end(archive()));
    line.run(&mut one, &mut other).unwrap();
    one.write(2, 1, b"from another session");
    other.write(2, 1, b"and another");
    line.ends[0].session.check(&one).unwrap();
    line.run(&mut one, &mut other).unwrap();
    assert_eq!(one.ids(), other.ids());
}

#[test]
fn an_audit_fills_the_holes_of_both() {
    let (mut one, mut other) = pair();
    sync(&mut one, &mut other);
    let ids: Vec<_> = one.ids().into_iter().collect();
    for (number, id) in ids.iter().enumerate() {
        match number % 20 {
            3 => one.forget(id),
            7 => other.forget(id),
            _ => {}
        }
    }
    let mut line = Line::new(end(Settings { audit: true, ..once() }), end(once()));
    line.run(&mut one, &mut other).unwrap();
    assert!(line.is_finished());
    assert_eq!(one.ids(), other.ids());
    assert_eq!(one.ids().len(), 80);
    let compared = |news: &&Progress| matches!(news, Progress::Reconciled { .. });
    assert!(line.ends[0].news.iter().any(|news| compared(&news)), "{:?}", line.ends[0].news);
}

#[test]
fn thousands_of_holes_are_filled_in_order() {
    let mut one = Memory::new(1);
    let ids: Vec<_> = (0..9000u32).map(|number| one.write(2, 1, &number.to_le_bytes())).collect();
    let mut other = Memory::new(2);
    sync(&mut one, &mut other);
    let (hole, half) = (&ids[1000..8000], &ids[8500..8999]);
    hole.iter().for_each(|id| other.forget(id));
    half.iter().for_each(|id| one.forget(id));
    let mut line = Line::new(end(Settings { audit: true, ..once() }), end(once()));
    line.run(&mut one, &mut other).unwrap();
    assert!(line.is_finished());
    assert_eq!((one.ids().len(), other.ids().len()), (9000, 9000));
    assert!(line.ends.iter().all(|end| !end.news.iter().any(|news| matches!(news, Progress::Stalled { .. }))));
}

#[test]
fn a_cloned_device_is_noticed_and_stops_nobody_else() {
    let (mut one, mut other) = pair();
    sync(&mut one, &mut other);
    let (mut clone, mut third) = (Memory::new(1), Memory::new(3));
    sync(&mut clone, &mut other);
    one.now += 5000;
    clone.now = one.now;
    one.write(2, 1, b"by the device");
    clone.write(2, 1, b"by its clone");
    clone.write(2, 1, b"and more");
    let word = third.write(2, 4, b"by a third");
    sync(&mut third, &mut clone);
    for _ in 0..2 {
        let line = sync(&mut one, &mut clone);
        let author = one.author();
        for end in &line.ends {
            assert!(end.news.contains(&Progress::Forked { author }), "{:?}", end.news);
        }
    }
    assert!(one.holds(&word), "the third device's words came through");
    assert_eq!(clone.ids().difference(&one.ids()).count(), 2);
}

#[test]
fn a_clock_that_is_ahead_waits_until_time_has_come() {
    let (mut one, mut other) = (Memory::new(1), Memory::new(2));
    one.write(2, 1, b"now");
    one.now = NOON + 3 * 3_600_000;
    one.write(2, 1, b"in three hours");
    one.write(2, 1, b"and then");
    let line = sync(&mut other, &mut one);
    assert_eq!(other.ids().len(), 1);
    let ahead = |news: &Progress| matches!(news, Progress::Ahead { millis, .. } if *millis == 3 * 3_600_000);
    assert!(line.ends[0].news.iter().any(ahead), "{:?}", line.ends[0].news);
    other.now = one.now;
    sync(&mut other, &mut one);
    assert_eq!(other.ids(), one.ids());
}

#[test]
fn what_stays_local_leaves_its_header_and_no_word() {
    let (mut one, mut other) = (Memory::new(1), Memory::new(2));
    let local = one.write(9, 1, b"mine");
    let open = one.write(2, 1, b"ours");
    let rule = Rule { keep: Keep::LocalOnly, ..Rule::default_of(9) };
    let settings = Settings { rules: Rules(vec![rule]), ..once() };
    let mut line = Line::new(end(settings), end(once()));
    line.run(&mut one, &mut other).unwrap();
    assert_eq!(other.ids(), one.ids(), "the chain is whole");
    assert_eq!(other.body(&local), Some(&Carried::Withheld));
    assert!(matches!(other.body(&open), Some(Carried::Here(_))));
}

#[test]
fn rights_that_a_peer_brings_are_not_let_in() {
    const RIGHTS: u16 = 300;
    let (mut one, mut other) = (Memory::new(1), Memory::new(2));
    let forged = other.write(RIGHTS, 1, b"the peer may do everything");
    other.write(2, 1, b"hello");
    let rule = Rule { accept: false, ..Rule::default_of(RIGHTS) };
    // The other side does not look at the rules it was told.
    let mut line = Line::new(end(Settings { rules: Rules(vec![rule]), ..once() }), end(once()));
    line.run(&mut one, &mut other).unwrap();
    assert_eq!((one.ids(), one.body(&forged)), (other.ids(), Some(&Carried::Withheld)));
}

#[test]
fn long_bodies_pass_within_the_credit() {
    let (mut one, mut other) = (Memory::new(1), Memory::new(2));
    for number in 0..24 {
        one.write(2, 1, &vec![number; 1 << 20]);
        one.write(2, 1, &[number; 100]);
    }
    let mut line = Line::new(end(once()), end(once()));
    line.piece = Box::new(|| 20_000);
    line.run(&mut other, &mut one).unwrap();
    assert!(line.is_finished());
    assert_eq!(other.ids(), one.ids());
    assert!(line.most <= limits::CREDIT as usize, "{} bytes were on their way", line.most);
}

#[test]
fn a_store_that_fails_ends_the_session_and_is_not_the_peers_fault() {
    let (mut one, mut other) = pair();
    one.broken = true;
    let mut line = Line::new(end(once()), end(once()));
    let (who, fault) = line.run(&mut one, &mut other).unwrap_err();
    assert_eq!((who, fault.blame()), (0, replica::chum::Blame::Here));
    // The other side hears a reason and no details.
    let heard = line.run(&mut one, &mut other).unwrap_err();
    assert!(matches!(heard.1, Fault::Here(_)));
    let mut told = None;
    for _ in 0..100 {
        if let Err(over) = line.step(1, &mut other) {
            told = Some(over.1.to_string());
            break;
        }
    }
    assert_eq!(told.as_deref(), Some("the other side ended it: its own store has failed"));
    one.broken = false;
    sync(&mut one, &mut other);
    assert_eq!(one.ids(), other.ids());
}
