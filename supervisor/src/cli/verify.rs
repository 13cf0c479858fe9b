//! `verify`: everything that is kept, looked at; and exports, checked by anybody.

use std::{fs::File, io::BufReader, path::Path};

use ipc::{
    endpoint::Options,
    messages::storage::{DamageFound, EndRestore, PointFor, Rebuild, TakeHow, VerifiedAll, VerifyAll},
};
use serde_json::{Value, json};

use super::{
    args::{Common, VerifyArgs},
    backup_place::{self, BackupPlace, hex},
    restore::{carry, newest, open_point},
    session::Session,
    sign_in::sign_in,
    words::{self, Failure, Outcome, Waiting, line, tell},
};
use crate::exit;

/// `lamos verify`.
pub async fn verify(session: &Session, common: &Common, args: VerifyArgs) -> Outcome {
    sign_in(session, common).await?;
    let mut looked = look(session).await;
    if args.rebuild {
        match &looked {
            Ok((_, damage)) => damage.iter().for_each(|found| tell(&words_of(found))),
            // An index that leads nowhere ends the look at everything; it is made anew with the others.
            Err(failure) if failure.exit == exit::DATA => tell(&failure.sentence),
            Err(_) => {}
        }
        if looked.as_ref().map_or_else(|failure| failure.exit == exit::DATA, |_| true) {
            rebuild(session).await?;
            looked = look(session).await;
        }
    }
    let (mut verified, mut damage) = looked?;
    let mut mended = None;
    if verified.damaged > 0
        && let Some(folder) = args.repair_from
    {
        damage.iter().for_each(|found| tell(&words_of(found)));
        mended = Some(mend(session, &folder).await?);
        (verified, damage) = look(session).await?;
    }
    report(common, &verified, &damage, Done { rebuilt: args.rebuild, mended })
}

/// What was done about it.
struct Done {
    rebuilt: bool,
    /// Events and chunks that were put back.
    mended: Option<(u64, u64)>,
}

async fn rebuild(session: &Session) -> Outcome {
    let mut waiting = Waiting::begin("making lists and indexes anew");
    let done = session.client.call(&Rebuild).await;
    waiting.end();
    done?;
    Ok(())
}

async fn look(session: &Session) -> Result<(VerifiedAll, Vec<DamageFound>), Failure> {
    let mut waiting = Waiting::begin("looking at everything");
    let mut stream = session.client.open(&VerifyAll, Options::default())?;
    let mut damage = Vec::new();
    while let Some(found) = stream.next().await {
        damage.push(found?);
        waiting.now(&format!("looking at everything: {} damaged so far", damage.len()));
    }
    let verified = stream.answer().await;
    waiting.end();
    Ok((verified?, damage))
}

/// Puts back what was found damaged; how many events and chunks were.
async fn mend(session: &Session, folder: &Path) -> Result<(u64, u64), Failure> {
    let place = BackupPlace::find(session, folder).await?;
    let backups = backup_place::sort(&place.list().await?);
    let Some(found) = newest(session, &place, &backups).await? else {
        return Err(Failure::new(exit::DATA, format!("{} has no backup of this space that can be read", folder.display())));
    };
    let (_, needed) = open_point(session, PointFor::Mending, &found.file).await?;
    let mut waiting = Waiting::begin("putting back what is damaged");
    let (mut events, mut chunks) = (0, 0);
    for name in needed {
        match carry(session, &place, &found.folder, &name, TakeHow::Mending).await? {
            Ok(took) => (events, chunks) = (events + took.events, chunks + took.chunks),
            Err(why) => tell(&format!("Pack {} of the backup: {why}.", hex(&name))),
        }
    }
    session.client.call(&EndRestore).await?;
    waiting.end();
    Ok((events, chunks))
}

fn words_of(found: &DamageFound) -> String {
    let mut text = String::new();
    if let Some(name) = &found.name {
        text.push_str(&format!("{}: ", line(name)));
    }
    match (found.event, found.entity) {
        (Some(event), _) => text.push_str(&format!("event {}", hex(&event[..8]))),
        (None, Some(entity)) => text.push_str(&format!("thing {}", hex(&entity))),
        (None, None) => text.push_str("an event"),
    }
    if let Some(position) = found.position {
        text.push_str(&format!(" at place {position}"));
    }
    text.push_str(&format!(": {}", line(&found.what)));
    if let Some((file, at)) = &found.lies {
        text.push_str(&format!(" ({file}, from byte {at})"));
    }
    text
}

