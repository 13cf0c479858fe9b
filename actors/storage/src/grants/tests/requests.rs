//! What the person asks at the command line.

use ipc::{
    Code,
    messages::storage::{
        ChangeAccess, ChangeGroup, Granted as Wire, Grantee as Who, KeepMember, ListAccess, ListMembers, MemberState,
        RevokeMember, ShowMember, Whose,
    },
};

use super::*;
use crate::grants::{change_access, change_group, keep, list, list_access, revoke, show};

#[test]
fn a_membership_is_kept_shown_and_taken_back() {
    run(async {
        let world = World::new().await;
        let (rights, writer) = (&world.rights, &world.writer);
        let peer = Key::new(100);
        let chain = vec![world.given(&grant(Role::Member, ALL, 1), &world.person, &peer)];
        let id = world.last_id();
        let kept = keep(rights, writer, KeepMember { whose: Whose::Given, chain: chain.clone() }).await.expect("kept");
        assert_eq!((kept.subject, kept.state, &kept.id), (peer.bytes(), MemberState::Valid, &id));
        // Of a delegate.
        let below = Key::new(101);
        let longer = vec![chain[0].clone(), world.given(&grant(Role::Guest, ALL, 0), &peer, &below)];
        let kept = keep(rights, writer, KeepMember { whose: Whose::Given, chain: longer.clone() }).await.expect("kept");
        assert_eq!((kept.depth, kept.issuer), (1, peer.bytes()));
        // In another's space.
        let elsewhere = vec![world.given(&grant(Role::Guest, ALL, 0), &Key::new(102), &world.device)];
        keep(rights, writer, KeepMember { whose: Whose::Held, chain: elsewhere.clone() }).await.expect("kept");
        for (whose, chain) in [(Whose::Given, elsewhere), (Whose::Held, longer.clone()), (Whose::Given, vec![b"x".to_vec()])] {
            let refused = keep(rights, writer, KeepMember { whose, chain }).await.expect_err("refused");
            assert_eq!(refused.code, Code::MembershipRefused);
        }
        let all = list(rights, ListMembers { skip: 0 }).expect("listed");
        assert_eq!(
            all.items.iter().map(|member| member.whose).collect::<Vec<_>>(),
            [Some(Whose::Held), Some(Whose::Given), Some(Whose::Given)]
        );
        assert!(!all.more);
        let begins = id.trim_start_matches("urn:uuid:").to_owned();
        assert_eq!(show(rights, &ShowMember { id: begins }).expect("found").chain, chain);
        assert_eq!(show(rights, &ShowMember { id: "urn:uuid:".to_owned() }).expect_err("many").code, Code::NotFound);
        // One is taken back, and what was given under it with it.
        revoke(rights, writer, RevokeMember::Credential(id.clone())).await.expect("kept");
        let states = || -> Vec<MemberState> {
            list(rights, ListMembers { skip: 1 }).expect("listed").items.iter().map(|member| member.state).collect()
        };
        assert_eq!(states(), [MemberState::Revoked, MemberState::Revoked]);
        assert!(rights.of_peer(&below.bytes(), &longer).1.is_err());
        let refused = revoke(rights, writer, RevokeMember::Subject(world.person.bytes())).await.expect_err("refused");
        assert_eq!(refused.code, Code::InputInvalid);
        for own in [&world.device, &world.window] {
            let refused = revoke(rights, writer, RevokeMember::Subject(own.bytes())).await.expect_err("refused");
            assert_eq!(refused.code, Code::InputInvalid);
        }
        // They are listed when they are over as well.
        world.wait(LIFETIME + 1);
        assert_eq!(list(rights, ListMembers { skip: 0 }).expect("listed").items[0].state, MemberState::OutOfTime);
    });
}

#[test]
fn grants_and_groups_are_listed_in_pages_as_they_hold() {
    run(async {
        let world = World::new().await;
        let (rights, writer) = (&world.rights, &world.writer);
        let [one, two] = [110, 111].map(|seed| Key::new(seed).bytes());
        let access = |who: Who, may| ChangeAccess { who, what: Wire::Everything, may };
        change_access(rights, writer, access(Who::Peer(one), true)).await.expect("kept");
        change_access(rights, writer, access(Who::Group("friends".into()), true)).await.expect("kept");
        change_access(rights, writer, access(Who::Peer(one), false)).await.expect("kept");
        for key in [one, two] {
            let change = ChangeGroup { group: "friends".into(), key, inside: true };
            change_group(rights, writer, change).await.expect("kept");
        }
        change_group(rights, writer, ChangeGroup { group: "friends".into(), key: two, inside: false }).await.expect("kept");
        let listed = list_access(rights, ListAccess { skip: 0 });
        assert_eq!(listed.grants, [(Who::Group("friends".into()), Wire::Everything)]);
        assert_eq!((listed.members, listed.more), (vec![("friends".to_owned(), one)], false));
        let second = list_access(rights, ListAccess { skip: 1 });
        assert_eq!((second.grants.len(), second.members.len()), (0, 1));
        for (name, told) in [("message", "message"), ("FileRemoved", "file-removed"), ("900", "900")] {
            let change = ChangeAccess { who: Who::Peer(two), what: Wire::Kind(name.into()), may: true };
            change_access(rights, writer, change).await.expect("kept");
            let listed = list_access(rights, ListAccess { skip: 0 }).grants;
            assert!(listed.contains(&(Who::Peer(two), Wire::Kind(told.into()))), "{listed:?}");
        }
        let unknown = ChangeAccess { who: Who::Peer(two), what: Wire::Kind("nonsense".into()), may: true };
        assert_eq!(change_access(rights, writer, unknown).await.expect_err("refused").code, Code::InputInvalid);
        for wrong in ["", " friends", "a\nb", &"x".repeat(65)] {
            let change = ChangeGroup { group: wrong.to_owned(), key: one, inside: true };
            assert_eq!(change_group(rights, writer, change).await.expect_err("refused").code, Code::InputInvalid);
        }
        let weak = access(Who::Peer([0; 32]), true);
        assert_eq!(change_access(rights, writer, weak).await.expect_err("refused").code, Code::InputInvalid);
    });
}
