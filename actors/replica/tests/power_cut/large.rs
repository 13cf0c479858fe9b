//! Large content that comes in while the power may go: uploads that are finished with their event, uploads that are only put
//! down, and content that was there before.

use replica::{
    Draft, Replica, ReplicaError, Snapshot, Writer,
    blobs::{Begin, Checkpoint, Finished, Upload},
    body::{Body, Content, FileBody},
};

use crate::chance::Chance;

/// Uploads that are put down and gone on with.
const UNFINISHED: u8 = 4;
const LENGTH: u64 = 1 << 30;

/// An upload and what is to be entered of it.
pub(crate) struct Taken {
    pub(crate) upload: Upload,
    pub(crate) checkpoint: Checkpoint,
}

/// Content out of a few that come again and again, a part of it.
fn content(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = vec![0; 70_000 + chance.below(200_000) as usize];
    blake3::Hasher::new().update(&[chance.below(5) as u8]).finalize_xof().fill(&mut bytes);
    bytes
}

fn begin(id: [u8; 16]) -> Begin {
    Begin { id, entity: [0xdd; 16], length: LENGTH, resumable: true, now: 0 }
}

/// Sometimes a file that is whole, sometimes some more of an upload, mostly nothing.
pub(crate) fn take(replica: &Replica, chance: &mut Chance) -> (Vec<Taken>, Vec<Draft>) {
    let (mut taken, mut drafts) = (Vec::new(), Vec::new());
    if chance.below(6) == 0 {
        let path = format!("user/large/{}", chance.below(3));
        let entity = replica.keys().blind("file", &[path.as_bytes()]);
        let begin = Begin { entity, ..begin(std::array::from_fn(|_| chance.below(256) as u8)) };
        let mut upload = replica.upload(begin).unwrap().unwrap();
        upload.push(&content(chance)).unwrap();
        let Finished { blob, checkpoint } = upload.finish().unwrap();
        let body = Body::File(FileBody::new(path, Content::Blob(blob)));
        drafts.push(Draft { entity, body, once: None });
        taken.push(Taken { upload, checkpoint });
    }
    if chance.below(8) == 0 {
        let mut upload = replica.upload(begin([chance.below(UNFINISHED.into()) as u8; 16])).unwrap().unwrap();
        upload.push(&content(chance)).unwrap();
        upload.push(&content(chance)).unwrap();
        let checkpoint = upload.checkpoint(0).unwrap();
        taken.push(Taken { upload, checkpoint });
    }
    (taken, drafts)
}

/// How far the uploads are.
pub(crate) fn read(
    replica: &Replica,
    snapshot: &Snapshot<'_>,
    said: &mut dyn FnMut(&dyn std::fmt::Debug, &[u8]),
) -> Result<(), String> {
    for number in 0..UNFINISHED {
        said(&snapshot.upload(&[number; 16]).map_err(|error| error.to_string())?, &[]);
    }
    replica.blob_usage().map(drop).map_err(|error| error.to_string())
}

/// What came of each upload is whole, and the upload goes on; and a collection finds all it looks for.
pub(crate) fn goes_on(replica: &Replica, writer: &mut Writer) -> Result<(), ReplicaError> {
    for number in 0..UNFINISHED {
        if replica.snapshot()?.upload(&[number; 16])?.is_none() {
            continue;
        }
        let mut upload = replica.upload(begin([number; 16]))?.unwrap();
        upload.push(&[number; 100_000])?;
        let Finished { blob, checkpoint } = upload.finish()?;
        writer.write(|batch| batch.keep_upload(&checkpoint))?;
        replica.check_blob(&blob)?;
    }
    replica.collect(0).unwrap().run(&mut |sweep| sweep.apply(writer)).map(drop)
}
