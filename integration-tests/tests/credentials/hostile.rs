//! What strangers could send, and what it does to the process that reads it.

use std::fs;

use integration_tests::{
    home::Home,
    processes::Process,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    Code, Role,
    endpoint::Options,
    messages::{
        common::{Echo, Source},
        verifier::{Check, Expected, StatusDemand},
    },
};
use serde_json::{Value, json};

use crate::people::{Person, template, verdict};

/// Signed by two keys of nobody (seeds of 1 and of 2, 32 times) in the name of the first.
const ISSUER: &str = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
const OTHER: &str = "did:key:z6Mko9hTggMwjSTEaJaPUfE6tqcy2xvU6BnNq3e3o8qVBiyH";
const BY_ISSUER: &str = "z5eNnZPWmeRL6V3CnWzF7Xsi6zah478rPAgmCvVWPFf9nwc5gRCwH6cRHWLX1azn3uuySYuoHXK8bQ67uF1PNhL9y";
const BY_OTHER: &str = "z3re5K3tsHfmLsSWuUKgXz1hWaAhxYx21mrv72aSvKqfLptWVLJkJ6kd2bKZm6P6i5aDGrXgLW7CizyJ9RiJntwfi";

/// A key of small order, for which one signature holds over anything, and a point that is written in another way than it is
/// read.
const SMALL: &str = "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj";
const NOT_CANONICAL: &str = "did:key:z6Mkvg2JPc7mj3oXZCpWHB9ScRB6BvScZqnrR4Ew9Gjrd75G";

fn signed(signer: &str, value: &str) -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiableCredential"], "issuer": ISSUER,
        "credentialSubject": { "id": "did:example:x" },
        "proof": {
            "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod",
            "verificationMethod": format!("{signer}#{}", &signer["did:key:".len()..]),
            "@context": ["https://www.w3.org/ns/credentials/v2"], "proofValue": value,
        },
    })
}

fn with(document: &Value, pointer: &str, value: Value) -> String {
    let mut document = document.clone();
    let (object, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(object).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
    document.to_string()
}

#[track_caller]
fn refused(home: &Home, text: impl AsRef<[u8]>) -> String {
    let verdict = verdict(home, text, &[]);
    assert_eq!((&verdict["verified"], &verdict["credentials"]), (&json!(false), &json!([])), "{verdict:#}");
    verdict["errors"][0]["code"].as_str().unwrap().to_owned()
}

#[test]
fn what_readers_disagree_about_is_refused_with_its_reason() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    let good = signed(ISSUER, BY_ISSUER);
    let text = good.to_string();
    assert_eq!(verdict(&home, &text, &[])["verified"], true);
    let rdfc = with(&good, "/proof/cryptosuite", json!("eddsa-rdfc-2022"));
    let rdfc: Value = serde_json::from_str(&rdfc).unwrap();
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let contexts = |address: &str| with(&rdfc, "/@context", json!(["https://www.w3.org/ns/credentials/v2", address]));
    let deep: Value = serde_json::from_str(&nested(40)).unwrap();
    let of = |did: &str| with(&good, "/proof/verificationMethod", json!(format!("{did}#{}", &did["did:key:".len()..])));
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "not-json"),
        ("C05 twice", text.replacen("{", "{\"issuer\":\"did:example:evil\",", 1).into(), "duplicate-key"),
        ("C05 large number", with(&good, "/credentialSubject/n", json!(9_007_199_254_740_993_u64)).into(), "number-out-of-range"),
        ("C05 lone surrogate", text.replace("did:example:x", "\\ud800").into(), "not-json"),
        ("C05 mark of order", [b"\xef\xbb\xbf", text.as_bytes()].concat(), "not-json"),
        (
            "not UTF-8",
            text.replace("did:example:x", "X").bytes().map(|byte| if byte == b'X' { 0xff } else { byte }).collect(),
            "not-json",
        ),
        ("deep", with(&good, "/credentialSubject/n", deep).into(), "too-deep"),
        ("C08 remote", contexts("https://evil.example/context").into(), "unknown-context"),
        ("C08 plain", contexts("http://127.0.0.1:9/context").into(), "unknown-context"),
        ("C08 file", contexts("file:///etc/passwd").into(), "unknown-context"),
        ("C08 link-local", contexts("http://169.254.169.254/latest/meta-data").into(), "unknown-context"),
        ("C09 another's key", signed(OTHER, BY_OTHER).to_string().into(), "not-the-issuers-key"),
        ("C09 another's method", signed(OTHER, BY_ISSUER).to_string().into(), "bad-signature"),
        (
            "C11 no proof",
            good.as_object()
                .unwrap()
                .iter()
                .filter(|(name, _)| *name != "proof")
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect::<Value>()
                .to_string()
                .into(),
            "no-proof",
        ),
        ("C11 previous is missing", with(&good, "/proof/previousProof", json!("urn:uuid:1")).into(), "broken-chain"),
        (
            "C03 more than the order of the curve",
            with(&good, "/proof/proofValue", json!(format!("{}1", &BY_ISSUER[..BY_ISSUER.len() - 1]))).into(),
            "bad-signature",
        ),
        ("C02 small order", of(SMALL).into(), "bad-key"),
        ("C02 not canonical", of(NOT_CANONICAL).into(), "bad-key"),
        ("added", with(&good, "/isAdmin", json!(true)).into(), "bad-signature"),
        ("added to what is signed by its meaning", with(&rdfc, "/isAdmin", json!(true)).into(), "undefined-term"),
        ("C14 no time zone", with(&good, "/validUntil", json!("2090-01-01T00:00:00")).into(), "malformed"),
        ("C14 no such day", with(&good, "/validUntil", json!("2090-02-30T00:00:00Z")).into(), "malformed"),
        ("C14 a proof of tomorrow", with(&good, "/proof/created", json!("2090-01-01T00:00:00Z")).into(), "not-yet-valid"),
        (
            "a presentation of nothing",
            json!({ "@context": ["https://www.w3.org/ns/credentials/v2"], "type": "VerifiablePresentation" }).to_string().into(),
            "no-proof",
        ),
    ];
    for (what, text, code) in rows {
        assert_eq!(refused(&home, &text), code, "{what}");
    }
    home.command(["credential", "verify", "-"]).input("a".repeat(300 << 10)).run().bad(3);
}

