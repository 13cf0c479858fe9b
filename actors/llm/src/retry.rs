//! Whether to ask a server again, and when: its own rules first. A question is repeated only while nothing of an answer
//! has arrived, so nothing is paid or said twice.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often a question is repeated.
pub(crate) const RETRIES: u32 = 2;

/// What the failure of a try says about the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It would fail too.
    Never,
    /// Perhaps, after a while.
    Soon,
    /// After this time, as the server says.
    After(Duration),
}

/// What an answer that is not a success says about the next try.
pub(crate) fn after_answer(status: u16, headers: &HeaderMap, spend_limit: bool, now: SystemTime) -> Again {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let told = match text("x-should-retry") {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let wait = text("retry-after-ms")
        .and_then(|text| milliseconds(text, 1.0))
        .or_else(|| text(RETRY_AFTER.as_str()).and_then(|text| milliseconds(text, 1000.0).or_else(|| until(text, now))));
    let by_status = matches!(status, 408 | 409 | 429 | 500..);
    // A limit on spending is not lifted by waiting, whatever its status says elsewhere.
    let hopeless = status == 429 && spend_limit && told.is_none() && wait.is_none();
    match (told.unwrap_or(by_status && !hopeless), wait) {
        (false, _) => Again::Never,
        (true, Some(wait)) if !wait.is_zero() => Again::After(wait),
        (true, _) => Again::Soon,
    }
}

/// How long to wait before try number `attempt` + 1 when the server did not say: doubled each time up to `most`, and up to
/// a quarter less by chance, so that those who failed together do not come back together.
pub(crate) fn backoff(first: Duration, most: Duration, attempt: u32, chance: u32) -> Duration {
    let wait = first.saturating_mul(2_u32.saturating_pow(attempt)).min(most);
    wait.mul_f64(1.0 - 0.25 * f64::from(chance) / f64::from(u32::MAX))
}

fn milliseconds(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    // The comparison also refuses what is not a number.
    (number >= 0.0).then(|| Duration::try_from_secs_f64(number * unit / 1000.0).unwrap_or(Duration::MAX))
}

/// The time until a date such as `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that servers may write today.
fn until(text: &str, now: SystemTime) -> Option<Duration> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|part| *part <= 60));
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next() != Some("GMT") {
        return None;
    }
    // Days since 1970, with years that begin in March, so that a leap day is the last of its year.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        shifted_year * 365 + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 + (153 * shifted_month + 2) / 5 + day
            - 719_469;
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400 + hours * 3600 + minutes * 60 + seconds);
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_servers_rules_come_first() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 7);
        let after = |milliseconds| Again::After(Duration::from_millis(milliseconds));
        type Row = (u16, &'static [(&'static str, &'static str)], bool, Again);
        #[rustfmt::skip]
        let rows: &[Row] = &[
            (500, &[], false, Again::Soon),
            (529, &[], false, Again::Soon),
            (408, &[], false, Again::Soon),
            (409, &[], false, Again::Soon),
            (429, &[], false, Again::Soon),
            (400, &[], false, Again::Never),
            (401, &[], false, Again::Never),
            (404, &[], false, Again::Never),
            (301, &[], false, Again::Never),
            (429, &[], true, Again::Never),
            (429, &[("retry-after", "2")], true, after(2000)),
            (429, &[("x-should-retry", "true")], true, Again::Soon),
            (500, &[("x-should-retry", "false"), ("retry-after", "2")], false, Again::Never),
            (400, &[("x-should-retry", "true")], false, Again::Soon),
            (429, &[("retry-after", "1.5")], false, after(1500)),
            (429, &[("retry-after-ms", "20"), ("retry-after", "9")], false, after(20)),
            (429, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], false, after(7000)),
            (429, &[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], false, Again::Soon),
            (429, &[("retry-after", "0")], false, Again::Soon),
            (429, &[("retry-after", "-5")], false, Again::Soon),
            (429, &[("retry-after", "NaN")], false, Again::Soon),
            (429, &[("retry-after", "soon")], false, Again::Soon),
            (429, &[("retry-after", "1e300")], false, Again::After(Duration::MAX)),
            (429, &[("retry-after", "Sun, 99 Nov 1994 08:49:37 GMT")], false, Again::Soon),
        ];
        for (status, pairs, spend_limit, wanted) in rows {
            assert_eq!(after_answer(*status, &headers(pairs), *spend_limit, now), *wanted, "{status} {pairs:?} {spend_limit}");
        }
    }

    #[test]
    fn dates_are_read_as_they_are() {
        let rows = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 20 Nov 2026 19:38:13 GMT", 1_795_203_493),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ];
        for (text, seconds) in rows {
            assert_eq!(until(text, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn waits_double_up_to_a_limit_and_differ() {
        let (first, most) = (Duration::from_millis(500), Duration::from_secs(8));
        let wait = |attempt, chance| backoff(first, most, attempt, chance).as_millis();
        assert_eq!((wait(0, 0), wait(1, 0), wait(4, 0), wait(40, 0)), (500, 1000, 8000, 8000));
        assert_eq!((wait(0, u32::MAX), wait(4, u32::MAX)), (375, 6000));
    }
}
