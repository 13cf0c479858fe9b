//! The window is let in by what its instance shows, and by nothing else.

use ipc::{Code, messages::storage::Provision};

use super::*;
use crate::grants::provision;

fn admin() -> Grant {
    grant(Role::Admin, ALL, 0)
}

fn good(world: &World) -> Provision {
    Provision {
        archive: world.given(&admin(), &world.person, &world.device),
        window: world.given(&admin(), &world.person, &world.window),
    }
}

fn sees(world: &World) -> bool {
    let (grants, peer) = (world.rights.window(), world.rights.window_peer());
    let seen = grants.may_export(&peer, &header(&world.device, 1, body::MESSAGE));
    assert_eq!(seen, grants.reach(&peer) == replica::chum::Reach::Whole);
    assert_eq!(seen, world.rights.window_may(Permission::Read).is_ok());
    seen
}

#[test]
fn until_it_is_shown_the_window_is_given_nothing_and_then_everything() {
    run(async {
        let world = World::new().await;
        assert!(!sees(&world));
        assert_eq!(world.rights.window_may(Permission::Write).expect_err("refused").code, Code::NotProvisioned);
        let mut line = Line {
            exporter: Exporter::new(world.replica.clone(), world.rights.window_peer(), Box::new(world.rights.window())),
            session: Session::new(Settings::archive(Peer([1; 32])), Box::new(Everything)),
            said: Vec::new(),
            fault: None,
            asked: false,
        };
        let mut cache = Store::new(&Key::new(9));
        line.run(&mut cache).await;
        assert!(cache.held().is_empty() && !line.showed_any(&world));
        let shown = provision(&world.rights, &good(&world)).expect("taken");
        assert_eq!(shown.until_s, world.now().seconds() + LIFETIME);
        assert!(sees(&world) && world.rights.window_may(Permission::Write).is_ok());
        // A new process of the archive has not seen it.
        assert!(world.again().window_may(Permission::Read).is_err());
    });
}

#[test]
fn what_is_forged_out_of_time_another_s_or_self_made_is_refused_with_the_reason() {
    run(async {
        let world = World::new().await;
        let stranger = Key::new(90);
        let given = |grant: &Grant, issuer: &Key, subject: &Key| world.given(grant, issuer, subject);
        let fine = good(&world);
        let text = String::from_utf8(fine.window.clone()).expect("a text");
        let forged = text.replace("\"renewal\":0", "\"renewal\":1").into_bytes();
        let old = world.given_from(&admin(), &world.person, &world.window, world.now().after(-2 * LIFETIME));
        let early = world.given_from(&admin(), &world.person, &world.window, world.now().after(3600));
        let revoked = given(&admin(), &world.person, &world.window);
        world.say(Right::RevokedCredential(world.last_id())).await;
        let stories = [
            (forged, "signature"),
            (old, "was valid until"),
            (early, "is valid from"),
            (revoked, "taken back"),
            (given(&admin(), &world.person, &stranger), "somebody else"),
            (given(&admin(), &stranger, &world.window), "may let nobody in"),
            (given(&admin(), &world.window, &world.window), "may let nobody in"),
            (fine.archive.clone(), "somebody else"),
            (b"{}".to_vec(), "link 1"),
            (Vec::new(), "link 1"),
        ];
        for (window, why) in stories {
            let refused = provision(&world.rights, &Provision { archive: fine.archive.clone(), window }).expect_err(why);
            assert_eq!(refused.code, Code::MembershipRefused, "{why}");
            assert!(refused.sentence.contains(why) && refused.sentence.contains("the window"), "{why}: {}", refused.sentence);
            assert!(!sees(&world), "{why}");
        }
        let swapped = Provision { archive: fine.window.clone(), window: fine.archive.clone() };
        assert!(provision(&world.rights, &swapped).expect_err("refused").sentence.contains("the archive"));
        provision(&world.rights, &fine).expect("taken");
        assert!(sees(&world));
        // What is refused later takes nothing away.
        provision(&world.rights, &swapped).expect_err("refused");
        assert!(sees(&world));
    });
}

#[test]
fn it_ends_at_its_end_goes_on_when_renewed_and_stops_when_taken_back() {
    run(async {
        let world = World::new().await;
        provision(&world.rights, &good(&world)).expect("taken");
        world.wait(LIFETIME);
        assert!(sees(&world), "it counts until its last second");
        world.wait(1);
        assert!(!sees(&world));
        let refused = world.rights.window_may(Permission::Read).expect_err("over");
        assert!(refused.code == Code::NotProvisioned && refused.sentence.contains("was valid until"), "{refused}");
        provision(&world.rights, &good(&world)).expect("renewed");
        assert!(sees(&world));
        let world = World::new().await;
        provision(&world.rights, &good(&world)).expect("taken");
        assert!(sees(&world));
        world.say(Right::RevokedKey(world.window.bytes())).await;
        assert!(!sees(&world), "taken back");
        world.wait(2);
        provision(&world.rights, &good(&world)).expect("given anew");
        assert!(sees(&world));
    });
}

#[test]
fn a_window_that_may_only_read_changes_nothing() {
    run(async {
        let world = World::new().await;
        let window = world.given(&grant(Role::Member, &[Permission::Read], 0), &world.person, &world.window);
        provision(&world.rights, &Provision { window, ..good(&world) }).expect("taken");
        assert!(sees(&world));
        let refused = world.rights.window_may(Permission::Write).expect_err("not permitted");
        assert!(refused.sentence.contains("write"), "{refused}");
    });
}
