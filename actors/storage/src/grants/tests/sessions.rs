//! Over the line: what somebody gets who may, and that it stops within one round when it is taken back.

use super::*;

#[test]
fn a_member_gets_the_space_and_an_admin_the_matters_of_the_house_too() {
    run(async {
        let world = World::new().await;
        world.say(Right::Group("friends".to_owned(), [5; 32], true)).await;
        let told = |rights: &'static str| {
            let mut all: Vec<String> =
                (0..3).flat_map(|at| [format!("Conversation {at:02x}"), format!("Title {at:02x}")]).collect();
            all.push(rights.to_owned());
            all.sort();
            all
        };
        for (role, rights) in [(Role::Member, "Right 6c (bare)"), (Role::Admin, "Right 6c")] {
            let peer = Key::new(30);
            let (mut line, admitted) = world.line(&peer, &[world.given(&grant(role, ALL, 0), &world.person, &peer)]);
            admitted.expect("let in");
            let mut store = Store::new(&peer);
            line.run(&mut store).await;
            assert_eq!((store.held(), line.fault.is_none()), (told(rights), true), "{role:?}");
        }
    });
}

/// A grant to the person herself, to a group she is in, and of a kind, each until it is taken back.
#[test]
fn a_guest_gets_what_was_granted_until_it_is_taken_back() {
    run(async {
        let group = || Grantee::Group("friends".to_owned());
        let guest = Key::new(31);
        let into = |inside| Right::Group("friends".to_owned(), guest.bytes(), inside);
        let access = |who: Grantee, what, may| Right::Access(who, what, may);
        let peer = || Grantee::Peer(guest.bytes());
        let one = Granted::Entity([1; 16]);
        // What is said, what comes of it, and what takes it back.
        let stories = [
            (vec![access(peer(), one, true)], vec!["Conversation 01", "Title 01"], access(peer(), one, false)),
            (vec![access(group(), one, true), into(true)], vec!["Conversation 01", "Title 01"], into(false)),
            (vec![access(group(), one, true), into(true)], vec!["Conversation 01", "Title 01"], access(group(), one, false)),
            (
                vec![access(peer(), Granted::Kind(body::TITLE), true)],
                vec!["Title 00", "Title 01", "Title 02"],
                access(peer(), Granted::Kind(body::TITLE), false),
            ),
        ];
        for (said, expected, back) in stories {
            let world = World::new().await;
            let chain = [world.given(&grant(Role::Guest, &[Permission::Read], 0), &world.person, &guest)];
            let (mut line, admitted) = world.line(&guest, &chain);
            admitted.expect("let in");
            let mut basket = Basket::default();
            line.run_with(&mut basket).await;
            assert!(basket.held().is_empty() && !line.showed_any(&world), "nothing was granted yet");
            for right in said {
                world.say(right).await;
            }
            // What is granted while it is there comes with what is new; here it asks anew.
            let (mut line, _) = world.line(&guest, &chain);
            line.run_with(&mut basket).await;
            assert_eq!(basket.held(), expected);
            world.say(back).await;
            let before = line.said.len();
            world.begin(1).await;
            line.exporter.changed();
            line.ask(ids(&world));
            line.run_with(&mut basket).await;
            line.said.drain(..before);
            assert_eq!(basket.held(), expected, "nothing more came");
            assert!(!line.said.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
            // Whom nothing is granted any more is not told that there is anything.
            let (mut line, _) = world.line(&guest, &chain);
            line.run_with(&mut Basket::default()).await;
            assert!(!line.showed_any(&world));
        }
    });
}

fn ids(world: &World) -> Vec<[u8; 32]> {
    world.replica.snapshot().and_then(|snapshot| snapshot.after(0, 400)).expect("read").iter().map(|event| event.id).collect()
}

/// Each way in which a membership ends, in the middle of a session.
#[test]
fn who_is_taken_out_gets_not_one_byte_more() {
    run(async {
        for (number, way) in ["the credential", "one above", "the key", "time"].into_iter().enumerate() {
            let world = World::new().await;
            let (above, peer) = (Key::new(40), Key::new(41));
            let top = world.given(&grant(Role::Admin, ALL, 1), &world.person, &above);
            let top_id = world.last_id();
            let chain = [top, world.given(&grant(Role::Member, ALL, 0), &above, &peer)];
            let (mut line, admitted) = world.line(&peer, &chain);
            admitted.expect("let in");
            let mut store = Store::new(&peer);
            line.run(&mut store).await;
            assert_eq!(store.held().len(), 6);
            match number {
                0 => world.say(Right::RevokedCredential(world.last_id())).await,
                1 => world.say(Right::RevokedCredential(top_id)).await,
                2 => world.say(Right::RevokedKey(peer.bytes())).await,
                _ => world.wait(LIFETIME + 1),
            }
            line.said.clear();
            world.begin(7).await;
            line.exporter.changed();
            line.ask(ids(&world));
            line.run(&mut store).await;
            assert!(matches!(line.fault, Some(Fault::Revoked)), "{way}: {:?}", line.fault);
            assert_eq!(store.held().len(), 6, "{way}");
            assert!(!line.showed_any(&world) && line.said.len() < 32, "{way}: a farewell of {} bytes", line.said.len());
            // It comes again and shows the same.
            let (mut line, admitted) = world.line(&peer, &chain);
            assert!(admitted.is_err(), "{way}");
            let mut store = Store::new(&peer);
            line.ask(ids(&world));
            line.run(&mut store).await;
            assert!(store.held().is_empty() && !line.showed_any(&world), "{way}");
        }
    });
}

#[test]
fn what_is_taken_back_stays_so_after_the_archive_was_opened_again_and_new_ones_count() {
    run(async {
        let world = World::new().await;
        let peer = Key::new(42);
        let member = grant(Role::Member, ALL, 0);
        let first = [world.given(&member, &world.person, &peer)];
        world.say(Right::RevokedKey(peer.bytes())).await;
        for rights in [world.rights.clone(), world.again()] {
            assert!(rights.of_peer(&peer.bytes(), &first).1.is_err());
        }
        // The key is let in again by a membership that is given later.
        world.wait(2);
        let second = [world.given(&member, &world.person, &peer)];
        for rights in [world.rights.clone(), world.again()] {
            assert!(rights.of_peer(&peer.bytes(), &first).1.is_err());
            rights.of_peer(&peer.bytes(), &second).1.expect("let in again");
        }
    });
}
