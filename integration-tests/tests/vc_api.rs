//! The VC-API of a real tree: what is issued over HTTP holds, for others and here; what was changed holds nowhere; and
//! nothing is signed for who has no key.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use integration_tests::{
    home::Home,
    http_gate::{Answer, HttpGate},
    serve::Serve,
};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple 4711\ncorrect horse battery staple 4711\n";

const ISSUE: &str = "/credentials/issue";
const VERIFY: &str = "/credentials/verify";
const PRESENTED: &str = "/presentations/verify";

/// What somebody does to a credential.
type Change = fn(&mut Value);

/// A gate of somebody who has a key.
fn of_ada(home: &Home, words: &[&str]) -> HttpGate {
    HttpGate::of(home.command([&["--json", "vc-api"][..], words].concat()).signed_in("ada", PASSWORD))
}

fn template() -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "name": "A rowing licence",
        "credentialSubject": { "id": "did:example:rower", "name": "Zoë ✓" },
    })
}

fn issue(gate: &HttpGate, credential: &Value, options: Value) -> Answer {
    gate.ask(ISSUE, &json!({ "credential": credential, "options": options }).to_string())
}

#[track_caller]
fn issued(gate: &HttpGate, credential: &Value, options: Value) -> Value {
    let answer = issue(gate, credential, options);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["verifiableCredential"].clone()
}

fn verify(gate: &HttpGate, credential: &Value, options: Value) -> Answer {
    gate.ask(VERIFY, &json!({ "verifiableCredential": credential, "options": options }).to_string())
}

#[track_caller]
fn holds(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["verified"]), (200, &json!(true)), "{}", String::from_utf8_lossy(&answer.body));
}

/// Why it does not hold: the end of the address that names the problem.
#[track_caller]
fn does_not_hold(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!((answer.status, &body["verified"]), (400, &json!(false)), "{body:#}");
    assert!(answer.head.contains("content-type: application/problem+json"), "{answer:?}");
    let problems = body["problemDetails"].as_array().unwrap();
    assert!(!problems.is_empty() && problems.iter().all(|problem| !problem["detail"].as_str().unwrap().is_empty()), "{body:#}");
    problems[0]["type"].as_str().unwrap().rsplit('#').next().unwrap().to_owned()
}

#[test]
fn what_is_issued_holds_and_what_was_changed_does_not() {
    let home = Home::new();
    for (chosen, suite, other) in [("jcs", "eddsa-jcs-2022", "eddsa-rdfc-2022"), ("rdfc", "eddsa-rdfc-2022", "eddsa-jcs-2022")] {
        let gate = of_ada(&home, &["--suite", chosen]);
        for (options, suite) in [
            (json!({}), suite),
            (json!({ "type": "DataIntegrityProof", "cryptosuite": other }), other),
            (json!({ "cryptosuite": suite }), suite),
        ] {
            let credential = issued(&gate, &template(), options);
            assert_eq!(credential["proof"]["cryptosuite"], suite);
            assert_eq!(credential["credentialSubject"], template()["credentialSubject"]);
            assert!(credential["issuer"].as_str().unwrap().starts_with("did:key:z6Mk"), "{credential:#}");
            let answer = verify(&gate, &credential, json!({ "returnCredential": true }));
            holds(&answer);
            // The command line comes to the same verdict, and so whatever else reads it.
            let file = home.file("credential.json", credential.to_string());
            home.run(["credential", "verify", file.to_str().unwrap()]).good();
            let changed: [(&str, Change); 7] = [
                ("the subject", |it| it["credentialSubject"]["id"] = json!("did:example:somebody")),
                ("a letter", |it| it["name"] = json!("A rowing license")),
                ("the issuer", |it| it["issuer"] = json!("did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw")),
                ("the moment", |it| it["validFrom"] = json!("2001-01-01T00:00:00Z")),
                ("something more", |it| it["description"] = json!("and everything else")),
                ("the moment of the proof", |it| it["proof"]["created"] = json!("2001-01-01T00:00:00Z")),
                ("the purpose", |it| it["proof"]["proofPurpose"] = json!("authentication")),
            ];
            for (what, change) in changed {
                let mut credential = credential.clone();
                change(&mut credential);
                let why = does_not_hold(&verify(&gate, &credential, json!({})));
                assert!(["PROOF_VERIFICATION_ERROR", "CRYPTOGRAPHIC_SECURITY_ERROR"].contains(&why.as_str()), "{what}: {why}");
            }
            let mut bare = credential.clone();
            bare.as_object_mut().unwrap().remove("proof");
            does_not_hold(&verify(&gate, &bare, json!({})));
        }
        assert_eq!(gate.end(), 0);
    }
}

