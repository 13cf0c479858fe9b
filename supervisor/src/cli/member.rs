//! `member`: who is let into this space, and where this device is.
//!
//! The key process makes a membership of typed fields and signs it; the archive checks it and keeps it. Here is what the
//! person sees before, and the files in between. A request is a file with a `did:key` and what is wanted; that whoever sent
//! it has the key is shown when they connect, not by the file.

mod request;

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    path::Path,
};

use credentials::{PublicKey, canonical};
use ipc::messages::{
    crypto::{IssueMembership, MayDo, MemberPriority, MemberRole, MemberSubject, MemberTerms, MembershipIssued},
    storage::{KeepMember, ListMembers, MAX_CHAIN, MAX_CREDENTIAL, Member, MemberState, RevokeMember, ShowMember, Whose},
};
use serde_json::{Value, json};

use super::{
    args::{Common, IssueArgs, MayArg, MemberAction, MemberArgs, RoleArg, Wanted},
    session::Session,
    sign_in::{refuse_demo, sign_in},
    words::{self, Failure, Outcome, instant, line, table, tell},
};
use crate::exit;

/// `lamos member`.
pub async fn member(session: &Session, common: &Common, args: MemberArgs) -> Outcome {
    sign_in(session, common).await?;
    match args.action {
        MemberAction::Request(wanted) => request::request(session, &wanted).await,
        MemberAction::Issue(args) => issue(session, args).await,
        MemberAction::Accept { file } => accept(session, &file, common.json).await,
        MemberAction::List => list(session, common.json).await,
        MemberAction::Show { id } => {
            let shown = session.client.call(&ShowMember { id }).await?;
            if shown.chain.is_empty() { report(&shown.member, common.json) } else { print(&shown.chain) }
        }
        MemberAction::Revoke { who } => revoke(session, who).await,
        MemberAction::Renew { id } => renew(session, id).await,
    }
}

/// Reads a `did:key`.
pub fn key_of(did: &str) -> Result<[u8; 32], Failure> {
    let key = PublicKey::from_did(did).map_err(|refused| Failure::new(exit::GIVEN, format!("this is no did:key: {refused}")))?;
    Ok(*key.as_bytes())
}

/// Writes a key as `did:key`.
pub fn did_of(key: &[u8; 32]) -> String {
    PublicKey::from_bytes(key).map_or_else(|_| "no key".to_owned(), |key| key.did())
}

async fn issue(session: &Session, args: IssueArgs) -> Outcome {
    refuse_demo(session, "where others are let in").await?;
    let (key, wanted) = if args.who.starts_with("did:") {
        (key_of(&args.who)?, args.wanted)
    } else {
        request::read_request(&read_file(Path::new(&args.who))?)?
    };
    let above = match args.under {
        Some(id) => Some(session.client.call(&ShowMember { id }).await?),
        None => None,
    };
    let terms = terms(&wanted);
    if !args.yes {
        confirm(&key, &terms, args.hours)?;
    }
    let ask = IssueMembership {
        subject: MemberSubject::Other(key),
        terms,
        lifetime_s: args.hours.saturating_mul(3600),
        renewal: 0,
        status: None,
    };
    let MembershipIssued { credential, .. } = session.client.call(&ask).await?;
    let mut chain = above.map_or_else(Vec::new, |above| above.chain);
    let ours = chain.is_empty();
    chain.push(credential);
    if ours {
        session.client.call(&KeepMember { whose: Whose::Given, chain: chain.clone() }).await?;
    }
    print(&chain)
}

fn confirm(key: &[u8; 32], terms: &MemberTerms, hours: u32) -> Outcome {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(exit::USAGE, "this lets somebody in; say --yes if that is wanted"));
    }
    tell(&format!(
        "{} would be let in for {hours} hours as {}, to {}.",
        did_of(key),
        role_name(terms.role),
        may_names(terms.may)
    ));
    if let Some(types) = &terms.allowed_types {
        tell(&format!("Only events of these kinds: {}.", line(&types.join(", "))));
    }
    if terms.max_depth > 0 {
        tell(&format!("They could let others in, over {} links.", terms.max_depth));
    }
    words::answer("Let them in? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let yes = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if yes { Ok(()) } else { Err(Failure::new(exit::STOPPED, "nobody was let in")) }
}