/// C12: a token chooses neither its algorithm nor its key.
#[test]
fn tokens_choose_nothing() {
    let home = Home::new();
    let anna = Person::new(&home, "anna");
    let token = anna.issues(&template("did:example:subject"), &["--as", "jwt"]);
    let parts: Vec<&str> = token.split('.').collect();
    let key = anna.did();
    let method = format!("{key}#{}", &key["did:key:".len()..]);
    let with_header = |header: Value| format!("{}.{}.{}", base64url(header.to_string().as_bytes()), parts[1], parts[2]);
    let header = |alg: &str, typ: &str, kid: &str| json!({ "alg": alg, "cty": "vc", "kid": kid, "typ": typ });
    for (header, code) in [
        (header("none", "vc+jwt", &method), "unsupported"),
        (header("HS256", "vc+jwt", &method), "unsupported"),
        (header("EdDSA", "JWT", &method), "wrong-purpose"),
        (header("EdDSA", "vc+jwt", "../../etc/passwd"), "bad-key"),
        (header("EdDSA", "vc+jwt", "https://evil.example/key#1"), "unsupported"),
        (json!({ "alg": "EdDSA", "typ": "vc+jwt", "kid": method, "crit": ["b64"], "b64": false }), "unsupported"),
        (json!({ "alg": "EdDSA", "typ": "vc+jwt", "jwk": { "kty": "OKP" } }), "unsupported"),
        (json!({ "alg": "EdDSA", "typ": "vc+jwt" }), "no-proof"),
        (header("Ed25519", "vc+jwt", &method), "bad-signature"),
    ] {
        assert_eq!(anna.refuses(with_header(header.clone()), &[]), code, "{header}");
    }
    for text in [format!("{}.{}.", parts[0], parts[1]), format!("{token}.{token}"), format!("{token}~"), token.replace('.', "..")]
    {
        assert_eq!(anna.verdict(&text, &[])["verified"], false, "{text}");
    }
}

/// Base64url without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        text.extend((0..=three.len()).map(|place| char::from(LETTERS[(number >> (18 - 6 * place)) as usize & 63])));
    }
    text
}

