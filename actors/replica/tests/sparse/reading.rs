//! Whatever was written, fetched, read, forgotten and erased, in whatever order: what a sparse store shows of a conversation
//! is what the archive has, or it says that something is missing.

use proptest::prelude::*;
use replica::{
    Draft,
    chum::{Archive, Settings},
    sparse::{Found, Sparse},
    state::{Act, Change, Operation, Step, Value},
};

use crate::{
    line::{Line, archive, end, once, sync},
    world::{DAY, Home, NOON, TINY, Watch, bring_titles, entity, fetch, is_full, meet, open, run},
};

const CONVERSATIONS: u64 = 6;
const HOUR: u64 = 3_600_000;

#[derive(Clone, Debug)]
enum Do {
    /// By the archive or by another device, so many of so many bytes.
    Say(bool, u64, usize, usize),
    Title(bool, u64, u8),
    State(bool, u64, u8),
    /// The other device and the archive come together.
    Devices,
    /// What is new comes.
    Meet,
    /// A session that is cut after so many bytes.
    Cut(u64),
    Titles,
    Read(u64),
    /// One is opened, and what is missing is asked for until it is all there.
    Open(u64),
    /// Somebody goes back some of the way.
    Back(u64),
    Maintain,
    Pin(u64),
    Wait(u64),
    EraseOne(u64, usize),
    EraseAll(u64),
    Reopen,
}

fn operation() -> impl Strategy<Value = Do> {
    let one = || 0..CONVERSATIONS;
    prop_oneof![
        10 => (any::<bool>(), one(), 1..8usize, 10..2000usize).prop_map(|(by, one, count, bytes)| Do::Say(by, one, count, bytes)),
        4 => (any::<bool>(), one(), 1..5usize).prop_map(|(by, one, count)| Do::Say(by, one, count, 900_000)),
        3 => (any::<bool>(), one(), any::<u8>()).prop_map(|(by, one, title)| Do::Title(by, one, title)),
        3 => (any::<bool>(), one(), any::<u8>()).prop_map(|(by, one, value)| Do::State(by, one, value)),
        5 => Just(Do::Devices),
        7 => Just(Do::Meet),
        3 => (500..100_000u64).prop_map(Do::Cut),
        2 => Just(Do::Titles),
        5 => one().prop_map(Do::Read),
        5 => one().prop_map(Do::Open),
        3 => one().prop_map(Do::Back),
        3 => Just(Do::Maintain),
        1 => one().prop_map(Do::Pin),
        5 => (1..60u64).prop_map(Do::Wait),
        1 => (one(), 0..20usize).prop_map(|(one, which)| Do::EraseOne(one, which)),
        1 => (4..CONVERSATIONS).prop_map(Do::EraseAll),
        2 => Just(Do::Reopen),
    ]
}

fn state_of(number: u64) -> [u8; 16] {
    entity(100 + number)
}

/// Two devices whose archives come together, and a sparse store beside the first.
struct World {
    watch: Watch,
    homes: [Home; 2],
    directory: tempfile::TempDir,
    sparse: Option<Sparse>,
    /// What the archive had when the last session came to its end.
    told: Vec<Vec<[u8; 32]>>,
    whole: usize,
    missing: usize,
}

impl World {
    fn new() -> World {
        let watch = Watch::new(NOON);
        let mut homes = [Home::new(1, &watch), Home::new(2, &watch)];
        for number in 0..CONVERSATIONS {
            homes[0].begin(entity(number), "first");
            watch.tick(1);
        }
        let directory = tempfile::tempdir().unwrap();
        let sparse = Some(open(directory.path(), TINY, &watch));
        let mut world =
            World { watch, homes, directory, sparse, told: vec![Vec::new(); CONVERSATIONS as usize], whole: 0, missing: 0 };
        world.devices();
        world
    }

    fn sparse(&mut self) -> &mut Sparse {
        self.sparse.as_mut().expect("it is open")
    }