async fn accept(session: &Session, file: &Path, as_json: bool) -> Outcome {
    let links = match read_file(file)? {
        Value::Array(links) => links,
        one => vec![one],
    };
    if links.len() > MAX_CHAIN {
        return Err(Failure::new(exit::GIVEN, format!("there are at most {MAX_CHAIN} memberships in a chain")));
    }
    let chain = links.iter().map(|link| canonical(link).map_err(|refused| unreadable(&refused))).collect::<Result<_, _>>()?;
    let kept = session.client.call(&KeepMember { whose: Whose::Held, chain }).await?;
    report(&kept, as_json)
}

async fn revoke(session: &Session, who: String) -> Outcome {
    let what = if who.starts_with("did:") {
        RevokeMember::Subject(key_of(&who)?)
    } else {
        RevokeMember::Credential(session.client.call(&ShowMember { id: who }).await?.member.id)
    };
    session.client.call(&what).await?;
    tell("It counts no more. What they have already stays with them; nothing more leaves.");
    Ok(())
}

async fn renew(session: &Session, id: String) -> Outcome {
    let Member { whose, subject, terms, depth, renewal, from_s, until_s, state, .. } =
        session.client.call(&ShowMember { id }).await?.member;
    if whose != Some(Whose::Given) || depth > 0 {
        return Err(Failure::new(exit::GIVEN, "only who gave a membership renews it"));
    }
    if state != MemberState::Valid {
        return Err(Failure::new(exit::GIVEN, "it does not count any more; `lamos member issue` gives a new one"));
    }
    let lifetime_s = u32::try_from(until_s.saturating_sub(from_s)).unwrap_or(u32::MAX);
    let ask = IssueMembership {
        subject: MemberSubject::Other(subject),
        terms,
        lifetime_s,
        renewal: renewal.saturating_add(1),
        status: None,
    };
    let MembershipIssued { credential, .. } = session.client.call(&ask).await?;
    session.client.call(&KeepMember { whose: Whose::Given, chain: vec![credential.clone()] }).await?;
    print(&[credential])
}

async fn list(session: &Session, as_json: bool) -> Outcome {
    let mut members = Vec::new();
    let mut skip = 0;
    loop {
        let page = session.client.call(&ListMembers { skip }).await?;
        let kept = page.items.iter().filter(|member| member.whose.is_some()).count();
        skip += u32::try_from(kept).unwrap_or(u32::MAX);
        let more = page.more && kept > 0;
        members.extend(page.items);
        if !more {
            break;
        }
    }
    if as_json {
        return Ok(words::json(&members.iter().map(described).collect::<Vec<Value>>().into())?);
    }
    if members.is_empty() {
        tell("Nobody is let in.");
    }
    let row = |member: &Member| {
        vec![
            line(member.id.trim_start_matches("urn:uuid:")).chars().take(13).collect(),
            whose_name(member.whose).to_owned(),
            did_of(&member.subject),
            role_name(member.terms.role).to_owned(),
            may_names(member.terms.may),
            format!("until {}", at(member.until_s)),
            state_name(member.state).to_owned(),
        ]
    };
    Ok(words::answer(&table(&members.iter().map(row).collect::<Vec<_>>()))?)
}

/// Prints credentials: one as it is, several as a list, first link first.
fn print(chain: &[Vec<u8>]) -> Outcome {
    let read = |text: &Vec<u8>| credentials::json::read(text).map_err(|refused| unreadable(&refused));
    let mut links = chain.iter().map(read).collect::<Result<Vec<Value>, Failure>>()?;
    let printed = if links.len() == 1 { links.pop().unwrap_or_default() } else { Value::Array(links) };
    Ok(words::json(&printed)?)
}

