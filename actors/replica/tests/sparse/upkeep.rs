//! Age and pressure, kills, what lies on disk, and how often what is opened is here.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use replica::{
    OutboxError, ReplicaError, Taken,
    body::{Body, Title},
    chum::Side as _,
    sparse::{Ask, Pressure, Profile, Sparse, SparseError},
};

use crate::{
    room::bytes_of,
    world::{CACHE_KEY, DAY, Home, NOON, Pen, SPACE, TINY, Watch, begin, entity, fetch, is_full, meet, noise, open, say, shown},
};

/// Says ten things of so many bytes in a conversation of its own.
fn fill(sparse: &mut Sparse, pen: &mut Pen, watch: &Watch, number: u64, bytes: usize) -> Vec<[u8; 32]> {
    let (root, mut last) = pen.write(watch.now(), entity(number), Vec::new(), &begin("some"));
    let mut parcels = vec![root];
    let mut ids = Vec::new();
    for word in 0..10 {
        let (parcel, id) =
            pen.write(watch.now(), entity(number), vec![last], &say(number << 8 | word, noise(number << 8 | word, bytes)));
        parcels.push(parcel);
        ids.push(id);
        last = id;
    }
    assert!(sparse.take(&parcels).unwrap().iter().all(|taken| matches!(taken, Ok(Taken::Kept(_)))));
    ids
}

/// Which conversations have content.
fn held(sparse: &Sparse) -> Vec<u64> {
    let page = sparse.conversations(None, 1000).unwrap();
    let full: Vec<_> = page.items.into_iter().filter(|entry| !entry.bare).map(|entry| entry.id).collect();
    (0..1000).filter(|number| full.contains(&entity(*number))).collect()
}

const CALM: Profile =
    Profile { days: 30, pressure: [Pressure { permille: 700, days: 15 }, Pressure { permille: 900, days: 7 }], ..TINY };

#[test]
fn what_nobody_used_for_a_month_leaves_and_what_is_used_or_pinned_stays() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let mut sparse = open(directory.path(), CALM, &watch);
    let mut pen = Pen::new(1);
    for number in 0..4 {
        fill(&mut sparse, &mut pen, &watch, number, 1000);
        watch.tick(DAY);
    }
    sparse.pin(&entity(1)).unwrap();
    watch.set(NOON + 29 * DAY);
    sparse.maintain().unwrap();
    assert_eq!(held(&sparse), [0, 1, 2, 3]);
    // Reading one is use, and is remembered.
    sparse.page(&entity(0), None, 5).unwrap();
    sparse.maintain().unwrap();
    drop(sparse);
    sparse = open(directory.path(), CALM, &watch);
    watch.set(NOON + 32 * DAY + 1);
    let left = sparse.maintain().unwrap();
    assert_eq!(left.entities, 1);
    assert_eq!(held(&sparse), [0, 1, 3]);
    watch.set(NOON + 100 * DAY);
    sparse.maintain().unwrap();
    assert_eq!(held(&sparse), [1]);
    // They are listed all the same.
    assert_eq!(sparse.conversations(None, 10).unwrap().items.len(), 4);
}

#[test]
fn the_fuller_it_is_the_sooner_things_leave() {
    let thresholds = [(600, 30), (750, 15), (950, 7)];
    for (permille, days) in thresholds {
        let directory = tempfile::tempdir().unwrap();
        let watch = Watch::new(NOON);
        let mut sparse = open(directory.path(), CALM, &watch);
        let mut pen = Pen::new(1);
        // One a day, and then as much as makes it so full.
        for number in 0..40 {
            watch.set(NOON + number * DAY);
            fill(&mut sparse, &mut pen, &watch, number, 100);
        }
        let mut more = 100;
        while sparse.room().unwrap().permille() < permille {
            fill(&mut sparse, &mut pen, &watch, more, 15_000);
            more += 1;
        }
        assert!(sparse.room().unwrap().permille() < permille + 50, "{:?}", sparse.room());
        sparse.maintain().unwrap();
        let expected: Vec<u64> = (40 - 1 - days..40).collect();
        let kept: Vec<u64> = held(&sparse).into_iter().filter(|number| *number < 40).collect();
        assert_eq!(kept, expected, "at {permille} of a thousand");
    }
}

