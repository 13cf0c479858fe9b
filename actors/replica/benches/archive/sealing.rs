//! What sealing costs for each KiB: the cipher alone, compression alone, and an event from draft to rows and back, in a
//! transaction that is given up, so that no disk is in it.

use replica::{Kept, ReplicaError};
use zstd::bulk::{Compressor, Decompressor};

use super::{
    figures::{Samples, line, time, timed},
    texts::{Chance, begin, name, open, say},
};

pub fn measure(rounds: usize) {
    let directory = tempfile::tempdir().unwrap();
    let replica = open(directory.path());
    let mut writer = replica.writer().unwrap();
    writer.write(|batch| batch.append(&begin(name(0), "title".to_owned()))).unwrap().unwrap();
    println!("\nsealing, CPU for each KiB");
    println!(
        "  {:<14} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>14} {:>14}",
        "", "cipher", "open", "digest", "zstd", "back", "ratio", "event kept", "event read"
    );
    for kib in [1, 16, 256] {
        let mut chance = Chance(9);
        let text = chance.text(kib << 10);
        let bytes = text.as_bytes();
        let (turn, place) = ([4; 16], 0);
        let sealed = replica.seal_journal(&turn, place, bytes).unwrap();
        let (mut compressor, mut decompressor) = (Compressor::new(3).unwrap(), Decompressor::new().unwrap());
        let packed = compressor.compress(bytes).unwrap();
        let draft = say(name(0), 1000 + kib, text.clone());
        let kept: Kept = writer.write(|batch| batch.append(&draft)).unwrap().unwrap();
        let [mut cipher, mut open, mut digest, mut pack, mut unpack, mut keep, mut read] = [(); 7].map(|()| Samples::default());
        // Enough of each that a clock's tick is nothing beside it.
        let often = 256 / kib.min(64);
        for round in 0..rounds {
            cipher.push(timed(|| (0..often).for_each(|_| drop(replica.seal_journal(&turn, place, bytes).unwrap()))).0);
            open.push(timed(|| (0..often).for_each(|_| drop(replica.open_journal(&turn, place, &sealed).unwrap()))).0);
            digest.push(
                timed(|| {
                    (0..often).for_each(|_| {
                        std::hint::black_box(blake3::keyed_hash(&[1; 32], bytes));
                    })
                })
                .0,
            );
            pack.push(timed(|| (0..often).for_each(|_| drop(compressor.compress(bytes).unwrap()))).0);
            unpack.push(timed(|| (0..often).for_each(|_| drop(decompressor.decompress(&packed, bytes.len()).unwrap()))).0);
            let drafts: Vec<_> = (0..often).map(|number| say(name(0), 2000 + (round * often) + number, text.clone())).collect();
            let mut took = None;
            let given_up: Result<(), ReplicaError> = writer.write(|batch| {
                let (time, ()) = timed(|| drafts.iter().for_each(|draft| assert!(batch.append(draft).unwrap().is_ok())));
                took = Some(time);
                Err(ReplicaError::DiskFull)
            });
            assert!(given_up.is_err());
            keep.push(took.unwrap());
            let snapshot = replica.snapshot().unwrap();
            read.push(timed(|| (0..often).for_each(|_| assert!(snapshot.record(kept.position).unwrap().is_some()))).0);
        }
        let each = |samples: &Samples| time(samples.median().cpu / (often * kib) as u32);
        let [cipher, open, digest, pack, unpack, keep, read] =
            [cipher, open, digest, pack, unpack, keep, read].map(|samples| each(&samples));
        println!(
            "  {:<14} {cipher:>10} {open:>10} {digest:>10} {pack:>10} {unpack:>10} {:>10.2} {keep:>14} {read:>14}",
            format!("{kib} KiB"),
            packed.len() as f64 / bytes.len() as f64,
        );
    }
    line("", "ratio: what is left after compression");
}
