//! `restore`: a backup and a password make everything anew, in an empty place.
//!
//! The keys are put there first, then the space is opened as another device: the one that made the backup may still be in
//! use, and two devices with one key would contradict each other. It opens with the password or with a recovery kit. What cannot be read of the backup is named, and all else
//! is put back. Cut off, it goes on when it is done again.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use ipc::{
    Code,
    endpoint::Options,
    messages::{
        common::{Chunk, Done},
        crypto::{KeyState, KeyStatus, Lock, Unlock, UnlockAnew},
        storage::{OpenPoint, PackName, PointFor, PointOpened, TakeHow, TakePack, TookPack},
    },
};
use zeroize::Zeroizing;

use super::{
    args::{Common, Restore},
    backup_place::{self, BackupPlace, KEYS, Lying, hex},
    entries::{Entries, secret},
    place::Named,
    put_back::put_back,
    recovery::recover,
    session::{Serves, Session, places},
    words::{Failure, Outcome, tell},
};
use crate::{exit, places::Places};

/// A point of a backup.
pub struct Found {
    /// The folder of its packs.
    pub folder: [u8; 16],
    /// Its file.
    pub file: Vec<u8>,
    /// What it is.
    pub opened: PointOpened,
}

/// What is said of an archive in which a restoring has not ended.
pub(super) const CUT_OFF: &str =
    "a restore was cut off, so not everything of the backup is here; give `lamos restore` the same backup again";

/// `lamos restore`.
pub async fn restore(common: &Common, args: Restore) -> Outcome {
    let user = common.user.clone().ok_or_else(|| Failure::new(exit::USAGE, "--user NAME says whose space it is"))?;
    let way = Way::entered(common, args.recovery)?;
    let named = Named::read(&args.folder)?;
    fetch_keys(common, &named, args.keys.as_deref()).await?;
    let session = Session::open(common, Serves::No).await?;
    let result = with_session(&session, common, &named, (&user, way), args.other_history).await;
    session.close().await;
    result
}

/// What opens the space that is put back.
enum Way {
    /// This password.
    Password(Zeroizing<String>),
    /// A recovery kit, and a new password, which are entered when it is tried.
    Recovery(Entries),
}

impl Way {
    fn entered(common: &Common, recovery: bool) -> Result<Way, Failure> {
        let mut entries = Entries::new(common.password_fd)?;
        if recovery { Ok(Way::Recovery(entries)) } else { Ok(Way::Password(entries.next("Password: ")?)) }
    }
}

/// Brings the file of keys, which must be there before anything of this place starts: what lies outside is fetched by
/// processes with an empty place of their own.
async fn fetch_keys(common: &Common, named: &Named, wanted: Option<&str>) -> Outcome {
    let places = places(common)?;
    if let Named::Folder(folder) = named {
        let place = BackupPlace::folder(folder, false).await?;
        return put_keys(&places, &place, &place.list().await?, wanted).await;
    }
    if places.slots().exists() {
        return Ok(());
    }
    let mut chance = [0; 8];
    getrandom::fill(&mut chance).map_err(|error| Failure::new(exit::OURS, format!("failed to get random bytes: {error}")))?;
    let aside = std::env::temp_dir().join(format!("lamos-restore-{}", hex(&chance)));
    let cannot = |error: std::io::Error| Failure::new(exit::DATA, format!("cannot use {}: {error}", aside.display()));
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&aside).map_err(cannot)?;
    let session = Session::open(&Common { data_dir: Some(aside.clone()), ..common.clone() }, Serves::No).await;
    let result = match session {
        Ok(session) => {
            let result = async {
                let place = BackupPlace::open(&session, named, false).await?;
                put_keys(&places, &place, &place.list().await?, wanted).await
            };
            let result = result.await;
            session.close().await;
            result
        }
        Err(failure) => Err(failure),
    };
    // What is left of it holds nothing.
    let _ = std::fs::remove_dir_all(&aside);
    result
}

async fn with_session(
    session: &Session,
    common: &Common,
    named: &Named,
    (user, way): (&str, Way),
    other_history: bool,
) -> Outcome {
    if matches!(session.client.call(&KeyStatus).await?, KeyState::Open { .. }) {
        return Err(Failure::new(exit::ELSEWHERE, "a space is open here; close it with `lamos lock` first"));
    }
    let password = match way {
        Way::Password(password) => {
            open_there(session, user, &password).await?;
            password
        }
        Way::Recovery(mut entries) => recover(session, user, &mut entries).await?,
    };
    // Refused here if something is kept already; then nothing has changed.
    open_point(session, PointFor::Restoring, &[]).await?;
    let Done = session.client.call(&Lock).await?;
    session.client.call(&UnlockAnew { user: secret(user), password: secret(&password) }).await?;
    // Only now: locking forgets every secret that was lent.
    let place = BackupPlace::open(session, named, false).await?;
    let backups = backup_place::sort(&place.list().await?);
    put_back(session, common, &place, &backups, other_history).await
}