    fn devices(&mut self) {
        let [one, other] = &mut self.homes;
        let mut first = Archive::new(&one.replica, &mut one.writer, replica::Form::Sealed);
        let mut second = Archive::new(&other.replica, &mut other.writer, replica::Form::Sealed);
        sync(&mut first, &mut second);
    }

    fn meet(&mut self) -> Line {
        let sparse = self.sparse.as_mut().expect("it is open");
        let line = meet(sparse, &mut self.homes[0]);
        self.told = (0..CONVERSATIONS).map(|number| self.homes[0].messages(&entity(number))).collect();
        line
    }

    fn perform(&mut self, operation: &Do) {
        match operation {
            Do::Say(by, one, count, bytes) => {
                let home = &mut self.homes[usize::from(*by)];
                if home.replica.snapshot().unwrap().conversation(&entity(*one)).unwrap().is_some() {
                    home.say(entity(*one), *count, *bytes);
                }
            }
            Do::Title(by, one, title) => {
                let home = &mut self.homes[usize::from(*by)];
                if home.replica.snapshot().unwrap().conversation(&entity(*one)).unwrap().is_some() {
                    home.title(entity(*one), &format!("title {title}"));
                }
            }
            Do::State(by, one, value) => {
                let act = Act::Set(Value::Number(i64::from(*value)));
                let operations = vec![Operation { path: vec![Step::from("field")], act }];
                let body = replica::body::Body::Change(Change { operations });
                self.homes[usize::from(*by)].append(&[Draft { entity: state_of(*one), body, once: None }]);
            }
            Do::Devices => self.devices(),
            Do::Meet => drop(self.meet()),
            Do::Cut(bytes) => {
                let sparse = self.sparse.as_mut().expect("it is open");
                let settings = Settings { live: false, ..Settings::window(archive().peer, sparse.spans().unwrap()) };
                let mut line = Line::new(end(settings), end(once()));
                line.cut = *bytes;
                run(&mut line, sparse, &mut self.homes[0]);
                if line.is_finished() {
                    self.told = (0..CONVERSATIONS).map(|number| self.homes[0].messages(&entity(number))).collect();
                }
            }
            Do::Titles => bring_titles(self.sparse.as_mut().expect("it is open"), &mut self.homes[0]),
            Do::Read(one) => self.check(*one),
            Do::Open(one) => {
                let mut line = self.meet();
                for turn in 0.. {
                    let shown = self.sparse().page(&entity(*one), None, usize::MAX).unwrap();
                    let Some(missing) = shown.missing else { break };
                    fetch(&mut line, self.sparse.as_mut().expect("it is open"), &mut self.homes[0], &missing);
                    // What is longer than the store is never all here.
                    if turn > 50 {
                        break;
                    }
                }
                self.check(*one);
                self.check_state(&mut line, *one);
            }
            Do::Back(one) => {
                let mut line = self.meet();
                let missing = self.sparse().page(&entity(*one), None, usize::MAX).unwrap().missing;
                if let Some(missing) = missing {
                    let some = replica::sparse::Missing { limit: 3, ..missing };
                    fetch(&mut line, self.sparse.as_mut().expect("it is open"), &mut self.homes[0], &some);
                }
                self.check(*one);
            }
            Do::Maintain => drop(self.sparse().maintain().unwrap()),
            Do::Pin(one) => {
                self.sparse().pin(&entity(*one)).unwrap();
                self.sparse().unpin(&entity((*one + 1) % CONVERSATIONS)).unwrap();
            }
            Do::Wait(hours) => self.watch.tick(hours * HOUR),
            Do::EraseOne(one, which) => {
                let ids = self.homes[0].messages(&entity(*one));
                if let Some(id) = ids.get(*which) {
                    self.homes[0].append(&[Draft::erase_event(entity(*one), *id)]);
                }
            }
            Do::EraseAll(one) => {
                let home = &mut self.homes[0];
                home.append(&[Draft::erase_entity(entity(*one), Some(home.watch.now() << 16))]);
                // It begins anew.
                self.watch.tick(1000);
                self.homes[0].append(&[Draft { entity: entity(*one), body: crate::world::begin("anew"), once: None }]);
            }
            Do::Reopen => {
                self.sparse = None;
                self.sparse = Some(open(self.directory.path(), TINY, &self.watch));
            }
        }
        self.watch.tick(1);
    }

