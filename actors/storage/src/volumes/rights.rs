//! Who may do what in which volume, as data, and the one function that asks.
//!
//! A person's own programs may do everything but change what ships. An agent reads strangers' words, so it writes nowhere;
//! it reads what is there for every conversation. A conversation belongs to no project yet, so an agent reads none; and what
//! others say about a person, under a signature, is nothing a conversation needs.

use ipc::{Code, Refusal, Role};

use super::path::{Kind, VolumePath};

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Its name is told.
    List,
    /// Its content is given out, or that of an older version.
    Read,
    /// It gets a new version, or is removed.
    Write,
}

const READ: &[Act] = &[Act::List, Act::Read];
const ALL: &[Act] = &[Act::List, Act::Read, Act::Write];

/// Every right there is. No row means no.
#[rustfmt::skip]
const RIGHTS: &[(Role, Kind, &[Act])] = &[
    (Role::Cli,   Kind::System,  READ),
    (Role::Cli,   Kind::Team,    ALL),
    (Role::Cli,   Kind::User,    ALL),
    (Role::Cli,   Kind::Project, ALL),
    (Role::Cli,   Kind::Credentials, ALL),
    (Role::Ui,    Kind::System,  READ),
    (Role::Ui,    Kind::Team,    ALL),
    (Role::Ui,    Kind::User,    ALL),
    (Role::Ui,    Kind::Project, ALL),
    (Role::Ui,    Kind::Credentials, ALL),
    (Role::Agent, Kind::System,  READ),
    (Role::Agent, Kind::Team,    READ),
    (Role::Agent, Kind::User,    READ),
];

/// Whether a role may do this in a volume of this kind.
pub(crate) fn may(role: Role, act: Act, kind: Kind) -> bool {
    RIGHTS.iter().any(|(who, of, acts)| *who == role && *of == kind && acts.contains(&act))
}

/// Reads a path and sees whether who asks may do this there. Every path that comes from outside comes through here.
pub(crate) fn admit(role: Role, act: Act, text: &str) -> Result<VolumePath, Refusal> {
    let path = VolumePath::parse(text)?;
    allow(role, act, path.kind(), path.whole()).map(|()| path)
}

/// Sees whether who asks may do this in a volume of this kind.
pub(crate) fn allow(role: Role, act: Act, kind: Kind, what: &str) -> Result<(), Refusal> {
    if may(role, act, kind) {
        return Ok(());
    }
    // A person is told what to do instead; a process of ours that asks has no business there.
    Err(if may(role, Act::Read, kind) && may(role, Act::Write, Kind::User) {
        let advice = "it ships with the program and is never changed; a file of the same name in user/ lies over it";
        Refusal::new(Code::NotKeepable, format!("{what:?} cannot be written: {advice}"))
    } else {
        Refusal::new(Code::Forbidden, format!("the {role} process may not touch {} volumes like this", kind.name()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTS: &[Act] = &[Act::List, Act::Read, Act::Write];

    fn path(kind: Kind) -> &'static str {
        match kind {
            Kind::Credentials => "credentials/held/a",
            Kind::Project => "project/p/a",
            Kind::System => "system/skills/a",
            Kind::Team => "team/t/a",
            Kind::User => "user/a",
        }
    }

    /// A branch is no way around the rights of its volume.
    #[test]
    fn a_branch_has_the_rights_of_its_volume() {
        for &role in Role::ALL {
            for &act in ACTS {
                for (volume, branch) in [("user/a", "user@b/a"), ("team/t/a", "team/t@b/a"), ("project/p/a", "project/p@b/a")] {
                    let code = |path| admit(role, act, path).map(|_| ()).map_err(|refusal| refusal.code);
                    assert_eq!(code(branch), code(volume), "{role} {act:?} {branch}");
                }
                assert!(admit(role, act, "system@b/skills/a").is_err());
            }
        }
    }

    /// The table once more in other words, for every role, volume and act.
    #[test]
    fn each_role_may_this_and_no_more() {
        for &role in Role::ALL {
            for &kind in Kind::ALL {
                for &act in ACTS {
                    let person = matches!(role, Role::Cli | Role::Ui);
                    let expected = match (act, kind) {
                        (Act::Write, Kind::System) => false,
                        (Act::Write, _) | (_, Kind::Project | Kind::Credentials) => person,
                        _ => person || role == Role::Agent,
                    };
                    assert_eq!(may(role, act, kind), expected, "{role} {act:?} {kind:?}");
                    assert_eq!(admit(role, act, path(kind)).is_ok(), expected, "{role} {act:?} {kind:?}");
                }
            }
        }
    }

    #[test]
    fn a_person_is_told_what_to_do_and_a_process_is_not() {
        let code = |role, kind| admit(role, Act::Write, path(kind)).map_err(|refusal| refusal.code);
        assert_eq!(code(Role::Cli, Kind::System), Err(Code::NotKeepable));
        assert_eq!(code(Role::Agent, Kind::System), Err(Code::Forbidden));
        assert_eq!(code(Role::Agent, Kind::User), Err(Code::Forbidden));
        assert_eq!(code(Role::Llm, Kind::User), Err(Code::Forbidden));
    }

    /// No spelling of a path reaches a volume that its plain spelling does not.
    #[test]
    fn no_spelling_gets_around() {
        for text in [
            "user/../project/p/a",
            "project/p@try/a",
            "user@x/../../project/p/a",
            "user@draft/../project/p/a",
            "./project/p/a",
            "PROJECT/p/a",
            "project//p/a",
            "user/x/../../project/p/a",
            "/project/p/a",
        ] {
            assert!(admit(Role::Agent, Act::Read, text).is_err(), "{text}");
        }
    }
}
