//! Looking at everything while there is nothing else to do, a little at a time. A disk that forgets a bit says nothing; who
//! reads the log does. `lamos verify` names what it is.

use std::time::Duration;

use ipc::messages::storage::DamageFound;
use replica::Replica;

use super::verify::Look;

/// How long the archive is open before it begins, and how long it waits after it has seen everything.
const FIRST: Duration = Duration::from_secs(10 * 60);
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Events at once, and the pause after them: some milliseconds of work a second.
const SLICE: usize = 32;
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the task that looks.
pub(crate) fn start(replica: &Replica) {
    let replica = replica.clone();
    actix::spawn(async move {
        let mut wait = FIRST;
        loop {
            tokio::time::sleep(wait).await;
            once(&replica, PAUSE).await;
            wait = AGAIN;
        }
    });
}

/// Looks at everything once; how many things are damaged.
async fn once(replica: &Replica, pause: Duration) -> u64 {
    let mut look = Look::new(replica.clone());
    let mut after = 0;
    loop {
        let work = tokio::task::spawn_blocking(move || {
            // Their number is enough here, and says nothing about what they are.
            let mut tell = |_: DamageFound| true;
            let last = look.events(after, SLICE, &mut tell)?;
            if last.is_none() {
                look.views(&mut tell)?;
            }
            Ok::<_, replica::ReplicaError>((look, last))
        });
        let Ok(Ok((looked, last))) = work.await else {
            tracing::warn!("looking at everything has failed; `lamos verify` shows why");
            return 0;
        };
        look = looked;
        match last {
            Some(last) => after = last,
            None => break,
        }
        tokio::time::sleep(pause).await;
    }
    let (events, chunks, damaged) = (look.verified.events, look.verified.chunks, look.verified.damaged);
    if damaged == 0 {
        tracing::info!(events, chunks, "everything is as it was written");
    } else {
        tracing::error!(events, chunks, damaged, "not everything is as it was written; `lamos verify` names it");
    }
    damaged
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use replica::{
        Draft, StoreKeys,
        body::{Body, Content, FileBody},
    };

    use super::*;

    fn open(directory: &Path) -> Replica {
        Replica::open(directory, StoreKeys::new(&[1; 32], [2; 16], [3; 32])).expect("a store")
    }

    /// One bit of what a large body lies in: a page of its own of the database.
    fn flip(path: &Path) {
        let mut bytes = fs::read(path).expect("a file");
        // A page header: number u64, pad u16, flags u16, of which 4 means a large value, and how many pages it has.
        let page = bytes.chunks(4096).position(|page| page[10..12] == [4, 0] && page[12] >= 10).expect("a large value");
        bytes[page * 4096 + 5000] ^= 1;
        fs::write(path, bytes).expect("written");
    }

    #[tokio::test]
    async fn a_bit_that_a_disk_forgets_is_found_in_idle() {
        let directory = tempfile::tempdir().expect("a directory");
        let replica = open(directory.path());
        // Bytes that cannot be compressed.
        let mut bytes = vec![0; 50_000];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        let body = Body::File(FileBody::new("user/a".into(), Content::Bytes(bytes)));
        let mut writer = replica.writer().expect("a writer");
        writer.write(|batch| batch.append(&Draft { entity: [5; 16], body, once: None })).expect("written").expect("kept");
        assert_eq!(once(&replica, Duration::ZERO).await, 0);
        drop((writer, replica));
        flip(&directory.path().join("data.mdb"));
        assert_eq!(once(&open(directory.path()), Duration::ZERO).await, 1);
    }
}
