//! What the one with the key signs of what others composed, and what it does not.

use std::cell::RefCell;

use credentials::{
    Kind, Later, Options, PublicKey, Purpose, Result, Signer, SigningInput, Suite, ToSign, issue,
    presentation::{Question, present},
    random,
    sd_jwt::{self, Issue, Presentable},
    token::{self, Algorithm},
};
use serde_json::{Map, Value, json};

use crate::support::{IN_PROCESS, Key, document, members, now, options, signed, verifier, verify, with};

const SUITES: [Suite; 2] = [Suite::Jcs, Suite::Rdfc];

/// Has what was composed signed by a key, as the key process does.
fn sign_later(key: &Key, compose: impl FnOnce(&Later) -> String) -> Result<String> {
    let later = Later::new(key.public_key())?;
    let text = compose(&later);
    let (what, before, after) = later.take(&text)?;
    let input = what.check(&key.public_key())?;
    let signature = key.sign(&input)?;
    Ok(format!("{before}{}{after}", input.form().write(&signature)))
}

fn text(document: Map<String, Value>) -> String {
    Value::Object(document).to_string()
}

#[test]
fn what_is_composed_without_the_key_is_what_is_issued_with_it() {
    let key = Key::new(1);
    let plain = document(&key, "did:example:subject");
    for suite in SUITES {
        let made = sign_later(&key, |later| text(issue(&plain, &options(suite), later, IN_PROCESS).unwrap())).unwrap();
        assert_eq!(made, text(signed(&key, suite)));
        // And a further proof that covers the first.
        let first = Options { id: Some("urn:uuid:1".to_owned()), ..options(suite) };
        let one = issue(&plain, &first, &key, IN_PROCESS).unwrap();
        let next = Options { previous: vec!["urn:uuid:1".to_owned()], ..options(suite) };
        let two = sign_later(&key, |later| text(issue(&one, &next, later, IN_PROCESS).unwrap())).unwrap();
        assert_eq!(verifier(now()).credential(two.as_bytes()).unwrap().signers().len(), 2);
    }
    let made = sign_later(&key, |later| token::issue(&plain, Algorithm::EdDsa, later).unwrap()).unwrap();
    assert_eq!(made, token::issue(&plain, Algorithm::EdDsa, &key).unwrap());
}

#[test]
fn presentations_and_disclosures_too() {
    let [issuer, holder] = [1, 5].map(Key::new);
    let question = Question { challenge: "9b1d2c".to_owned(), domain: "archive.example".to_owned() };
    let held = issue(&document(&issuer, &holder.did()), &options(Suite::Jcs), &issuer, IN_PROCESS).unwrap();
    for suite in SUITES {
        let shown = sign_later(&holder, |later| {
            text(present(std::slice::from_ref(&held), &question, suite, now(), later, IN_PROCESS).unwrap())
        });
        let shown = shown.unwrap();
        let about = credentials::presentation::About::Holder;
        assert!(verifier(now()).presentation(shown.as_bytes(), &question, about).is_ok());
    }
    let claims = document(&issuer, &holder.did());
    let what = Issue {
        claims: &claims,
        disclosable: &["/name", "/credentialSubject/description"],
        decoys: 2,
        typ: "vc+sd-jwt",
        holder: Some(&holder.public_key()),
        algorithm: Algorithm::EdDsa,
    };
    let issued = sign_later(&issuer, |later| sd_jwt::issue(&what, &mut random::salt, later).unwrap()).unwrap();
    let shown = sign_later(&holder, |later| {
        let held = Presentable::read(&issued).unwrap();
        held.present(|shown| shown.name() == Some("name"), Some((&question, now(), Algorithm::EdDsa, later))).unwrap()
    });
    let read = verifier(now()).sd_jwt_credential(&shown.unwrap(), Some(&question)).unwrap();
    assert!(read.document().contains_key("name") && !read.claims().unwrap().contains_key("description"));
}

/// A signer that tells what it was asked.
struct Asked(Key, RefCell<Option<ToSign>>);

impl Signer for Asked {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&self, input: &SigningInput) -> Result<[u8; 64]> {
        self.1.replace(Some(input.what().clone()));
        self.0.sign(input)
    }
}

fn asked(seed: u8, compose: impl FnOnce(&Asked)) -> ToSign {
    let signer = Asked(Key::new(seed), RefCell::new(None));
    compose(&signer);
    signer.1.into_inner().unwrap()
}

fn proof_of(suite: Suite, document: &Map<String, Value>) -> ToSign {
    asked(1, |signer| drop(issue(document, &options(suite), signer, IN_PROCESS).unwrap()))
}

