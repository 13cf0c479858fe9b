//! Reading a conversation and listing the newest, beside SQLite reading plain rows of the same texts.

use rusqlite::Connection;

use super::{
    figures::{Samples, line, time, timed},
    texts::{Chance, begin, name, open, say},
};

/// Messages of a conversation that are read.
const MESSAGES: usize = 200;
/// Conversations there are, of which fifty are listed.
const CONVERSATIONS: usize = 500;
const LISTED: usize = 50;

pub fn measure(rounds: usize) {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    let mut chance = Chance(7);
    let mut peer = Connection::open(directory.path().join("peer.sqlite")).unwrap();
    peer.execute_batch(
        "CREATE TABLE conversation (id BLOB PRIMARY KEY, changed INTEGER, title TEXT) WITHOUT ROWID;
         CREATE INDEX recent ON conversation (changed);
         CREATE TABLE message (position INTEGER PRIMARY KEY, conversation BLOB, text TEXT);
         CREATE INDEX said ON message (conversation, position);",
    )
    .unwrap();
    let transaction = peer.transaction().unwrap();
    writer
        .write(|batch| {
            for number in 0..CONVERSATIONS {
                let title = chance.text(40);
                transaction
                    .execute("INSERT INTO conversation VALUES (?1, ?2, ?3)", (name(number), number as i64, &title))
                    .unwrap();
                assert!(batch.append(&begin(name(number), title))?.is_ok());
            }
            for number in 0..MESSAGES * 10 {
                let length = 40 + chance.below(900);
                let (entity, text) = (name(number % 10), chance.text(length));
                transaction.execute("INSERT INTO message (conversation, text) VALUES (?1, ?2)", (entity, &text)).unwrap();
                assert!(batch.append(&say(entity, number, text))?.is_ok());
            }
            Ok(())
        })
        .unwrap();
    transaction.commit().unwrap();
    let mut messages = peer.prepare("SELECT position, text FROM message WHERE conversation = ?1 ORDER BY position").unwrap();
    let mut newest = peer.prepare("SELECT id, title, changed FROM conversation ORDER BY changed DESC LIMIT 50").unwrap();
    let [mut read, mut read_peer, mut list, mut list_peer] = [(); 4].map(|()| Samples::default());
    for round in 0..rounds {
        let entity = name(round % 10);
        read.push(
            timed(|| {
                let page = replica.snapshot().unwrap().messages(&entity, 0, MESSAGES, usize::MAX).unwrap();
                assert_eq!(page.items.len(), MESSAGES);
            })
            .0,
        );
        read_peer.push(
            timed(|| {
                let rows = messages.query_map([&entity], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap();
                assert_eq!(rows.map(Result::unwrap).count(), MESSAGES);
            })
            .0,
        );
        list.push(timed(|| assert_eq!(replica.snapshot().unwrap().conversations(None, LISTED).unwrap().items.len(), LISTED)).0);
        list_peer.push(
            timed(|| {
                let row =
                    |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
                assert_eq!(newest.query_map([], row).unwrap().map(Result::unwrap).count(), LISTED);
            })
            .0,
        );
    }
    println!("\nreading, opened and checked, beside SQLite with plain rows");
    for (what, ours, peer) in [("200 messages", read, read_peer), ("the 50 newest conversations", list, list_peer)] {
        let (ours, peer) = (ours.median().wall, peer.median().wall);
        line(what, &format!("{} against {}: {:.1} ×", time(ours), time(peer), ours.as_secs_f64() / peer.as_secs_f64()));
    }
}
