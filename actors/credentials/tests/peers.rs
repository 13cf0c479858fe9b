//! Both directions with programs of others: `@digitalbazaar/vc` with its two EdDSA suites and `jose` from npm; `rfc8785` with
//! `pynacl`, `joserfc` and `sd-jwt` from PyPI. What we make they accept, what they make we accept, what was tampered with
//! nobody does. They are installed under the target directory with `LAMOS_PEERS=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

// Not all of it is used here.
#[path = "peers/programs.rs"]
mod programs;
#[allow(dead_code, reason = "shared with another test program")]
#[path = "credentials/support.rs"]
mod support;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use credentials::{
    Options, Purpose, Signer as _, Suite, issue,
    membership::{Grant, LIFETIME, Permission, Priority, Role, StoragePolicy},
    presentation::{About, Question, present},
    random,
    sd_jwt::{self, Issue, Presentable},
    status::{StatusList, StatusPurpose},
    token::{self, Algorithm},
};
use programs::{node, python, wanted};
use serde_json::{Map, Value, json};
use support::{IN_PROCESS, Key, PEERS, contexts, document, now, options, text, verifier, with};

const SUITES: [Suite; 2] = [Suite::Jcs, Suite::Rdfc];

#[track_caller]
fn accepted(answer: &Value) -> &Value {
    assert_eq!(answer["ok"], true, "{answer}");
    &answer["value"]
}

#[track_caller]
fn refused(answer: &Value) {
    assert_eq!(answer["ok"], false, "{answer}");
}

/// A document with everything that is read in more than one way: other scripts, numbers, nested lists.
fn wide(key: &Key, suite: Suite) -> Map<String, Value> {
    let mut wide = document(key, "did:example:subject");
    wide.insert(
        "@context".to_owned(),
        json!(["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"]),
    );
    wide["credentialSubject"]["height"] = json!([1.5, 0.000_001, 42, -7, 1_000_000_000_000_000_i64, true]);
    wide["credentialSubject"]["words"] = json!(["\u{20ac}\n\t\"\\ \u{7f}", "עברית", "日本語", "\u{1f600}", "\u{0}"]);
    wide["credentialSubject"]["spouse"] =
        json!({ "type": "Person", "alumniOf": { "name": "School", "id": "https://example.edu/" } });
    if suite == Suite::Jcs {
        wide["credentialSubject"]["lists"] = json!([[1, [2]], [], {}, null, 1e-7, 0.1]);
    }
    wide
}

/// What we made, and the same with something changed.
fn ours() -> Vec<(String, Map<String, Value>)> {
    let [issuer, archive] = [1, 2].map(Key::new);
    let grant = Grant {
        role: Role::Admin,
        permissions: [Permission::Read, Permission::Delegate].into(),
        storage: StoragePolicy { max_storage: Some(500_000_000), allowed_types: None, priority: Priority::High },
        can_issue: true,
        max_depth: 1,
        renewal: 0,
    };
    let (own, other) = (issuer.public_key(), archive.public_key());
    let membership = grant.to_credential(None, &own, &other, now(), now().after(LIFETIME), None).unwrap();
    let validity = credentials::Validity { from: Some(now()), until: None };
    let list = StatusList::new(1)
        .unwrap()
        .to_credential("https://example.com/status/1", &own, StatusPurpose::Revocation, validity)
        .unwrap();
    let mut made = Vec::new();
    for suite in SUITES {
        for (name, plain) in [("wide", wide(&issuer, suite)), ("membership", membership.clone()), ("list", list.clone())] {
            made.push((format!("{name} {}", suite.name()), issue(&plain, &options(suite), &issuer, IN_PROCESS).unwrap()));
        }
    }
    made
}

#[test]
fn what_we_sign_digital_bazaar_accepts() {
    if !wanted() {
        return;
    }
    let ours = ours();
    let mut tasks = Vec::new();
    for (_, signed) in &ours {
        let other = with(signed, "/validFrom", json!("2023-11-13T00:00:00Z"));
        let added = with(signed, "/isAdmin", json!(true));
        let forged = with(signed, "/issuer", json!(Key::new(9).did()));
        for document in [signed, &other, &added, &forged] {
            tasks.push(json!({ "verb": "verify", "document": document, "date": now().to_string() }));
        }
    }
    for (answers, (name, signed)) in node(&tasks).chunks(4).zip(&ours) {
        println!("{name}");
        accepted(&answers[0]);
        assert!(verifier(now()).credential(&text(signed)).is_ok());
        for (answer, task) in answers[1..].iter().zip(["another date", "isAdmin", "another issuer"]) {
            println!("  {task}: {}", answer["why"]);
            refused(answer);
        }
    }
}