#[test]
fn nothing_else_is_signed_and_it_is_said_why() {
    let home = Home::new();
    let gate = of_ada(&home, &[]);
    let not_signed = |change: fn(&mut Value), options: Value| {
        let mut credential = template();
        change(&mut credential);
        let answer = issue(&gate, &credential, options);
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&answer.body));
        assert!(answer.head.contains("content-type: application/problem+json"), "{answer:?}");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let rdfc = || json!({ "cryptosuite": "eddsa-rdfc-2022" });
    not_signed(|it| it["issuer"] = json!("did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"), json!({}));
    not_signed(|it| it["issuer"] = json!("did:example:boss"), json!({}));
    not_signed(|it| it["type"] = json!([]), json!({}));
    not_signed(|it| it["@context"] = json!([]), json!({}));
    not_signed(|it| drop(it.as_object_mut().unwrap().remove("credentialSubject")), json!({}));
    not_signed(|it| it["favouriteColour"] = json!("blue"), rdfc());
    not_signed(|it| it["@context"] = json!(["https://www.w3.org/ns/credentials/v2", "https://evil.example/context"]), rdfc());
    not_signed(|_| {}, json!({ "cryptosuite": "ecdsa-rdfc-2019" }));
    not_signed(|_| {}, json!({ "unheard-of": true }));
    for body in
        ["", "{", "[]", "null", "{}", r#"{"credential": 7}"#, r#"{"credential": "a.b.c"}"#, r#"{"credential": {"a": 1, "a": 2}}"#]
    {
        let answer = gate.ask(ISSUE, body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    for body in ["", "{}", r#"{"verifiableCredential": 7}"#, r#"{"verifiableCredential": ""}"#, r#"{"verifiableCredential": {}}"#]
    {
        let answer = gate.ask(VERIFY, body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    let twice = r#"{"verifiableCredential": {"@context": ["https://www.w3.org/ns/credentials/v2"], "name": "a", "name": "b"}}"#;
    assert_eq!(does_not_hold(&gate.ask(VERIFY, twice)), "PARSING_ERROR");
}

#[test]
fn a_presentation_answers_one_question() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let gate = of_ada(&home, &[]);
    let file = home.file("template.json", template().to_string());
    for suite in ["jcs", "rdfc"] {
        let issued = home.run(["--json", "credential", "issue", file.to_str().unwrap(), "--suite", suite]).json();
        let id = issued["id"].as_str().unwrap();
        let words = ["credential", "present", id, "--challenge", "c-1", "--domain", "shop.example", "--suite", suite];
        let presentation: Value = serde_json::from_str(&home.run(words).good()).unwrap();
        let ask = |presentation: &Value, options: Value| {
            gate.ask(PRESENTED, &json!({ "verifiablePresentation": presentation, "options": options }).to_string())
        };
        let right = json!({ "challenge": "c-1", "domain": "shop.example" });
        let answer = ask(&presentation, right.clone());
        holds(&answer);
        let body = answer.json();
        assert_eq!(body["credentialResults"][0]["credential"]["name"], template()["name"], "{body:#}");
        assert!(body["holder"].as_str().unwrap().starts_with("did:key:"), "{body:#}");
        let other = ask(&presentation, json!({ "challenge": "c-2", "domain": "shop.example" }));
        assert_eq!(does_not_hold(&other), "INVALID_CHALLENGE_ERROR");
        let other = ask(&presentation, json!({ "challenge": "c-1", "domain": "thief.example" }));
        assert_eq!(does_not_hold(&other), "INVALID_DOMAIN_ERROR");
        let mut changed = presentation.clone();
        changed["verifiableCredential"][0]["name"] = json!("another");
        does_not_hold(&ask(&changed, right.clone()));
        // Each has its own path.
        assert_eq!(verify(&gate, &presentation, json!({})).status, 400);
        assert_eq!(ask(&presentation["verifiableCredential"][0], json!({})).status, 400);
    }
    // Tokens, bare and in their envelope.
    let issued = home.run(["--json", "credential", "issue", file.to_str().unwrap(), "--as", "jwt"]).json();
    let token = issued["credential"].as_str().unwrap().to_owned();
    holds(&verify(&gate, &json!(token), json!({})));
    let envelope = |context: Value, id: String| json!({ "@context": context, "type": "EnvelopedVerifiableCredential", "id": id });
    let context = || json!(["https://www.w3.org/ns/credentials/v2"]);
    holds(&verify(&gate, &envelope(context(), format!("data:application/vc+jwt,{token}")), json!({})));
    let mut changed = token.clone();
    changed.replace_range(changed.len() - 8..changed.len() - 7, if changed.ends_with("AAAAAAAA") { "B" } else { "A" });
    if changed != token {
        does_not_hold(&verify(&gate, &json!(changed), json!({})));
    }
    assert_eq!(verify(&gate, &envelope(json!([]), format!("data:application/vc+jwt,{token}")), json!({})).status, 400);
    assert_eq!(verify(&gate, &envelope(context(), token.clone()), json!({})).status, 400);
}

#[test]
fn what_was_taken_back_does_not_hold_and_what_is_not_known_is_not_passed_over() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let gate = of_ada(&home, &[]);
    let file = home.file("template.json", template().to_string());
    let issued = home.run(["--json", "credential", "issue", file.to_str().unwrap(), "--status"]).json();
    let (id, text) = (issued["id"].as_str().unwrap(), issued["credential"].as_str().unwrap());
    let credential: Value = serde_json::from_str(text).unwrap();
    let list = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let before = list(home.run(["credential", "status-list"]).good());
    let with = |list: &Value| verify(&gate, &credential, json!({ "statusLists": [list] }));
    holds(&with(&before));
    // Nothing is fetched: without its list it is not known, and who wants only the proof checked says so.
    does_not_hold(&verify(&gate, &credential, json!({})));
    let answer = verify(&gate, &credential, json!({ "checks": ["proof"] }));
    holds(&answer);
    assert_eq!(answer.json()["problemDetails"][0]["title"], "status-unknown");
    let after = list(home.run(["credential", "revoke", id]).good());
    assert_eq!(does_not_hold(&with(&after)), "CRYPTOGRAPHIC_SECURITY_ERROR");
    let mut forged = after.clone();
    forged["credentialSubject"]["encodedList"] = before["credentialSubject"]["encodedList"].clone();
    does_not_hold(&with(&forged));
}

#[test]
fn nobody_signs_in_the_name_of_somebody_else() {
    let home = Home::new();
    let serve = Serve::start(&home);
    // The demo space checks, and signs nothing.
    let demo = HttpGate::start(&home, &[]);
    demo.says("issues nothing");
    let answer = issue(&demo, &template(), json!({}));
    assert_eq!(answer.status, 403, "{}", String::from_utf8_lossy(&answer.body));
    drop(demo);
    home.run(["lock"]).good();
    let gate = of_ada(&home, &[]);
    let credential = issued(&gate, &template(), json!({}));
    // Locked, it checks and does not sign.
    home.run(["lock"]).good();
    let answer = issue(&gate, &template(), json!({}));
    assert!((400..600).contains(&answer.status), "{answer:?}");
    holds(&verify(&gate, &credential, json!({})));
    // Another person's key is not what this was opened for.
    home.command(["history"]).signed_in("bob", PASSWORD).run().good();
    let answer = issue(&gate, &template(), json!({}));
    assert!((400..600).contains(&answer.status), "{answer:?}");
    home.run(["lock"]).good();
    home.command(["history"]).signed_in("ada", PASSWORD).run().good();
    assert_eq!(issued(&gate, &template(), json!({}))["issuer"], credential["issuer"]);
    drop(gate);
    drop(serve);
    home.assert_empty();
}