#[test]
fn a_profile_that_makes_no_sense_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for profile in [
        Profile { limit: 1 << 20, ..TINY },
        Profile { outbox: 10 << 20, ..TINY },
        Profile { pressure: [Pressure { permille: 900, days: 3 }, Pressure { permille: 700, days: 1 }], ..TINY },
    ] {
        let refused = Sparse::open(directory.path(), &CACHE_KEY, SPACE, profile).err().unwrap();
        assert!(matches!(refused, SparseError::Profile(_)), "{refused}");
    }
}

#[test]
fn what_is_opened_is_here_more_often_when_it_was_fetched_ahead() {
    let watch = Watch::new(NOON - 60 * DAY);
    let mut home = Home::new(1, &watch);
    // A hundred conversations that nobody has touched for two months; some are opened often.
    for number in 0..100 {
        home.begin(entity(number), "old");
        home.say(entity(number), 60, 50);
        watch.tick(1000);
    }
    watch.set(NOON);
    let opened: Vec<u64> = (0..200u64).map(|turn| if turn % 4 == 0 { turn * 37 % 100 } else { turn % 15 }).collect();
    let mut rate = |ahead: bool| {
        let directory = tempfile::tempdir().unwrap();
        let mut sparse = open(directory.path(), Profile { conversations: 20, ..Profile::SMALL }, &watch);
        crate::world::bring_titles(&mut sparse, &mut home);
        let mut line = meet(&mut sparse, &mut home);
        // What was opened in the days before is known.
        for number in &opened {
            sparse.used_now(&entity(*number));
        }
        sparse.maintain().unwrap();
        if ahead {
            let plan = sparse.prefetch().unwrap();
            assert!(plan.len() == 20 && !plan.contains(&Ask::Titles), "{plan:?}");
            for ask in plan {
                let Ask::Some(missing) = ask else { continue };
                fetch(&mut line, &mut sparse, &mut home, &missing);
            }
        }
        for number in &opened {
            sparse.page(&entity(*number), None, 50).unwrap();
        }
        assert_eq!(sparse.hit_rate().pages, 200);
        sparse.hit_rate().permille()
    };
    let (without, with) = (rate(false), rate(true));
    println!("of a thousand pages {with} were here when fetched ahead, {without} otherwise");
    assert_eq!(without, 0);
    assert!(with > 700, "{with}");
}

#[test]
fn a_store_that_is_damaged_is_made_anew_and_the_outbox_stays() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    {
        let mut sparse = open(directory.path(), TINY, &watch);
        fill(&mut sparse, &mut Pen::new(1), &watch, 1, 1000);
        sparse.outbox().put(&[1; 16], b"do it").unwrap();
    }
    let data = directory.path().join("data.mdb");
    fs::write(&data, vec![7; 100_000]).unwrap();
    assert!(Sparse::open_by(directory.path(), &CACHE_KEY, SPACE, TINY, watch.wall()).is_err());
    Sparse::forget(directory.path()).unwrap();
    let sparse = open(directory.path(), TINY, &watch);
    assert_eq!(sparse.counts().unwrap(), (0, 0));
    assert_eq!(sparse.outbox().waiting(None, 10, 1000).unwrap()[0].command.as_slice(), b"do it");
}