/// A credential that is signed by its meaning, about this.
fn by_meaning(subject: Value) -> String {
    let text = with(&signed(ISSUER, BY_ISSUER), "/credentialSubject", subject).replace("eddsa-jcs-2022", "eddsa-rdfc-2022");
    let (first, more) = ("\"https://www.w3.org/ns/credentials/v2\"", "\"https://www.w3.org/ns/credentials/examples/v2\"");
    text.replace(&format!("[{first}]"), &format!("[{first},{more}]"))
}

/// Things without an id that all name one another: naming them in one way takes ever longer the more they are.
fn bomb(nodes: usize) -> Value {
    let knows: Vec<Value> = (0..nodes).map(|node| json!({ "id": format!("_:n{node}") })).collect();
    (0..nodes).map(|node| json!({ "id": format!("_:n{node}"), "knows": knows })).collect()
}

/// The same without names: each holds the next ones within itself.
fn nest(depth: usize, width: usize) -> Value {
    match depth {
        0 => json!({ "type": "Person" }),
        _ => json!({ "type": "Person", "knows": vec![nest(depth - 1, width); width] }),
    }
}

#[test]
fn a_bomb_is_refused_and_the_next_question_is_answered() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    for (subject, code) in [
        // A name for what has none is no id.
        (bomb(9), "malformed"),
        (json!({ "id": "did:example:x", "knows": bomb(9) }), "undefined-term"),
        (json!({ "id": "did:example:x", "knows": bomb(60) }), "undefined-term"),
        (nest(5, 3), "too-complex"),
        (nest(1, 2000), "too-complex"),
        // Many that look alike, and none that would have to be tried in every order.
        (nest(1, 60), "bad-signature"),
        (nest(12, 1), "bad-signature"),
        (nest(25, 1), "too-deep"),
    ] {
        assert_eq!(refused(&home, by_meaning(subject)), code);
        assert_eq!(verdict(&home, signed(ISSUER, BY_ISSUER).to_string(), &[])["verified"], true);
    }
}

fn check(text: impl Into<Vec<u8>>) -> Check {
    Check {
        text: text.into(),
        lists: Vec::new(),
        expected: Expected::default(),
        about: Default::default(),
        status: StatusDemand::Checked,
        signers: Vec::new(),
    }
}

/// The process that waits for the next question.
fn waiting(home: &Home) -> Process {
    home.processes().into_iter().find(|process| process.is("verifier")).expect("one waits")
}

/// Each question has a process of its own, which is bounded from outside too, and whose end harms no other question.
#[test]
fn a_process_that_is_ended_takes_one_question_with_it() {
    let home = Home::new();
    let _serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        let to = || Options { role: Some(Role::Verifier), ..Options::default() };
        let good = signed(ISSUER, BY_ISSUER).to_string();
        // None is started before somebody asks; what anybody can answer does not use it up.
        assert!(home.processes().iter().all(|process| !process.is("verifier")));
        attached.client.call_with(&Echo { bytes: Vec::new() }, to()).await.unwrap();
        // Somebody is being answered at length; then the process is no more.
        let mut stream = attached.client.open(&Source { pieces: 100_000, size: 4096 }, to()).unwrap();
        match stream.next().await {
            Some(piece) => drop(piece.unwrap()),
            None => panic!("{:?}", stream.answer().await),
        }
        let ended = waiting(&home);
        let limits = fs::read_to_string(format!("/proc/{}/limits", ended.pid)).unwrap();
        let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        for (name, most) in
            [("Max cpu time", "20"), ("Max address space", "2147483648"), ("Max open files", "16"), ("Max file size", "0")]
        {
            let words = limit(name);
            assert_eq!(words[name.len()..].split_whitespace().take(2).collect::<Vec<_>>(), [most, most], "{words}");
        }
        ended.signal(libc::SIGKILL);
        while let Some(piece) = stream.next().await {
            if piece.is_err() {
                break;
            }
        }
        assert_eq!(stream.answer().await.unwrap_err().code, Code::PeerDied);
        let verdict = attached.client.call(&check(good)).await.unwrap();
        assert!(verdict.faults.is_empty() && verdict.credentials.len() == 1);
    });
}
