//! A place whose other side has bad days, for tests of those who depend on it.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use bytes::Bytes;

use backends::{Answer, Cursor, Entry, Page, Path, Pieces, Remote, Storage, StorageError, Value};

/// Another place, behind chance: an operation fails before it is done, or is done and its answer is lost, or breaks off
/// in the middle; each waits a little, so that others come between.
pub(crate) struct Faulty<S> {
    pub(crate) inner: S,
    /// Of a thousand operations so many fail.
    pub(crate) per_mille: Cell<u64>,
    /// Nothing can be reached.
    pub(crate) offline: Cell<bool>,
    /// Writes break off and are done when [`Faulty::arrive`] says so.
    pub(crate) late: Cell<bool>,
    strays: RefCell<Vec<(Path, Bytes)>>,
    /// Every write and deletion that was asked for, well or not.
    pub(crate) asked: RefCell<Vec<String>>,
    state: Cell<u64>,
}

impl<S> Faulty<S> {
    pub(crate) fn new(inner: S, per_mille: u64, seed: u64) -> Faulty<S> {
        Faulty {
            inner,
            per_mille: Cell::new(per_mille),
            offline: Cell::new(false),
            late: Cell::new(false),
            strays: RefCell::default(),
            asked: RefCell::default(),
            state: Cell::new(seed | 1),
        }
    }

    /// A number below `end` (xorshift64*).
    pub(crate) fn below(&self, end: u64) -> u64 {
        let mut x = self.state.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.state.set(x);
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }

    /// What broke off late is done now.
    pub(crate) async fn arrive(&self) -> Result<(), StorageError>
    where
        S: Storage,
    {
        let strays = self.strays.take();
        for (path, value) in strays {
            self.inner.write(&path, value).await?;
        }
        Ok(())
    }

    async fn before(&self) -> Result<(), StorageError> {
        for _ in 0..self.below(3) {
            tokio::task::yield_now().await;
        }
        if self.offline.get() {
            return Err(Remote::Unreachable.into());
        }
        self.fail()
    }

    fn fail(&self) -> Result<(), StorageError> {
        if self.below(1000) >= self.per_mille.get() {
            return Ok(());
        }
        Err(match self.below(5) {
            0 => Remote::Unreachable,
            1 => Remote::Busy { after: Some(Duration::from_millis(1)) },
            2 => Remote::Failed(503),
            3 => Remote::Nonsense("chance".to_owned()),
            _ => Remote::BrokeOff,
        }
        .into())
    }
}

impl<S: Storage> Storage for Faulty<S> {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        Box::pin(async move {
            self.before().await?;
            let value = self.inner.read_stream(path).await?;
            tokio::task::yield_now().await;
            self.fail()?;
            Ok(value)
        })
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        Box::pin(async move {
            self.asked.borrow_mut().push(format!("write {path}"));
            self.before().await?;
            if self.late.get() {
                let mut value = Vec::new();
                while let Some(piece) = pieces.next().await? {
                    value.extend_from_slice(&piece);
                }
                self.strays.borrow_mut().push((path.clone(), value.into()));
                return Err(Remote::BrokeOff.into());
            }
            self.inner.write_stream(path, length, pieces).await?;
            self.fail()
        })
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            self.before().await?;
            self.inner.head(path).await
        })
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        Box::pin(async move {
            self.asked.borrow_mut().push(format!("delete {path}"));
            self.before().await?;
            self.inner.delete(path).await?;
            self.fail()
        })
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            self.before().await?;
            self.inner.list(folder, from, limit).await
        })
    }
}
