//! Merging a branch. What both sides changed is merged line by line here, in the person's own process: the archive says which
//! files those are, gives out the three texts, and keeps all of the result or nothing.

use ipc::{
    Code, Refusal,
    endpoint::Options,
    messages::{
        common::Chunk,
        storage::{
            Becomes, ChangedBy, CompareBranch, Compared, MAX_PAGE, MergeBranch, MergePiece, Merged, ReadVersion, SideVersion,
        },
    },
};
use serde_json::{Value, json};

use super::{
    super::{
        session::Session,
        words::{self, Failure, Outcome, line, table},
    },
    collect, hex, names_volume, new_id,
};

/// Largest text that is merged line by line, and largest result.
const MAX_TEXT: u64 = 1 << 20;

/// How often a merge is made out anew because files were written meanwhile, or made again because the archive died.
const TRIES: u32 = 6;

/// Which side has its way where both changed the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    Ours,
    Theirs,
}

/// What is asked for.
pub(super) struct Wanted {
    pub(super) from: String,
    pub(super) into: Option<String>,
    pub(super) message: String,
    pub(super) dry_run: bool,
    pub(super) prefer: Option<Prefer>,
}

/// What a file becomes.
enum Fate {
    Keep,
    Take,
    Remove,
    Merge(Vec<u8>),
    Prefer(Prefer),
    Conflict(&'static str),
}

impl Fate {
    fn word(&self) -> &'static str {
        match self {
            Fate::Keep => "keep",
            Fate::Take => "take",
            Fate::Remove => "remove",
            Fate::Merge(_) => "merge",
            Fate::Prefer(Prefer::Ours) => "ours",
            Fate::Prefer(Prefer::Theirs) => "theirs",
            Fate::Conflict(_) => "conflict",
        }
    }
}

type Plan = Vec<(Compared, Fate)>;

/// `lamos vol merge`.
pub(super) async fn merge(session: &Session, wanted: Wanted, as_json: bool) -> Outcome {
    let Ends { from, into } = ends(&wanted.from, wanted.into.as_deref())?;
    let message = if wanted.message.is_empty() { format!("merge {from} into {into}") } else { wanted.message };
    let request = MergeBranch { from, into, id: new_id()?, message };
    let mut tries = 1;
    loop {
        let plan = match plan(session, &request, wanted.prefer).await {
            Err(failure) if failure.code == Some(Code::PeerDied as u16) && tries < TRIES => {
                tries += 1;
                continue;
            }
            plan => plan?,
        };
        let conflicts = plan.iter().filter(|(_, fate)| matches!(fate, Fate::Conflict(_))).count();
        if wanted.dry_run || conflicts > 0 {
            show(&request, &plan, None, as_json)?;
            return if conflicts == 0 { Ok(()) } else { Err(stopped(conflicts, wanted.dry_run)) };
        }
        match send(session, &request, &plan).await {
            // Something was written meanwhile, so it is made out anew; or it is not known whether it was done, and doing it
            // again does it once.
            Err(refusal) if matches!(refusal.code, Code::Conflict | Code::PeerDied) && tries < TRIES => tries += 1,
            Err(refusal) if refusal.code == Code::Conflict => {
                let why = "files of both sides are being written all the time; say it again when that has ended";
                return Err(Failure::new(crate::exit::ELSEWHERE, why));
            }
            result => return show(&request, &plan, Some(result?), as_json),
        }
    }
}

/// What is merged, and what it is merged into.
#[derive(Debug, PartialEq, Eq)]
struct Ends {
    from: String,
    into: String,
}

/// As it was typed. A name that is no volume's is a branch of `user`, as it is for `lamos vol branch`.
fn ends(from: &str, into: Option<&str>) -> Result<Ends, Failure> {
    let whole = |name: &str| match name.trim_end_matches('/') {
        name if names_volume(name) => name.to_owned(),
        name => format!("user@{name}"),
    };
    let from = whole(from);
    let into = match (into, from.split_once('@')) {
        (Some(into), _) => whole(into),
        (None, Some((volume, _))) => volume.to_owned(),
        (None, None) => {
            let why = format!("{from:?} is no branch; say --into and the branch that it is to be merged into");
            return Err(Failure::new(crate::exit::USAGE, why));
        }
    };
    Ok(Ends { from, into })
}

fn stopped(conflicts: usize, dry_run: bool) -> Failure {
    let files = if conflicts == 1 { "1 file was".to_owned() } else { format!("{conflicts} files were") };
    let nothing = if dry_run { "nothing would be written" } else { "nothing was written" };
    let why = format!(
        "{files} changed on both sides in ways that do not fit together, and {nothing}; change one side, or decide by --ours \
         (what it is merged into) or --theirs (what is merged)"
    );
    Failure::new(crate::exit::CONFLICT, why)
}

