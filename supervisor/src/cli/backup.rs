//! `backup`: what is not in the backup yet is written there, sealed; the list of everything comes last. A backup that is cut
//! off at any moment is the one before it, and the next one goes on from what was written.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use ipc::{
    endpoint::Options,
    messages::{
        common::Chunk,
        storage::{
            BackupBegun, BackupEnded, BackupFolder, BackupPiece, BeginBackup, EndBackup, FindBackup, NextPack, PackName, Packed,
            PackedWhat, PointFor, TakeHow,
        },
    },
};
use serde_json::{Value, json};

use super::{
    args::{Backup, BackupAction, Common},
    backup_place::{self, BackupPlace, KEYS, Lying, hex},
    place::Named,
    restore::{carry, newest_of, open_point},
    session::{Session, places},
    sign_in::{refuse_demo, sign_in},
    words::{self, Failure, Outcome, Waiting, line, moment, table, tell},
};
use crate::exit;

/// Packs after which a list is written on the way, so that a backup that is cut off has not been for nothing.
const ON_THE_WAY: u64 = 8;

/// How often the file of keys is read until it is the same twice.
const TRIES: u32 = 8;

/// How often what was kept meanwhile is added before the backup is ended all the same.
const ROUNDS: u32 = 5;

/// `lamos backup`.
pub async fn backup(session: &Session, common: &Common, args: Backup) -> Outcome {
    sign_in(session, common).await?;
    refuse_demo(session, "backed up").await?;
    match (args.action, args.folder) {
        (Some(BackupAction::List { folder }), _) => list(session, common, &folder).await,
        (None, Some(folder)) => make(session, common, &folder, args.check).await,
        (None, None) => Err(Failure::new(exit::USAGE, "name the folder of the backup")),
    }
}

/// What was written.
#[derive(Default)]
struct Written {
    packs: u64,
    bytes: u64,
}

async fn make(session: &Session, common: &Common, folder: &Path, check: bool) -> Outcome {
    let named = Named::read(folder)?;
    refuse_within(common, &named)?;
    if named.keeps_nothing()? {
        return Err(Failure::new(
            exit::GIVEN,
            "the profile `test` keeps what it is given in memory, until this command ends; no backup can be made with it",
        ));
    }
    let place = BackupPlace::open(session, &named, true).await?;
    copy_keys(common, &place).await?;
    let BackupFolder { name: ours } = session.client.call(&FindBackup).await?;
    let mut lying = backup_place::sort(&place.list().await?).remove(&ours).unwrap_or_default();
    let mut waiting = Waiting::begin("comparing");
    if check {
        drop_damaged(&place, &ours, &mut lying, &waiting).await?;
    }
    let (begun, kept) = begin(session, &place, &ours, &lying).await?;
    let mut written = Written::default();
    let mut keep: BTreeSet<[u8; 16]> = kept;
    let mut rounds = 0;
    let ended = loop {
        while let Some(next) = next(session).await? {
            let (name, file) = match next {
                Next::Write(name, file) => (name, file),
                Next::Keep(name) => {
                    keep.insert(name);
                    continue;
                }
                Next::Sift(name) => {
                    waiting.now(&format!("looking at what is there: {}", hex(&name)));
                    // What cannot be read is none any more; what it had is written again, as far as it is here.
                    if let Err(why) = carry(session, &place, &ours, &name, TakeHow::Sifting).await? {
                        waiting.aside(|| tell(&format!("Pack {} of the backup: {why}.", hex(&name))));
                    }
                    continue;
                }
            };
            (written.packs, written.bytes) = (written.packs + 1, written.bytes + file.len() as u64);
            waiting.now(&format!("writing: {} in {} packs", words::bytes(written.bytes), written.packs));
            place.write(&backup_place::pack(&ours, &name), file).await?;
            keep.insert(name);
            if written.packs.is_multiple_of(ON_THE_WAY) {
                end(session, &place, &ours, true).await?;
            }
        }
        rounds += 1;
        if let Some(ended) = end(session, &place, &ours, rounds >= ROUNDS).await? {
            break ended;
        }
    };
    place.carried().await;
    let point = ended.name.map(|name| name.0).unwrap_or_default();
    clear(&place, &ours, &point, &keep).await?;
    waiting.end();
    say(common, &begun, &ended, &written)
}

