//! `credential present`: an answer to who asked, good for that one question.

use ipc::messages::verifier::Making;

use super::{
    super::args::credential::Present,
    kept::{self, Written},
    make,
};
use crate::{
    cli::{
        session::Session,
        words::{self, Failure, Outcome},
    },
    exit,
};

pub(super) async fn present(session: &Session, args: Present) -> Outcome {
    let Present { ids, challenge, domain, disclose, suite } = args;
    let mut kept = Vec::new();
    for id in &ids {
        kept.push(kept::find(session, id).await?);
    }
    let what = match kept.as_slice() {
        [one] if one.about.written == Written::SdJwt => {
            Making::Disclosure { sd_jwt: one.text(session).await?, shown: disclose, challenge, domain }
        }
        _ if !disclose.is_empty() => {
            return Err(Failure::new(exit::USAGE, "claims can be kept back of an SD-JWT alone, which is presented by itself"));
        }
        _ => {
            let mut shown = Vec::new();
            for one in &kept {
                shown.push(one.text(session).await?);
            }
            Making::Presentation { shown, challenge, domain, suite: suite.into() }
        }
    };
    let (text, _) = make(session, what).await?;
    Ok(words::say(&text)?)
}