#[test]
fn what_is_pinned_outlives_what_is_cached() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let parcels = |sparse: &mut Sparse| fill(sparse, &mut Pen::new(1), &watch, 1, 1000);
    {
        let mut sparse = open(directory.path(), TINY, &watch);
        parcels(&mut sparse);
        [1, 2, 3].iter().for_each(|number| sparse.pin(&entity(*number)).unwrap());
        sparse.unpin(&entity(2)).unwrap();
    }
    // Under another key nothing of it can be read: it is not taken for a store that is merely empty.
    let other = Sparse::open_by(directory.path(), &[4; 32], SPACE, TINY, watch.wall()).err().unwrap();
    assert!(matches!(other, SparseError::Store(ReplicaError::OtherSpace)), "{other:?}");
    Sparse::forget(directory.path()).unwrap();
    let mut sparse = open(directory.path(), TINY, &watch);
    assert_eq!(sparse.entities().unwrap(), (2, 2), "pinned though nothing of them is here");
    let ids = parcels(&mut sparse);
    watch.tick(40 * DAY);
    sparse.maintain().unwrap();
    assert!(ids.iter().all(|id| sparse.holds(id).unwrap()), "it is pinned, so it stays");
    sparse.unpin(&entity(1)).unwrap();
    sparse.maintain().unwrap();
    assert!(!ids.iter().any(|id| sparse.holds(id).unwrap()));
    // There is an end to it.
    let mut pinned = 1;
    let full = loop {
        match sparse.outbox().set_pinned(&entity(1000 + pinned), true) {
            Ok(()) => pinned += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, OutboxError::Pinned) && pinned == 1024, "{pinned}: {full}");
    assert!(sparse.pin(&entity(9999)).is_err());
    assert_eq!(sparse.outbox().pinned().unwrap().len(), 1024);
    drop(sparse);
    assert_eq!(open(directory.path(), TINY, &watch).entities().unwrap().1, 1024);
}

#[test]
fn a_program_that_folds_otherwise_folds_a_full_store_anew_within_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    let (pages, list) = {
        let mut sparse = open(directory.path(), TINY, &watch);
        sparse.spans().unwrap();
        sparse.reached(&[]).unwrap();
        let mut pen = Pen::new(1);
        for number in 0..120 {
            watch.tick(1000);
            fill(&mut sparse, &mut pen, &watch, number, if number % 2 == 0 { 300 } else { 40_000 });
        }
        let pages: Vec<_> = (0..120).map(|number| shown(&sparse, &entity(number))).collect();
        assert!(pages.iter().any(|(ids, _)| ids.is_empty()), "it is full");
        (pages, held(&sparse))
    };
    {
        let engine = replica::engine::open_within(directory.path(), Sparse::map(directory.path(), &TINY).unwrap()).unwrap();
        let mut txn = engine.write().unwrap();
        txn.put(replica::Table::Meta, b"fold", &0u32.to_le_bytes()).unwrap();
        txn.commit().unwrap();
    }
    let (sparse, room) = crate::room::measured(directory.path(), TINY, &watch);
    assert!(room.commits.load(std::sync::atomic::Ordering::Relaxed) > 2, "it was folded anew");
    assert!(room.most.load(std::sync::atomic::Ordering::Relaxed) <= TINY.limit);
    assert_eq!((0..120).map(|number| shown(&sparse, &entity(number))).collect::<Vec<_>>(), pages);
    assert_eq!(held(&sparse), list);
}

#[test]
fn nothing_that_is_said_lies_on_disk_in_the_clear() {
    const WORDS: [&str; 3] = ["heliotrope-in-a-title", "heliotrope-in-a-word", "heliotrope-in-a-command"];
    let directory = tempfile::tempdir().unwrap();
    let watch = Watch::new(NOON);
    {
        let mut sparse = open(directory.path(), TINY, &watch);
        let mut pen = Pen::new(1);
        let (root, last) = pen.write(NOON, entity(1), Vec::new(), &begin(WORDS[0]));
        let (word, last) = pen.write(NOON, entity(1), vec![last], &say(1, WORDS[1].into()));
        let (title, _) = pen.write(NOON, entity(1), vec![last], &Body::Title(Title { title: WORDS[0].into() }));
        sparse.take(&[root, word, title]).unwrap();
        sparse.outbox().put(&[1; 16], WORDS[2].as_bytes()).unwrap();
        sparse.page(&entity(1), None, 10).unwrap();
        watch.tick(40 * DAY);
        sparse.maintain().unwrap();
    }
    fn look(directory: &Path) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(10).any(|window| window == b"heliotrope"), "{}", path.display());
        }
    }
    look(directory.path());
}

