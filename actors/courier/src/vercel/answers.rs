//! What the interface says: JSON read by name, and failures by their code. What it says to people is not repeated.

use std::time::{Duration, SystemTime};

use backends::{Refused, Remote, StorageError};
use reqwest::{StatusCode, header::HeaderMap};
use serde::{Deserialize, de::DeserializeOwned};

use crate::http::failed;

/// About one value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    pub(super) pathname: String,
    pub(super) size: u64,
    uploaded_at: String,
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) blobs: Vec<About>,
    pub(super) cursor: Option<String>,
    pub(super) has_more: bool,
}

/// A value was put.
#[derive(Deserialize)]
pub(super) struct Put {
    pub(super) pathname: String,
}

/// Parts may come.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Begun {
    pub(super) upload_id: String,
    pub(super) key: String,
}

/// A part came.
#[derive(Deserialize)]
pub(super) struct Part {
    pub(super) etag: String,
}

#[derive(Deserialize)]
struct Failure {
    error: Said,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

macro_rules! read {
    ($($answer:ident)*) => {
        $(impl $answer {
            pub(super) fn read(said: &[u8]) -> Result<$answer, StorageError> {
                json(said)
            }
        })*
    };
}

read!(About Listed Put Begun Part);

fn json<T: DeserializeOwned>(said: &[u8]) -> Result<T, StorageError> {
    serde_json::from_slice(said).map_err(|_| Remote::Nonsense("not what its interface says".to_owned()).into())
}

/// Something was done: any JSON.
pub(super) fn done(said: &[u8]) -> Result<(), StorageError> {
    json::<serde::de::IgnoredAny>(said).map(drop)
}

impl About {
    /// When it was written: `2026-01-31T23:59:59.123Z`.
    pub(super) fn changed(&self) -> Option<SystemTime> {
        let number = |from: usize, to: usize| self.uploaded_at.get(from..to)?.parse::<u64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // Days since 1970 with the year beginning in March (Hinnant, days_from_civil).
        let (march, of) = if month > 2 { (month - 3, year) } else { (month + 9, year - 1) };
        let of_era = of % 400;
        let days = of / 400 * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * march + 2) / 5 + day - 1;
        let days = days.checked_sub(719_468)?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
    }
}

/// What an answer without success means; `None` where nothing is there.
pub(super) fn failure(status: StatusCode, headers: &HeaderMap, said: &[u8]) -> Option<StorageError> {
    let said = serde_json::from_slice::<Failure>(said).map(|failure| failure.error);
    let (code, message) = said.map(|said| (said.code, said.message)).unwrap_or_default();
    let message = message.to_ascii_lowercase();
    let no_right = |why: &str| Some(Refused::NoRight(format!("{why}, status {}", status.as_u16())).into());
    match code.as_str() {
        "not_found" => return None,
        "store_not_found" => return Some(Refused::Place("there is no such store".to_owned()).into()),
        "store_suspended" => return no_right("the store is suspended"),
        "client_token_expired" => return no_right("the token has ended"),
        "forbidden" | "not_allowed" => return no_right("the store does not take the token for this"),
        "rate_limited" if status != StatusCode::TOO_MANY_REQUESTS => return Some(Remote::Busy { after: None }.into()),
        "service_unavailable" | "internal_server_error" if status.is_client_error() => {
            return Some(Remote::Failed(503).into());
        }
        _ => {}
    }
    if code == "file_too_large" || message.contains("length cannot be greater") {
        return Some(Refused::TooLarge { most: 0 }.into());
    }
    if message.contains("quota") || message.contains("limit exceeded") || message.contains("storage limit") {
        return Some(Refused::NoRoom("the quota of the store is used up".to_owned()).into());
    }
    match status {
        StatusCode::NOT_FOUND => None,
        StatusCode::FORBIDDEN => no_right("the store does not take the token for this"),
        _ => Some(failed(status, headers).unwrap_or_else(|| Remote::Nonsense(format!("status {}", status.as_u16())).into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read() {
        let changed = |text: &str| {
            let about = About { pathname: String::new(), size: 0, uploaded_at: text.to_owned() };
            about.changed().map(|changed| changed.duration_since(SystemTime::UNIX_EPOCH).expect("later").as_secs())
        };
        assert_eq!(changed("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(changed("2024-02-29T23:59:59.999Z"), Some(1_709_251_199));
        assert_eq!(changed("2026-03-01T00:00:00Z"), Some(1_772_323_200));
        for bad in ["", "yesterday", "2024-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "２０２４-01-01T00:00:00Z"] {
            assert_eq!(changed(bad), None, "{bad}");
        }
    }

    #[test]
    fn failures_say_whose_they_are() {
        let failure = |status: u16, code: &str, message: &str| {
            let body = serde_json::json!({ "error": { "code": code, "message": message } }).to_string();
            failure(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), body.as_bytes())
        };
        let refused = |found: Option<StorageError>| matches!(found, Some(StorageError::Refused(_)));
        assert_eq!(failure(404, "not_found", ""), None);
        assert!(refused(failure(404, "store_not_found", "")));
        assert!(refused(failure(403, "forbidden", "canary")));
        assert!(refused(failure(403, "store_suspended", "")));
        assert_eq!(
            failure(400, "bad_request", "Quota reached"),
            Some(Refused::NoRoom("the quota of the store is used up".into()).into())
        );
        assert_eq!(failure(429, "rate_limited", ""), Some(Remote::Busy { after: None }.into()));
        assert_eq!(failure(500, "unknown_error", ""), Some(Remote::Failed(500).into()));
        assert_eq!(failure(503, "service_unavailable", ""), Some(Remote::Busy { after: None }.into()));
        assert_eq!(failure(400, "service_unavailable", ""), Some(Remote::Failed(503).into()));
        assert_eq!(failure(504, "", ""), Some(Remote::Failed(504).into()));
        assert_eq!(failure(400, "bad_request", "canary"), Some(Remote::Nonsense("status 400".into()).into()));
        assert_eq!(failure(302, "", ""), Some(Remote::Nonsense("it sends elsewhere".into()).into()));
    }
}