/// What becomes of each file that the branch changed.
async fn plan(session: &Session, merge: &MergeBranch, prefer: Option<Prefer>) -> Result<Plan, Failure> {
    let mut request = CompareBranch { from: merge.from.clone(), into: merge.into.clone(), after: String::new(), limit: MAX_PAGE };
    let mut plan = Vec::new();
    loop {
        let page = session.client.call(&request).await?;
        for compared in page.items {
            let removes = compared.theirs.is_none_or(|theirs| theirs.length.is_none());
            let fate = match compared.changed {
                ChangedBy::Neither | ChangedBy::Ours => Fate::Keep,
                ChangedBy::Theirs if removes => Fate::Remove,
                ChangedBy::Theirs => Fate::Take,
                ChangedBy::Both => match (both(session, merge, &compared).await?, prefer) {
                    (Fate::Conflict(_), Some(prefer)) => Fate::Prefer(prefer),
                    (fate, _) => fate,
                },
            };
            plan.push((compared, fate));
        }
        match page.next {
            Some(next) => request.after = next,
            None => return Ok(plan),
        }
    }
}

/// What becomes of a file that both sides changed.
async fn both(session: &Session, merge: &MergeBranch, compared: &Compared) -> Result<Fate, Failure> {
    let there = |side: &Option<SideVersion>| side.and_then(|side| side.length.map(|length| (side.event, length)));
    let (Some(ours), Some(theirs)) = (there(&compared.ours), there(&compared.theirs)) else {
        return Ok(Fate::Conflict("changed on one side and removed on the other"));
    };
    let Some(base) = there(&compared.base) else {
        return Ok(Fate::Conflict("written on both sides, and not the same"));
    };
    if [base, ours, theirs].iter().any(|(_, length)| *length > MAX_TEXT) {
        return Ok(Fate::Conflict("changed on both sides, and too large to be merged by lines"));
    }
    // The version that both began with is one of the volume.
    let volume = if merge.from.contains('@') { &merge.into } else { &merge.from };
    let texts = [(volume, base.0), (&merge.into, ours.0), (&merge.from, theirs.0)];
    let mut read = Vec::new();
    for (side, event) in texts {
        let path = format!("{side}/{}", compared.path);
        let bytes = collect(session, &ReadVersion { path, event }, MAX_TEXT as usize).await?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => read.push(text),
            _ => return Ok(Fate::Conflict("changed on both sides, and not text")),
        }
    }
    Ok(match by_lines(&read[0], &read[1], &read[2]) {
        Some(merged) if merged.len() as u64 <= MAX_TEXT => Fate::Merge(merged.into_bytes()),
        _ => Fate::Conflict("both sides changed the same lines"),
    })
}

/// Three texts as one, if no two changes touch each other.
fn by_lines(base: &str, ours: &str, theirs: &str) -> Option<String> {
    diffy::merge(base, ours, theirs).ok()
}

async fn send(session: &Session, request: &MergeBranch, plan: &Plan) -> Result<Merged, Refusal> {
    let stream = session.client.open(request, Options::default())?;
    'all: for (compared, fate) in plan {
        let (becomes, bytes) = match fate {
            Fate::Merge(bytes) => (Becomes::Bytes(bytes.len() as u64), &bytes[..]),
            Fate::Prefer(Prefer::Ours) => (Becomes::Ours, &[][..]),
            Fate::Prefer(Prefer::Theirs) => (Becomes::Theirs, &[][..]),
            Fate::Keep | Fate::Take | Fate::Remove | Fate::Conflict(_) => continue,
        };
        let event = |side: &Option<SideVersion>| side.map(|side| side.event);
        let (ours, theirs) = (event(&compared.ours), event(&compared.theirs));
        if !stream.send(&MergePiece::Decide { path: compared.path.clone(), ours, theirs, becomes }).await? {
            break;
        }
        for piece in bytes.chunks(Chunk::SIZE) {
            if !stream.send(&MergePiece::Bytes(piece.to_vec())).await? {
                break 'all;
            }
        }
    }
    stream.end();
    stream.answer().await
}

/// Says what was done, or would be.
fn show(request: &MergeBranch, plan: &Plan, merged: Option<Merged>, as_json: bool) -> Outcome {
    let why = |fate: &Fate| if let Fate::Conflict(why) = fate { Some(*why) } else { None };
    if as_json {
        let file =
            |(compared, fate): &(Compared, Fate)| json!({ "path": compared.path, "becomes": fate.word(), "why": why(fate) });
        return Ok(words::json(&json!({
            "from": request.from,
            "into": request.into,
            "merged": merged.is_some_and(|merged| merged.moved),
            "commit": merged.filter(|merged| merged.moved).map(|_| hex(&request.id)),
            "written": merged.map(|merged| merged.written),
            "removed": merged.map(|merged| merged.removed),
            "conflicts": plan.iter().filter(|(_, fate)| matches!(fate, Fate::Conflict(_))).count(),
            "files": plan.iter().map(file).collect::<Vec<Value>>(),
        }))?);
    }
    let (from, into) = (line(&request.from), line(&request.into));
    let Some(Merged { written, removed, moved }) = merged else {
        let row = |(compared, fate): &(Compared, Fate)| {
            vec![fate.word().to_owned(), line(&compared.path), why(fate).unwrap_or_default().to_owned()]
        };
        return Ok(words::answer(&table(&plan.iter().map(row).collect::<Vec<_>>()))?);
    };
    if !moved {
        return Ok(words::say(&format!("{into} has everything that {from} has."))?);
    }
    let files = |count: u32| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    Ok(words::say(&format!("{from} is merged into {into}: {} written, {} removed.", files(written), files(removed)))?)
}

