//! Files under names that an older program took and this one makes no more.

use std::ops::Bound;

use ipc::messages::storage::RollBack;
use replica::{StoreKeys, body::FileBody};

use super::*;

/// A device elsewhere, a `/` of an address, letters shown in another order; in a folder too.
const TRAPS: [&str; 5] = ["user/con", "user/a%2fb", "user/gpj.\u{202e}exe", "team/red/lpt1/x", "user/%2e%2e/y"];

struct World {
    _directory: tempfile::TempDir,
    replica: Replica,
    writer: WriterHandle,
}

/// Draws up an archive that has these, as the older program kept them.
fn story(story: impl AsyncFnOnce(World)) {
    actix::System::new().block_on(async {
        let directory = tempfile::tempdir().expect("a directory");
        let replica = Replica::open(directory.path(), StoreKeys::new(&[7; 32], [1; 16], [2; 32])).expect("a store");
        let mut writer = replica.writer().expect("a writer");
        writer
            .write(|batch| {
                for path in TRAPS {
                    let entity = replica.keys().blind("file", &[path.as_bytes()]);
                    let body = Body::File(FileBody::new(path.to_owned(), Content::Bytes(path.as_bytes().to_vec())));
                    batch.append(&Draft { entity, body, once: None })?.expect("it is kept");
                }
                Ok(())
            })
            .expect("it is written");
        let writer = WriterHandle::start(writer).expect("a thread");
        story(World { _directory: directory, replica, writer }).await;
    });
}

impl World {
    fn path(&self, text: &str) -> VolumePath {
        admit(Role::Cli, Act::Write, text).expect("a path")
    }

    fn content(&self, text: &str) -> Option<Content> {
        let snapshot = self.replica.snapshot().expect("a snapshot");
        Spot::find(&self.replica, &snapshot, self.path(text)).and_then(|spot| spot.content(&snapshot)).expect("it is read")
    }

    async fn listed(&self) -> Vec<String> {
        let names = Names::new(self.replica.clone());
        let mut all = names.page("team/", Bound::Unbounded, 99).await.expect("names");
        all.extend(names.page("user/", Bound::Unbounded, 99).await.expect("names"));
        all.into_iter().map(|named| named.path).collect()
    }

    async fn remove(&self, path: &str) -> Result<Appended, Refusal> {
        remove(&self.replica, &self.writer, Role::Cli, RemoveFile { path: path.to_owned() }).await
    }

    fn may_write(&self, path: &str) -> Result<(), Code> {
        place(&self.replica, self.path(path), To::Write).map(|_| ()).map_err(|refusal| refusal.code)
    }
}

#[test]
fn what_is_there_is_read_written_and_removed_and_then_made_no_more() {
    story(async |world| {
        let mut listed = TRAPS.map(str::to_owned).to_vec();
        listed.sort();
        assert_eq!(world.listed().await, listed);
        for path in TRAPS {
            assert_eq!(world.content(path), Some(Content::Bytes(path.as_bytes().to_vec())));
            assert_eq!(world.may_write(path), Ok(()), "it is no new name");
            let event = world.replica.snapshot().expect("a snapshot").newest(replica::body::FILE, 99).expect("files");
            let event = event.iter().find(|record| matches!(&record.body, Body::File(file) if file.path == path)).expect("one");
            let event = event.event.id;
            world.remove(path).await.expect("it is removed");
            assert_eq!(world.content(path), None);
            assert_eq!(world.may_write(path), Err(Code::NotKeepable), "now it would be one");
            // A removal is taken back all the same.
            let request = RollBack { path: path.to_owned(), event, message: String::new(), once: [9; 16] };
            history::roll_back(&world.replica, &world.writer, Role::Cli, request).await.expect("it is as it was");
            assert_eq!(world.content(path), Some(Content::Bytes(path.as_bytes().to_vec())));
            world.remove(path).await.expect("it is removed");
            assert!(erasable(&world.replica, Role::Cli, path).is_ok());
        }
        assert_eq!(world.listed().await, Vec::<String>::new());
        assert_eq!(world.may_write("user/nul.txt"), Err(Code::NotKeepable));
        for escape in ["user/../a", "user/a\\b", "user/a:b", "user/con/..", "user//con"] {
            assert!(admit(Role::Cli, Act::Read, escape).is_err(), "{escape} is no path for anything");
        }
    });
}

/// As `lamos vol mv` does it: a new file and the removal of the old one, together.
#[test]
fn they_are_moved_to_other_names_and_nothing_is_moved_to_theirs() {
    story(async |world| {
        for (number, path) in TRAPS.iter().enumerate() {
            let moved = commit::tests::changed(&world.replica, &world.writer, path, &format!("user/plain {number}")).await;
            assert_eq!(moved.map_err(|refusal| refusal.code), Ok((1, 1)));
            assert_eq!(world.content(path), None);
            let back = commit::tests::changed(&world.replica, &world.writer, &format!("user/plain {number}"), path).await;
            assert_eq!(back.map_err(|refusal| refusal.code), Err(Code::NotKeepable));
        }
        assert_eq!(world.listed().await, (0..TRAPS.len()).map(|number| format!("user/plain {number}")).collect::<Vec<_>>());
    });
}
