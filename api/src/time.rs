//! Instants in answers and in query parameters.

use chrono::{DateTime, Utc};
use schemas::Timestamp;
pub(crate) use schemas::time::{DAY, HOUR};
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;
use utoipa::ToSchema;

/// The width of a window, and the finest step of a range.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// After every event: none may lie more than minutes ahead of its publication.
pub(crate) const AFTER_ALL: Timestamp = Timestamp::from_micros(253_402_300_740_000_000); // 9999-12-31T23:59:00Z

/// An instant as answers show it: ISO 8601 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = String, format = DateTime, example = "2025-01-01T12:00:00Z")]
pub(crate) struct Time(DateTime<Utc>);

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.into())
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        time.0.into()
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Timestamp::from(*self))
    }
}

/// One end of a range (`desde`, `hasta`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TimeParam(pub(crate) Timestamp);

impl TryFrom<String> for TimeParam {
    type Error = schemas::time::TimestampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Timestamp::parse(&text).map(Self)
    }
}
