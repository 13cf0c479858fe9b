//! Persons with a space of their own, and what they issue.

use std::time::{SystemTime, UNIX_EPOCH};

use integration_tests::{
    home::{Call, Home},
    serve::Serve,
};
use serde_json::{Value, json};

/// Somebody, signed in while this lives.
pub(crate) struct Person<'h> {
    pub(crate) home: &'h Home,
    _serve: Serve<'h>,
}

impl<'h> Person<'h> {
    /// Makes a space in an empty home, and keeps it open.
    pub(crate) fn new(home: &'h Home, name: &str) -> Person<'h> {
        let serve = Serve::start(home);
        home.command(["credential", "list"]).signed_in(name, "a long word\na long word\n").run().good();
        Person { home, _serve: serve }
    }

    /// A command of `lamos credential`.
    pub(crate) fn call<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Call {
        self.home.command(["credential"].into_iter().chain(arguments))
    }

    /// What it prints, if all is well, without the last line's end.
    #[track_caller]
    pub(crate) fn says<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        self.call(arguments).run().good().trim_end().to_owned()
    }

    pub(crate) fn did(&self) -> String {
        self.home.run(["--json", "credential", "identity"]).json()["person"].as_str().unwrap().to_owned()
    }

    /// Issues this.
    #[track_caller]
    pub(crate) fn issues(&self, template: &Value, arguments: &[&str]) -> String {
        let call = self.call(["issue", "-"].into_iter().chain(arguments.iter().copied()));
        call.input(template.to_string()).run().good().trim_end().to_owned()
    }

    /// The verdict about a text.
    #[track_caller]
    pub(crate) fn verdict(&self, text: impl AsRef<[u8]>, arguments: &[&str]) -> Value {
        verdict(self.home, text, arguments)
    }

    /// The word for why a text does not hold.
    #[track_caller]
    pub(crate) fn refuses(&self, text: impl AsRef<[u8]>, arguments: &[&str]) -> String {
        let verdict = self.verdict(text, arguments);
        assert_eq!(verdict["verified"], false, "{verdict:#}");
        verdict["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

/// The verdict about a text, and that the exit code says the same.
#[track_caller]
pub(crate) fn verdict(home: &Home, text: impl AsRef<[u8]>, arguments: &[&str]) -> Value {
    let call = ["--json", "credential", "verify", "-"].into_iter().chain(arguments.iter().copied());
    let outcome = home.command(call).input(text).run();
    let verdict: Value = serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("{outcome:?}"));
    assert_eq!(outcome.code == 0, verdict["verified"] == true, "{outcome:?}");
    if outcome.code != 0 {
        assert!(outcome.bad(3).contains("not verified: "), "{verdict:#}");
    }
    verdict
}

/// What is said of somebody, without a signature.
pub(crate) fn template(subject: &str) -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": "urn:uuid:6d2b9d2c-0f0d-4f39-9f3e-2f8f3d1c7a11",
        "type": ["VerifiableCredential"],
        "name": "A word about somebody 🙂",
        "credentialSubject": { "id": subject, "description": "kind" },
    })
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
