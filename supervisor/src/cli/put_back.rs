//! Putting the packs of a backup back, one after the other, and saying truthfully what came of it.

use std::collections::BTreeMap;

use ipc::messages::storage::{EndRestore, Missing, PointFor, PointOpened, Restored, TakeHow, TookPack};
use serde_json::json;

use super::{
    args::Common,
    backup_place::{BackupPlace, Lying, hex},
    restore::{carry, newest, open_point},
    session::Session,
    words::{self, Failure, Outcome, Waiting, moment, tell},
};
use crate::exit;

/// A pack: the folder of its backup, and its name.
type At = ([u8; 16], [u8; 16]);

/// What came of all packs.
#[derive(Default)]
struct Sum {
    events: u64,
    chunks: u64,
    refused: u64,
    why: String,
    /// Events that have the numbers of others.
    other_history: u64,
    /// Events that only the packs beside the list had.
    beside: u64,
    lost: Vec<String>,
}

impl Sum {
    /// Counts what was put back.
    fn put(&mut self, took: &TookPack) {
        self.events += took.events;
        self.chunks += took.chunks;
    }

    /// Counts what was left out, when the pack does not come again.
    fn leave(&mut self, took: TookPack) {
        if self.refused == 0 {
            self.why = took.why;
        }
        self.refused += took.refused;
        self.other_history += took.other_history;
    }
}

/// Puts a backup back.
pub(super) async fn put_back(
    session: &Session,
    common: &Common,
    place: &BackupPlace,
    backups: &BTreeMap<[u8; 16], Lying>,
    other_history: bool,
) -> Outcome {
    let mut waiting = Waiting::begin("reading the backup");
    let mut sum = Sum::default();
    let mut taking = Taking { session, place, sum: &mut sum, waiting: &waiting };
    let made = match newest(session, place, backups).await? {
        Some(found) => {
            let why = if other_history { PointFor::RestoringOther } else { PointFor::Restoring };
            let (opened, names) = open_point(session, why, &found.file).await?;
            let mut listed: Vec<At> = names.into_iter().map(|name| (found.folder, name)).collect();
            let beside = listed.split_off(listed.len().saturating_sub(usize::try_from(opened.others).unwrap_or(usize::MAX)));
            if other_history && beside.is_empty() {
                return Err(Failure::new(
                    exit::GIVEN,
                    "this backup has one history of the archive; restore it without --other-history",
                ));
            }
            if other_history {
                taking.all(beside, TakeHow::WithGaps).await?;
                taking.all(listed, TakeHow::Whole).await?;
            } else {
                taking.all(listed, TakeHow::Whole).await?;
                let before = taking.sum.events;
                taking.all(beside, TakeHow::WithGaps).await?;
                taking.sum.beside = taking.sum.events - before;
            }
            Some(opened)
        }
        None => {
            waiting.aside(|| tell("No list of the backup can be read; everything that is there is tried."));
            open_point(session, PointFor::Restoring, &[]).await?;
            let all = backups.iter().flat_map(|(folder, lying)| lying.packs.keys().map(move |name| (*folder, *name)));
            taking.all(all.collect(), TakeHow::Whole).await?;
            None
        }
    };
    waiting.now("comparing, and reading all large content");
    let restored = session.client.call(&EndRestore).await?;
    waiting.end();
    report(common, made, &restored, &sum)
}

struct Taking<'t> {
    session: &'t Session,
    place: &'t BackupPlace,
    sum: &'t mut Sum,
    waiting: &'t Waiting,
}

impl Taking<'_> {
    /// Takes these packs: again and again as long as something that waited finds its place. After something that is lost
    /// or refused the rest is taken all the same, with gaps.
    async fn all(&mut self, packs: Vec<At>, how: TakeHow) -> Outcome {
        let (mut left, mut how) = (packs, how);
        while !left.is_empty() {
            let (before, over_gaps, mut later) = (self.sum.events, how == TakeHow::WithGaps, Vec::new());
            let mut waits = 0;
            for (index, (folder, name)) in left.iter().enumerate() {
                self.waiting.now(&format!("putting back: pack {} of {}", index + 1, left.len()));
                match carry(self.session, self.place, folder, name, how).await? {
                    Ok(took) => {
                        self.sum.put(&took);
                        if took.refused > 0 {
                            how = TakeHow::WithGaps;
                        }
                        if took.waiting > 0 {
                            waits += took.waiting;
                            later.push((*folder, *name));
                        } else {
                            self.sum.leave(took);
                        }
                    }
                    Err(why) => {
                        self.waiting.aside(|| tell(&format!("Pack {}: {why}.", hex(name))));
                        self.sum.lost.push(hex(name));
                        how = TakeHow::WithGaps;
                    }
                }
            }
            left = later;
            if self.sum.events == before {
                if over_gaps && waits > 0 {
                    // It would be the same the next time. A backup that anybody could have changed must not keep this going.
                    let why = "it belongs behind something that is not there".to_owned();
                    self.sum.leave(TookPack { refused: waits, why, ..TookPack::default() });
                    break;
                }
                how = TakeHow::WithGaps;
            }
        }
        Ok(())
    }
}

