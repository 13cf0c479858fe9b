//! Who is let in: memberships and grants from the command line, the window that is let in by itself, and signatures that are
//! whole or not there when the key process dies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    thread,
    time::{Duration, Instant},
};

use integration_tests::{
    home::{Home, Outcome},
    serve::Serve,
    window::{agree, give, note, same, until},
    wire::{Attached, on_wire},
};
use ipc::{
    Code,
    messages::{
        crypto::{IssueMembership, MayDo, MemberPriority, MemberRole, MemberSubject, MemberTerms},
        storage::{KeepMember, ListMembers, MemberState, Whose},
    },
};
use serde_json::{Value, json};

/// A person's own space: a command in it.
fn own<'a>(home: &Home, words: impl IntoIterator<Item = &'a str>) -> Outcome {
    home.command(words).signed_in("ada", "countess of lovelace\ncountess of lovelace\n").run()
}

/// How long anything is waited for before the test gives up.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Another person's key, whose secret half nobody has.
const FRIEND: &str = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw";

#[test]
fn the_window_is_let_in_by_itself_and_again_by_a_new_archive() {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "5 miles in km"]).good();
    on_wire(async {
        let attached = Attached::to(&home);
        agree(&attached.client).await;
        let both = attached.client.call(&ListMembers { skip: 0 }).await.unwrap().items;
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(both.iter().all(|member| member.whose.is_none() && member.state == MemberState::Valid && member.renewal == 0));
        assert!(both[0].issuer == both[1].issuer && both[0].subject != both[1].subject);
    });
    // A new archive has not seen it, and a new window has nothing to show yet: nobody does anything about it.
    for (number, role) in (1..).zip(["storage", "ui", "storage"]) {
        let killed = serve.process(role);
        killed.signal(libc::SIGKILL);
        // A question that reaches it while it dies would be told so.
        let since = Instant::now();
        while !serve.of_role(role).iter().any(|one| one["pid"] != killed.pid && one["state"] == "ready") {
            assert!(since.elapsed() < GIVE_UP, "no other {role} comes up: {:#}", serve.status());
            thread::sleep(Duration::from_millis(20));
        }
        home.run(["ask", "chance that 3d6 is at least 15"]).good();
        on_wire(async {
            let attached = Attached::to(&home);
            let stands = agree(&attached.client).await;
            assert_eq!(stands.trouble, None);
            let conversation = same(&attached.client).await[0].0.id;
            let id = [number; 16];
            give(&attached.client, id, note(conversation.0, id, "look this up")).await.unwrap();
            until(&attached.client, "the note to be kept", |stands| stands.outbox.commands == 0).await;
            let members = attached.client.call(&ListMembers { skip: 0 }).await.unwrap().items;
            assert_eq!(members.iter().map(|member| member.renewal).collect::<Vec<_>>(), [0, 0], "the same once more");
        });
    }
}

#[test]
fn what_the_demo_and_the_window_may_not_do_is_refused() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    home.run(["ask", "5 miles in km"]).good();
    assert!(home.run(["member", "issue", FRIEND, "--yes"]).bad(8).contains("demo"));
    assert!(home.run(["member", "request"]).bad(8).contains("demo"));
    assert!(home.run(["access", "grant", FRIEND, "everything"]).bad(8).contains("demo"));
    on_wire(async {
        let attached = Attached::to(&home);
        let may = MayDo { read: true, ..MayDo::default() };
        let (priority, role) = (MemberPriority::Normal, MemberRole::Guest);
        let terms = MemberTerms { role, may, max_storage: None, allowed_types: None, priority, max_depth: 0 };
        let subject = MemberSubject::Other([7; 32]);
        let ask = IssueMembership { subject, terms, lifetime_s: 60, renewal: 0, status: None };
        assert_eq!(attached.client.call(&ask).await.unwrap_err().code, Code::DemoRefused);
        let archive = IssueMembership { subject: MemberSubject::Archive, ..ask };
        let credential = attached.client.call(&archive).await.unwrap().credential;
        // It is nobody else's, and a changed one is nobody's.
        let keep = |chain| KeepMember { whose: Whose::Given, chain };
        let refused = attached.client.call(&keep(vec![credential.clone()])).await.unwrap_err();
        assert_eq!(refused.code, Code::MembershipRefused);
        let changed = String::from_utf8(credential).unwrap().replace("guest", "admin").into_bytes();
        let refused = attached.client.call(&keep(vec![changed])).await.unwrap_err();
        assert!(refused.code == Code::MembershipRefused && refused.sentence.contains("link 1"), "{refused}");
    });
}

