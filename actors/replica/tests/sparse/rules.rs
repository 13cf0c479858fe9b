//! A store that does not have every kind by itself: what it was not told of it does not claim to know, what it is asked for it
//! fetches, and what other rules kept back comes once they are others.

use std::path::Path;

use replica::{
    Draft,
    body::{Body, Content, FileBody, FileRemoved},
    chum::{Progress, Rules, Settings},
    sparse::{Found, Missing, Sparse, read_rules},
    state::{Act, Change, Operation, Step, Value},
};

use crate::{
    line::{Line, archive, end},
    world::{DAY, Home, NOON, TINY, Watch, bring_titles, entity, fetch, open, run, shown},
};

const KEPT_BACK: &str = "file on-demand\nfile-removed on-demand\nchange on-demand\n";

fn by(directory: &Path, watch: &Watch, rules: &str) -> Sparse {
    let mut sparse = open(directory, TINY, watch);
    sparse.keep_to(read_rules(rules).unwrap()).unwrap();
    sparse
}

/// A session by the store's rules; with `audit` everything recent is compared whatever the two say.
fn meet(sparse: &mut Sparse, home: &mut Home, audit: bool) -> Line {
    let settings = Settings::window(archive().peer, sparse.spans().unwrap());
    let settings = Settings { audit, rules: sparse.rules().clone(), ..settings };
    let mut line = Line::new(end(settings), end(archive()));
    run(&mut line, sparse, home);
    assert!(line.ends[0].news.contains(&Progress::CaughtUp), "{:?}", line.ends[0].news);
    line
}

fn news(line: &mut Line, sparse: &mut Sparse, home: &mut Home) {
    line.ends[1].session.changed();
    run(line, sparse, home);
}

fn write(home: &mut Home, number: u64, text: &str) {
    let body = Body::File(FileBody::new(format!("user/{number}"), Content::Bytes(text.as_bytes().to_vec())));
    home.append(&[Draft { entity: entity(number), body, once: None }]);
}

fn set(home: &mut Home, number: u64, value: i64) {
    let operation = Operation { path: vec![Step::from("field")], act: Act::Set(Value::Number(value)) };
    let body = Body::Change(Change { operations: vec![operation] });
    home.append(&[Draft { entity: entity(number), body, once: None }]);
}

#[track_caller]
fn missing<T: std::fmt::Debug>(found: Found<T>) -> Missing {
    match found {
        Found::Missing(missing) => missing,
        Found::Here(here) => panic!("nobody told it of {here:?}"),
    }
}

#[track_caller]
fn text(found: Found<(replica::File, Content)>) -> Option<String> {
    match found {
        Found::Here(Some((_, Content::Bytes(bytes)))) => Some(String::from_utf8(bytes).unwrap()),
        Found::Here(None) => None,
        other => panic!("it is not here: {other:?}"),
    }
}

fn files(sparse: &Sparse) -> u64 {
    let mut sizes = std::collections::BTreeMap::new();
    assert!(sparse.add_up(0, usize::MAX, &mut sizes).is_ok());
    [replica::body::FILE, replica::body::FILE_REMOVED].iter().filter_map(|kind| sizes.get(kind)).map(|size| size.events).sum()
}

#[test]
fn what_is_kept_back_is_missing_each_time_and_read_once_it_was_fetched() {
    let watch = Watch::new(NOON);
    let mut home = Home::new(1, &watch);
    home.begin(entity(1), "talk");
    home.say(entity(1), 5, 100);
    write(&mut home, 2, "first");
    set(&mut home, 3, 1);
    let directory = tempfile::tempdir().unwrap();
    let mut sparse = by(directory.path(), &watch, KEPT_BACK);
    bring_titles(&mut sparse, &mut home);
    let mut line = meet(&mut sparse, &mut home, true);
    assert_eq!((shown(&sparse, &entity(1)), files(&sparse)), ((home.messages(&entity(1)), true), 0));
    // It is fetched each time, for nobody says that there is another.
    for said in ["first", "second", "third"] {
        if said != "first" {
            write(&mut home, 2, said);
            set(&mut home, 3, i64::try_from(said.len()).unwrap());
            home.say(entity(1), 1, 100);
            news(&mut line, &mut sparse, &mut home);
        }
        let ask = missing(sparse.file(&entity(2)).unwrap());
        fetch(&mut line, &mut sparse, &mut home, &ask);
        assert_eq!(text(sparse.file_again(&entity(2)).unwrap()).as_deref(), Some(said));
        missing(sparse.file(&entity(2)).unwrap());
        let ask = missing(sparse.state(&entity(3)).unwrap());
        fetch(&mut line, &mut sparse, &mut home, &ask);
        let held = home.replica.snapshot().unwrap().state(&entity(3)).unwrap();
        assert_eq!(sparse.state_again(&entity(3)).unwrap(), Found::Here(held));
        missing(sparse.state(&entity(3)).unwrap());
        assert_eq!(shown(&sparse, &entity(1)), (home.messages(&entity(1)), true), "conversations come by themselves");
    }
    // What there never was is missing too, until the archive has said so.
    let ask = missing(sparse.file(&entity(9)).unwrap());
    fetch(&mut line, &mut sparse, &mut home, &ask);
    assert_eq!(text(sparse.file_again(&entity(9)).unwrap()), None);
    home.append(&[Draft { entity: entity(2), body: Body::FileRemoved(FileRemoved::new("user/2".into())), once: None }]);
    news(&mut line, &mut sparse, &mut home);
    let ask = missing(sparse.file(&entity(2)).unwrap());
    fetch(&mut line, &mut sparse, &mut home, &ask);
    assert_eq!(text(sparse.file_again(&entity(2)).unwrap()), None, "it was removed");
}