#[test]
fn after_any_transaction_it_opens_and_tells_the_truth() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let watch = Watch::new(NOON);
    let (mut sparse, room) = crate::room::measured(directory.path(), TINY, &watch);
    sparse.spans().unwrap();
    sparse.reached(&[]).unwrap();
    let mut pen = Pen::new(1);
    let mut said: Vec<Vec<[u8; 32]>> = Vec::new();
    for number in 0..30 {
        watch.tick(1000);
        said.push(fill(&mut sparse, &mut pen, &watch, number, 40_000));
    }
    // It is full: from here on something leaves in most of them.
    *room.copies.lock().unwrap() = Some((copies.path().to_owned(), 3));
    for number in 30..70 {
        watch.tick(1000);
        said.push(fill(&mut sparse, &mut pen, &watch, number, 40_000));
        sparse.used_now(&entity(number / 3));
    }
    let mut looked_at = 0;
    let mut partly = 0;
    for copy in fs::read_dir(copies.path()).unwrap() {
        let copy = copy.unwrap().path();
        let mut sparse = open(&copy, TINY, &watch);
        for (number, all) in (0..).zip(&said) {
            let (ids, whole) = shown(&sparse, &entity(number));
            assert_eq!(ids, all[10 - ids.len()..], "{number} in {}", copy.display());
            assert_eq!(whole, ids.len() == 10, "{number} in {}", copy.display());
            partly += usize::from(!whole && !ids.is_empty());
        }
        fill(&mut sparse, &mut Pen::new(2), &watch, 500, 40_000);
        drop(sparse);
        fs::remove_dir_all(copy).unwrap();
        looked_at += 1;
    }
    assert!(looked_at > 20 && partly > 0, "{looked_at} were looked at, {partly} had lost a part");
}

/// What a child writes: it says so when a transaction has come back.
const CHILD: &str = "SPARSE_OF_A_CHILD";

/// Not a test of its own: it is started by the next one and killed.
#[test]
fn child_that_is_killed() {
    let Ok(directory) = env::var(CHILD) else { return };
    let watch = Watch::new(NOON);
    let mut sparse = open(Path::new(&directory), TINY, &watch);
    sparse.spans().unwrap();
    sparse.reached(&[]).unwrap();
    let mut pen = Pen::new(1);
    sparse.pin(&entity(0)).unwrap();
    for number in 0.. {
        watch.tick(1000);
        fill(&mut sparse, &mut pen, &watch, number, 40_000);
        if number % 7 == 0 {
            sparse.page(&entity(number / 2), None, 5).unwrap();
        }
        if number % 5 == 0 {
            sparse.maintain().unwrap();
        }
        println!("done {number}");
    }
}

#[test]
fn killed_anywhere_it_is_whole_and_within_its_limit() {
    let rounds = if is_full() { 60 } else { 6 };
    for round in 0..rounds {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "upkeep::child_that_is_killed", "--nocapture", "--test-threads", "1"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Forty fill it; it is killed while it writes, before that and after.
        let last = 15 + round * 11 % 80;
        let done = format!("done {last}");
        let mut seen = false;
        for line in &mut lines {
            if line.unwrap().ends_with(&done) {
                seen = true;
                break;
            }
        }
        assert!(seen, "the child came so far");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(bytes_of(directory.path()) <= TINY.limit);
        let watch = Watch::new(NOON + DAY);
        let mut sparse = open(directory.path(), TINY, &watch);
        for number in 0..last {
            let (ids, whole) = shown(&sparse, &entity(number));
            assert!(ids.len() == 10 || (!whole && ids.len() < 10), "{round}: {} of {number}, whole: {whole}", ids.len());
        }
        assert_eq!(shown(&sparse, &entity(0)), (shown(&sparse, &entity(0)).0, true), "what is pinned is here");
        assert_eq!(shown(&sparse, &entity(last)).0.len(), 10, "what came last is here");
        // And it goes on.
        let mut pen = Pen::new(2);
        for number in 500..520 {
            fill(&mut sparse, &mut pen, &watch, number, 40_000);
        }
        assert!(bytes_of(directory.path()) <= TINY.limit);
        let missing = sparse.page(&entity(900), None, 5).unwrap().missing.expect("nothing is known of it");
        sparse.fetched(&missing, 0).unwrap();
        assert_eq!(shown(&sparse, &entity(900)), (Vec::new(), true), "the archive has nothing of it");
    }
}
