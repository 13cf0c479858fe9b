//! The whole matrix as a text to be looked at: standing × permissions × kinds × state, and what leaves and comes for it.

use std::fmt::Write as _;

use super::*;

/// What is asked about: somebody's event, about what, of which kind.
struct Asked {
    name: &'static str,
    entity: u8,
    kind: u16,
}

const ASKED: [Asked; 6] = [
    Asked { name: "granted entity", entity: 1, kind: body::MESSAGE },
    Asked { name: "granted kind", entity: 2, kind: body::TITLE },
    Asked { name: "ungranted", entity: 2, kind: body::MESSAGE },
    Asked { name: "erasure", entity: 0, kind: body::ERASE },
    Asked { name: "right", entity: 0, kind: body::RIGHT },
    Asked { name: "future kind", entity: 2, kind: 999 },
];

/// `o` for what leaves, `i` for what comes of its own making, `c` for what it carries of the device's, `s` of a stranger's.
fn row(grants: &super::super::PeerGrants, member: &Key, world: &World) -> String {
    let (peer, stranger) = (Peer(member.bytes()), Key::new(99));
    let mut row = format!("{:?}", grants.reach(&peer));
    for asked in &ASKED {
        let of = |author: &Key| header(author, asked.entity, asked.kind);
        let each = [
            ('o', grants.may_export(&peer, &of(&world.device))),
            ('i', grants.may_import(&peer, &of(member))),
            ('c', grants.may_import(&peer, &of(&world.device))),
            ('s', grants.may_import(&peer, &of(&stranger))),
        ];
        let letters: String = each.iter().map(|(letter, may)| if *may { *letter } else { '-' }).collect();
        let _ = write!(row, " {letters}");
    }
    row
}

#[test]
fn standing_permission_kind_and_state_decide_what_leaves() {
    run(async {
        let world = World::new().await;
        let member = Key::new(10);
        world.grant_to(&member, Granted::Entity([1; 16]), true).await;
        world.grant_to(&member, Granted::Kind(body::TITLE), true).await;
        let names: Vec<&str> = ASKED.iter().map(|asked| asked.name).collect();
        let mut text = format!("reach, then for each of: {}\n", names.join(", "));
        use Permission::{Delegate, Read, Sync, Write};
        let sets: [&[Permission]; 7] =
            [&[Read], &[Write], &[Sync], &[Delegate], &[Read, Write], &[Read, Sync], &[Read, Write, Sync]];
        for role in [Role::Guest, Role::Member, Role::Admin] {
            for permissions in sets {
                for types in [None, Some(["title", "999"])] {
                    let mut grant = grant(role, permissions, 0);
                    grant.storage.allowed_types = types.map(|types| types.map(str::to_owned).into());
                    let chain = [world.given(&grant, &world.person, &member)];
                    let (grants, admitted) = world.rights.of_peer(&member.bytes(), &chain);
                    admitted.expect("let in");
                    let what: Vec<&str> = permissions.iter().map(|permission| permission.name()).collect();
                    let limit = if types.is_some() { " of some kinds" } else { "" };
                    let _ = writeln!(text, "{} {}{limit}: {}", role.name(), what.join("+"), row(&grants, &member, &world));
                }
            }
        }
        insta::assert_snapshot!("matrix", text);
    });
}

/// Whoever it is and whatever it may: when the membership does not hold any more, nothing is left of it.
#[test]
fn in_every_state_but_the_valid_one_nothing_leaves_and_nothing_comes() {
    run(async {
        let world = World::new().await;
        for (number, role) in (20..).zip([Role::Guest, Role::Member, Role::Admin]) {
            for state in 0..4u8 {
                let (member, above) = (Key::new(number * 4 + state), Key::new(200 + number));
                world.grant_to(&member, Granted::Everything, true).await;
                let top = world.given(&grant(Role::Admin, ALL, 2), &world.person, &above);
                let top_id = world.last_id();
                let chain = [top, world.given(&grant(role, ALL, 0), &above, &member)];
                let id = world.last_id();
                let (grants, admitted) = world.rights.of_peer(&member.bytes(), &chain);
                admitted.expect("let in");
                assert!(row(&grants, &member, &world).contains('o'));
                match state {
                    0 => world.wait(LIFETIME + 1),
                    1 => world.say(Right::RevokedCredential(id)).await,
                    2 => world.say(Right::RevokedCredential(top_id)).await,
                    _ => world.say(Right::RevokedKey(above.bytes())).await,
                }
                assert_eq!(row(&grants, &member, &world), "Nothing ---- ---- ---- ---- ---- ----", "{role:?} {state}");
                if state == 0 {
                    world.wait(-LIFETIME - 1);
                }
                // And with the key of another.
                let (grants, _) = world.rights.of_peer(&above.bytes(), &chain);
                assert_eq!(row(&grants, &member, &world), "Nothing ---- ---- ---- ---- ---- ----");
            }
        }
    });
}
