//! `credential revoke`: taking back for good what was issued.

use super::{
    kept::{self, Sort},
    status_list,
};
use crate::{
    cli::{
        session::Session,
        words::{self, Failure, Outcome, tell},
    },
    exit,
};

pub(super) async fn revoke(session: &Session, id: &str, valid_s: u64) -> Outcome {
    let kept = kept::find(session, id).await?;
    let refused = |sentence: String| Err(Failure::new(exit::GIVEN, sentence));
    if kept.sort == Sort::Held {
        return refused(format!("{} was issued by {}, who alone can take it back", kept.id, kept.about.issuer));
    }
    let Some(entry) = kept.about.status else {
        return refused(format!("{} was issued without --status, so nobody would learn that it was taken back", kept.id));
    };
    // What stands in the archive is what every later list is made of; so it is written first.
    kept::write(session, vec![(entry.revoked(), kept.id.clone().into_bytes())]).await?;
    let list = status_list::sign(session, entry.list, valid_s).await?;
    tell(&format!("{} is taken back. Hand this list to those who verify.", kept.id));
    Ok(words::say(&list)?)
}
