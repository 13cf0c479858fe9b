//! Those who come with something that does not hold, and those who hold something and want more.

use credentials::Kind;
use replica::body::Erase;

use super::*;

/// What they show, why it does not count, and which link is named.
#[test]
fn who_shows_nothing_that_holds_gets_nothing() {
    run(async {
        let world = World::new().await;
        let (peer, other, above) = (Key::new(50), Key::new(51), Key::new(52));
        let member = grant(Role::Member, ALL, 0);
        let good = || world.given(&member, &world.person, &peer);
        let text = String::from_utf8(good()).expect("a text");
        let tampered = text.replace("\"member\"", "\"admin\"").into_bytes();
        assert_ne!(tampered, text.as_bytes());
        let chain = |depths: &[u8]| -> Vec<Vec<u8>> {
            let keys: Vec<Key> = (60..).take(depths.len() + 1).map(Key::new).collect();
            let mut issuer = &world.person;
            let mut links = Vec::new();
            for (place, depth) in depths.iter().enumerate() {
                let subject = if place + 1 == depths.len() { &peer } else { &keys[place] };
                links.push(world.given(&grant(Role::Member, ALL, *depth), issuer, subject));
                issuer = subject;
            }
            links
        };
        let guest = world.given(&grant(Role::Guest, ALL, 0), &world.person, &above);
        let long_ago = world.given_from(&member, &world.person, &peer, world.now().after(-2 * LIFETIME));
        let before_us = world.given_from(&member, &world.person, &peer, world.now().after(-3600));
        let not_yet = world.given_from(&member, &world.person, &peer, world.now().after(3600));
        let unnamed = {
            let (from, until) = (world.now(), world.now().after(60));
            let document = member.to_credential(None, &world.person.public_key(), &peer.public_key(), from, until, None);
            signed(&document.expect("a membership"), &world.person, from)
        };
        let stories: Vec<(&str, Vec<Vec<u8>>, Kind, &str)> = vec![
            ("nothing", Vec::new(), Kind::NotPermitted, ""),
            ("no JSON", vec![b"{".to_vec()], Kind::NotJson, "link 1"),
            ("too long", vec![vec![b' '; 40 << 10]], Kind::TooLarge, "link 1"),
            ("tampered", vec![tampered], Kind::BadSignature, "link 1"),
            ("another's", vec![world.given(&member, &world.person, &other)], Kind::WrongHolder, ""),
            ("of a stranger", vec![world.given(&member, &other, &peer)], Kind::NotPermitted, "link 1"),
            ("of its own", vec![world.given(&grant(Role::Admin, ALL, 8), &peer, &peer)], Kind::NotPermitted, "link 1"),
            ("run out", vec![long_ago], Kind::Expired, "link 1"),
            ("not yet", vec![not_yet], Kind::NotYetValid, "link 1"),
            ("from before this device", vec![before_us], Kind::NotPermitted, "link 1"),
            ("without an id", vec![unnamed], Kind::Malformed, "link 1"),
            ("too deep", chain(&[1, 0, 0]), Kind::NotPermitted, "link 3"),
            ("as deep as the one above", chain(&[2, 2, 0]), Kind::NotPermitted, "link 2"),
            ("from a guest", vec![guest, world.given(&member, &above, &peer)], Kind::NotPermitted, "link 2"),
            (
                "more than above",
                {
                    let few = grant(Role::Member, &[Permission::Read], 1);
                    vec![world.given(&few, &world.person, &above), world.given(&member, &above, &peer)]
                },
                Kind::NotPermitted,
                "link 2",
            ),
            ("ten links", vec![good(); 10], Kind::TooLarge, ""),
        ];
        for (what, chain, kind, link) in stories {
            let (mut line, admitted) = world.line(&peer, &chain);
            let refused = admitted.expect_err(what);
            assert_eq!(refused.kind(), kind, "{what}: {refused}");
            assert!(refused.to_string().starts_with(link), "{what}: {refused}");
            let mut store = Store::new(&peer);
            let all = world.replica.snapshot().and_then(|snapshot| snapshot.after(0, 100)).expect("read");
            line.ask(all.iter().map(|event| event.id).collect());
            line.run(&mut store).await;
            assert!(store.held().is_empty() && !line.showed_any(&world), "{what}");
            assert!(line.said.len() < 400, "{what}: {} bytes", line.said.len());
        }
        // What is within the depth is let in.
        for depths in [&[0][..], &[1, 0], &[3, 2, 1, 0]] {
            world.rights.of_peer(&peer.bytes(), &chain(depths)).1.expect("let in");
        }
    });
}