fn gap_json(gap: &Missing) -> serde_json::Value {
    json!({ "author": hex(&gap.author), "from": gap.from, "to": gap.to })
}

fn report(common: &Common, made: Option<PointOpened>, restored: &Restored, sum: &Sum) -> Outcome {
    let (lost, lost_chunks) = made.map_or((0, 0), |made| (made.lost, made.lost_chunks));
    // What was damaged when it was backed up, and what was refused, is missing between others, or after the last.
    let missing = restored.missing.max(lost).max(sum.refused);
    let chunks = restored.damaged_chunks.max(lost_chunks);
    let bad = !sum.lost.is_empty() || missing > 0 || chunks > 0 || restored.same == Some(false);
    if common.json {
        words::json(&json!({
            "events": restored.events,
            "conversations": restored.conversations,
            "chunks": sum.chunks,
            "same": restored.same.map(|same| same && !bad),
            "made_ms": made.map(|made| made.made_ms),
            "lost_packs": sum.lost,
            "refused": sum.refused,
            "missing_events": missing,
            "gaps": restored.gaps.iter().map(gap_json).collect::<Vec<_>>(),
            "missing_chunks": chunks,
            "other_history_events": sum.other_history,
            "only_in_backup_events": sum.beside,
        }))?;
    } else {
        let of = made.map_or_else(String::new, |made| format!(" of {}", moment(made.made_ms)));
        words::say(&format!(
            "Put back the backup{of}: {} events and {} conversations are here now, and {} chunks of large content were put back.",
            restored.events, restored.conversations, sum.chunks
        ))?;
        if restored.same == Some(true) && !bad {
            words::say("Everything is as it was. This is a new device from here on.")?;
        }
        if restored.same.is_none() && !bad && made.is_some() {
            words::say(
                "Nothing that the backup has is missing. It was not compared as a whole: it was made by a program that folds \
                 otherwise or over damage, or something was written here since.",
            )?;
        }
        if sum.beside > 0 {
            words::say(&format!("Beside it {} events were put back that only the backup had.", sum.beside))?;
        }
        restored.gaps.iter().for_each(|gap| tell(&gap_words(gap)));
    }
    if sum.other_history > 0 {
        tell(&format!(
            "The backup has two histories of this archive, because an older copy of the data was used again. {} events of the \
             other one are not here; `lamos restore --other-history` puts that one into another empty place.",
            sum.other_history
        ));
    }
    if !bad {
        return Ok(());
    }
    let mut what = Vec::new();
    if !sum.lost.is_empty() {
        what.push(format!("{} packs are lost", sum.lost.len()));
    }
    if missing > 0 {
        let mut of_them = Vec::new();
        if sum.refused > 0 {
            of_them.push(format!("{} were refused: {}", sum.refused, sum.why));
        }
        if lost > 0 {
            of_them.push(format!("{lost} were damaged already when they were backed up"));
        }
        let of_them = if of_them.is_empty() { String::new() } else { format!(" ({})", of_them.join("; ")) };
        what.push(format!("{missing} events are missing{of_them}"));
    }
    if chunks > 0 {
        what.push(format!("{chunks} chunks of large content are missing or damaged"));
    }
    if what.is_empty() {
        what.push("what is here now is not all that there was".to_owned());
    }
    let what = what.join("; ");
    Err(Failure::new(
        exit::DATA,
        format!("{what}; all that is whole in the backup was put back, and `lamos verify` names what is not"),
    ))
}

fn gap_words(gap: &Missing) -> String {
    let device = hex(&gap.author[..8]);
    if gap.from == gap.to {
        format!("Event {} of the device {device} is missing.", gap.from)
    } else {
        format!("Events {} to {} of the device {device} are missing.", gap.from, gap.to)
    }
}