#[test]
fn somebody_is_let_in_shown_something_and_taken_out() {
    let home = Home::new();
    let serve = Serve::start(&home);
    own(&home, ["ask", "--no-model", "5 miles in km"]).good();
    let request = json!({ "type": "LamosMembershipRequest", "subject": FRIEND, "role": "guest", "permissions": ["read"] });
    let file = home.file("request.json", request.to_string());
    let file = file.to_str().unwrap();
    // Nobody is let in without being asked.
    assert!(own(&home, ["member", "issue", file]).bad(2).contains("--yes"));
    let issued = own(&home, ["member", "issue", file, "--yes", "--hours", "48"]).json();
    assert_eq!(issued["credentialSubject"]["id"], FRIEND);
    assert_eq!(issued["credentialSubject"]["iomMembership"]["role"], "guest");
    let id = issued["id"].as_str().unwrap().to_owned();
    let listed = own(&home, ["--json", "member", "list"]).json();
    let given = |listed: &Value| -> Vec<Value> {
        listed.as_array().unwrap().iter().filter(|member| member["whose"] == "given").cloned().collect()
    };
    let first = &given(&listed)[0];
    assert_eq!((&first["subject"], &first["state"], &first["renewal"]), (&FRIEND.into(), &"valid".into(), &0.into()));
    assert_eq!(first["until_s"].as_i64().unwrap() - first["from_s"].as_i64().unwrap(), 48 * 3600);
    assert_eq!(own(&home, ["member", "show", &id]).json(), issued);
    let renewed = own(&home, ["member", "renew", &id]).json();
    assert_eq!(renewed["credentialSubject"]["iomMembership"]["renewal"], 1);

    let conversation = own(&home, ["--json", "history"]).json()[0]["id"].as_str().unwrap().to_owned();
    own(&home, ["group", "add", "friends", FRIEND]).good();
    own(&home, ["access", "grant", "group:friends", &conversation]).good();
    own(&home, ["access", "grant", FRIEND, "kind:title"]).good();
    let access = own(&home, ["--json", "access", "list"]).json();
    assert_eq!(access.as_array().unwrap().len(), 2, "{access}");
    assert_eq!(own(&home, ["--json", "group", "list"]).json(), json!([{ "group": "friends", "member": FRIEND }]));
    own(&home, ["access", "revoke", FRIEND, "kind:title"]).good();
    assert_eq!(own(&home, ["--json", "access", "list"]).json()[0]["who"], "group:friends");
    assert!(own(&home, ["access", "grant", "did:web:example.com", "everything"]).bad(3).contains("did:key"));
    assert!(own(&home, ["access", "grant", FRIEND, "ffffffffffff"]).bad(3).contains("ffffffffffff"));

    // Their own words about themselves are not kept as a membership here.
    let stranger = home.file("membership.json", issued.to_string());
    assert!(own(&home, ["member", "accept", stranger.to_str().unwrap()]).bad(3).contains("another than this device"));
    own(&home, ["member", "revoke", FRIEND]).good();
    // It stays so for a new archive.
    serve.process("storage").signal(libc::SIGKILL);
    let listed = own(&home, ["--json", "member", "list"]).json();
    assert!(given(&listed).iter().all(|member| member["state"] == "taken back"), "{listed:#}");
    assert!(own(&home, ["member", "renew", &id]).bad(3).contains("does not count"));
    // What was said about it is in the archive, signed, like everything else.
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let objects = own(&home, ["--json", "objects", "--kind", "right"]).json();
        let objects = objects.as_array().unwrap();
        assert_eq!(objects.len(), 7, "two memberships, a group, three about access, one taken back");
        if objects.iter().all(|object| object["signed"] == true) {
            break;
        }
        assert!(Instant::now() < until, "it is never signed");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn two_people_ask_and_let_in() {
    let (one, two) = (Home::new(), Home::new());
    let (_ones, _twos) = (Serve::start(&one), Serve::start(&two));
    own(&one, ["ask", "--no-model", "5 miles in km"]).good();
    own(&two, ["ask", "--no-model", "6 miles in km"]).good();
    let request = own(&two, ["member", "request", "--role", "member", "--may", "read,write"]).good();
    let file = one.file("request.json", &request);
    let membership = own(&one, ["member", "issue", file.to_str().unwrap(), "--yes"]).good();
    let file = two.file("membership.json", &membership);
    let kept = own(&two, ["--json", "member", "accept", file.to_str().unwrap()]).json();
    assert_eq!((&kept["whose"], &kept["role"], &kept["state"]), (&"held".into(), &"member".into(), &"valid".into()));
    // Changed on the way it is not kept.
    let more = two.file("more.json", membership.replace("\"member\"", "\"admin\""));
    let said = own(&two, ["member", "accept", more.to_str().unwrap()]).bad(3);
    assert!(said.contains("link 1"), "{said}");
}

/// The key process dies while it signs, again and again: an event is signed or it is not, and in the end all are.
#[test]
fn signing_that_is_cut_short_leaves_nothing_half_signed() {
    for round in 0..integration_tests::rounds(2) {
        cut_short(round as u64);
    }
}

/// As often as a process may die before it is not started again by itself.
fn cut_short(round: u64) {
    let home = Home::new();
    let serve = Serve::start(&home);
    home.run(["ask", "--no-model", "5 miles in km"]).good();
    let mut written = 0;
    for kill in 0..4 {
        let folder = home.path(&format!("folder{kill}"));
        std::fs::create_dir(&folder).unwrap();
        for number in 0..60 {
            std::fs::write(folder.join(format!("{number}.txt")), format!("{kill} {number}")).unwrap();
        }
        let volume = format!("user/{kill}/");
        let wrote = home.command(["vol", "write", folder.to_str().unwrap(), &volume, "-m", "many"]).run();
        written += u64::from(wrote.code == 0);
        // At another moment each time: what is written gathers for 150 ms before it is signed.
        thread::sleep(Duration::from_millis(40 * ((kill + 3 * round) % 8)));
        serve.process("crypto").signal(libc::SIGKILL);
        let gone = Instant::now() + Duration::from_secs(20);
        while serve.status()["open"] == true || !serve.of_role("storage").is_empty() {
            assert!(Instant::now() < gone, "a key process that died means locked");
            thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(written > 0);
    let until = Instant::now() + Duration::from_secs(60);
    while home.run(["--json", "stats"]).json()["unsigned"] != 0 {
        assert!(Instant::now() < until, "it is never signed");
        thread::sleep(Duration::from_millis(50));
    }
    let objects = home.run(["--json", "objects", "-n", "100000"]).json();
    let objects = objects.as_array().unwrap();
    assert!(objects.iter().all(|object| object["signed"] == true));
    let mut numbers: Vec<u64> = objects.iter().map(|object| object["sequence"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=objects.len() as u64).collect::<Vec<_>>(), "each once, without a gap");
    home.run(["verify"]).good();
}