/// A store of somebody who writes, and takes it to the archive over a session in which the archive asks for everything.
async fn bring(world: &World, peer: &Key, grants: super::super::PeerGrants, store: &mut Store) -> u64 {
    let mut ours = Session::new(Settings { live: false, ..Settings::archive(Peer(peer.bytes())) }, Box::new(grants));
    let mut theirs = Session::new(Settings { live: false, ..Settings::archive(Peer([1; 32])) }, Box::new(Everything));
    let writer = world.writer.clone();
    struct Through(WriterHandle);
    impl replica::chum::Intake for Through {
        fn take(
            &mut self,
            parcels: &[replica::Parcel],
        ) -> Result<Vec<Result<replica::Taken, replica::Unfit>>, replica::ReplicaError> {
            let (parcels, writer) = (parcels.to_vec(), self.0.clone());
            let taken = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                runtime.block_on(writer.run(move |writer| writer.take(&parcels)))
            });
            Ok(taken.join().expect("a thread").expect("taken"))
        }
    }
    let mut intake = Through(writer);
    loop {
        let (mut to_them, mut to_us) = (Vec::new(), Vec::new());
        let mut our_side = Archive::new(&world.replica, &mut intake, Form::Open);
        let mut their_side = Archive::new(&store.replica, &mut store.writer, Form::Open);
        ours.send(&mut our_side, &mut to_them, 1 << 20).expect("said");
        theirs.receive(&mut their_side, &to_them).expect("heard");
        theirs.send(&mut their_side, &mut to_us, 1 << 20).expect("said");
        ours.receive(&mut our_side, &to_us).expect("heard");
        if to_them.is_empty() && to_us.is_empty() {
            world.rights.refresh().expect("read");
            return ours.tally().barred;
        }
    }
}

fn write(store: &mut Store, device: &Key, drafts: Vec<Draft>) {
    for draft in drafts {
        store.writer.write(|batch| batch.append(&draft)).expect("written").expect("kept");
    }
    let unsigned = store.replica.snapshot().and_then(|snapshot| snapshot.unsigned(100)).expect("read");
    let signing = |batch: &mut replica::Batch<'_>| {
        unsigned.iter().try_for_each(|(position, header)| batch.sign(*position, &sign(device, header)))
    };
    store.writer.write(signing).expect("signed");
}

fn talk(entity: u8, title: &str) -> Draft {
    Draft { entity: [entity; 16], body: Body::Conversation(Title { title: title.to_owned() }), once: None }
}

fn right(right: Right) -> Draft {
    Draft { entity: RIGHTS, body: Body::Right(right), once: None }
}

fn held_of(world: &World, author: &Key) -> usize {
    let events = world.replica.snapshot().and_then(|snapshot| snapshot.after(0, 1000)).expect("read");
    events.iter().filter(|event| event.header.author == author.bytes()).count()
}