fn refused(what: ToSign) -> Kind {
    what.check(&Key::new(1).public_key()).map(|input| input.form()).unwrap_err().kind()
}

/// The same with a text in it replaced, in the options or in the document.
fn replaced(what: &ToSign, from: &str, to: &str) -> ToSign {
    let change = |text: &String| text.replace(from, to);
    let changed = match what {
        ToSign::JcsProof { options, document } => ToSign::JcsProof { options: change(options), document: change(document) },
        ToSign::RdfcProof { options, document } => ToSign::RdfcProof { options: change(options), document: change(document) },
        ToSign::Token { header, payload } => ToSign::Token { header: change(header), payload: change(payload) },
        ToSign::SdJwt { header, payload } => ToSign::SdJwt { header: change(header), payload: change(payload) },
        ToSign::KeyBinding { header, payload } => ToSign::KeyBinding { header: change(header), payload: change(payload) },
    };
    assert_ne!(&changed, what, "{from}");
    changed
}

#[test]
fn another_issuer_method_suite_or_purpose_is_not_signed() {
    let [own, other] = [1, 2].map(Key::new);
    let plain = document(&own, "did:example:subject");
    let named = format!("\"issuer\":\"{}\"", own.did());
    for suite in SUITES {
        let good = proof_of(suite, &plain);
        assert!(good.clone().check(&own.public_key()).is_ok());
        assert!(good.clone().check(&other.public_key()).is_err(), "everything in it is another's");
        assert_eq!(refused(replaced(&good, &own.public_key().method(), &other.public_key().method())), Kind::Malformed);
        assert_eq!(refused(replaced(&good, suite.name(), "eddsa-2022")), Kind::Malformed);
        assert_eq!(refused(replaced(&good, "assertionMethod", "capabilityDelegation")), Kind::WrongPurpose);
        assert!(matches!(refused(replaced(&good, "assertionMethod", "authentication")), Kind::Malformed | Kind::WrongPurpose));
        assert_eq!(refused(replaced(&good, "DataIntegrityProof", "AnotherProof")), Kind::Malformed);
    }
    let good = proof_of(Suite::Jcs, &plain);
    assert_eq!(refused(replaced(&good, &named, &format!("\"issuer\":\"{}\"", other.did()))), Kind::NotTheIssuersKey);
    let good = proof_of(Suite::Rdfc, &plain);
    let quad = |key: &Key| format!("<https://www.w3.org/2018/credentials#issuer> <{}>", key.did());
    assert_eq!(refused(replaced(&good, &quad(&own), &quad(&other))), Kind::NotTheIssuersKey);
}

#[test]
fn what_is_not_canonical_is_not_signed() {
    let plain = document(&Key::new(1), "did:example:subject");
    let good = proof_of(Suite::Jcs, &plain);
    for (from, to) in [("{\"@context\"", "{ \"@context\""), ("kind", "\\u006bind"), ("\"description\":\"kind\",", "")] {
        let changed = replaced(&good, from, to);
        // Taking something away leaves another canonical text, which is another credential of the same issuer.
        assert_eq!(changed.check(&Key::new(1).public_key()).is_ok(), to.is_empty(), "{from}");
    }
    assert_eq!(refused(replaced(&good, "\"name\":\"A word", "\"name\":\"a\",\"name\":\"A word")), Kind::DuplicateKey);
    assert_eq!(
        refused(replaced(&good, "\"name\":\"A word", "\"count\":9007199254740993,\"name\":\"A word")),
        Kind::NumberOutOfRange
    );
    let ToSign::RdfcProof { options, document } = proof_of(Suite::Rdfc, &plain) else { panic!("another suite") };
    let mut lines: Vec<&str> = document.split_inclusive('\n').collect();
    let quads = |document: String| ToSign::RdfcProof { options: options.clone(), document };
    for (from, to) in
        [("> <", ">  <"), ("\"kind\"", "\"k\\u0069nd\""), (" .\n", " . \n"), (" .\n", " . # and\n"), (" .\n", " .\r\n")]
    {
        assert_eq!(refused(quads(document.replacen(from, to, 1))), Kind::Malformed, "{from}");
    }
    assert_eq!(refused(quads(document.trim_end().to_owned())), Kind::Malformed);
    assert_eq!(refused(quads(String::new())), Kind::Malformed);
    lines.reverse();
    assert_eq!(refused(quads(lines.concat())), Kind::Malformed);
    assert_eq!(refused(quads([document.as_str(), lines[0]].concat())), Kind::Malformed);
}

