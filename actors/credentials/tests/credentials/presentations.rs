//! Presentations, and what may be wrong with them.

use credentials::{
    Kind, Options, Presentation, Purpose, Result, Suite, Verifier, issue,
    presentation::{About, MAX_CREDENTIALS, Question, envelope, present},
    proofs,
    token::{self, Algorithm},
};
use serde_json::{Map, Value, json};

use crate::support::{IN_PROCESS, Key, Never, document, kind, members, now, options, text, verifier, with, without};

fn question() -> Question {
    Question { challenge: "9b1d2c".to_owned(), domain: "archive.example".to_owned() }
}

fn shown(suite: Suite, holder: &Key, subject: &str) -> Map<String, Value> {
    let issuer = Key::new(1);
    let held = issue(&document(&issuer, subject), &options(suite), &issuer, IN_PROCESS).unwrap();
    present(&[held], &question(), suite, now(), holder, IN_PROCESS).unwrap()
}

fn check(document: &Map<String, Value>) -> Result<Presentation> {
    verifier(now()).presentation(&text(document), &question(), About::Holder)
}

#[test]
fn the_holder_shows_its_own() {
    let holder = Key::new(5);
    for suite in [Suite::Jcs, Suite::Rdfc] {
        let shown = shown(suite, &holder, &holder.did());
        let checked = check(&shown).unwrap();
        assert_eq!(checked.holder().did(), holder.did());
        assert_eq!(checked.credentials().len(), 1);
        assert_eq!(checked.credentials()[0].subject().unwrap(), holder.did());
        // Without a holder's name the key is still known.
        let nameless = without(&without(&shown, "/holder"), "/proof");
        let options = Options {
            challenge: Some(question().challenge),
            domain: Some(question().domain),
            ..Options::new(suite, Purpose::Authentication, now())
        };
        let nameless = proofs::add(&nameless, &options, &holder, IN_PROCESS).unwrap();
        assert!(check(&nameless).is_ok());
    }
}

#[test]
fn one_that_shows_nothing_says_who_the_holder_is() {
    let holder = Key::new(5);
    // With the member left away, as the data model lets it be.
    let options = Options {
        challenge: Some(question().challenge),
        domain: Some(question().domain),
        ..Options::new(Suite::Jcs, Purpose::Authentication, now())
    };
    let shown = shown(Suite::Jcs, &holder, &holder.did());
    let nothing = without(&without(&shown, "/proof"), "/verifiableCredential");
    let nothing = proofs::add(&nothing, &options, &holder, IN_PROCESS).unwrap();
    let checked = check(&nothing).unwrap();
    assert_eq!((checked.holder().did(), checked.credentials().len()), (holder.did(), 0));
}

#[test]
fn an_answer_is_good_for_one_question_and_one_verifier() {
    let holder = Key::new(5);
    let shown = shown(Suite::Jcs, &holder, &holder.did());
    let ask = |challenge: &str, domain: &str| {
        let question = Question { challenge: challenge.to_owned(), domain: domain.to_owned() };
        kind(verifier(now()).presentation(&text(&shown), &question, About::Holder))
    };
    assert_eq!(ask("another", "archive.example"), Kind::WrongChallenge);
    assert_eq!(ask("9b1d2c", "evil.example"), Kind::WrongAudience);
    assert_eq!(kind(check(&with(&shown, "/proof/challenge", json!("another")))), Kind::BadSignature);
    assert_eq!(kind(check(&without(&shown, "/proof/challenge"))), Kind::BadSignature);
    let two = json!(["archive.example", "evil.example"]);
    assert_eq!(kind(check(&with(&shown, "/proof/domain", two))), Kind::BadSignature);
}

#[test]
fn others_credentials_are_not_the_holders() {
    let [holder, thief] = [5, 6].map(Key::new);
    let stolen = shown(Suite::Jcs, &thief, &holder.did());
    assert_eq!(kind(check(&stolen)), Kind::WrongHolder);
    assert!(verifier(now()).presentation(&text(&stolen), &question(), About::Anybody).is_ok());
    let own = shown(Suite::Jcs, &holder, &holder.did());
    assert_eq!(kind(check(&with(&own, "/holder", thief.did().into()))), Kind::BadSignature);
    // It says another name than it signs with, and signs that.
    let lie = with(&without(&own, "/proof"), "/holder", holder.did().into());
    let options = Options {
        challenge: Some(question().challenge),
        domain: Some(question().domain),
        ..Options::new(Suite::Jcs, Purpose::Authentication, now())
    };
    let lie = proofs::add(&lie, &options, &thief, IN_PROCESS).unwrap();
    assert_eq!(kind(check(&lie)), Kind::WrongHolder);
}