#[test]
fn what_is_turned_away_is_missing_even_after_it_was_asked_for() {
    let watch = Watch::new(NOON);
    let mut home = Home::new(1, &watch);
    write(&mut home, 2, "first");
    set(&mut home, 3, 1);
    for how in ["no-take", "local-only"] {
        let directory = tempfile::tempdir().unwrap();
        let mut sparse = by(directory.path(), &watch, &format!("file {how}\nfile-removed {how}\nchange {how}\n"));
        let mut line = meet(&mut sparse, &mut home, true);
        let ask = missing(sparse.file(&entity(2)).unwrap());
        fetch(&mut line, &mut sparse, &mut home, &ask);
        missing(sparse.file_again(&entity(2)).unwrap());
        let ask = missing(sparse.state(&entity(3)).unwrap());
        fetch(&mut line, &mut sparse, &mut home, &ask);
        missing(sparse.state_again(&entity(3)).unwrap());
        assert_eq!(sparse.counts().unwrap().0, 0);
    }
}

#[test]
fn other_rules_hold_once_everything_recent_was_compared_by_them() {
    let watch = Watch::new(NOON);
    let mut home = Home::new(1, &watch);
    home.begin(entity(1), "talk");
    write(&mut home, 2, "first");
    write(&mut home, 4, "old");
    let directory = tempfile::tempdir().unwrap();
    {
        // It knows both, and then is told no more of either.
        let mut sparse = by(directory.path(), &watch, "");
        meet(&mut sparse, &mut home, false);
        assert_eq!(text(sparse.file(&entity(4)).unwrap()).as_deref(), Some("old"));
    }
    {
        let mut sparse = by(directory.path(), &watch, KEPT_BACK);
        missing(sparse.file(&entity(4)).unwrap());
        write(&mut home, 4, "not so old");
        let mut line = meet(&mut sparse, &mut home, true);
        // Later than any window reaches back from now.
        watch.tick(40 * DAY);
        write(&mut home, 2, "second");
        news(&mut line, &mut sparse, &mut home);
        let ask = missing(sparse.file(&entity(2)).unwrap());
        fetch(&mut line, &mut sparse, &mut home, &ask);
        write(&mut home, 2, "third");
        meet(&mut sparse, &mut home, false);
    }
    // Nobody has told it of anything yet; nor does a session that has nothing to compare.
    let mut sparse = by(directory.path(), &watch, "");
    assert_eq!(sparse.rules(), &Rules::default());
    missing(sparse.file(&entity(2)).unwrap());
    meet(&mut sparse, &mut home, false);
    missing(sparse.file(&entity(2)).unwrap());
    drop(sparse);
    let mut sparse = by(directory.path(), &watch, "");
    let mut line = meet(&mut sparse, &mut home, true);
    assert_eq!(text(sparse.file(&entity(2)).unwrap()).as_deref(), Some("third"), "it came by itself");
    // What was kept back longer ago than it compares is not believed to be the last.
    let ask = missing(sparse.file(&entity(4)).unwrap());
    fetch(&mut line, &mut sparse, &mut home, &ask);
    assert_eq!(text(sparse.file(&entity(4)).unwrap()).as_deref(), Some("not so old"));
    // From now on news come, and it stays so.
    write(&mut home, 4, "new");
    news(&mut line, &mut sparse, &mut home);
    assert_eq!(text(sparse.file(&entity(4)).unwrap()).as_deref(), Some("new"));
    drop(sparse);
    let sparse = by(directory.path(), &watch, "");
    assert_eq!(text(sparse.file(&entity(4)).unwrap()).as_deref(), Some("new"));
}