#[test]
fn what_digital_bazaar_signs_we_accept() {
    if !wanted() {
        return;
    }
    let issuer = Key::new(1);
    let mut tasks = Vec::new();
    for suite in SUITES {
        for plain in [wide(&issuer, suite), document(&issuer, "did:example:subject")] {
            tasks
                .push(json!({ "verb": "issue", "document": plain, "suite": suite.name(), "seed": 1, "date": now().to_string() }));
        }
    }
    for (task, answer) in tasks.iter().zip(node(&tasks)) {
        let signed = support::members(accepted(&answer).clone());
        let read = verifier(now()).credential(&text(&signed)).unwrap();
        assert_eq!(&Value::Object(read.document().clone()), &task["document"]);
        for tampered in [with(&signed, "/name", json!("x")), with(&signed, "/credentialSubject/isAdmin", json!(true))] {
            assert!(verifier(now()).credential(&text(&tampered)).is_err());
        }
        // One key, one message, one signature: ours is theirs, byte for byte.
        let suite = if task["suite"] == "eddsa-jcs-2022" { Suite::Jcs } else { Suite::Rdfc };
        let plain = support::members(task["document"].clone());
        let own = issue(&plain, &Options::new(suite, Purpose::Assertion, now()), &issuer, IN_PROCESS).unwrap();
        assert_eq!(own["proof"]["proofValue"], signed["proof"]["proofValue"]);
    }
}

const FIRST: &str = "urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544";

/// Several proofs of one document, each by itself, and each with a suite of its own. All are the issuer's:
/// `@digitalbazaar/vc` takes no other's.
#[test]
fn sets_go_both_ways() {
    if !wanted() {
        return;
    }
    let issuer = Key::new(1);
    let plain = document(&issuer, "did:example:subject");
    let verify = |document: &Map<String, Value>| json!({ "verb": "verify", "document": document, "date": now().to_string() });
    for suites in [[Suite::Jcs, Suite::Rdfc], [Suite::Rdfc, Suite::Jcs], [Suite::Rdfc, Suite::Rdfc], [Suite::Jcs, Suite::Jcs]] {
        let one = issue(&plain, &options(suites[0]), &issuer, IN_PROCESS).unwrap();
        let later = Options { created: Some(now().after(-1)), ..options(suites[1]) };
        let set = issue(&one, &later, &issuer, IN_PROCESS).unwrap();
        let answers = node(&[
            verify(&set),
            verify(&with(&set, "/name", json!("x"))),
            verify(&with(&set, "/proof/1/proofValue", set["proof"][0]["proofValue"].clone())),
            json!({ "verb": "issue", "document": one, "suite": suites[1].name(), "seed": 1, "date": now().after(-1).to_string() }),
        ]);
        accepted(&answers[0]);
        answers[1..3].iter().for_each(refused);
        let theirs = support::members(accepted(&answers[3]).clone());
        assert_eq!(theirs, set);
        assert_eq!(verifier(now()).credential(&text(&theirs)).unwrap().signers().len(), 2);
        assert!(verifier(now()).credential(&text(&with(&theirs, "/name", json!("x")))).is_err());
    }
}

/// A proof that covers another. `@digitalbazaar/data-integrity` does not know `previousProof`, and must not take such a proof
/// for one of a set.
#[test]
fn chains_go_both_ways() {
    if !wanted() {
        return;
    }
    let [issuer, witness] = [1, 2].map(Key::new);
    let plain = document(&issuer, "did:example:subject");
    let first = Options { id: Some(FIRST.to_owned()), ..options(Suite::Jcs) };
    let one = issue(&plain, &first, &issuer, IN_PROCESS).unwrap();
    let after = Options { previous: vec![FIRST.to_owned()], ..options(Suite::Jcs) };
    let chain = issue(&one, &after, &witness, IN_PROCESS).unwrap();
    let mut own = support::members(chain["proof"][1].clone());
    own.remove("proofValue");
    let other = with(&chain, "/proof/0/created", json!("2023-11-14T00:00:01Z"));
    let tasks = [
        json!({ "verb": "verify", "document": chain }),
        json!({ "verb": "verify", "document": with(&chain, "/name", json!("x")) }),
        json!({ "verb": "verify", "document": other }),
        json!({ "verb": "verify", "document": with(&chain, "/proof", chain["proof"][1].clone()) }),
        json!({ "verb": "issue", "document": one, "options": own, "seed": 2 }),
    ];
    let answers = python(&tasks);
    accepted(&answers[0]);
    answers[1..4].iter().for_each(refused);
    let theirs = support::members(accepted(&answers[4]).clone());
    assert_eq!(theirs, chain);
    assert_eq!(verifier(now()).credential(&text(&theirs)).unwrap().signers().len(), 2);
    for document in [with(&theirs, "/name", json!("x")), with(&theirs, "/proof", theirs["proof"][1].clone())] {
        assert!(verifier(now()).credential(&text(&document)).is_err());
    }
    refused(&node(&[json!({ "verb": "verify", "document": chain, "date": now().to_string() })])[0]);
}