#[test]
fn what_is_shown_is_checked_as_everywhere() {
    let holder = Key::new(5);
    let own = shown(Suite::Jcs, &holder, &holder.did());
    let again = |document: Map<String, Value>| {
        let options = Options {
            challenge: Some(question().challenge),
            domain: Some(question().domain),
            ..Options::new(Suite::Jcs, Purpose::Authentication, now())
        };
        proofs::add(&without(&document, "/proof"), &options, &holder, IN_PROCESS).unwrap()
    };
    let tampered = again(with(&own, "/verifiableCredential/0/name", json!("better")));
    let refused = check(&tampered).unwrap_err();
    assert_eq!(refused.kind(), Kind::BadSignature);
    assert!(refused.to_string().starts_with("credential 1: "), "{refused}");
    assert_eq!(kind(check(&again(with(&own, "/verifiableCredential/0", json!("text"))))), Kind::Malformed);
    assert_eq!(kind(check(&again(with(&own, "/verifiableCredential", json!([]))))), Kind::Malformed);
    let unsigned = without(&own, "/proof");
    assert_eq!(kind(check(&unsigned)), Kind::NoProof);
    let late = verifier(now().after(3 * 24 * 3_600)).presentation(&text(&own), &question(), About::Holder);
    assert_eq!(kind(late), Kind::Expired);
    // A credential's proof is no presentation's.
    let asserted = proofs::add(&unsigned, &options(Suite::Jcs), &holder, IN_PROCESS).unwrap();
    assert_eq!(kind(check(&asserted)), Kind::WrongPurpose);
    let many = vec![own["verifiableCredential"][0].clone(); MAX_CREDENTIALS + 1];
    let never = Verifier { now: now(), canonicalizer: &Never };
    let refused = never.presentation(&text(&with(&own, "/verifiableCredential", many.into())), &question(), About::Holder);
    assert_eq!(kind(refused), Kind::TooLarge);
    assert_eq!(kind(present(&[], &question(), Suite::Jcs, now(), &holder, IN_PROCESS)), Kind::CannotMake);
    assert_eq!(kind(check(&members(json!({ "type": "VerifiablePresentation" })))), Kind::Malformed);
}

#[test]
fn a_token_is_shown_in_an_envelope() {
    let [issuer, holder] = [1, 5].map(Key::new);
    let token = token::issue(&document(&issuer, &holder.did()), Algorithm::EdDsa, &issuer).unwrap();
    let show = |token: &str| present(&[envelope(token)], &question(), Suite::Jcs, now(), &holder, IN_PROCESS).unwrap();
    let read = check(&show(&token)).unwrap();
    assert_eq!(read.credentials()[0].issuer(), issuer.did());
    let (before, signature) = token.rsplit_once('.').unwrap();
    let flipped = format!("{before}.{}", signature.replacen(|c: char| c.is_ascii_uppercase(), "_", 1));
    assert_eq!(kind(check(&show(&flipped))), Kind::BadSignature);
    let stolen = token::issue(&document(&issuer, "did:example:other"), Algorithm::EdDsa, &issuer).unwrap();
    assert_eq!(kind(check(&show(&stolen))), Kind::WrongHolder);
    let other = with(&envelope(&token), "/id", json!(format!("data:application/vc+cose,{token}")));
    let other = present(&[other], &question(), Suite::Jcs, now(), &holder, IN_PROCESS).unwrap();
    assert_eq!(kind(check(&other)), Kind::Unsupported);
}

/// The contexts around a credential do not reach into it.
#[test]
fn nothing_hides_among_the_credentials_of_a_presentation() {
    let holder = Key::new(5);
    let own = without(&shown(Suite::Rdfc, &holder, &holder.did()), "/proof");
    let options = Options::new(Suite::Rdfc, Purpose::Authentication, now());
    for hidden in [json!({ "type": "Admin" }), json!({ "isAdmin": true }), json!({ "id": "urn:a" }), json!({})] {
        let more = with(&own, "/verifiableCredential", json!([own["verifiableCredential"][0], hidden]));
        assert_eq!(kind(proofs::add(&more, &options, &holder, IN_PROCESS)), Kind::UndefinedTerm, "{hidden}");
    }
}