/// Opens a space that is there.
async fn open_there(session: &Session, user: &str, password: &str) -> Outcome {
    match session.client.call(&Unlock { user: secret(user), password: secret(password) }).await {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.code == Code::NewSpace => Err(Failure::new(
            8,
            "this name and password open none of the spaces whose keys are here; nothing was put back. If this place is not \
             empty, name an empty one with --data-dir",
        )),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Puts the file of keys into an empty place. Where there is one already, its spaces are looked at later.
async fn put_keys(places: &Places, place: &BackupPlace, files: &BTreeMap<String, u64>, wanted: Option<&str>) -> Outcome {
    let slots = places.slots();
    if slots.exists() {
        return Ok(());
    }
    let mut installations: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for path in files.keys() {
        if let Some((name, _)) = path.strip_prefix(KEYS).and_then(|rest| rest.strip_prefix('/')?.split_once('-')) {
            installations.entry(name).or_default().push(path);
        }
    }
    if let Some(wanted) = wanted {
        installations.retain(|name, _| name.starts_with(wanted));
    }
    let copies = match installations.len() {
        0 => return Err(Failure::new(exit::DATA, "there is no backup here, or its copy of the keys is gone")),
        1 => installations.into_values().next().unwrap_or_default(),
        _ => {
            let names: Vec<_> = installations.into_keys().collect();
            let names = names.join(", ");
            return Err(Failure::new(
                exit::USAGE,
                format!("there are keys of several installations; choose with --keys: {names}"),
            ));
        }
    };
    for path in copies {
        let Some(bytes) = place.read(path).await? else { continue };
        let hash = path.split('-').nth(1).and_then(backup_place::unhex);
        if hash.is_some_and(|hash| backup_place::is_whole(&hash, &bytes)) {
            places.make()?;
            return write_new(&slots, &bytes)
                .map_err(|error| Failure::new(exit::DATA, format!("cannot write {}: {error}", slots.display())));
        }
        tell(&format!("{path} is damaged."));
    }
    Err(Failure::new(exit::DATA, "the copies of the keys are damaged; without them nothing opens"))
}

/// Writes a file beside its place, syncs it, and gives it its name.
fn write_new(path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

/// Tells the archive of a point; what it is, and the packs that are needed.
pub async fn open_point(session: &Session, why: PointFor, file: &[u8]) -> Result<(PointOpened, Vec<[u8; 16]>), Failure> {
    let mut stream = session.client.open(&OpenPoint { why }, Options::default())?;
    send(&stream, file).await?;
    let mut names = Vec::new();
    while let Some(name) = stream.next().await {
        names.push(name?.0);
    }
    Ok((stream.answer().await?, names))
}

async fn send<M: ipc::service::Method<Up = Chunk>>(stream: &ipc::endpoint::StreamCall<M>, file: &[u8]) -> Outcome {
    for part in file.chunks(Chunk::SIZE) {
        if !stream.send(&Chunk(part.to_vec())).await? {
            break;
        }
    }
    stream.end();
    Ok(())
}

/// The newest point of one backup that can be read; with `whole` one that has everything, if there is one.
pub async fn newest_of(
    session: &Session,
    place: &BackupPlace,
    folder: &[u8; 16],
    lying: &Lying,
    whole: bool,
) -> Result<Option<Found>, Failure> {
    let mut best: Option<Found> = None;
    for name in lying.points.keys() {
        let Some(file) = place.read(&backup_place::point(folder, name)).await? else { continue };
        if !backup_place::is_whole(name, &file) {
            tell(&format!("The list {} of the backup is damaged.", hex(name)));
            continue;
        }
        let (opened, _) = open_point(session, PointFor::Looking, &file).await?;
        let rank = |opened: &PointOpened| (whole && opened.whole, opened.made_ms);
        if opened.readable && best.as_ref().is_none_or(|best| rank(&best.opened) < rank(&opened)) {
            best = Some(Found { folder: *folder, file: file.to_vec(), opened });
        }
    }
    Ok(best)
}

/// The newest whole point of any device of this space.
pub async fn newest(
    session: &Session,
    place: &BackupPlace,
    backups: &BTreeMap<[u8; 16], Lying>,
) -> Result<Option<Found>, Failure> {
    let mut best: Option<Found> = None;
    for (folder, lying) in backups {
        if let Some(found) = newest_of(session, place, folder, lying, true).await? {
            let rank = |found: &Found| (found.opened.whole, found.opened.made_ms);
            if best.as_ref().is_none_or(|best| rank(best) < rank(&found)) {
                best = Some(found);
            }
        }
    }
    Ok(best)
}

/// Carries a pack to the archive; what came of it, or why it cannot be used.
pub async fn carry(
    session: &Session,
    place: &BackupPlace,
    folder: &[u8; 16],
    name: &[u8; 16],
    how: TakeHow,
) -> Result<Result<TookPack, String>, Failure> {
    let Some(file) = place.read(&backup_place::pack(folder, name)).await? else { return Ok(Err("it is missing".to_owned())) };
    if !backup_place::is_whole(name, &file) {
        return Ok(Err("it was changed or cut since it was made".to_owned()));
    }
    let stream = session.client.open(&TakePack { name: PackName(*name), how }, Options::default())?;
    send(&stream, &file).await?;
    let took = stream.answer().await?;
    Ok(match took.bad.clone() {
        Some(why) => Err(why),
        None => Ok(took),
    })
}