/// The file of keys, sealed as it is: with it and a password everything can be put back. Twice, for it is small and all else
/// depends on it.
async fn copy_keys(common: &Common, place: &BackupPlace) -> Outcome {
    let slots = places(common)?.slots();
    let cannot = |error: std::io::Error| Failure::new(exit::DATA, format!("cannot read {}: {error}", slots.display()));
    // Somebody may be signing in for the first time: what is the same twice is not half written.
    let mut bytes = std::fs::read(&slots).map_err(cannot)?;
    for _ in 0..TRIES {
        let again = std::fs::read(&slots).map_err(cannot)?;
        if again == bytes {
            break;
        }
        bytes = again;
    }
    let salt = bytes.get(24..56).ok_or_else(|| Failure::new(exit::DATA, format!("{} is damaged", slots.display())))?;
    let installation = hex(&blake3::hash(salt).as_bytes()[..16]);
    let hash = hex(&blake3::hash(&bytes).as_bytes()[..16]);
    for copy in ["1", "2"] {
        place.write(&format!("{KEYS}/{installation}-{hash}-{copy}"), bytes.clone()).await?;
    }
    for (path, _) in place.list().await? {
        let ours = path.strip_prefix(&format!("{KEYS}/{installation}-"));
        if ours.is_some_and(|rest| !rest.starts_with(&hash)) {
            place.delete(&path).await?;
        }
    }
    Ok(())
}

/// Looks at every file and forgets the damaged ones, so that they are written again.
async fn drop_damaged(place: &BackupPlace, ours: &[u8; 16], lying: &mut Lying, waiting: &Waiting) -> Outcome {
    let names: Vec<_> = lying.packs.keys().copied().collect();
    for (index, name) in names.iter().enumerate() {
        waiting.now(&format!("reading what is there: {} of {}", index + 1, names.len()));
        let file = place.read(&backup_place::pack(ours, name)).await?;
        if !file.is_some_and(|file| backup_place::is_whole(name, &file)) {
            waiting.aside(|| tell(&format!("Pack {} is damaged and is written again.", hex(name))));
            lying.packs.remove(name);
            place.delete(&backup_place::pack(ours, name)).await?;
        }
    }
    Ok(())
}

/// Says what is there; the packs that stay.
async fn begin(
    session: &Session,
    place: &BackupPlace,
    ours: &[u8; 16],
    lying: &Lying,
) -> Result<(BackupBegun, BTreeSet<[u8; 16]>), Failure> {
    // The latest one, be it whole or not, has most of the packs.
    let last = newest_of(session, place, ours, lying, false).await?;
    let mut stream = session.client.open(&BeginBackup, Options::default())?;
    let mut goes_on = true;
    for part in last.iter().flat_map(|found| found.file.chunks(Chunk::SIZE / 2)) {
        goes_on = goes_on && stream.send(&BackupPiece::Point(part.to_vec())).await?;
    }
    for (name, length) in &lying.packs {
        goes_on = goes_on && stream.send(&BackupPiece::Pack { name: *name, length: *length }).await?;
    }
    stream.end();
    let mut kept = BTreeSet::new();
    while let Some(name) = stream.next().await {
        kept.insert(name?.0);
    }
    Ok((stream.answer().await?, kept))
}

/// What comes next.
enum Next {
    Write([u8; 16], Vec<u8>),
    Keep([u8; 16]),
    Sift([u8; 16]),
}

/// What comes next, with the file of a pack that was made; nothing when all is packed.
async fn next(session: &Session) -> Result<Option<Next>, Failure> {
    let mut stream = session.client.open(&NextPack, Options::default())?;
    let mut file = Vec::new();
    while let Some(piece) = stream.next().await {
        file.extend_from_slice(&piece?.0);
    }
    let Packed { name, length, what } = stream.answer().await?;
    let Some(PackName(name)) = name else { return Ok(None) };
    Ok(Some(match what {
        PackedWhat::Made => {
            whole(&name, &file, length)?;
            Next::Write(name, file)
        }
        PackedWhat::Stays => Next::Keep(name),
        PackedWhat::Sift => Next::Sift(name),
    }))
}

fn whole(name: &[u8; 16], file: &[u8], length: u64) -> Outcome {
    if file.len() as u64 == length && backup_place::is_whole(name, file) {
        return Ok(());
    }
    Err(Failure::new(exit::OURS, "a file of the backup did not come whole from the archive; try again"))
}

/// Writes the list of packs; nothing if there are more packs to make.
async fn end(session: &Session, place: &BackupPlace, ours: &[u8; 16], last: bool) -> Result<Option<BackupEnded>, Failure> {
    let mut stream = session.client.open(&EndBackup { last }, Options::default())?;
    let mut file = Vec::new();
    while let Some(piece) = stream.next().await {
        file.extend_from_slice(&piece?.0);
    }
    let ended = stream.answer().await?;
    let Some(PackName(name)) = ended.name else { return Ok(None) };
    whole(&name, &file, ended.length)?;
    place.write(&backup_place::point(ours, &name), file).await?;
    Ok(Some(ended))
}

/// Removes what the new list has not: older lists first, then packs, so that no list ever names what is gone.
async fn clear(place: &BackupPlace, ours: &[u8; 16], point: &[u8; 16], keep: &BTreeSet<[u8; 16]>) -> Outcome {
    let lying = backup_place::sort(&place.list().await?).remove(ours).unwrap_or_default();
    for name in lying.points.keys().filter(|name| *name != point) {
        place.delete(&backup_place::point(ours, name)).await?;
    }
    for name in lying.packs.keys().filter(|name| !keep.contains(*name)) {
        place.delete(&backup_place::pack(ours, name)).await?;
    }
    Ok(())
}

