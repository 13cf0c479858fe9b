//! Another database in the place of the one that ships: in memory, and it fails when told to.

use std::{
    collections::BTreeMap,
    ops::Bound,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use replica::{
    ReplicaError, Table,
    engine::{Engine, Reading, Rows, Writing},
};

type Shared = Arc<BTreeMap<Vec<u8>, Vec<u8>>>;
type Tables = Vec<Shared>;

/// A database in memory. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Memory {
    committed: Arc<Mutex<Tables>>,
    /// Writes until one fails; never, if it is negative.
    left: Arc<AtomicI64>,
    failed: Arc<AtomicBool>,
}

impl Memory {
    pub(crate) fn new() -> Memory {
        let tables = Table::ALL.iter().map(|_| Shared::default()).collect();
        Memory::of(tables)
    }

    fn of(tables: Tables) -> Memory {
        Memory { committed: Arc::new(Mutex::new(tables)), left: Arc::new(AtomicI64::new(-1)), failed: Arc::default() }
    }

    /// The write after this many fails, and all after it.
    pub(crate) fn fail_after(&self, writes: i64) {
        self.left.store(writes, Ordering::Relaxed);
    }

    /// Nothing fails any more. Whether anything had.
    pub(crate) fn mend(&self) -> bool {
        self.left.store(-1, Ordering::Relaxed);
        self.failed.swap(false, Ordering::Relaxed)
    }

    /// All that is there.
    pub(crate) fn copy(&self) -> Memory {
        Memory::of(self.committed.lock().unwrap().clone())
    }

    /// Changes a value behind the store's back.
    pub(crate) fn tamper(&self, table: Table, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
        let mut tables = self.committed.lock().unwrap();
        change(Arc::make_mut(&mut tables[table as usize]).get_mut(key).expect("the row is there"));
    }

    /// Takes a row away behind the store's back.
    pub(crate) fn remove(&self, table: Table, key: &[u8]) {
        let mut tables = self.committed.lock().unwrap();
        Arc::make_mut(&mut tables[table as usize]).remove(key).expect("the row is there");
    }

    /// Puts a row there.
    pub(crate) fn put(&self, table: Table, key: &[u8], value: &[u8]) {
        let mut tables = self.committed.lock().unwrap();
        Arc::make_mut(&mut tables[table as usize]).insert(key.to_vec(), value.to_vec());
    }

    /// The keys of a table.
    pub(crate) fn keys(&self, table: Table) -> Vec<Vec<u8>> {
        self.committed.lock().unwrap()[table as usize].keys().cloned().collect()
    }

    /// Whether these bytes are in any value.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let tables = self.committed.lock().unwrap();
        tables.iter().flat_map(|table| table.values()).any(|value| value.windows(bytes.len()).any(|window| window == bytes))
    }
}

impl Engine for Memory {
    fn read(&self) -> Result<Box<dyn Reading + Send + '_>, ReplicaError> {
        Ok(Box::new(Transaction { memory: self, tables: self.committed.lock().unwrap().clone() }))
    }

    fn write(&self) -> Result<Box<dyn Writing + '_>, ReplicaError> {
        Ok(Box::new(Transaction { memory: self, tables: self.committed.lock().unwrap().clone() }))
    }

    fn bytes(&self) -> Result<u64, ReplicaError> {
        Ok(0)
    }

    fn most(&self) -> u64 {
        u64::MAX
    }

    fn copy(&self, _: &Path) -> Result<(), ReplicaError> {
        Ok(())
    }

    fn drop_copy(&self, _: &Path) -> Result<(), ReplicaError> {
        Ok(())
    }

    fn overwrite_free(&self) -> Result<u64, ReplicaError> {
        Ok(0)
    }
}

struct Transaction<'m> {
    memory: &'m Memory,
    tables: Tables,
}

impl Transaction<'_> {
    /// Counts a write; this one may be the one that fails.
    fn count(&self) -> Result<(), ReplicaError> {
        let left = &self.memory.left;
        match left.load(Ordering::Relaxed) {
            0 => {
                self.memory.failed.store(true, Ordering::Relaxed);
                Err(ReplicaError::DiskFull)
            }
            some => {
                left.store(if some > 0 { some - 1 } else { some }, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn table(&mut self, table: Table) -> &mut BTreeMap<Vec<u8>, Vec<u8>> {
        Arc::make_mut(&mut self.tables[table as usize])
    }
}

impl Reading for Transaction<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, ReplicaError> {
        Ok(self.tables[table as usize].get(key).map(Vec::as_slice))
    }

    fn range(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError> {
        let rows = self.tables[table as usize].range::<[u8], _>((from, to));
        Ok(Box::new(rows.map(|(key, value)| Ok((&key[..], &value[..])))))
    }

    fn range_back(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError> {
        let rows = self.tables[table as usize].range::<[u8], _>((from, to)).rev();
        Ok(Box::new(rows.map(|(key, value)| Ok((&key[..], &value[..])))))
    }

    fn count(&self, table: Table) -> Result<u64, ReplicaError> {
        Ok(self.tables[table as usize].len() as u64)
    }

    fn size(&self, table: Table) -> Result<u64, ReplicaError> {
        Ok(self.tables[table as usize].iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }
}

impl Writing for Transaction<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        Transaction::count(self)?;
        self.table(table).insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn append(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        let last = self.table(table).last_key_value().map(|(key, _)| key.clone());
        assert!(last.is_none_or(|last| *last < *key), "what is appended comes last");
        self.put(table, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), ReplicaError> {
        Transaction::count(self)?;
        self.table(table).remove(key);
        Ok(())
    }

    fn clear(&mut self, table: Table) -> Result<(), ReplicaError> {
        Transaction::count(self)?;
        self.table(table).clear();
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), ReplicaError> {
        Transaction::count(&self)?;
        *self.memory.committed.lock().unwrap() = self.tables;
        Ok(())
    }

    fn reading(&self) -> &dyn Reading {
        self
    }
}
