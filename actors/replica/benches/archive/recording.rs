//! A database that is asked for what the store asks, and remembers what was written: so that others can write the same.

use std::{
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex},
};

use replica::{
    ReplicaError, Table,
    engine::{Engine, Reading, Rows, Writing},
};

/// One thing that was written.
#[derive(Clone, Debug)]
pub enum Act {
    Put(Table, Vec<u8>, Vec<u8>),
    Append(Table, Vec<u8>, Vec<u8>),
    Delete(Table, Vec<u8>),
}

/// Every committed transaction.
pub type Record = Arc<Mutex<Vec<Vec<Act>>>>;

pub struct Recording {
    inner: Arc<dyn Engine>,
    record: Record,
}

impl Recording {
    pub fn new(inner: Arc<dyn Engine>) -> (Recording, Record) {
        let record = Record::default();
        (Recording { inner, record: Arc::clone(&record) }, record)
    }
}

impl Engine for Recording {
    fn read(&self) -> Result<Box<dyn Reading + Send + '_>, ReplicaError> {
        self.inner.read()
    }

    fn write(&self) -> Result<Box<dyn Writing + '_>, ReplicaError> {
        Ok(Box::new(Write { inner: self.inner.write()?, acts: Vec::new(), record: &self.record }))
    }

    fn bytes(&self) -> Result<u64, ReplicaError> {
        self.inner.bytes()
    }

    fn most(&self) -> u64 {
        self.inner.most()
    }

    fn copy(&self, name: &Path) -> Result<(), ReplicaError> {
        self.inner.copy(name)
    }

    fn drop_copy(&self, name: &Path) -> Result<(), ReplicaError> {
        self.inner.drop_copy(name)
    }

    fn overwrite_free(&self) -> Result<u64, ReplicaError> {
        self.inner.overwrite_free()
    }
}

struct Write<'e> {
    inner: Box<dyn Writing + 'e>,
    acts: Vec<Act>,
    record: &'e Record,
}

impl Reading for Write<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, ReplicaError> {
        self.inner.get(table, key)
    }

    fn range(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError> {
        self.inner.range(table, from, to)
    }

    fn range_back(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError> {
        self.inner.range_back(table, from, to)
    }

    fn count(&self, table: Table) -> Result<u64, ReplicaError> {
        self.inner.count(table)
    }

    fn size(&self, table: Table) -> Result<u64, ReplicaError> {
        self.inner.size(table)
    }
}

impl Writing for Write<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        self.acts.push(Act::Put(table, key.to_vec(), value.to_vec()));
        self.inner.put(table, key, value)
    }

    fn append(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        self.acts.push(Act::Append(table, key.to_vec(), value.to_vec()));
        self.inner.append(table, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), ReplicaError> {
        self.acts.push(Act::Delete(table, key.to_vec()));
        self.inner.delete(table, key)
    }

    fn clear(&mut self, table: Table) -> Result<(), ReplicaError> {
        self.inner.clear(table)
    }

    fn commit(self: Box<Self>) -> Result<(), ReplicaError> {
        let Write { inner, acts, record } = *self;
        inner.commit()?;
        record.lock().unwrap().push(acts);
        Ok(())
    }

    fn reading(&self) -> &dyn Reading {
        self
    }
}