fn with_quads(what: &ToSign, more: &[String]) -> ToSign {
    let ToSign::RdfcProof { options, document } = what else { panic!("another suite") };
    let mut lines: Vec<String> = document.split_inclusive('\n').map(str::to_owned).chain(more.iter().cloned()).collect();
    lines.sort_unstable();
    ToSign::RdfcProof { options: options.clone(), document: lines.concat() }
}

#[test]
fn two_issuers_are_none() {
    let [own, other] = [1, 2].map(Key::new);
    let plain = document(&own, "did:example:subject");
    let good = proof_of(Suite::Rdfc, &plain);
    let issuer = "<https://www.w3.org/2018/credentials#issuer>";
    let id = plain["id"].as_str().unwrap();
    for quad in [
        format!("<{id}> {issuer} <{}> .\n", other.did()),
        format!("<urn:other> {issuer} <{}> .\n", own.did()),
        format!("<{id}> {issuer} <{}> <urn:graph> .\n", other.did()),
    ] {
        assert_eq!(refused(with_quads(&good, std::slice::from_ref(&quad))), Kind::NotTheIssuersKey, "{quad}");
    }
    let kind = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>";
    let presentation = format!("<{id}> {kind} <https://www.w3.org/2018/credentials#VerifiablePresentation> .\n");
    assert_eq!(refused(with_quads(&good, &[presentation])), Kind::WrongPurpose);
    // Options that name two methods, or say something nobody knows.
    let ToSign::RdfcProof { options, document } = &good else { panic!("another suite") };
    let subject = options.split(' ').next().unwrap();
    for quad in [
        format!("{subject} <https://w3id.org/security#verificationMethod> <{}> .\n", other.public_key().method()),
        format!("{subject} <https://w3id.org/security#anything> \"x\" .\n"),
        "<urn:a> <https://w3id.org/security#domain> \"x\" .\n".to_owned(),
    ] {
        let mut lines: Vec<&str> = options.split_inclusive('\n').chain([quad.as_str()]).collect();
        lines.sort_unstable();
        let more = ToSign::RdfcProof { options: lines.concat(), document: document.clone() };
        assert_eq!(refused(more), Kind::Malformed, "{quad}");
    }
}

/// Memberships have a verb of their own; in whichever vocabulary somebody hides the type.
#[test]
fn a_membership_is_not_signed_by_its_text() {
    let own = Key::new(1);
    let types = json!(["VerifiableCredential", "IoMMembershipCredential"]);
    for context in ["urn:iom:membership:v1", "https://www.w3.org/ns/credentials/examples/v2"] {
        let contexts = json!(["https://www.w3.org/ns/credentials/v2", context]);
        let plain = with(&with(&document(&own, "did:example:subject"), "/type", types.clone()), "/@context", contexts);
        for suite in SUITES {
            assert_eq!(refused(proof_of(suite, &plain)), Kind::NotPermitted, "{context}");
        }
        let token = asked(1, |signer| drop(token::issue(&plain, Algorithm::EdDsa, signer).unwrap()));
        assert_eq!(refused(token), Kind::NotPermitted);
        for disclosable in [&[][..], &["/type/1"], &["/credentialSubject"]] {
            let what =
                Issue { claims: &plain, disclosable, decoys: 0, typ: "vc+sd-jwt", holder: None, algorithm: Algorithm::EdDsa };
            let kind = refused(asked(1, |signer| drop(sd_jwt::issue(&what, &mut random::salt, signer).unwrap())));
            assert!(matches!(kind, Kind::NotPermitted | Kind::Malformed), "{kind:?}");
        }
    }
}