/// A backup in the data directory would go with it, and be part of what is backed up by others.
fn refuse_within(common: &Common, named: &Named) -> Outcome {
    let data = resolved(&places(common)?.data);
    let within = named.folders().into_iter().find(|folder| resolved(folder).starts_with(&data));
    match within {
        None => Ok(()),
        Some(folder) => Err(Failure::new(
            exit::GIVEN,
            format!(
                "the backup would lie in what it is a backup of, and `lamos reset` would remove it; name a folder outside of {}, \
                 not {}",
                data.display(),
                folder.display()
            ),
        )),
    }
}

/// Where a path leads, though the end of it may not be there yet.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut resolved = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
        // Of what is not there nothing leads elsewhere.
        resolved = resolved.canonicalize().unwrap_or(resolved);
    }
    resolved
}

fn say(common: &Common, begun: &BackupBegun, ended: &BackupEnded, written: &Written) -> Outcome {
    let damaged = ended.damaged_events + ended.damaged_chunks;
    if common.json {
        words::json(&json!({
            "events": ended.events,
            "chunks": ended.chunks,
            "bytes": ended.bytes,
            "written_packs": written.packs,
            "written_bytes": written.bytes,
            "goes_on": begun.goes_on,
            "whole": ended.whole && damaged == 0,
            "damaged_events": ended.damaged_events,
            "unreadable_chunks": ended.damaged_chunks,
            "lost": ended.lost,
            "damaged": ended.damaged,
            "only_in_backup_events": ended.elsewhere,
        }))?;
    } else {
        let new = match written.packs {
            0 => "nothing new".to_owned(),
            packs => format!("{} new in {packs} packs", words::bytes(written.bytes)),
        };
        words::say(&format!(
            "The backup has {} events and {} chunks, {}; {new}.",
            ended.events,
            ended.chunks,
            words::bytes(ended.bytes)
        ))?;
        ended.damaged.iter().for_each(|what| tell(&format!("Damaged: {}", line(what))));
    }
    if ended.elsewhere > 0 {
        tell(&format!(
            "The backup has {} events that are not in this archive: an older copy of the data was put in its place, or two \
             copies are in use. They stay in the backup; `lamos restore` puts back of them what fits, and with --other-history \
             the rest.",
            ended.elsewhere
        ));
    }
    if damaged == 0 {
        return Ok(());
    }
    let lost = match ended.lost {
        0 => "the backup has all of them from before".to_owned(),
        lost if lost == damaged => "the backup does not have them either".to_owned(),
        lost => format!("{lost} of them are not in the backup either"),
    };
    Err(Failure::new(
        exit::DATA,
        format!(
            "{damaged} things are damaged here; {lost}, and all that is whole is backed up. `lamos verify --repair-from BACKUP` \
             mends what a backup has"
        ),
    ))
}

/// `lamos backup list`.
async fn list(session: &Session, common: &Common, folder: &Path) -> Outcome {
    let place = BackupPlace::find(session, folder).await?;
    let BackupFolder { name: ours } = session.client.call(&FindBackup).await?;
    let mut found = Vec::new();
    for (of, lying) in backup_place::sort(&place.list().await?) {
        for name in lying.points.keys() {
            let Some(file) = place.read(&backup_place::point(&of, name)).await? else { continue };
            let (opened, _) = open_point(session, PointFor::Looking, &file).await?;
            if opened.readable {
                found.push((opened, of == ours));
            }
        }
    }
    found.sort_by_key(|(opened, _)| std::cmp::Reverse(opened.made_ms));
    if common.json {
        let item = |(opened, ours): &(ipc::messages::storage::PointOpened, bool)| json!({ "made_ms": opened.made_ms, "events": opened.events, "chunks": opened.chunks, "bytes": opened.bytes, "whole": opened.whole, "lost": opened.lost + opened.lost_chunks, "this_device": ours });
        return Ok(words::json(&found.iter().map(item).collect::<Vec<Value>>().into())?);
    }
    if found.is_empty() {
        tell("There is no backup of this space.");
    }
    let row = |(opened, ours): &(ipc::messages::storage::PointOpened, bool)| {
        vec![
            moment(opened.made_ms),
            format!("{} events", opened.events),
            format!("{} chunks", opened.chunks),
            words::bytes(opened.bytes),
            match (opened.whole, opened.lost + opened.lost_chunks) {
                (false, _) => "cut off".to_owned(),
                (true, 0) => "whole".to_owned(),
                (true, lost) => format!("{lost} things were damaged"),
            },
            if *ours { "of this device" } else { "of another device" }.to_owned(),
        ]
    };
    Ok(words::answer(&table(&found.iter().map(row).collect::<Vec<_>>()))?)
}