#[test]
fn presentations_go_both_ways() {
    if !wanted() {
        return;
    }
    let [issuer, holder] = [1, 5].map(Key::new);
    let question = Question { challenge: "9b1d2c".to_owned(), domain: "archive.example".to_owned() };
    let mut tasks = Vec::new();
    // It checks a presentation's credentials by the machine's clock.
    let plain = support::without(&document(&issuer, &holder.did()), "/validUntil");
    let held = |suite| issue(&plain, &options(suite), &issuer, IN_PROCESS).unwrap();
    for suite in SUITES {
        let shown = present(&[held(suite)], &question, suite, now(), &holder, IN_PROCESS).unwrap();
        let check = |document: &Map<String, Value>, challenge: &str, domain: &str| json!({ "verb": "check", "document": document, "challenge": challenge, "domain": domain, "date": now().to_string() });
        tasks.push(check(&shown, "9b1d2c", "archive.example"));
        tasks.push(check(&shown, "another", "archive.example"));
        tasks.push(check(&shown, "9b1d2c", "evil.example"));
        tasks.push(check(&with(&shown, "/verifiableCredential/0/name", json!("x")), "9b1d2c", "archive.example"));
        tasks.push(
            json!({ "verb": "present", "credentials": [held(suite)], "holder": holder.did(), "suite": suite.name(), "seed": 5,
            "challenge": "9b1d2c", "domain": "archive.example", "date": now().to_string() }),
        );
    }
    for answers in node(&tasks).chunks(5) {
        accepted(&answers[0]);
        answers[1..4].iter().for_each(refused);
        let shown = support::members(accepted(&answers[4]).clone());
        let read = verifier(now()).presentation(&text(&shown), &question, About::Holder).unwrap();
        assert_eq!(read.holder(), &holder.public_key());
        let tampered = with(&shown, "/holder", json!(issuer.did()));
        assert!(verifier(now()).presentation(&text(&tampered), &question, About::Holder).is_err());
    }
}

#[test]
fn canonical_json_by_hand_goes_both_ways() {
    if !wanted() {
        return;
    }
    let issuer = Key::new(1);
    let plain = wide(&issuer, Suite::Jcs);
    let signed = issue(&plain, &options(Suite::Jcs), &issuer, IN_PROCESS).unwrap();
    let mut own = support::members(signed["proof"].clone());
    own.remove("proofValue");
    let answers = python(&[
        json!({ "verb": "verify", "document": signed }),
        json!({ "verb": "verify", "document": with(&signed, "/name", json!("x")) }),
        json!({ "verb": "issue", "document": plain, "options": own, "seed": 1 }),
    ]);
    accepted(&answers[0]);
    refused(&answers[1]);
    let theirs = support::members(accepted(&answers[2]).clone());
    assert_eq!(theirs, signed);
    assert!(verifier(now()).credential(&text(&theirs)).is_ok());
}

/// The key as JWK, with its secret half.
fn jwk(key: &Key) -> Value {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_bytes()), "d": text(key.bare().as_bytes()) })
}

fn public(key: &Key) -> Value {
    let mut jwk = jwk(key);
    jwk.as_object_mut().unwrap().remove("d");
    jwk
}

