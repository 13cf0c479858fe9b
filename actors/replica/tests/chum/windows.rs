//! A window beside an archive: it holds a month, has the newest first, gets the rest when asked, and costs nothing when
//! nothing is new.

use ipc::event::Clock;
use replica::chum::{Carried, Keep, Progress, Rule, Rules, Session, Settings, Span, Wants, When};

use crate::{
    line::{Line, archive, end, once},
    memory::{Memory, NOON},
};

const DAY: u64 = 86_400_000;

/// An archive with an event for each of a hundred days, the oldest first.
fn hundred_days() -> (Memory, Vec<[u8; 32]>) {
    let mut archive = Memory::new(1);
    let ids = (0..100)
        .map(|day| {
            archive.now = NOON - (100 - day) * DAY;
            archive.write(2, (day % 5) as u8, &[day as u8; 400])
        })
        .collect();
    archive.now = NOON;
    (archive, ids)
}

fn month() -> Settings {
    Settings::window(archive().peer, Span::recent(Clock::from_millis(NOON), 30))
}

fn fetched(line: &mut Line, request: u32) -> Option<(u64, u64)> {
    line.ends[0].news.iter().find_map(|news| match news {
        Progress::Fetched { request: of, came, absent } if *of == request => Some((*came, *absent)),
        _ => None,
    })
}

#[test]
fn spans_are_newest_first_and_meet() {
    let now = Clock::from_millis(NOON);
    let spans = Span::recent(now, 30);
    assert_eq!(spans[0].to, u64::MAX);
    assert!(spans.windows(2).all(|pair| pair[0].from == pair[1].to));
    assert_eq!(spans.last().unwrap().from, Clock::from_millis(NOON - 30 * DAY).0);
    assert_eq!(Span::recent(now, 1).len(), 1);
    assert_eq!(Span::recent(now, 7).len(), 2);
}

#[test]
fn it_holds_the_month_and_hears_news() {
    let (mut archive_side, ids) = hundred_days();
    let mut window = Memory::window(2);
    let mut line = Line::new(end(month()), end(archive()));
    line.run(&mut window, &mut archive_side).unwrap();
    assert_eq!(window.ids(), ids[70..].iter().copied().collect());
    let id = archive_side.write(2, 1, b"new");
    line.ends[1].session.changed();
    line.run(&mut window, &mut archive_side).unwrap();
    assert!(window.holds(&id));
    // The next start of both finds nothing to do.
    let mut line = Line::new(end(Settings { live: false, ..month() }), end(once()));
    line.run(&mut window, &mut archive_side).unwrap();
    assert!(line.is_finished() && line.bytes() <= 400, "{} bytes", line.bytes());
}

#[test]
fn the_newest_come_first() {
    let (mut archive_side, ids) = hundred_days();
    let mut seen_partly = false;
    for cut in (1000..20_000).step_by(500) {
        let mut window = Memory::window(2);
        let mut line = Line::new(end(month()), end(archive()));
        line.cut = cut;
        line.run(&mut window, &mut archive_side).unwrap();
        let held: Vec<bool> = ids[70..].iter().map(|id| window.holds(id)).collect();
        let count = held.iter().filter(|held| **held).count();
        seen_partly |= count > 0 && count < 30;
        // Within a part the reconciliation decides; between the parts the newest day comes before the week.
        let (older, week) = held.split_at(23);
        assert!(older.iter().all(|held| !held) || week.iter().all(|held| *held), "cut at {cut}: {held:?}");
    }
    assert!(seen_partly);
}

#[test]
fn what_is_old_comes_when_it_is_asked_for() {
    let (mut archive_side, ids) = hundred_days();
    let mut window = Memory::window(2);
    let mut line = Line::new(end(month()), end(archive()));
    line.run(&mut window, &mut archive_side).unwrap();
    let unknown = [9; 32];
    let by_id = line.ends[0].session.fetch(vec![ids[3], unknown]);
    let by_entity = line.ends[0].session.fetch_entity([4; 16], u64::MAX, 12);
    line.run(&mut window, &mut archive_side).unwrap();
    assert_eq!(fetched(&mut line, by_id), Some((1, 1)));
    assert_eq!(fetched(&mut line, by_entity), Some((12, 0)));
    assert!(window.holds(&ids[3]) && window.holds(&ids[99 - 5 * 11]) && !window.holds(&ids[99 - 5 * 12]));
    // A long list is asked for in parts.
    let many = line.ends[0].session.fetch((0..1200u32).map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect());
    line.run(&mut window, &mut archive_side).unwrap();
    let absent: Vec<u64> = line.ends[0]
        .news
        .iter()
        .filter_map(|news| match news {
            Progress::Fetched { request, absent, .. } if *request == many => Some(*absent),
            _ => None,
        })
        .collect();
    assert_eq!(absent.iter().sum::<u64>(), 1200);
}

