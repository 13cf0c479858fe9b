//! Who else writes: LMDB with nothing above it, and SQLite.

use std::path::Path;

use heed::{Database, Env, EnvOpenOptions, PutFlags, types::Bytes};
use replica::Table;

use super::recording::Act;

/// LMDB through heed with the flags the store has: rows in, one synced transaction out, and nothing thought about them.
pub struct Lmdb {
    env: Env,
    tables: Vec<Database<Bytes, Bytes>>,
}

impl Lmdb {
    #[expect(unsafe_code, reason = "a memory map is opened")]
    pub fn new(directory: &Path) -> Lmdb {
        let mut options = EnvOpenOptions::new();
        options.map_size(64 << 30).max_dbs(Table::ALL.len() as u32);
        // SAFETY: nobody else knows the directory.
        let env = unsafe { options.open(directory) }.unwrap();
        let mut txn = env.write_txn().unwrap();
        let tables = Table::ALL.iter().map(|table| env.create_database(&mut txn, Some(table.name())).unwrap()).collect();
        txn.commit().unwrap();
        Lmdb { env, tables }
    }

    pub fn write(&self, acts: &[Act]) {
        let mut txn = self.env.write_txn().unwrap();
        for act in acts {
            match act {
                Act::Put(table, key, value) => self.tables[*table as usize].put(&mut txn, key, value).unwrap(),
                Act::Append(table, key, value) => {
                    self.tables[*table as usize].put_with_flags(&mut txn, PutFlags::APPEND, key, value).unwrap();
                }
                Act::Delete(table, key) => {
                    self.tables[*table as usize].delete(&mut txn, key).unwrap();
                }
            }
        }
        txn.commit().unwrap();
    }
}

/// SQLite as it is set up by who wants nothing acknowledged to be lost: a log that is synced with every transaction.
pub struct Sqlite(rusqlite::Connection);

/// What one event is there.
pub struct Event {
    pub id: [u8; 32],
    pub entity: [u8; 16],
    pub kind: u16,
    pub author: [u8; 32],
    pub sequence: u64,
    pub clock: u64,
    pub once: [u8; 16],
    pub header: Vec<u8>,
    pub body: Vec<u8>,
    /// The sealed view of its conversation.
    pub view: Vec<u8>,
}

impl Sqlite {
    pub fn new(directory: &Path) -> Sqlite {
        let connection = rusqlite::Connection::open(directory.join("peer.sqlite")).unwrap();
        let tables = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE event (position INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, entity BLOB NOT NULL, kind INTEGER NOT NULL,
                author BLOB NOT NULL, sequence INTEGER NOT NULL, clock INTEGER NOT NULL, once BLOB NOT NULL, signed INTEGER NOT NULL,
                header BLOB NOT NULL, body BLOB);
            CREATE INDEX by_entity ON event (entity, clock, author);
            CREATE INDEX by_kind ON event (kind, position);
            CREATE UNIQUE INDEX by_author ON event (author, sequence);
            CREATE INDEX by_clock ON event (clock, id);
            CREATE UNIQUE INDEX by_once ON event (kind, once);
            CREATE INDEX unsigned ON event (position) WHERE signed = 0;
            CREATE TABLE conversation (id BLOB PRIMARY KEY, changed INTEGER NOT NULL, tip BLOB NOT NULL, view BLOB NOT NULL) WITHOUT ROWID;
            CREATE INDEX recent ON conversation (changed);
            CREATE TABLE head (author BLOB PRIMARY KEY, sequence INTEGER NOT NULL, clock INTEGER NOT NULL, id BLOB NOT NULL) WITHOUT ROWID;";
        connection.execute_batch(tables).unwrap();
        Sqlite(connection)
    }

    pub fn write(&mut self, events: &[Event]) {
        let transaction = self.0.transaction().unwrap();
        {
            let mut known = transaction.prepare("SELECT position FROM event WHERE kind = ?1 AND once = ?2").unwrap();
            let mut event = transaction
                .prepare("INSERT INTO event (id, entity, kind, author, sequence, clock, once, signed, header, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9)")
                .unwrap();
            let mut conversation = transaction
                .prepare("INSERT INTO conversation VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET changed = ?2, tip = ?3, view = ?4")
                .unwrap();
            let mut head = transaction
                .prepare("INSERT INTO head VALUES (?1, ?2, ?3, ?4) ON CONFLICT (author) DO UPDATE SET sequence = ?2, clock = ?3, id = ?4")
                .unwrap();
            for one in events {
                let Event { id, entity, kind, author, sequence, clock, once, header, body, view } = one;
                let (sequence, clock) = (*sequence as i64, *clock as i64);
                assert!(!known.exists((kind, once)).unwrap());
                event.execute((id, entity, kind, author, sequence, clock, once, header, body)).unwrap();
                conversation.execute((entity, clock, id, view)).unwrap();
                head.execute((author, sequence, clock, id)).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}
