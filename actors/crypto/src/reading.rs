//! The audit log as it is asked for: page by page, with the look whether its chain is whole.

use actix::Addr;
use ipc::{
    Refusal, Role,
    endpoint::Reply,
    messages::crypto::{AuditEnd, AuditPage, AuditRead, AuditRecord, LogHead, MAX_AUDIT_PAGE, ReadAudit},
};

use crate::{
    audit::{Chain, Previous, Record},
    keeper::{AuditStep, AuditTop, Keeper},
    service::gone,
};

/// Where the log ends.
pub(crate) async fn end(keeper: &Addr<Keeper>) -> Result<AuditEnd, Refusal> {
    let (top, _) = keeper.send(AuditTop).await.map_err(gone)??;
    let head =
        top.newest.map_or(LogHead { number: 0, hash: [0; 32] }, |newest| LogHead { number: top.number, hash: newest.hash });
    Ok(AuditEnd { head, notable: top.notable })
}

/// Sends the records of the open space, the newest first, and says what is missing among them.
pub(crate) async fn read(keeper: &Addr<Keeper>, read: ReadAudit, reply: &Reply<ReadAudit>) -> Result<AuditRead, Refusal> {
    let (top, header_whole) = keeper.send(AuditTop).await.map_err(gone)??;
    let mut chain = Chain::ending(&top);
    let mut left = if read.most == 0 { u64::MAX } else { u64::from(read.most) };
    let (mut below, mut to_the_end) = (Some(top.count), false);
    while let Some(from) = below.filter(|_| left > 0) {
        let (found, next) = keeper.send(AuditStep(from)).await.map_err(gone)??;
        let wanted = found.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        to_the_end = next.is_none() && wanted == found.len();
        for page in found.get(..wanted).unwrap_or_default().chunks(MAX_AUDIT_PAGE) {
            page.iter().for_each(|(at, record)| chain.take(record, *at));
            let records = page.iter().map(|(at, record)| told(at, record)).collect();
            if !reply.send(&AuditPage { records }).await? {
                return Err(Refusal::new(ipc::Code::Cancelled, "stopped, as asked"));
            }
        }
        left -= wanted as u64;
        below = next;
    }
    if to_the_end {
        chain.end();
    }
    let oldest = chain.first.unwrap_or(0);
    let Chain { missing, and_more, .. } = chain;
    Ok(AuditRead { newest: top.number, oldest, to_the_end, missing, and_more, header_damaged: !header_whole })
}

fn told(at: &Previous, record: &Record) -> AuditRecord {
    AuditRecord {
        number: record.link.number,
        hash: at.hash,
        verb: record.verb,
        caller: record.caller.and_then(|(role, instance)| Some((Role::from_number(role)?, instance))),
        outcome: record.outcome,
        times: record.times,
        since_ms: record.since_ms,
        at_ms: record.at_ms,
        objects: record.objects,
        misses: record.misses,
        unwritten: record.unwritten,
    }
}
