//! The VC-API, as far as a person's own machine has a use for it: credentials are issued in the person's name, and what is
//! shown is checked. Its requests are taken apart here as far as to find the credential in them, which goes on as it came,
//! byte for byte, to the process that reads it.
//!
//! What is issued is composed by that process, signed by the key process, which reads it again, and put together of their
//! two answers.

mod requests;
mod verdict;

use http::StatusCode;
use ipc::{
    Client, Code, Refusal,
    messages::{
        credentials::SignCredential,
        crypto::ShowIdentity,
        verifier::{About, Check, Compose, Expected, Form, Making, Shape, Suite},
    },
    role::source,
};

use crate::{
    face::Route,
    problem::{Answer, Problem, answer},
};
use requests::{Issue, VerifyCredential, VerifyOptions, VerifyPresentation, read};

const ISSUE: Route = Route { path: "/credentials/issue" };
const VERIFY: Route = Route { path: "/credentials/verify" };
const VERIFY_PRESENTATION: Route = Route { path: "/presentations/verify" };

/// The kind of problem that a credential is which cannot be issued.
const NOT_MADE: &str = "https://w3id.org/security#PROOF_GENERATION_ERROR";

/// Why a credential was not composed or not signed. Where it was for what it says, who asked can mend it.
fn not_made(refusal: Refusal) -> Problem {
    match refusal.code {
        Code::InputInvalid | Code::Malformed => Problem::of_kind(StatusCode::BAD_REQUEST, NOT_MADE, refusal.sentence),
        _ => Problem::from(refusal),
    }
}

/// A credential, or a presentation: what each of two paths is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Credential,
    Presentation,
}

/// See the module.
pub(crate) struct Credentials {
    client: Client<source::Gate>,
    /// Who issues: the person who said that this is to be served. Nobody else who signs in later is meant by that.
    issuer: [u8; 32],
    /// With what, where a request does not say.
    suite: Suite,
}

impl Credentials {
    /// What there is to ask.
    pub(crate) const ROUTES: &'static [Route] = &[ISSUE, VERIFY, VERIFY_PRESENTATION];

    /// For the person whose space is open.
    pub(crate) async fn new(client: Client<source::Gate>, suite: Suite) -> Result<Credentials, Refusal> {
        let issuer = client.call(&ShowIdentity).await?.person;
        Ok(Credentials { client, issuer, suite })
    }

    /// Answers what was asked.
    pub(crate) async fn answer(&self, route: Route, body: &[u8]) -> Result<Answer, Problem> {
        match route {
            ISSUE => self.issue(read(body)?).await,
            VERIFY => {
                let VerifyCredential { verifiable_credential, options } = read(body)?;
                self.verify(Asked::Credential, requests::text(verifiable_credential)?, options).await
            }
            VERIFY_PRESENTATION => {
                let VerifyPresentation { verifiable_presentation, options } = read(body)?;
                self.verify(Asked::Presentation, requests::text(verifiable_presentation)?, options).await
            }
            _ => Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing here")),
        }
    }

    async fn issue(&self, request: Issue<'_>) -> Result<Answer, Problem> {
        let suite = request.options.unwrap_or_default().suite()?.unwrap_or(self.suite);
        let making = Making::Credential {
            template: request.credential.get().as_bytes().to_vec(),
            form: Form::Document { suite, id: None, previous: Vec::new(), created_ms: None },
            valid_s: None,
            status: None,
        };
        let composed = self.client.call(&Compose { signer: self.issuer, what: making }).await.map_err(not_made)?;
        let signature = self.client.call(&SignCredential { what: composed.sign }).await.map_err(not_made)?;
        // A signature is letters and digits: nothing that JSON would read as anything else.
        let issued = [composed.before.as_str(), &signature.text, &composed.after].concat();
        let body = format!("{{\"verifiableCredential\":{issued}}}");
        Ok(answer(StatusCode::CREATED, "application/json", body))
    }

    async fn verify(&self, asked: Asked, text: Vec<u8>, options: Option<VerifyOptions<'_>>) -> Result<Answer, Problem> {
        let options = options.unwrap_or_default();
        let (status, returns) = (options.status()?, options.return_credential);
        let check = Check {
            text,
            lists: options.lists()?,
            expected: Expected { challenge: options.challenge, domain: options.domain },
            about: About::Anybody,
            status,
            signers: Vec::new(),
        };
        let verdict = self.client.call(&check).await?;
        let is_what_was_asked = match verdict.shape {
            Some(Shape::Presentation) => asked == Asked::Presentation,
            Some(Shape::Document | Shape::Token | Shape::SdJwt) => asked == Asked::Credential,
            // Then the verdict says why.
            None => true,
        };
        if !is_what_was_asked {
            let other = if asked == Asked::Credential { VERIFY_PRESENTATION } else { VERIFY };
            return Err(Problem::new(StatusCode::BAD_REQUEST, format!("that is for {}", other.path)));
        }
        Ok(verdict::answer_of(asked == Asked::Presentation, &verdict, returns))
    }
}
