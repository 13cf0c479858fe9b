//! What people do: issuing, showing, holding, taking back.

use integration_tests::{files, home::Home};
use serde_json::{Value, json};

use crate::people::{Person, template, verdict};

/// The ways in which one is issued, and what it then is.
const FORMS: &[(&[&str], &str, &str)] = &[
    (&[], "document", "eddsa-jcs-2022"),
    (&["--suite", "rdfc"], "document", "eddsa-rdfc-2022"),
    (&["--as", "jwt"], "jwt", "EdDSA"),
    (&["--as", "sd-jwt", "--disclose", "/credentialSubject/description", "--decoys", "3"], "sd-jwt", "EdDSA"),
];

#[test]
fn what_is_issued_holds_for_who_knows_nothing_of_the_issuer() {
    let (home, elsewhere) = (Home::new(), Home::new());
    let anna = Person::new(&home, "anna");
    let did = anna.did();
    for (arguments, what, suite) in FORMS {
        let issued = anna.issues(&template("did:example:subject"), &[arguments, &["--valid", "30d"][..]].concat());
        // Another machine, on which nobody is signed in.
        let verdict = verdict(&elsewhere, &issued, &[]);
        assert_eq!((&verdict["verified"], &verdict["what"]), (&json!(true), &json!(what)), "{verdict:#}");
        let credential = &verdict["credentials"][0];
        assert_eq!(
            (&credential["issuer"], &credential["signers"], &credential["suites"]),
            (&json!(did), &json!([did]), &json!([suite]))
        );
        assert_eq!(credential["document"]["credentialSubject"]["description"], "kind");
        let days = (credential["until_ms"].as_u64().unwrap() - credential["from_ms"].as_u64().unwrap()) / 86_400_000;
        assert_eq!(days, 30);
        assert!(!elsewhere.data().join("spaces").exists_with_entries(), "nothing was made to look at it");
    }
    let listed = anna.home.run(["--json", "credential", "list"]).json();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), FORMS.len());
    for one in listed {
        assert_eq!((&one["sort"], &one["standing"]), (&json!("issued"), &json!("counts")));
        let shown = anna.says(["show", one["id"].as_str().unwrap()]);
        assert_eq!(anna.verdict(&shown, &[])["verified"], true);
        // In the archive it is what was printed, so that an export has it as others read it.
        let id = one["id"].as_str().unwrap();
        let ending = match one["written"].as_str().unwrap() {
            "document" => "json",
            other => other,
        };
        assert_eq!(home.run(["vol", "cat", &format!("credentials/issued/{id}/credential.{ending}")]).good(), shown);
    }
}

trait Entries {
    fn exists_with_entries(&self) -> bool;
}

impl Entries for std::path::PathBuf {
    fn exists_with_entries(&self) -> bool {
        std::fs::read_dir(self).is_ok_and(|mut entries| entries.next().is_some())
    }
}

#[test]
fn a_holder_shows_it_to_one_who_asked() {
    let homes = [Home::new(), Home::new()];
    let (anna, bob) = (Person::new(&homes[0], "anna"), Person::new(&homes[1], "bob"));
    let asks = ["--challenge", "9b1d2c", "--domain", "archive.example"];
    for (arguments, what, _) in FORMS {
        let issued = anna.issues(&template(&bob.did()), arguments);
        let id = bob.call(["import", "-"]).input(&issued).run().good();
        let id = id.trim_end();
        let suites: &[&str] = if *what == "sd-jwt" { &["jcs"] } else { &["jcs", "rdfc"] };
        for suite in suites {
            let shown = bob.says(["present", id, "--suite", suite].into_iter().chain(asks));
            let verdict = anna.verdict(&shown, &[&asks[..], &["--holder"]].concat());
            assert_eq!((&verdict["verified"], &verdict["holder"]), (&json!(true), &json!(bob.did())), "{verdict:#}");
            assert_eq!(verdict["credentials"][0]["issuer"], anna.did());
            let other = ["--challenge", "another", "--domain", "archive.example"];
            assert_eq!(anna.refuses(&shown, &other), "wrong-challenge");
            let other = ["--challenge", "9b1d2c", "--domain", "evil.example"];
            assert_eq!(anna.refuses(&shown, &other), "wrong-audience");
            // The credential alone is no answer.
            assert_ne!(anna.refuses(&issued, &asks), "bad-signature");
        }
        if *what == "sd-jwt" {
            let kept_back = anna.verdict(bob.says(["present", id].into_iter().chain(asks)), &asks);
            assert_eq!(kept_back["credentials"][0]["document"]["credentialSubject"].get("description"), None);
            let shown = bob.says(["present", id, "--disclose", "description"].into_iter().chain(asks));
            let told = anna.verdict(&shown, &asks);
            assert_eq!(told["credentials"][0]["document"]["credentialSubject"]["description"], "kind");
            let sentence = bob.call(["present", id, "--disclose", "nothing"].into_iter().chain(asks)).run().bad(3);
            assert!(sentence.contains("keeps back no claim"), "{sentence}");
        }
    }
    // What is shown of another's is told from what is about the holder.
    let about_anna = anna.issues(&template(&anna.did()), &[]);
    let id = bob.call(["import", "-"]).input(&about_anna).run().good();
    let shown = bob.says(["present", id.trim_end()].into_iter().chain(asks));
    assert_eq!(anna.verdict(&shown, &asks)["verified"], true);
    assert_eq!(anna.refuses(&shown, &[&asks[..], &["--holder"]].concat()), "wrong-holder");
}

