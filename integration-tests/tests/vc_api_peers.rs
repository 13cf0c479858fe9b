//! The VC-API between Lamos and Digital Bazaar's programs: what is issued over HTTP they accept, what they sign and present
//! holds here. They are those that the tests of `actors/credentials` install, and are asked with `cargo verify --full`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    env, fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use integration_tests::{
    home::{Home, workspace},
    http_gate::HttpGate,
    peers,
};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple 4711\ncorrect horse battery staple 4711\n";

/// Asks npm's programs, which are installed once, beside the other things that are built.
fn node(tasks: &[Value]) -> Vec<Value> {
    let from = workspace().join("actors/credentials/tests/peers");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let place = target.join("credential-peers-node");
    let lock = fs::File::create(target.join("credential-peers-node.lock")).unwrap();
    lock.lock().unwrap();
    let wanted = fs::read_to_string(from.join("package.json")).unwrap();
    if !fs::read_to_string(place.join("installed")).is_ok_and(|installed| installed == wanted) {
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("package.json"), &wanted).unwrap();
        let words = ["install", "--no-audit", "--no-fund", "--ignore-scripts"];
        let output = Command::new("npm").args(words).current_dir(&place).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(place.join("installed"), wanted).unwrap();
    }
    // A module finds its packages from where it lies.
    fs::copy(from.join("peer.mjs"), place.join("peer.mjs")).unwrap();
    let mut command = Command::new("node");
    let mut child = command.arg(place.join("peer.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let said = json!({ "tasks": tasks, "contexts": {} }).to_string();
    child.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn document(issuer: Option<&str>) -> Value {
    let mut document = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "name": "A rowing licence",
        "validFrom": "2024-01-01T00:00:00Z",
        "credentialSubject": { "id": "did:example:rower" },
    });
    if let Some(issuer) = issuer {
        document["issuer"] = json!(issuer);
    }
    document
}

/// The key that their programs make of a seed of sevens.
const THEIRS: &str = "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z";

#[test]
fn over_http_both_ways_with_digital_bazaar() {
    if !peers() {
        return;
    }
    let home = Home::new();
    let gate = HttpGate::of(home.command(["--json", "vc-api"]).signed_in("ada", PASSWORD));
    let (challenge, domain, date) = ("c-1", "shop.example", "2025-01-01T00:00:00Z");
    for suite in ["eddsa-jcs-2022", "eddsa-rdfc-2022"] {
        let issue = json!({ "credential": document(None), "options": { "cryptosuite": suite } });
        let answer = gate.ask("/credentials/issue", &issue.to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        let ours = answer.json()["verifiableCredential"].clone();
        let mut changed = ours.clone();
        changed["name"] = json!("A sailing licence");
        // Their clock is the machine's, unless it is told another.
        let verify = |document: &Value| json!({ "verb": "verify", "document": document });
        let issued = json!({ "verb": "issue", "document": document(Some(THEIRS)), "suite": suite, "seed": 7, "date": date });
        let said = node(&[verify(&ours), verify(&changed), issued]);
        assert_eq!([&said[0]["ok"], &said[1]["ok"], &said[2]["ok"]], [true, false, true], "{suite}: {said:#?}");
        let theirs = said[2]["value"].clone();
        let holds = |path: &str, body: Value| gate.ask(path, &body.to_string()).status;
        assert_eq!(holds("/credentials/verify", json!({ "verifiableCredential": theirs })), 200, "{theirs:#}");
        let mut changed = theirs.clone();
        changed["name"] = json!("A sailing licence");
        assert_eq!(holds("/credentials/verify", json!({ "verifiableCredential": changed })), 400);
        let present = json!({
            "verb": "present", "credentials": [theirs, ours], "holder": THEIRS, "suite": suite, "seed": 7, "date": date,
            "challenge": challenge, "domain": domain,
        });
        let presentation = node(&[present])[0].clone();
        assert_eq!(presentation["ok"], true, "{presentation:#}");
        let body = |challenge: &str| json!({ "verifiablePresentation": presentation["value"], "options": { "challenge": challenge, "domain": domain } });
        assert_eq!(holds("/presentations/verify", body(challenge)), 200, "{presentation:#}");
        assert_eq!(holds("/presentations/verify", body("c-2")), 400);
    }
}