/// A member that may write sends grants, groups, memberships and takings-back for itself and against others, and erases what
/// was said against it. All of it is kept and carried, and changes nothing.
#[test]
fn what_a_peer_says_about_rights_changes_none() {
    run(async {
        let world = World::new().await;
        let (peer, friend, enemy) = (Key::new(70), Key::new(71), Key::new(72));
        let chain = [world.given(&grant(Role::Member, ALL, 0), &world.person, &peer)];
        let friends = [world.given(&grant(Role::Guest, &[Permission::Read], 0), &world.person, &friend)];
        let enemys = [world.given(&grant(Role::Admin, ALL, 0), &world.person, &enemy)];
        let enemys_id = world.last_id();
        world.say(Right::RevokedCredential(enemys_id.clone())).await;
        let taken_back = world.replica.snapshot().and_then(|snapshot| snapshot.own_rights(0)).expect("read");
        let place = taken_back.last().expect("said").position;
        let event = world.replica.snapshot().and_then(|snapshot| snapshot.after(place - 1, 1)).expect("read")[0].id;
        let mut store = Store::new(&peer);
        let forged = world.given(&grant(Role::Admin, ALL, 8), &friend, &friend);
        let erase =
            |event| Draft { entity: body::ERASURES, body: Body::Erase(Erase { entity: RIGHTS, event, until: None }), once: None };
        write(
            &mut store,
            &peer,
            vec![
                talk(100, "a conversation of the peer"),
                right(Right::Access(Grantee::Peer(friend.bytes()), Granted::Everything, true)),
                right(Right::Group("friends".to_owned(), friend.bytes(), true)),
                right(Right::Access(Grantee::Group("friends".to_owned()), Granted::Everything, true)),
                right(Right::Member(vec![body::Link(forged)], false)),
                right(Right::RevokedKey(world.window.bytes())),
                erase(Some(event)),
                erase(None),
            ],
        );
        let (grants, admitted) = world.rights.of_peer(&peer.bytes(), &chain);
        admitted.expect("let in");
        assert_eq!(bring(&world, &peer, grants, &mut store).await, 0);
        assert_eq!(held_of(&world, &peer), 8, "it is kept and carried");
        for rights in [world.rights.clone(), world.again()] {
            let (grants, admitted) = rights.of_peer(&friend.bytes(), &friends);
            admitted.expect("let in");
            let to = Peer(friend.bytes());
            assert!(!grants.may_export(&to, &header(&world.device, 1, body::MESSAGE)), "nothing was granted");
            let refused = rights.of_peer(&enemy.bytes(), &enemys).1.expect_err("taken back for good");
            assert_eq!(refused.kind(), Kind::Revoked);
            assert!(rights.read().table.members().is_empty() && rights.read().table.all_grants().next().is_none());
        }
        let own = world.replica.snapshot().and_then(|snapshot| snapshot.own_rights(0)).expect("read");
        assert_eq!(own.last().map(|said| &said.right), Some(&Right::RevokedCredential(enemys_id)));
    });
}

#[test]
fn whose_events_are_taken_is_what_its_membership_says() {
    run(async {
        use Permission::{Read, Sync, Write};
        let stories: [(&[Permission], bool, usize, usize); 4] = [
            // May it write, carry; is the other author let in; how many of its own and of the other's are taken.
            (&[Read], true, 0, 0),
            (&[Read, Write], true, 2, 0),
            (&[Read, Sync], true, 0, 1),
            (&[Read, Write, Sync], false, 2, 0),
        ];
        for (permissions, known, own, others) in stories {
            let world = World::new().await;
            let (peer, author) = (Key::new(80), Key::new(81));
            if known {
                let chain = vec![body::Link(world.given(&grant(Role::Member, ALL, 0), &world.person, &author))];
                world.say(Right::Member(chain, false)).await;
            }
            let mut others_store = Store::new(&author);
            write(&mut others_store, &author, vec![talk(101, "of another")]);
            let mut store = Store::new(&peer);
            let parcels = {
                let snapshot = others_store.replica.snapshot().expect("a snapshot");
                let ids: Vec<_> = snapshot.after(0, 9).expect("read").iter().map(|event| event.id).collect();
                snapshot.parcels(&ids, 1 << 20, Form::Open).expect("parcels")
            };
            assert!(store.writer.take(&parcels).expect("taken").iter().all(Result::is_ok));
            write(&mut store, &peer, vec![talk(100, "of the peer"), talk(102, "and another")]);
            let chain = [world.given(&grant(Role::Member, permissions, 0), &world.person, &peer)];
            let (grants, admitted) = world.rights.of_peer(&peer.bytes(), &chain);
            admitted.expect("let in");
            let barred = bring(&world, &peer, grants, &mut store).await;
            assert_eq!((held_of(&world, &peer), held_of(&world, &author)), (own, others), "{permissions:?}");
            assert_eq!(barred > 0, own + others < 3, "{permissions:?}");
        }
    });
}