#[cfg(test)]
mod tests {
    use super::{by_lines, ends};

    #[test]
    fn a_branch_is_named_as_everywhere() {
        let of = |from: &str, into: Option<&str>| ends(from, into).map(|ends| (ends.from, ends.into)).ok();
        let both = |from: &str, into: &str| Some((from.to_owned(), into.to_owned()));
        assert_eq!(of("draft", None), both("user@draft", "user"));
        assert_eq!(of("user@draft/", None), both("user@draft", "user"));
        assert_eq!(of("team/a@draft", None), both("team/a@draft", "team/a"));
        assert_eq!(of("user", Some("draft")), both("user", "user@draft"));
        assert_eq!(of("draft", Some("user/")), both("user@draft", "user"));
        assert_eq!(of("user", None), None);
    }

    #[test]
    fn changes_that_do_not_touch_each_other_are_both_taken() {
        let base = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
        let ours = "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\n";
        let theirs = "one\ntwo\nthree\nfour\nfive\nseven\neight\n";
        assert_eq!(by_lines(base, ours, theirs).as_deref(), Some("ONE\ntwo\nthree\nfour\nfive\nseven\neight\n"));
        assert_eq!(by_lines(base, theirs, ours).as_deref(), Some("ONE\ntwo\nthree\nfour\nfive\nseven\neight\n"));
        assert_eq!(by_lines(base, ours, "One\ntwo\nthree\nfour\nfive\nsix\nseven\n"), None);
        assert_eq!(by_lines("", "a\n", "b\n"), None);
        assert_eq!(by_lines("a", "a\nb", "a"), Some("a\nb".to_owned()), "without a line's end");
        assert_eq!(
            by_lines("a\r\nb\r\nc\r\nd\r\n", "A\r\nb\r\nc\r\nd\r\n", "a\r\nb\r\nc\r\nD\r\n").as_deref(),
            Some("A\r\nb\r\nc\r\nD\r\n")
        );
    }

    /// Texts of few different lines, as they are hardest to tell apart: what one side alone changed is what it becomes, what
    /// both made the same is that, and a merge is the same from either side.
    #[test]
    fn whatever_the_texts_are_nothing_is_lost() {
        let mut chance = fastrand::Rng::with_seed(11);
        let mut merged = 0;
        for _ in 0..20_000 {
            let mut text = |most: usize| {
                let lines: Vec<String> = (0..chance.usize(0..most)).map(|_| format!("{}\n", chance.char('a'..'e'))).collect();
                lines.concat()
            };
            let (base, ours, theirs) = (text(9), text(9), text(9));
            assert_eq!(by_lines(&base, &base, &theirs).as_ref(), Some(&theirs), "{base:?} {theirs:?}");
            assert_eq!(by_lines(&base, &ours, &base).as_ref(), Some(&ours), "{base:?} {ours:?}");
            assert_eq!(by_lines(&base, &ours, &ours).as_ref(), Some(&ours), "{base:?} {ours:?}");
            let both = by_lines(&base, &ours, &theirs);
            assert_eq!(both, by_lines(&base, &theirs, &ours), "{base:?} {ours:?} {theirs:?}");
            merged += u32::from(both.is_some());
        }
        assert!(merged > 100, "{merged}");
    }

    /// Changes of lines that are told apart and lie three lines from each other: the merge has all of both.
    #[test]
    fn lines_far_from_each_other_are_always_merged() {
        let mut chance = fastrand::Rng::with_seed(12);
        for _ in 0..2000 {
            let lines: Vec<String> = (0..60).map(|number| format!("line {number}\n")).collect();
            let (mut ours, mut theirs, mut both) = (lines.clone(), lines.clone(), lines.clone());
            for at in (0..60).step_by(4) {
                let (side, text) = match chance.u8(0..3) {
                    0 => continue,
                    1 => (&mut ours, if chance.bool() { String::new() } else { format!("ours {at}\n") }),
                    _ => (&mut theirs, if chance.bool() { String::new() } else { format!("theirs {at}\nand more\n") }),
                };
                side[at].clone_from(&text);
                both[at] = text;
            }
            assert_eq!(by_lines(&lines.concat(), &ours.concat(), &theirs.concat()), Some(both.concat()));
        }
    }
}