#[test]
fn what_was_taken_back_counts_no_longer() {
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let issued = anna.issues(&template("did:example:subject"), &["--status"]);
    let other = anna.issues(&template("did:example:other"), &["--status", "--as", "jwt"]);
    assert_eq!(anna.refuses(&issued, &[]), "status-unknown");
    assert_eq!(anna.verdict(&issued, &["--without-status"])["credentials"][0]["status"], "unchecked");
    let list = home.file("list", anna.says(["status-list"]));
    let list = ["--status-list", list.to_str().unwrap()];
    for text in [&issued, &other] {
        assert_eq!(anna.verdict(text, &list)["credentials"][0]["status"], "counts");
    }
    let id = home.run(["--json", "credential", "list"]).json();
    let find = |subject: &str| {
        let of = |one: &&Value| one["subjects"][0] == subject;
        id.as_array().unwrap().iter().find(of).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let later = home.file("later", anna.says(["revoke", &find("did:example:subject")]));
    let later = ["--status-list", later.to_str().unwrap()];
    assert_eq!(anna.refuses(&issued, &later), "revoked");
    assert_eq!(anna.verdict(&issued, &later)["credentials"][0]["status"], "taken-back");
    assert_eq!(anna.verdict(&other, &later)["credentials"][0]["status"], "counts");
    // A list made later knows it, too, and so does what lists them.
    let again = home.file("again", anna.says(["status-list"]));
    assert_eq!(anna.refuses(&issued, &["--status-list", again.to_str().unwrap()]), "revoked");
    let listed = home.run(["--json", "credential", "list"]).json();
    let revoked: Vec<&Value> = listed.as_array().unwrap().iter().filter(|one| one["standing"] == "revoked").collect();
    assert_eq!(revoked.len(), 1);
    // One that was issued without an entry cannot be.
    let plain = anna.issues(&template("did:example:third"), &[]);
    assert_eq!(anna.verdict(&plain, &[])["credentials"][0]["status"], "none");
    let listed = home.run(["--json", "credential", "list"]).json();
    let third = listed.as_array().unwrap().iter().find(|one| one["subjects"][0] == "did:example:third").unwrap();
    anna.call(["revoke", third["id"].as_str().unwrap()]).run().bad(3);
    // Another person's list says nothing about it.
    let elsewhere = Home::new();
    let bob = Person::new(&elsewhere, "bob");
    let foreign = home.file("foreign", bob.says(["status-list"]));
    assert_eq!(anna.refuses(&issued, &["--status-list", foreign.to_str().unwrap()]), "status-unknown");
}

#[test]
fn proofs_stand_beside_and_after_one_another() {
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let first = anna.issues(&template("did:example:subject"), &["--proof-id", "urn:uuid:1"]);
    let first: Value = serde_json::from_str(&first).unwrap();
    for (arguments, suites) in [
        (&["--suite", "rdfc"][..], ["eddsa-jcs-2022", "eddsa-rdfc-2022"]),
        (&["--previous", "urn:uuid:1"], ["eddsa-jcs-2022"; 2]),
        (&["--previous", "urn:uuid:1", "--suite", "rdfc"], ["eddsa-jcs-2022", "eddsa-rdfc-2022"]),
    ] {
        let both: Value = serde_json::from_str(&anna.issues(&first, arguments)).unwrap();
        assert_eq!(anna.verdict(both.to_string(), &[])["credentials"][0]["suites"], json!(suites));
        let mut gone = both.clone();
        gone["proof"] = both["proof"][1].clone();
        if arguments.contains(&"--previous") {
            assert_eq!(anna.refuses(gone.to_string(), &[]), "broken-chain");
        }
        let mut cyclic = both.clone();
        cyclic["proof"][0]["previousProof"] = json!("urn:uuid:1");
        assert_eq!(anna.refuses(cyclic.to_string(), &[]), "broken-chain");
    }
    anna.call(["issue", "-", "--previous", "urn:uuid:2"]).input(first.to_string()).run().bad(3);
}

/// The clock of the verifying process decides, and a moment without a time zone is none.
#[test]
fn time_is_told_precisely() {
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let of = |from: &str, until: &str| {
        let mut template = template("did:example:subject");
        template["validFrom"] = json!(from);
        template["validUntil"] = json!(until);
        template
    };
    let (past, future) = ("2001-01-01T00:00:00Z", "2090-01-01T00:00:00Z");
    for form in [&[][..], &["--suite", "rdfc"], &["--as", "jwt"], &["--as", "sd-jwt"]] {
        assert_eq!(anna.refuses(anna.issues(&of(past, "2001-01-02T00:00:00Z"), form), &[]), "expired");
        assert_eq!(anna.refuses(anna.issues(&of(future, "2091-01-01T00:00:00+02:00"), form), &[]), "not-yet-valid");
        assert_eq!(anna.verdict(anna.issues(&of(past, future), form), &[])["verified"], true);
    }
    for wrong in ["2090-01-01T00:00:00", "2090-02-30T00:00:00Z", "2090-01-01", "soon"] {
        let sentence = anna.call(["issue", "-"]).input(of(past, wrong).to_string()).run().bad(3);
        assert!(sentence.contains("validUntil"), "{sentence}");
    }
}

#[test]
fn the_demo_space_signs_nothing() {
    let home = Home::new();
    let sentence = home.command(["credential", "issue", "-"]).input(template("did:example:x").to_string()).run().bad(8);
    assert!(sentence.contains("the demo space signs no credentials"), "{sentence}");
}

/// A membership gives access to data; it is not made of a file.
#[test]
fn a_membership_is_not_issued_from_a_template() {
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let mut membership = template("did:example:subject");
    membership["@context"] = json!(["https://www.w3.org/ns/credentials/v2", "urn:iom:membership:v1"]);
    membership["type"] = json!(["VerifiableCredential", "IoMMembershipCredential"]);
    for form in [&[][..], &["--suite", "rdfc"], &["--as", "jwt"], &["--as", "sd-jwt"]] {
        let call = anna.call(["issue", "-"].into_iter().chain(form.iter().copied()));
        let outcome = call.input(membership.to_string()).run();
        assert!(outcome.code != 0 && outcome.err.contains("IoMMembershipCredential"), "{outcome:?}");
    }
    assert_eq!(home.run(["--json", "credential", "list"]).json(), json!([]));
}

#[test]
fn who_one_is_stays_and_is_no_secret() {
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let shown = home.run(["--json", "credential", "identity"]).json();
    assert_ne!(shown["person"], shown["device"]);
    let document = &shown["documents"][0];
    assert_eq!(document["id"], shown["person"]);
    assert_eq!(document["verificationMethod"][0]["id"], document["assertionMethod"][0]);
    assert!(anna.says(["identity"]).contains(shown["device"].as_str().unwrap()));
}

/// It is kept as files are: sealed, exported, and erased for good.
#[test]
fn what_is_kept_is_sealed_exported_and_erased() {
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let mut told = template("did:example:canary-subject");
    told["credentialSubject"]["description"] = json!("canary-word-of-a-credential");
    let issued = anna.issues(&told, &["--status"]);
    let listed = home.run(["--json", "credential", "list"]).json();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    let canaries = ["canary-word-of-a-credential", "canary-subject", id.as_str(), anna.did().as_str()].map(str::to_owned);
    for (path, bytes) in files::read_below(&home.data()) {
        for canary in &canaries {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} lies in {}", path.display());
        }
    }
    let export = home.path("export");
    home.run(["export", export.to_str().unwrap()]).good();
    let exported = std::fs::read_to_string(&export).unwrap();
    assert!(exported.contains("canary-word-of-a-credential") && exported.contains(&format!("credentials/issued/{id}/")));
    let folder = format!("credentials/issued/{id}");
    let files = [format!("{folder}/credential.json"), format!("{folder}/about.json")];
    home.run(["erase", "--yes", &files[0], &files[1]]).good();
    assert_eq!(home.run(["--json", "credential", "list"]).json(), json!([]));
    anna.call(["show", &id]).run().bad(3);
    // Whoever has it goes on having it.
    assert_eq!(anna.verdict(&issued, &["--without-status"])["verified"], true);
}
