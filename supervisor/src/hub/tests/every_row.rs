//! The whole table, and everything that is not in it.

use ipc::messages::{agent, code, common, courier, crypto, gate, llm, storage, supervisor, verifier};

use super::*;

/// Every source, destination and method number, in each of the four ways to ask, against the table read in another way.
/// What has a row passes in the one way it is to be asked for, and ends who asks in another; all else is refused.
#[test]
fn exactly_the_rows_of_the_table_pass() {
    let services = [
        supervisor::METHODS,
        storage::METHODS,
        crypto::METHODS,
        llm::METHODS,
        agent::METHODS,
        code::METHODS,
        courier::METHODS,
        verifier::METHODS,
        gate::METHODS,
        common::METHODS,
    ];
    let numbers: BTreeSet<u16> =
        services.concat().into_iter().map(|(number, _)| number).chain(0..96).chain(0xff00..=0xffff).collect();
    assert!(TABLE.iter().all(|row| numbers.contains(&row.method)));
    let everybody: Vec<Place> = Role::ALL.iter().map(|role| (*role, Instance(1))).filter(|place| *place != SUPERVISOR).collect();
    let ways = [Kind::Call, Kind::Open].map(|kind| [Flags::NONE, Flags::SENSITIVE].map(|flags| (kind, flags)));
    let mut passed = 0;
    for (&from, &to) in Role::ALL.iter().flat_map(|from| Role::ALL.iter().map(move |to| (from, to))) {
        for &method in &numbers {
            let row = TABLE.iter().find(|row| (row.source, row.destination, row.method) == (from, to, method));
            for (kind, flags) in ways.concat() {
                let mut stage = Stage::with(TABLE, &everybody);
                let asker = (from, Instance(1));
                let header = Header { destination: Some(some(to)), method, call: CallId(1), flags, ..Header::new(kind) };
                stage.send(asker, Frame::bare(header));
                let right = |row: &Row| {
                    (kind, flags)
                        == (
                            if row.stream { Kind::Open } else { Kind::Call },
                            if row.sensitive { Flags::SENSITIVE } else { Flags::NONE },
                        )
                };
                let what = format!("{from} asks {to} for {method} by {kind:?}, {flags:?}");
                match row {
                    Some(row) if right(row) => {
                        passed += 1;
                        assert_eq!(stage.next((to, Instance(1))).map(|frame| frame.header.kind), Some(kind), "{what}");
                        assert!(stage.ended.is_empty(), "{what}");
                    }
                    Some(_) => assert_eq!(stage.ended, [(asker, Misconduct::WrongKind)], "{what}"),
                    None => {
                        assert_eq!(stage.refusal(asker), (CallId(1), Code::Forbidden), "{what}");
                        assert!(stage.ended.is_empty(), "{what}");
                    }
                }
                assert!(stage.inbox.values().all(VecDeque::is_empty), "{what}: nobody else hears of it");
            }
        }
    }
    assert_eq!(passed, TABLE.len());
}