fn report(member: &Member, as_json: bool) -> Outcome {
    if as_json {
        return Ok(words::json(&described(member))?);
    }
    let mut rows = vec![
        vec!["id".to_owned(), line(&member.id)],
        vec!["who".to_owned(), did_of(&member.subject)],
        vec!["from".to_owned(), did_of(&member.issuer)],
        vec!["as".to_owned(), role_name(member.terms.role).to_owned()],
        vec!["may".to_owned(), may_names(member.terms.may)],
        vec!["until".to_owned(), at(member.until_s)],
        vec!["renewed".to_owned(), member.renewal.to_string()],
        vec!["state".to_owned(), state_name(member.state).to_owned()],
    ];
    if !member.why.is_empty() {
        rows.push(vec!["why".to_owned(), line(&member.why)]);
    }
    Ok(words::answer(&table(&rows))?)
}

fn described(member: &Member) -> Value {
    json!({
        "id": member.id,
        "whose": whose_name(member.whose),
        "subject": did_of(&member.subject),
        "issuer": did_of(&member.issuer),
        "role": role_name(member.terms.role),
        "permissions": permissions(member.terms.may),
        "allowed_types": member.terms.allowed_types,
        "max_storage": member.terms.max_storage,
        "max_depth": member.terms.max_depth,
        "depth": member.depth,
        "renewal": member.renewal,
        "from_s": member.from_s,
        "until_s": member.until_s,
        "state": state_name(member.state),
        "why": member.why,
    })
}

fn at(seconds: i64) -> String {
    instant(u64::try_from(seconds).unwrap_or_default().saturating_mul(1000))
}

fn whose_name(whose: Option<Whose>) -> &'static str {
    match whose {
        None => "own",
        Some(Whose::Given) => "given",
        Some(Whose::Held) => "held",
    }
}

fn state_name(state: MemberState) -> &'static str {
    match state {
        MemberState::Valid => "valid",
        MemberState::OutOfTime => "out of time",
        MemberState::Revoked => "taken back",
        MemberState::Refused => "refused",
    }
}

fn role_name(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Guest => "guest",
        MemberRole::Member => "member",
        MemberRole::Admin => "admin",
    }
}

fn permissions(may: MayDo) -> Vec<&'static str> {
    let MayDo { read, write, sync, delegate } = may;
    let named = [(read, "read"), (write, "write"), (sync, "sync"), (delegate, "delegate")];
    named.into_iter().filter(|(may, _)| *may).map(|(_, name)| name).collect()
}

fn may_names(may: MayDo) -> String {
    permissions(may).join("+")
}

fn terms(wanted: &Wanted) -> MemberTerms {
    let may = |permission| wanted.may.contains(&permission);
    MemberTerms {
        role: match wanted.role {
            RoleArg::Guest => MemberRole::Guest,
            RoleArg::Member => MemberRole::Member,
            RoleArg::Admin => MemberRole::Admin,
        },
        may: MayDo {
            read: may(MayArg::Read),
            write: may(MayArg::Write),
            sync: may(MayArg::Sync),
            delegate: may(MayArg::Delegate) || wanted.depth > 0,
        },
        max_storage: wanted.max_storage,
        allowed_types: wanted.types.clone(),
        priority: MemberPriority::Normal,
        max_depth: wanted.depth,
    }
}

/// Reads a file of JSON from a stranger, within bounds.
fn read_file(path: &Path) -> Result<Value, Failure> {
    let most = MAX_CHAIN * MAX_CREDENTIAL;
    let cannot = |error: io::Error| Failure::new(exit::GIVEN, format!("failed to read the file: {error} ({})", path.display()));
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut text)).map_err(cannot)?;
    if text.len() > most {
        return Err(Failure::new(exit::GIVEN, format!("it has more than {most} bytes")));
    }
    credentials::json::read(&text).map_err(|refused| unreadable(&refused))
}

fn unreadable(refused: &credentials::Refused) -> Failure {
    Failure::new(exit::GIVEN, format!("it cannot be read: {refused}"))
}