#[test]
fn tokens_go_both_ways() {
    if !wanted() {
        return;
    }
    let issuer = Key::new(1);
    let plain = document(&issuer, "did:example:subject");
    for algorithm in [Algorithm::EdDsa, Algorithm::Ed25519] {
        let ours = token::issue(&plain, algorithm, &issuer).unwrap();
        let parts: Vec<&str> = ours.split('.').collect();
        let changed = URL_SAFE_NO_PAD.encode(Value::Object(with(&plain, "/name", json!("x"))).to_string());
        let read = |token: &str| json!({ "verb": "detokenize", "token": token, "key": public(&issuer), "alg": algorithm.name(), "date": now().to_string() });
        let tasks = [
            read(&ours),
            read(&format!("{}.{changed}.{}", parts[0], parts[2])),
            json!({ "verb": "tokenize", "document": plain, "key": jwk(&issuer), "alg": algorithm.name(), "kid": issuer.public_key().method() }),
        ];
        for answers in [node(&tasks), python(&tasks)] {
            assert_eq!(accepted(&answers[0]), &Value::Object(plain.clone()));
            refused(&answers[1]);
            let theirs = accepted(&answers[2]).as_str().unwrap();
            assert_eq!(verifier(now()).token(theirs).unwrap().document(), &plain);
            let parts: Vec<&str> = theirs.split('.').collect();
            assert!(verifier(now()).token(&format!("{}.{changed}.{}", parts[0], parts[2])).is_err());
        }
    }
}

#[test]
fn selective_disclosure_goes_both_ways() {
    if !wanted() {
        return;
    }
    let [issuer, holder] = [1, 5].map(Key::new);
    let claims = support::members(json!({
        "iss": issuer.did(), "given_name": "Zoë", "family_name": "Möbius", "nationalities": ["DE", "FR"], "age": 42,
    }));
    let question = Question { challenge: "nonce-1".to_owned(), domain: "https://verifier.example".to_owned() };
    let key = holder.public_key();
    let what = Issue {
        claims: &claims,
        disclosable: &["/given_name", "/family_name", "/nationalities/0", "/nationalities/1"],
        decoys: 3,
        typ: "sd-jwt",
        holder: Some(&key),
        algorithm: Algorithm::EdDsa,
    };
    let ours = sd_jwt::issue(&what, &mut random::salt, &issuer).unwrap();
    let answer = Some((&question, now(), Algorithm::EdDsa, &holder as &dyn credentials::Signer));
    let shown = Presentable::read(&ours).unwrap().present(|one| one.name() == Some("given_name"), answer).unwrap();
    let read = |text: &str, nonce: &str| json!({ "verb": "undisclose", "text": text, "key": public(&issuer), "nonce": nonce, "aud": "https://verifier.example" });
    let (before, after) = shown.split_once('~').unwrap();
    let flipped = format!("{before}~{}", after.replacen("W", "X", 1));
    let fewer = format!("{before}~{}", after.split_once('~').unwrap().1);
    let tasks = [
        json!({ "verb": "undisclose", "text": ours, "key": public(&issuer) }),
        read(&shown, "nonce-1"),
        read(&shown, "nonce-2"),
        read(&flipped, "nonce-1"),
        read(&fewer, "nonce-1"),
        json!({ "verb": "disclose", "claims": claims, "hidden": ["given_name", "family_name", "nationalities"],
            "shown": { "family_name": true }, "key": jwk(&issuer), "holder": jwk(&holder), "kid": issuer.public_key().method(),
            "nonce": "nonce-1", "aud": "https://verifier.example" }),
    ];
    let answers = python(&tasks);
    let mut all = accepted(&answers[0]).clone();
    all.as_object_mut().unwrap().remove("cnf");
    assert_eq!(all, Value::Object(claims.clone()));
    let seen = accepted(&answers[1]);
    assert_eq!((&seen["given_name"], seen.get("family_name"), &seen["nationalities"]), (&json!("Zoë"), None, &json!([])));
    answers[2..5].iter().for_each(refused);
    let theirs = accepted(&answers[5]);
    // Its answer carries the clock of the machine.
    let made = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let clock = verifier(credentials::Moment::from_seconds(i64::try_from(made).unwrap()));
    let issued = clock.sd_jwt(theirs["issued"].as_str().unwrap(), None).unwrap();
    assert_eq!(issued.claims()["given_name"], "Zoë");
    let shown = theirs["shown"].as_str().unwrap();
    let read = clock.sd_jwt(shown, Some(&question)).unwrap();
    assert_eq!((read.claims().get("given_name"), &read.claims()["family_name"]), (None, &json!("Möbius")));
    assert_eq!(read.holder(), Some(&holder.public_key()));
    let (before, after) = shown.split_once('~').unwrap();
    let fewer = format!("{before}~{}", after.split_once('~').unwrap().1);
    assert!(clock.sd_jwt(&fewer, Some(&question)).is_err());
}
