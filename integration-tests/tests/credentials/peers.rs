//! The command line and programs of others: `@digitalbazaar/vc` and `jose` from npm, `rfc8785` with `pynacl`, `joserfc` and
//! `sd-jwt` from PyPI. What one makes the other accepts, and what was tampered with nobody does.

use integration_tests::{home::Home, serve::Serve};
use programs::{node, python, wanted};
use serde_json::{Map, Value, json};

use crate::{
    hostile::base64url,
    people::{Person, seconds, template, verdict},
};

// The same programs as the tests of the library have.
#[path = "../../../actors/credentials/tests/peers/programs.rs"]
mod programs;

/// Where they lie.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../actors/credentials/tests/peers");

/// They have those that are needed here.
fn contexts() -> Map<String, Value> {
    Map::new()
}

#[track_caller]
fn accepted(answer: &Value) -> &Value {
    assert_eq!(answer["ok"], true, "{answer}");
    &answer["value"]
}

#[track_caller]
fn refused(answer: &Value) {
    assert_eq!(answer["ok"], false, "{answer}");
}

fn changed(document: &Value, name: &str, value: Value) -> Value {
    let mut document = document.clone();
    document[name] = value;
    document
}

/// A moment as proofs write it, in the past.
const THEN: &str = "2024-02-24T00:00:00Z";

/// A person among others: they have a key each, made of a seed.
fn peer(seed: u8) -> (String, String) {
    let answers = node(&[json!({ "verb": "who", "seed": seed })]);
    let who = accepted(&answers[0]);
    (who["did"].as_str().unwrap().to_owned(), who["method"].as_str().unwrap().to_owned())
}

/// What they would say about somebody.
fn theirs(issuer: &str, subject: &str) -> Value {
    let said = changed(&template(subject), "issuer", json!(issuer));
    changed(&said, "validFrom", json!(THEN))
}