#[test]
fn tokens_say_whose_they_are() {
    let [own, other] = [1, 2].map(Key::new);
    let plain = document(&own, "did:example:subject");
    let token = asked(1, |signer| drop(token::issue(&plain, Algorithm::EdDsa, signer).unwrap()));
    let what =
        Issue { claims: &plain, disclosable: &["/name"], decoys: 0, typ: "vc+sd-jwt", holder: None, algorithm: Algorithm::EdDsa };
    let sd_jwt = asked(1, |signer| drop(sd_jwt::issue(&what, &mut random::salt, signer).unwrap()));
    for good in [&token, &sd_jwt] {
        assert!(good.clone().check(&own.public_key()).is_ok());
        assert!(good.clone().check(&other.public_key()).is_err());
        let issuer = |key: &Key| format!("\"issuer\":\"{}\"", key.did());
        assert_eq!(refused(replaced(good, &issuer(&own), &issuer(&other))), Kind::NotTheIssuersKey);
        assert_eq!(refused(replaced(good, "\"kid\":\"did:key", "\"kid\":\"https://evil.example/did:key")), Kind::Malformed);
        assert_eq!(refused(replaced(good, "EdDSA", "none")), Kind::Unsupported);
        assert_eq!(refused(replaced(good, "\"typ\":\"vc+", "\"typ\":\"at+")), Kind::Malformed);
        assert_eq!(refused(replaced(good, "{\"alg\"", "{\"a\":1,\"alg\"")), Kind::Malformed);
    }
    // What a verifier must see is not kept back.
    assert_eq!(refused(replaced(&sd_jwt, "\"VerifiableCredential\"", "{\"...\":\"x\"}")), Kind::Malformed);
    // One is not the other: a token of this kind is not signed as one of that.
    let ToSign::Token { header, payload } = token else { panic!("another kind") };
    assert_eq!(refused(ToSign::SdJwt { header: header.clone(), payload: payload.clone() }), Kind::Malformed);
    assert_eq!(refused(ToSign::KeyBinding { header, payload }), Kind::Malformed);
}

#[test]
fn answers_to_nobody_are_not_signed() {
    let (header, sd_hash) = (r#"{"alg":"EdDSA","typ":"kb+jwt"}"#.to_owned(), "A".repeat(43));
    let binding = |claims: Value| ToSign::KeyBinding { header: header.clone(), payload: claims.to_string() };
    let key = Key::new(1).public_key();
    assert!(binding(json!({ "aud": "a", "iat": 1, "nonce": "n", "sd_hash": sd_hash })).check(&key).is_ok());
    for wrong in [
        json!({ "iat": 1, "nonce": "n", "sd_hash": sd_hash }),
        json!({ "aud": "", "iat": 1, "nonce": "n", "sd_hash": sd_hash }),
        json!({ "aud": "a", "iat": 1, "nonce": "", "sd_hash": sd_hash }),
        json!({ "aud": "a", "nonce": "n", "sd_hash": sd_hash }),
        json!({ "aud": "a", "iat": 1, "nonce": "n", "sd_hash": "A" }),
        json!({ "aud": "a", "iat": 1, "iss": "x", "nonce": "n", "sd_hash": sd_hash }),
    ] {
        assert_eq!(binding(wrong.clone()).check(&key).unwrap_err().kind(), Kind::Malformed, "{wrong}");
    }
    let own = Key::new(1);
    let held = signed(&own, Suite::Jcs);
    let question = Question { challenge: "c".to_owned(), domain: "d".to_owned() };
    let shown = asked(1, |signer| drop(present(&[held], &question, Suite::Jcs, now(), signer, IN_PROCESS).unwrap()));
    assert!(shown.clone().check(&key).is_ok());
    assert_eq!(refused(replaced(&shown, "\"challenge\":\"c\",", "")), Kind::Malformed);
    let holder = |key: &Key| format!("\"holder\":\"{}\"", key.did());
    assert_eq!(refused(replaced(&shown, &holder(&own), &holder(&Key::new(2)))), Kind::Malformed);
}

#[test]
fn what_is_large_is_not_read() {
    let large = || "a".repeat(credentials::to_sign::MAX_BYTES + 1);
    for what in [
        ToSign::JcsProof { options: large(), document: String::new() },
        ToSign::RdfcProof { options: String::new(), document: large() },
        ToSign::Token { header: String::new(), payload: large() },
    ] {
        assert_eq!(refused(what), Kind::TooLarge);
    }
}

/// There is nothing of this type whose bytes are 64 that somebody chose: those of a proof are two hashes, those of a token
/// begin as a header does and have a dot.
#[test]
fn no_bytes_are_signed_as_they_are() {
    let own = Key::new(1);
    let plain = document(&own, "did:example:subject");
    for suite in SUITES {
        let input = proof_of(suite, &plain).check(&own.public_key()).unwrap();
        assert_eq!(input.bytes().len(), 64);
        let proof = members(signed(&own, suite)["proof"].clone());
        assert_eq!(proof["proofPurpose"], Purpose::Assertion.name());
    }
    assert!(verify(&signed(&own, Suite::Jcs)).is_ok());
    let token = asked(1, |signer| drop(token::issue(&plain, Algorithm::EdDsa, signer).unwrap()));
    let input = token.check(&own.public_key()).unwrap();
    assert!(input.bytes().starts_with(b"eyJ") && input.bytes().contains(&b'.'));
}
