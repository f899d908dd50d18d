//! Pages of lists: a size and an opaque cursor, which names the last row of the page before.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt::{self, Display};
use std::str::FromStr;
use utoipa::{IntoParams, ToSchema};

use crate::ApiError;
use crate::time::AFTER_ALL;

/// Rows of a page, where the client does not say.
const LIMIT_DEFAULT: u16 = 100;
/// Rows of a page at most: 1,000 rows are about 300 kB of JSON.
const LIMIT_MAX: u16 = 1_000;

/// `limit`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Limit(u16);

impl Limit {
    /// As a number of rows.
    pub(crate) const fn rows(self) -> usize {
        self.0 as usize
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(LIMIT_DEFAULT)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.map(Self).ok_or_else(|| format!("debe ser un número de 1 a {LIMIT_MAX}"))
    }
}

/// `cursor` and `siguiente`: the key of a row, as text, made opaque so that nobody builds on its form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, example = "MTczNTczMjgwMDAwMDAwMC9pbXAtMTIz")]
pub(crate) struct Cursor(String);

impl Cursor {
    /// The cursor of the row with this key.
    pub(crate) fn of(key: impl Display) -> Self {
        Self(key.to_string())
    }

    /// The key that it names.
    pub(crate) fn key<K: FromStr>(&self) -> Result<K, ApiError> {
        self.0.parse().map_err(|_| ApiError::parameter("cursor", NoCursor.to_string()))
    }
}

/// Not a cursor.
#[derive(Debug)]
pub(crate) struct NoCursor;

impl Display for NoCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no es un cursor; use el valor de «siguiente» de la página anterior")
    }
}

impl TryFrom<String> for Cursor {
    type Error = NoCursor;

    fn try_from(text: String) -> Result<Self, NoCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoCursor)?;
        let key = String::from_utf8(bytes).map_err(|_| NoCursor)?;
        // Keys go into queries, and PostgreSQL's texts do not hold this one.
        if key.contains('\0') { Err(NoCursor) } else { Ok(Self(key)) }
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

/// The order of lists: newest first, then by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimeKey {
    pub(crate) time: Timestamp,
    pub(crate) id: String,
}

impl TimeKey {
    /// Before the first row of a list.
    pub(crate) const NEWEST: Self = Self { time: AFTER_ALL, id: String::new() };
}

impl fmt::Display for TimeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.time.micros(), self.id)
    }
}

impl FromStr for TimeKey {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (micros, id) = text.split_once('/').ok_or(NoCursor)?;
        let time = micros.parse().map(Timestamp::from_micros).map_err(|_| NoCursor)?;
        // No row lies outside, and PostgreSQL's instants end where ours do not.
        if time < Timestamp::EPOCH || time > AFTER_ALL { Err(NoCursor) } else { Ok(Self { time, id: id.into() }) }
    }
}

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// Rows of the page, 1 to 1,000.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: Limit,
    /// `siguiente` of the page before.
    #[serde(alias = "siguiente")]
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

impl PageParams {
    /// The key that the page comes after.
    pub(crate) fn after<K: FromStr>(&self) -> Result<Option<K>, ApiError> {
        self.cursor.as_ref().map(Cursor::key).transpose()
    }
}

/// The cursor of the page after these rows, if they fill their page.
pub(crate) fn next_page<T, K: Display>(rows: &[T], limit: Limit, key: impl Fn(&T) -> K) -> Option<Cursor> {
    rows.last().filter(|_| rows.len() >= limit.rows()).map(|last| Cursor::of(key(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_bounded() {
        let limit = |text: &str| Limit::try_from(text.to_owned()).map(Limit::rows);
        assert_eq!(limit("1"), Ok(1));
        assert_eq!(limit("1000"), Ok(1000));
        for refused in ["0", "1001", "-1", "abc", "", "1.5", "99999999999"] {
            assert!(limit(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = Cursor::of("1735732800000000/imp-ñ/1");
        let text = serde_json::to_value(&cursor).unwrap();
        let back = Cursor::try_from(text.as_str().unwrap().to_owned()).unwrap();
        assert_eq!(back, cursor);
        for refused in ["***", "AA", "_w"] {
            assert!(Cursor::try_from(refused.to_owned()).is_err(), "{refused}");
        }
        assert!(cursor.key::<i64>().is_err());
    }

    #[test]
    fn keys_are_ordered_by_time_then_bytes_of_the_id() {
        let key = |micros, id: &str| TimeKey { time: Timestamp::from_micros(micros), id: id.into() };
        assert!(key(1, "b") < key(2, "a"));
        assert!(key(1, "Z") < key(1, "a"));
        assert_eq!(key(5, "a/b").to_string().parse::<TimeKey>().ok(), Some(key(5, "a/b")));
        for refused in ["", "x/a", "12", "-1/a", "9223372036854775807/a"] {
            assert!(refused.parse::<TimeKey>().is_err(), "{refused}");
        }
    }
}