#[test]
fn documents_go_both_ways() {
    if !wanted() {
        return;
    }
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let (other, method) = peer(1);
    for suite in ["jcs", "rdfc"] {
        let issued: Value = serde_json::from_str(&anna.issues(&template("did:example:subject"), &["--suite", suite])).unwrap();
        let both: Value = serde_json::from_str(&anna.issues(&issued, &[])).unwrap();
        let verify = |document: &Value| json!({ "verb": "verify", "document": document });
        let forged = changed(&issued, "issuer", json!(other));
        let said = theirs(&other, "did:example:subject");
        let answers = node(&[
            verify(&issued),
            verify(&both),
            verify(&changed(&issued, "name", json!("x"))),
            verify(&changed(&issued, "isAdmin", json!(true))),
            verify(&forged),
            json!({ "verb": "issue", "document": said, "suite": format!("eddsa-{suite}-2022"), "seed": 1, "date": THEN }),
        ]);
        for answer in &answers[..2] {
            accepted(answer);
        }
        answers[2..5].iter().for_each(refused);
        let made = accepted(&answers[5]);
        let read = anna.verdict(made.to_string(), &[]);
        assert_eq!((&read["verified"], &read["credentials"][0]["issuer"]), (&json!(true), &json!(other)), "{read:#}");
        assert_eq!(anna.refuses(changed(made, "name", json!("x")).to_string(), &[]), "bad-signature");
        assert_eq!(anna.verdict(changed(made, "isAdmin", json!(true)).to_string(), &[])["verified"], false);
        // And held, and shown to them, with both suites.
        let about = theirs(&other, &anna.did());
        let answers = node(&[
            json!({ "verb": "issue", "document": about, "suite": format!("eddsa-{suite}-2022"), "seed": 1, "date": THEN }),
        ]);
        let id = anna.call(["import", "-"]).input(accepted(&answers[0]).to_string()).run().good();
        let shown = anna.says(["present", id.trim_end(), "--challenge", "c1", "--domain", "d.example", "--suite", suite]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let check =
            |challenge: &str| json!({ "verb": "check", "document": shown, "challenge": challenge, "domain": "d.example" });
        let answers = node(&[
            check("c1"),
            check("c2"),
            json!({ "verb": "present", "credentials": [made], "holder": other, "suite": format!("eddsa-{suite}-2022"), "seed": 1,
                "challenge": "c1", "domain": "d.example" }),
        ]);
        accepted(&answers[0]);
        refused(&answers[1]);
        let shown = accepted(&answers[2]).to_string();
        let read = anna.verdict(&shown, &["--challenge", "c1", "--domain", "d.example"]);
        assert_eq!((&read["verified"], &read["holder"]), (&json!(true), &json!(other)), "{read:#}");
        assert_eq!(anna.refuses(&shown, &["--challenge", "c2", "--domain", "d.example"]), "wrong-challenge");
    }
    // By hand, from the Recommendation.
    let issued: Value = serde_json::from_str(&anna.issues(&template("did:example:subject"), &[])).unwrap();
    let options = json!({
        "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "created": THEN, "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    });
    let answers = python(&[
        json!({ "verb": "verify", "document": issued }),
        json!({ "verb": "verify", "document": changed(&issued, "name", json!("x")) }),
        json!({ "verb": "issue", "document": theirs(&other, "did:example:subject"), "options": options, "seed": 1 }),
    ]);
    accepted(&answers[0]);
    refused(&answers[1]);
    assert_eq!(anna.verdict(accepted(&answers[2]).to_string(), &[])["verified"], true);
}

#[test]
fn tokens_go_both_ways() {
    if !wanted() {
        return;
    }
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let ours = anna.issues(&template("did:example:subject"), &["--as", "jwt"]);
    let parts: Vec<&str> = ours.split('.').collect();
    let (other, method) = peer(1);
    let said = theirs(&other, "did:example:subject");
    let payload = base64url(changed(&said, "name", json!("x")).to_string().as_bytes());
    let read = |token: &str| json!({ "verb": "detokenize", "token": token, "did": anna.did(), "alg": "EdDSA", "date": format!("{}", now()) });
    let tasks = [
        read(&ours),
        read(&format!("{}.{payload}.{}", parts[0], parts[2])),
        json!({ "verb": "tokenize", "document": said, "seed": 1, "alg": "EdDSA", "kid": method }),
    ];
    for answers in [node(&tasks), python(&tasks)] {
        assert_eq!(accepted(&answers[0])["issuer"], anna.did());
        refused(&answers[1]);
        let made = accepted(&answers[2]).as_str().unwrap();
        let verdict = anna.verdict(made, &[]);
        assert_eq!((&verdict["verified"], &verdict["what"]), (&json!(true), &json!("jwt")), "{verdict:#}");
        let parts: Vec<&str> = made.split('.').collect();
        assert_eq!(anna.refuses(format!("{}.{payload}.{}", parts[0], parts[2]), &[]), "bad-signature");
    }
}

/// The day after today, as npm's programs read it.
fn now() -> String {
    let text = format!("{}", seconds() + 86_400);
    let answers = python(&[json!({ "verb": "moment", "seconds": text })]);
    accepted(&answers[0]).as_str().unwrap().to_owned()
}

#[test]
fn selective_disclosure_goes_both_ways() {
    if !wanted() {
        return;
    }
    let homes = [Home::new(), Home::new()];
    let (anna, bob) = (Person::new(&homes[0], "anna"), Person::new(&homes[1], "bob"));
    let hide = ["--as", "sd-jwt", "--disclose", "/credentialSubject/description", "--disclose", "/name", "--decoys", "2"];
    let ours = anna.issues(&template(&bob.did()), &hide);
    let id = bob.call(["import", "-"]).input(&ours).run().good();
    let asks = ["--challenge", "nonce-1", "--domain", "https://verifier.example"];
    let shown = bob.says(["present", id.trim_end(), "--disclose", "name"].into_iter().chain(asks));
    let (before, after) = shown.split_once('~').unwrap();
    let flipped = format!("{before}~{}", after.replacen('W', "X", 1));
    let fewer = format!("{before}~{}", after.split_once('~').unwrap().1);
    let read = |text: &str, nonce: &str| json!({ "verb": "undisclose", "text": text, "did": anna.did(), "nonce": nonce, "aud": asks[3] });
    let (other, method) = peer(1);
    let (holder, _) = peer(5);
    let mut claims = theirs(&other, &holder);
    claims["claim"] = json!("kept back");
    let answers = python(&[
        read(&shown, "nonce-1"),
        read(&shown, "nonce-2"),
        read(&flipped, "nonce-1"),
        read(&fewer, "nonce-1"),
        json!({ "verb": "disclose", "claims": claims, "hidden": ["name", "claim"], "shown": { "name": true }, "seed": 1,
            "holder_seed": 5, "kid": method, "typ": "vc+sd-jwt", "nonce": "nonce-1", "aud": asks[3] }),
    ]);
    let seen = accepted(&answers[0]);
    assert!(seen.get("name").is_some() && seen["credentialSubject"].get("description").is_none(), "{seen:#}");
    answers[1..4].iter().for_each(refused);
    let theirs = accepted(&answers[4]);
    let somewhere = Home::new();
    let _serve = Serve::start(&somewhere);
    let issued = theirs["issued"].as_str().unwrap();
    let verified = verdict(&somewhere, issued, &[]);
    assert_eq!((&verified["verified"], &verified["what"]), (&json!(true), &json!("sd-jwt")), "{verified:#}");
    let shown = theirs["shown"].as_str().unwrap();
    let verified = verdict(&somewhere, shown, &asks);
    assert_eq!((&verified["verified"], &verified["holder"]), (&json!(true), &json!(holder)), "{verified:#}");
    let document = &verified["credentials"][0]["document"];
    assert!(document.get("name").is_some() && document.get("claim").is_none(), "{document:#}");
    let (before, after) = shown.split_once('~').unwrap();
    let fewer = format!("{before}~{}", after.split_once('~').unwrap().1);
    assert_eq!(verdict(&somewhere, fewer, &asks)["verified"], false);
}