#[test]
fn kinds_come_as_their_rules_say() {
    const SETTING: u16 = 20;
    const TRACE: u16 = 21;
    let mut archive_side = Memory::new(1);
    let settings: Vec<_> = (0..5).map(|n| archive_side.write(SETTING, 1, &[n])).collect();
    let other = archive_side.write(SETTING, 2, b"other");
    let trace = archive_side.write(TRACE, 1, b"long");
    let word = archive_side.write(2, 1, b"word");
    let rules = Rules(vec![
        Rule { keep: Keep::LastWrite, ..Rule::default_of(SETTING) },
        Rule { when: When::OnDemand, ..Rule::default_of(TRACE) },
    ]);
    let mut window = Memory::window(2);
    let month = Settings { rules, ..month() };
    let mut line = Line::new(end(month), end(archive()));
    line.run(&mut window, &mut archive_side).unwrap();
    assert_eq!(window.ids(), [settings[4], other, word].into());
    let later = archive_side.write(TRACE, 1, b"longer");
    let news = archive_side.write(2, 1, b"news");
    line.ends[1].session.changed();
    line.run(&mut window, &mut archive_side).unwrap();
    assert!(window.holds(&news) && !window.holds(&later));
    line.ends[0].session.fetch(vec![trace]);
    line.run(&mut window, &mut archive_side).unwrap();
    assert!(matches!(window.body(&trace), Some(Carried::Here(_))));
}

/// Requirement Y14: what is kept of a kind and when it comes is a table that a person can write.
#[test]
fn a_table_says_what_a_window_holds() {
    let table = "
        40  last-write
        41  append-only  on-demand
        42  append-only  recent-first
        43  merge
        44  local-only
        45  merge        recent-first  no-take
    ";
    let mut archive_side = Memory::new(1);
    let mut written = [(); 6].map(|()| Vec::new());
    for round in 0..3 {
        for (kind, written) in (40_u16..).zip(&mut written) {
            written.push(archive_side.write(kind, 1, &[round]));
        }
    }
    let [settings, traces, messages, texts, secrets, rights] = written;
    let mut window = Memory::window(2);
    let mut line = Line::new(end(Settings { rules: Rules::read(table).unwrap(), ..month() }), end(archive()));
    line.run(&mut window, &mut archive_side).unwrap();
    let held: Vec<_> = [&settings[2..], &messages, &texts].concat();
    assert_eq!(window.ids(), held.into_iter().collect(), "the newest setting, every message and every change of a text");
    // Asked for one by one; what stays where it is does not come then either.
    line.ends[0].session.fetch(traces.clone());
    line.ends[0].session.fetch([secrets.clone(), rights.clone()].concat());
    line.run(&mut window, &mut archive_side).unwrap();
    assert!(traces.iter().all(|trace| matches!(window.body(trace), Some(Carried::Here(_)))));
    for kept_back in secrets.iter().chain(&rights) {
        assert!(!matches!(window.body(kept_back), Some(Carried::Here(_))));
    }
    // The other table, in the archive's hand: its word counts as well.
    let mut other = Memory::window(3);
    let rules = Rules::read("42 no-give").unwrap();
    let mut line = Line::new(end(month()), end(Settings { rules, ..archive() }));
    line.run(&mut other, &mut archive_side).unwrap();
    assert!(messages.iter().all(|message| !matches!(other.body(message), Some(Carried::Here(_)))));
    assert!(secrets.iter().all(|secret| matches!(other.body(secret), Some(Carried::Here(_)))));
}

#[test]
fn what_a_window_wrote_itself_reaches_the_archive() {
    let (mut archive_side, _) = hundred_days();
    let mut phone = Memory::window(2);
    let mine = phone.write(2, 1, b"from the road");
    let heads = {
        // It has an author key of its own, whose chain it keeps until the archive has it.
        phone.sparse = false;
        let heads = replica::chum::Side::heads(&phone).unwrap();
        phone.sparse = true;
        heads
    };
    replica::chum::Side::reached(&mut phone, &heads).unwrap();
    let mut line = Line::new(end(Settings { live: false, ..month() }), end(once()));
    line.run(&mut phone, &mut archive_side).unwrap();
    assert!(line.is_finished() && archive_side.holds(&mine));
    assert_eq!(phone.ids().len(), 31);
}

#[test]
fn one_that_only_asks_gets_nothing_else() {
    let (mut archive_side, ids) = hundred_days();
    let mut reader = Memory::window(2);
    let settings = Settings { wants: Wants::OnDemand, live: false, ..month() };
    let mut session = end(settings);
    let request = Session::fetch(&mut session.session, vec![ids[50]]);
    let mut line = Line::new(session, end(once()));
    line.run(&mut reader, &mut archive_side).unwrap();
    assert!(line.is_finished());
    assert_eq!(fetched(&mut line, request), Some((1, 0)));
    assert_eq!(reader.ids(), [ids[50]].into());
}
