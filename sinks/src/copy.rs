//! PostgreSQL's binary COPY format, for the rows that come by the ten thousand.

use chrono::NaiveDate;
use schemas::Timestamp;

/// Microseconds from 1970, where Alpes counts from, to 2000, where PostgreSQL does.
const MICROS_1970_TO_2000: i64 = 946_684_800_000_000;
/// Days likewise.
const DAYS_CE_TO_2000: i32 = 730_120;

/// Rows in the making.
#[derive(Debug)]
pub struct CopyRows(Vec<u8>);

impl CopyRows {
    /// With the header that every COPY starts with.
    pub fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        Self(bytes)
    }

    /// Starts a row of `columns` columns, which must follow.
    pub fn row(&mut self, columns: i16) -> &mut Self {
        self.0.extend_from_slice(&columns.to_be_bytes());
        self
    }

    fn value(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// A `boolean`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.value(&[u8::from(value)])
    }

    /// An `integer`.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.value(&value.to_be_bytes())
    }

    /// A `bigint`.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.value(&value.to_be_bytes())
    }

    /// A `timestamptz`.
    pub fn timestamp(&mut self, value: Timestamp) -> &mut Self {
        self.i64(value.micros() - MICROS_1970_TO_2000)
    }

    /// A `date`.
    pub fn date(&mut self, value: NaiveDate) -> &mut Self {
        self.i32(chrono::Datelike::num_days_from_ce(&value) - DAYS_CE_TO_2000)
    }

    /// A `text`.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.value(value.as_bytes())
    }

    /// A `text` that may be null.
    pub fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(text) => self.text(text),
            None => {
                self.0.extend_from_slice(&(-1i32).to_be_bytes());
                self
            }
        }
    }

    /// All rows, with the trailer.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&(-1i16).to_be_bytes());
        self.0
    }
}