fn damage_json(found: &DamageFound) -> Value {
    json!({
        "what": found.what,
        "event": found.event.map(|event| hex(&event)),
        "position": found.position,
        "about": found.entity.map(|entity| hex(&entity)),
        "name": found.name,
        "file": found.lies.as_ref().map(|(file, _)| file),
        "offset": found.lies.as_ref().map(|(_, at)| at),
        "derived": found.derived,
    })
}

fn report(common: &Common, verified: &VerifiedAll, damage: &[DamageFound], done: Done) -> Outcome {
    let VerifiedAll { events, erased, unsigned, views, chunks, damaged } = *verified;
    if common.json {
        words::json(&json!({
            "events": events,
            "erased": erased,
            "unsigned": unsigned,
            "views": views,
            "chunks": chunks,
            "damaged": damage.iter().map(damage_json).collect::<Vec<_>>(),
            "rebuilt": done.rebuilt,
            "put_back": done.mended.map(|(events, chunks)| json!({ "events": events, "chunks": chunks })),
        }))?;
    } else {
        damage.iter().try_for_each(|found| words::say(&words_of(found)))?;
        if done.rebuilt {
            tell("Lists and indexes were made anew from the events.");
        }
        if let Some((events, chunks)) = done.mended {
            tell(&format!("Put back from the backup: {events} events, {chunks} chunks."));
        }
        let looked =
            format!("{events} events ({erased} erased, {unsigned} without a signature yet), {views} views, {chunks} chunks");
        if damaged == 0 {
            words::say(&format!("Looked at {looked}: all are as they were written."))?;
        } else {
            words::say(&format!("Looked at {looked}."))?;
        }
    }
    if damaged == 0 {
        return Ok(());
    }
    Err(Failure::new(
        exit::DATA,
        format!(
            "{}; {}",
            if damaged == 1 { "1 thing is damaged".to_owned() } else { format!("{damaged} things are damaged") },
            advice(damage, &done)
        ),
    ))
}

/// What can be done about it now.
fn advice(damage: &[DamageFound], done: &Done) -> String {
    let derived = damage.iter().filter(|found| found.derived).count();
    let mut advice = Vec::new();
    if derived > 0 {
        let what = if derived == damage.len() { "them".to_owned() } else { format!("{derived} of them") };
        advice.push(match done.rebuilt {
            false => format!("`lamos verify --rebuild` makes {what} anew from the events and needs no backup"),
            true => "what is derived is wrong again after it was made anew; `lamos doctor` shows more".to_owned(),
        });
    }
    if derived < damage.len() {
        advice.push(match done.mended {
            None => "`lamos verify --repair-from BACKUP` puts back from a backup what was kept".to_owned(),
            Some(_) => "the backup does not have whole what is left; it stays where it is, and named".to_owned(),
        });
    }
    advice.join("; ")
}

/// `lamos verify --export`: no key, no archive, nothing that runs.
pub fn export(common: &Common, file: &Path) -> Outcome {
    let cannot = |error: std::io::Error| Failure::new(exit::DATA, format!("cannot read {}: {error}", file.display()));
    let given = |error: std::io::Error| Failure::new(exit::GIVEN, format!("cannot read {}: {error}", file.display()));
    let mut lines = BufReader::new(File::open(file).map_err(given)?);
    let mut waiting = Waiting::begin("checking");
    let mut wrong = Vec::new();
    let checked = storage::proof::check(&mut lines, &super::export::files_of(file), &mut |what| wrong.push(what));
    waiting.end();
    let checked = checked.map_err(cannot)?;
    if common.json {
        words::json(&json!({
            "events": checked.events,
            "erased": checked.erased,
            "damaged_before": checked.damaged,
            "authors": checked.authors,
            "files": checked.files,
            "wrong": wrong,
        }))?;
    } else {
        wrong.iter().try_for_each(|what| words::say(&line(what)))?;
        let storage::proof::Checked { events, erased, damaged, authors, files, .. } = checked;
        let looked = format!("{events} events of {authors} devices ({erased} erased), {files} files");
        if wrong.is_empty() {
            words::say(&format!("Checked {looked}: each is what its device signed."))?;
        } else {
            words::say(&format!("Checked {looked}."))?;
        }
        if damaged > 0 {
            tell(&format!("{damaged} of them were damaged when the export was made: what they said is missing."));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(exit::DATA, format!("{} things are not what was signed", wrong.len())))
    }
}
