//! How `credential` is written.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use ipc::messages::verifier::Suite;

/// Arguments of `credential`.
#[derive(Debug, Args)]
pub struct CredentialArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: CredentialAction,
}

/// What to do with credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialAction {
    /// Sign what a file says in your name, print it and keep it
    ///
    /// The file is a credential of the W3C data model 2.0 without a proof, as JSON. An issuer that it does not name becomes you,
    /// and a beginning of validity now. With proofs it gets a further one.
    Issue(Issue),
    /// Say whether a credential, a presentation or a token holds: exit code 0 only if it does
    ///
    /// It reads documents with the suites eddsa-jcs-2022 and eddsa-rdfc-2022, vc+jwt and SD-JWT. Nothing is fetched: whether a
    /// credential was taken back is looked up in the status lists that are given. Nobody needs to be signed in.
    Verify(Verify),
    /// Show credentials to somebody who asked with a challenge
    Present(Present),
    /// Take back what you issued with --status, and print the new status list
    Revoke {
        /// Which, as `list` shows it
        id: String,
        /// For how long the list is valid, as in 7d or 12h
        #[arg(long, default_value = "7d", value_parser = seconds)]
        valid: u64,
    },
    /// List what you issued and what others issued that you hold
    List,
    /// Print a credential as it is
    Show {
        /// Which, as `list` shows it
        id: String,
    },
    /// Keep a credential that somebody else issued, after it was verified
    Import(Import),
    /// Sign and print the list that says what you took back, to be handed to who verifies
    StatusList {
        /// Which list: the first 131,072 credentials have the first
        #[arg(default_value_t = 1)]
        number: u32,
        /// For how long it is valid, as in 7d or 12h
        #[arg(long, default_value = "7d", value_parser = seconds)]
        valid: u64,
    },
    /// Say who you are to others: the ids (did:key) of you and of this device
    Identity,
}

/// Arguments of `credential issue`.
#[derive(Debug, Args)]
pub struct Issue {
    /// What it says, as JSON; - reads standard input
    pub template: PathBuf,
    /// The suite of a document's proof
    #[arg(long, value_enum, default_value = "jcs")]
    pub suite: SuiteName,
    /// How it is written
    #[arg(long = "as", value_enum, default_value = "document")]
    pub form: FormName,
    /// A claim that may be kept back, as in /credentialSubject/birthDate; for an SD-JWT, as often as needed
    #[arg(long, value_name = "POINTER")]
    pub disclose: Vec<String>,
    /// Put so many hashes of nothing among those of an SD-JWT, so that nobody can count
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub decoys: u16,
    /// For how long it is valid from now on, as in 30d, 12h or 90m
    #[arg(long, value_parser = seconds)]
    pub valid: Option<u64>,
    /// Give it an entry in your status list, so that it can be taken back
    #[arg(long)]
    pub status: bool,
    /// The id of the proof, as in urn:uuid:…, so that another one can be made after it
    #[arg(long, value_name = "ID")]
    pub proof_id: Option<String>,
    /// The id of a proof that this one covers, as often as needed
    #[arg(long, value_name = "ID")]
    pub previous: Vec<String>,
}

/// What is asked of somebody who presents.
#[derive(Clone, Debug, Default, Args)]
pub struct Question {
    /// What was asked: the answer must be to this
    #[arg(long, value_name = "TEXT", requires = "domain")]
    pub challenge: Option<String>,
    /// Who asked: the answer must be for this one
    #[arg(long, value_name = "NAME", requires = "challenge")]
    pub domain: Option<String>,
}

/// The lists that say what was taken back.
#[derive(Clone, Debug, Default, Args)]
pub struct Lists {
    /// A status list of the issuer, as often as needed
    #[arg(long, value_name = "FILE")]
    pub status_list: Vec<PathBuf>,
    /// Do without the status list that a credential names
    #[arg(long)]
    pub without_status: bool,
}

/// Arguments of `credential verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// What is verified; - reads standard input
    pub file: PathBuf,
    /// What is asked of who presents it.
    #[command(flatten)]
    pub question: Question,
    /// The lists that say what was taken back.
    #[command(flatten)]
    pub lists: Lists,
    /// Only if every credential is about the one who presents it
    #[arg(long, requires = "challenge")]
    pub holder: bool,
    /// Only if this one (did:key:…) has signed it, too
    #[arg(long, value_name = "DID")]
    pub signed_by: Vec<String>,
}

/// Arguments of `credential present`.
#[derive(Debug, Args)]
pub struct Present {
    /// Which, as `list` shows them
    #[arg(required = true)]
    pub ids: Vec<String>,
    /// What was asked
    #[arg(long, value_name = "TEXT")]
    pub challenge: String,
    /// Who asked
    #[arg(long, value_name = "NAME")]
    pub domain: String,
    /// A claim of an SD-JWT that is shown, by its name; the others are kept back
    #[arg(long, value_name = "NAME")]
    pub disclose: Vec<String>,
    /// The suite of the proof
    #[arg(long, value_enum, default_value = "jcs")]
    pub suite: SuiteName,
}

/// Arguments of `credential import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The credential; - reads standard input
    pub file: PathBuf,
    /// The lists that say what was taken back.
    #[command(flatten)]
    pub lists: Lists,
}

/// A suite by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SuiteName {
    /// eddsa-jcs-2022: over the text
    Jcs,
    /// eddsa-rdfc-2022: over the meaning, as RDF
    Rdfc,
}

impl From<SuiteName> for Suite {
    fn from(name: SuiteName) -> Suite {
        match name {
            SuiteName::Jcs => Suite::Jcs,
            SuiteName::Rdfc => Suite::Rdfc,
        }
    }
}

/// How a credential is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormName {
    /// JSON with a proof in it
    Document,
    /// A token: vc+jwt
    Jwt,
    /// A token of which claims can be kept back
    SdJwt,
}

/// Reads a length of time: a whole number and a unit.
fn seconds(text: &str) -> Result<u64, &'static str> {
    const WRONG: &str = "it is a whole number and s, m, h or d, as in 30d, and at most 3650d";
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 86_400,
        _ => return Err(WRONG),
    };
    let count = text.get(..text.len() - 1).and_then(|count| count.parse::<u64>().ok()).filter(|count| *count > 0);
    let seconds = count.and_then(|count| count.checked_mul(unit)).filter(|seconds| *seconds <= 3650 * 86_400);
    seconds.ok_or(WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        assert_eq!([seconds("30d"), seconds("12h"), seconds("90m"), seconds("1s")], [Ok(2_592_000), Ok(43_200), Ok(5400), Ok(1)]);
        for wrong in ["", "d", "30", "0d", "-1d", "1.5d", "30 d", "3651d", "99999999999999999999d", "1w", "1é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
