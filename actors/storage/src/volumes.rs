//! Files of volumes. There is one volume yet that can be written: the person's own, `user/`.

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    messages::storage::{Appended, File, FileFound, Files, ListFiles, MAX_PAGE, ReadFile, RemoveFile, WriteFile},
};
use replica::{
    Draft, Replica,
    body::{Body, FileBody, FileRemoved},
};

use crate::{contents, convert::appended, errors::refusal, writer::WriterHandle};

/// Longest path, and longest part of one, in bytes.
const MAX_PATH: usize = 1024;
const MAX_PART: usize = 255;

/// The volumes that can be written.
const VOLUMES: &[&str] = &["user"];

/// A path that stays where it says: no part of it leads up, hides or means something else on another system.
fn checked(path: String) -> Result<String, Refusal> {
    let bad = |why: &str| Err(Refusal::new(Code::NotKeepable, format!("{path:?} is not a path in a volume: {why}")));
    if path.len() > MAX_PATH {
        return bad("it is too long");
    }
    let mut parts = path.split('/');
    if !parts.next().is_some_and(|volume| VOLUMES.contains(&volume)) {
        return bad("it begins with the name of a volume, as in user/notes.md");
    }
    let mut count = 0;
    for part in parts {
        count += 1;
        if matches!(part, "" | "." | "..") || part.len() > MAX_PART {
            return bad("a part of it is empty, too long, or leads elsewhere");
        }
        if part.chars().any(|letter| letter.is_control() || matches!(letter, '\\' | ':')) || part.ends_with([' ', '.']) {
            return bad("a part of it means something else on another system");
        }
    }
    if count == 0 {
        return bad("it names a volume and no file in it");
    }
    Ok(path)
}

fn entity(replica: &Replica, path: &str) -> [u8; 16] {
    replica.keys().blind("file", &[path.as_bytes()])
}

pub(crate) async fn write(
    replica: &Replica,
    writer: &WriterHandle,
    request: WriteFile,
    reply: &mut Reply<WriteFile>,
) -> Result<Appended, Refusal> {
    let path = checked(request.path)?;
    let entity = entity(replica, &path);
    let mut taken = contents::take(replica, writer, entity, request.length, request.resume, reply).await?;
    let body = Body::File(FileBody::new(path, taken.content()));
    taken.keep(replica, writer, Draft { entity, body, once: None }).await.map(appended)
}

pub(crate) async fn read(replica: &Replica, request: ReadFile, reply: &Reply<ReadFile>) -> Result<FileFound, Refusal> {
    let path = checked(request.path)?;
    let found =
        replica.snapshot().and_then(|snapshot| snapshot.content(&entity(replica, &path))).map_err(|error| refusal(&error))?;
    let content = found.ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no file {path:?}")))?;
    let length = content.length();
    contents::give(replica, content, request.offset, request.length, reply).await?;
    Ok(FileFound { length })
}

pub(crate) fn list(replica: &Replica, request: &ListFiles) -> Result<Files, Refusal> {
    let limit = usize::from(request.limit.clamp(1, MAX_PAGE));
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    let page = snapshot.files(&request.prefix, &request.after, limit).map_err(|error| refusal(&error))?;
    let millis = |clock: u64| ipc::event::Clock(clock).millis();
    let items =
        page.items.into_iter().map(|file| File { path: file.path, length: file.length, changed_ms: millis(file.changed) });
    Ok(Files { items: items.collect(), more: page.more })
}

pub(crate) async fn remove(replica: &Replica, writer: &WriterHandle, request: RemoveFile) -> Result<Appended, Refusal> {
    let path = checked(request.path)?;
    let draft = Draft { entity: entity(replica, &path), body: Body::FileRemoved(FileRemoved { path }), once: None };
    writer.append(draft).await.map(appended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_volume() {
        for good in ["user/a", "user/skills/plan/SKILL.md", "user/Ärger/東京.txt", "user/a b"] {
            assert!(checked(good.to_owned()).is_ok(), "{good}");
        }
        let long = format!("user/{}", "a".repeat(256));
        let deep = format!("user{}", "/a".repeat(600));
        for bad in [
            "",
            "user",
            "user/",
            "/user/a",
            "user//a",
            "user/../a",
            "user/./a",
            "user/..",
            "team/a",
            "system/a",
            "users/a",
            "C:\\a",
            "user/a\\b",
            "user/a:b",
            "user/a\0",
            "user/a\n",
            "user/a.",
            "user/a ",
            &long,
            &deep,
        ] {
            assert_eq!(checked(bad.to_owned()).map_err(|refusal| refusal.code), Err(Code::NotKeepable), "{bad}");
        }
    }
}
