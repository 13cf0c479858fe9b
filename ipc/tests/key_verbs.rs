//! Who may ask the key process for what: the whole list, so that a new row is a deliberate change.

use ipc::{Role, policy::TABLE};

const LIST: &[(Role, &[&str])] = &[
    (Role::Supervisor, &["Lock", "NoteForbidden"]),
    (
        Role::Cli,
        &[
            "Unlock",
            "Deploy",
            "UnlockAnew",
            "ChangePassword",
            "MakeKit",
            "Recover",
            "Remember",
            "UnlockRemembered",
            "ForgetRemembered",
            "ShowPicture",
            "ShowCost",
            "Lock",
            "KeyStatus",
            "ShowIdentity",
            "SignCredential",
            "Lend",
            "ReadAudit",
            "KeepKey",
            "LendKept",
            "IssueMembership",
        ],
    ),
    (Role::Ui, &["Unlock", "Deploy", "Lock", "KeyStatus", "ShowIdentity", "ReadAudit", "ReleaseCacheKey", "IssueMembership"]),
    (Role::Storage, &["ReleaseStoreKey", "SignEvents", "AuditHead"]),
    (Role::Crypto, &[]),
    (Role::Llm, &["ReleaseApiKey"]),
    (Role::Agent, &[]),
    (Role::Code, &[]),
    (Role::Courier, &["ReleaseApiKey"]),
    (Role::Verifier, &[]),
    (Role::Gate, &["ShowIdentity", "SignCredential"]),
];

/// Beyond what every process answers, by which the way to it is checked and measured.
#[test]
fn the_key_process_is_asked_for_these_things_by_these_and_nothing_else() {
    const EVERYBODYS: u16 = 0xff00;
    let rows = |role: Role| {
        let of = TABLE.iter().filter(move |row| row.source == role && row.destination == Role::Crypto && row.method < EVERYBODYS);
        of.map(|row| row.name).collect::<Vec<_>>()
    };
    assert_eq!(LIST.iter().map(|(role, _)| *role).collect::<Vec<_>>(), Role::ALL, "every role stands in the list");
    for (role, verbs) in LIST {
        assert_eq!(rows(*role), *verbs, "{role}");
    }
}
