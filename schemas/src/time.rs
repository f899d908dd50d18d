//! Event time: UTC, in microseconds.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use std::{fmt, time::Duration};

/// One hour.
pub const HOUR: Duration = Duration::from_secs(3_600);
/// One day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// An instant in UTC, in microseconds since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 9999-12-31T23:59:59.999Z.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// Why a text is not a [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not `YYYY-MM-DDTHH:MM:SS[.ffffff][Z|±HH:MM]`, or no such instant.
    #[error("no es una fecha y hora ISO 8601 válida, como 2026-01-01T12:00:00Z")]
    Invalid,
    /// Before 1970: no campaign is that old, so it is a producer's mistake.
    #[error("es anterior a 1970")]
    Before1970,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since 1970 (UTC).
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970 (UTC), as a foreign clock has them: what lies behind the year 9999 is cut to it, for
    /// no table holds it.
    pub const fn from_unix_millis(millis: u64) -> Self {
        let millis = if millis > LAST_MILLIS { LAST_MILLIS } else { millis };
        Self(millis as i64 * 1_000)
    }

    /// Microseconds since 1970 (UTC).
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Seconds since 1970, as metrics have them; nothing is computed with it.
    pub fn unix_seconds(self) -> f64 {
        Duration::from_micros(self.0.max(0) as u64).as_secs_f64()
    }

    /// Now, by this machine's clock. Only sources and edges may ask; operators see no clock.
    pub fn now() -> Self {
        Utc::now().into()
    }

    /// Reads an ISO 8601 instant; without a zone it is UTC (Python's `isoformat()` of a naive datetime).
    ///
    /// A leap second (`:60`) is refused: it has no place of its own in UTC microseconds.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let instant = match DateTime::parse_from_rfc3339(text) {
            Ok(zoned) => zoned.to_utc(),
            Err(_) => naive(text).ok_or(TimestampError::Invalid)?.and_utc(),
        };
        if instant.timestamp_subsec_nanos() >= 1_000_000_000 {
            return Err(TimestampError::Invalid);
        }
        if instant < DateTime::UNIX_EPOCH {
            return Err(TimestampError::Before1970);
        }
        Ok(instant.into())
    }

    /// The start of the window of `width` that holds this instant; windows are half-open and aligned to 1970.
    pub const fn floor(self, width: Duration) -> Self {
        let width = width.as_micros() as i64;
        Self(self.0 - self.0.rem_euclid(width))
    }

    /// This instant and `duration` more; the last representable instant at most.
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_micros() as i64))
    }

    /// This instant and `duration` less; the first representable instant at least.
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_micros() as i64))
    }

    /// The start of its calendar month, in UTC.
    pub fn month(self) -> Self {
        let first = self.date().with_day(1).and_then(|day| day.and_hms_opt(0, 0, 0));
        first.map_or(self, |first| first.and_utc().into())
    }

    /// The UTC date.
    pub fn date(self) -> NaiveDate {
        DateTime::<Utc>::from(self).date_naive()
    }
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    // Two letters `T` and ` ` are what Python's isoformat() and str() write.
    let format = if text.as_bytes().get(10) == Some(&b' ') { "%Y-%m-%d %H:%M:%S%.f" } else { "%Y-%m-%dT%H:%M:%S%.f" };
    let starts_with_four_digits = text.len() >= 19 && text.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    starts_with_four_digits.then(|| NaiveDateTime::parse_from_str(text, format).ok()).flatten()
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant.timestamp_micros())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(timestamp: Timestamp) -> Self {
        DateTime::from_timestamp_micros(timestamp.0).unwrap_or(if timestamp.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }
}

/// ISO 8601 with `Z`, with as many of 0, 3 or 6 decimals as it needs.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::<Utc>::from(*self).to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, TimestampError>) {
        assert_eq!(Timestamp::parse(text).map(|t| t.to_string()).as_deref().map_err(|e| *e), expect, "{text}");
    }

    #[test]
    fn reads_what_producers_write() {
        check("2025-01-01T12:00:00Z", Ok("2025-01-01T12:00:00Z"));
        check("2025-01-01T12:00:00.320Z", Ok("2025-01-01T12:00:00.320Z"));
        check("2026-11-25T00:54:28.807034", Ok("2026-11-25T00:54:28.807034Z"));
        check("2025-01-01T12:05:00", Ok("2025-01-01T12:05:00Z"));
        check("2025-01-01 12:05:00", Ok("2025-01-01T12:05:00Z"));
        check("2025-01-01T12:00:00-05:00", Ok("2025-01-01T17:00:00Z"));
        check("1970-01-01T00:00:00Z", Ok("1970-01-01T00:00:00Z"));
        check("9999-12-31T23:59:59Z", Ok("9999-12-31T23:59:59Z"));
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            " ",
            "no-date",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:01Z",
            "2026-01-01",
            "1735732800",
            "-001-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:60",
            "2026-01-01T12:00:00+99:99",
            "２０２６-01-01T00:00:00Z",
        ] {
            check(text, Err(TimestampError::Invalid));
        }
        check("1969-12-31T23:59:59Z", Err(TimestampError::Before1970));
    }

    #[test]
    fn a_window_is_half_open() {
        let minute = Duration::from_secs(60);
        let edge = Timestamp::parse("2026-01-01T00:01:00Z").unwrap();
        assert_eq!(edge.floor(minute), edge);
        assert_eq!(Timestamp::from_micros(edge.micros() - 1).floor(minute), edge.minus(minute));
    }
}
