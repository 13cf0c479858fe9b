//! Moments as credentials write them: `dateTimeStamp` of XML Schema, which is RFC 3339 with a time zone.
//!
//! There is no clock in this crate: what "now" is, is given.

use std::fmt;

use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::error::{Kind, Refused, Result, refuse};

/// How far another computer's clock may be ahead of ours, in seconds: what it signed a moment ago counts already.
pub const SKEW: i64 = 60;

/// A moment, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

/// The last millisecond of the year 9999, which is the last that can be written.
const LAST: i64 = 253_402_300_799_999;

impl Moment {
    /// Seconds since the beginning of 1970 (UTC), at most to the end of 9999.
    pub fn from_seconds(seconds: i64) -> Moment {
        Moment::from_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the beginning of 1970 (UTC), at most to the end of 9999.
    pub fn from_millis(millis: i64) -> Moment {
        Moment(millis.clamp(-LAST / 4, LAST))
    }

    /// Seconds since the beginning of 1970 (UTC), rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// So many seconds later.
    #[must_use]
    pub fn after(self, seconds: i64) -> Moment {
        Moment::from_millis(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Reads a `dateTimeStamp`. One without a time zone says no moment, and is refused.
    pub fn parse(text: &str) -> Result<Moment> {
        let refused = || Refused::new(Kind::Malformed, "it is no date with time and time zone");
        // RFC 3339 lets a space or small letters stand for `T` and `Z`; XML Schema does not.
        let bytes = text.as_bytes();
        let shaped = bytes.len() <= 40 && bytes.get(10) == Some(&b'T') && !bytes.contains(&b'z');
        if !shaped {
            return Err(refused());
        }
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refused())?;
        let millis = moment.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).map(Moment::from_millis).map_err(|_| refused())
    }

    /// Whether it is before the other by more than clocks may differ.
    pub(crate) fn is_well_before(self, other: Moment) -> bool {
        self.after(SKEW) < other
    }
}

impl fmt::Display for Moment {
    /// To the second, in UTC.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::seconds(self.seconds())).to_offset(UtcOffset::UTC);
        let text = moment.format(&Rfc3339).map_err(|_| fmt::Error)?;
        formatter.write_str(&text)
    }
}

/// From when to when something is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Not before, if it says so.
    pub from: Option<Moment>,
    /// Not after, if it says so.
    pub until: Option<Moment>,
}

impl Validity {
    /// Whether it is valid at a moment.
    pub fn check(self, now: Moment) -> Result<()> {
        match (self.from, self.until) {
            (Some(from), _) if now.is_well_before(from) => {
                refuse(Kind::NotYetValid, format!("it is valid from {from}, and it is {now}"))
            }
            (_, Some(until)) if now > until => refuse(Kind::Expired, format!("it was valid until {until}, and it is {now}")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails loudly")]

    use super::*;

    #[test]
    fn moments_are_read_exactly() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2023-02-24T23:36:38Z", 1_677_281_798),
            ("2024-02-29T12:00:00+02:00", 1_709_200_800),
            ("2023-02-24T23:36:38.123456789Z", 1_677_281_798),
        ] {
            assert_eq!(Moment::parse(text).unwrap().seconds(), seconds, "{text}");
        }
        for text in [
            "2023-02-24T23:36:38",
            "2023-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-02-24",
            "2023-02-24 23:36:38Z",
            "2023-02-24t23:36:38Z",
            "2023-02-24T23:36:38z",
            "2023-02-24T24:00:01Z",
            "2023-02-24T23:36:38+25:00",
            "1677281798",
            "",
            "２０２３-02-24T23:36:38Z",
        ] {
            assert_eq!(Moment::parse(text).map_err(|refused| refused.kind()), Err(Kind::Malformed), "{text}");
        }
        assert_eq!(Moment::from_seconds(1_677_281_798).to_string(), "2023-02-24T23:36:38Z");
        assert_eq!(Moment::from_seconds(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn clocks_may_differ_by_a_minute_at_the_beginning_and_not_at_the_end() {
        let at = Moment::from_seconds;
        let validity = Validity { from: Some(at(1_000)), until: Some(at(2_000)) };
        assert_eq!(validity.check(at(939)).unwrap_err().kind(), Kind::NotYetValid);
        assert!(validity.check(at(940)).is_ok() && validity.check(at(2_000)).is_ok());
        assert_eq!(validity.check(at(2_001)).unwrap_err().kind(), Kind::Expired);
    }
}