    /// What is shown is the end of what the archive had, and all of it if nothing is said to be missing.
    fn check(&mut self, number: u64) {
        let shown = self.sparse().page(&entity(number), None, usize::MAX).unwrap();
        let ids: Vec<[u8; 32]> = shown.items.iter().map(|record| record.event.id).collect();
        let told = &self.told[number as usize];
        // A session that was cut, or an open one, may have brought more than was there when the last one ended; nothing
        // of what it brought may come before something that is not shown.
        let now = self.homes[0].messages(&entity(number));
        assert_eq!(ids.len(), ids.iter().collect::<std::collections::BTreeSet<_>>().len());
        match shown.missing {
            None => {
                self.whole += 1;
                assert!(
                    told.iter().filter(|id| now.contains(id)).all(|id| ids.contains(id)),
                    "it says that it is all of {number}"
                );
            }
            Some(_) => {
                self.missing += 1;
                if let Some(first) = ids.first() {
                    let from = told.iter().position(|id| id == first);
                    let expected = from.map(|from| &told[from..]).unwrap_or_default();
                    let lacking = expected.iter().filter(|id| now.contains(id)).any(|id| !ids.contains(id));
                    assert!(!lacking, "something is left out of {number}");
                }
            }
        }
        // In the archive's order.
        let order: Vec<_> = now.iter().filter(|id| ids.contains(id)).collect();
        assert_eq!(order, ids.iter().filter(|id| now.contains(id)).collect::<Vec<_>>());
        // Page by page it is the same.
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let page = self.sparse().page(&entity(number), before, 4).unwrap();
            let Some(first) = page.items.first() else { break };
            before = Some(first.event.header.clock.0);
            pages.splice(0..0, page.items.iter().map(|record| record.event.id));
            if !page.more {
                break;
            }
        }
        assert_eq!(pages, ids);
    }

    fn check_state(&mut self, line: &mut Line, number: u64) {
        let entity = state_of(number);
        let sparse = self.sparse.as_mut().expect("it is open");
        let mut found = sparse.state(&entity).unwrap();
        if let Found::Missing(missing) = found {
            fetch(line, sparse, &mut self.homes[0], &missing);
            found = sparse.state(&entity).unwrap();
        }
        let Found::Here(state) = found else { panic!("it was asked for: {found:?}") };
        let expected = self.homes[0].replica.snapshot().unwrap().state(&entity).unwrap();
        assert_eq!(state.map(|state| state.root), expected.map(|state| state.root));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if is_full() { 120 } else { 16 }, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn it_shows_what_the_archive_has_or_says_what_is_missing(operations in prop::collection::vec(operation(), 30..90)) {
        let mut world = World::new();
        for operation in &operations {
            world.perform(operation);
        }
        drop(world.meet());
        for number in 0..CONVERSATIONS {
            world.check(number);
            // Nobody writes any more: it is exactly what the archive has.
            let (ids, whole) = crate::world::shown(world.sparse(), &entity(number));
            let all = world.homes[0].messages(&entity(number));
            prop_assert!(ids.len() <= all.len() && ids == all[all.len() - ids.len()..]);
            prop_assert!(!whole || ids.len() == all.len());
        }
        prop_assert!(world.watch.now() < NOON + 4000 * DAY);
    }
}

#[test]
fn what_was_looked_at_is_known_and_what_was_not_is_not() {
    let mut world = World::new();
    world.homes[0].say(entity(1), 30, 200);
    assert!(world.sparse().page(&entity(1), None, 10).unwrap().missing.is_some(), "nobody has asked the archive");
    world.meet();
    world.check(1);
    assert_eq!((world.whole, world.missing), (1, 0));
    let page = world.sparse().page(&entity(1), None, 10).unwrap();
    assert_eq!((page.items.len(), page.more, page.missing), (10, true, None));
    assert!(world.sparse().page(&entity(77), None, 10).unwrap().missing.is_some(), "of this nothing is known");
}
