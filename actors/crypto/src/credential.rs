//! Signing what others composed of credentials: from the wire's type to the one that `credentials` reads again, and from
//! there to a signature. Nothing else of this process turns texts into a signature.

use credentials::{Signer as _, ToSign};
use ipc::{
    Code, Refusal,
    messages::crypto::{self, CredentialSignature},
};

use crate::person::Person;

/// Signs in the person's name what says nothing in anybody else's.
pub(crate) fn sign(person: &Person, what: crypto::ToSign) -> Result<CredentialSignature, Refusal> {
    let what = match what {
        crypto::ToSign::JcsProof { options, document } => ToSign::JcsProof { options, document },
        crypto::ToSign::RdfcProof { options, document } => ToSign::RdfcProof { options, document },
        crypto::ToSign::Token { header, payload } => ToSign::Token { header, payload },
        crypto::ToSign::SdJwt { header, payload } => ToSign::SdJwt { header, payload },
        crypto::ToSign::KeyBinding { header, payload } => ToSign::KeyBinding { header, payload },
    };
    let refused =
        |refused: credentials::Refused| Refusal::new(Code::Malformed, format!("the key process does not sign this: {refused}"));
    let key = person.public_key();
    let input = what.check(&key).map_err(refused)?;
    let signature = person.sign(&input).map_err(refused)?;
    // A fault of memory or processor while signing can tell the key to whoever gets the signature.
    key.verify(input.bytes(), &signature).map_err(|_| Refusal::internal("make a signature that holds"))?;
    Ok(CredentialSignature { text: input.form().write(&signature) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

    use credentials::{InProcess, Later, Moment, Options, Purpose, Suite, Verifier, issue};
    use serde_json::{Map, Value, json};

    use super::*;

    fn now() -> Moment {
        Moment::from_seconds(1_700_000_000)
    }

    fn document(issuer: &str) -> Map<String, Value> {
        let document = json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiableCredential"], "issuer": issuer,
            "credentialSubject": { "id": "did:example:subject", "name": "Zoë" },
        });
        document.as_object().unwrap().clone()
    }

    fn composed(person: &Person, suite: Suite) -> (crypto::ToSign, String, String) {
        let later = Later::new(person.public_key()).unwrap();
        let options = Options::new(suite, Purpose::Assertion, now());
        let made = issue(&document(&person.public_key().did()), &options, &later, &InProcess).unwrap();
        let (asked, before, after) = later.take(&Value::Object(made).to_string()).unwrap();
        let asked = match asked {
            ToSign::JcsProof { options, document } => crypto::ToSign::JcsProof { options, document },
            ToSign::RdfcProof { options, document } => crypto::ToSign::RdfcProof { options, document },
            other => panic!("{other:?}"),
        };
        (asked, before, after)
    }

    #[test]
    fn what_is_composed_elsewhere_is_signed_and_holds() {
        let person = Person::of(&[7; 32]);
        for suite in [Suite::Jcs, Suite::Rdfc] {
            let (asked, before, after) = composed(&person, suite);
            let text = format!("{before}{}{after}", sign(&person, asked).unwrap().text);
            let verifier = Verifier { now: now(), canonicalizer: &InProcess };
            assert_eq!(verifier.credential(text.as_bytes()).unwrap().issuer_key(), &person.public_key());
        }
    }

    #[test]
    fn in_nobody_elses_name() {
        let (person, other) = (Person::of(&[7; 32]), Person::of(&[8; 32]));
        for suite in [Suite::Jcs, Suite::Rdfc] {
            let (asked, ..) = composed(&other, suite);
            assert_eq!(sign(&person, asked).unwrap_err().code, Code::Malformed);
        }
    }
}
