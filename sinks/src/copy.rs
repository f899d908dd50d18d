//! PostgreSQL's binary COPY format, for the rows that come by the ten thousand.

use chrono::NaiveDate;
use schemas::Timestamp;
use sqlx::PgConnection;
use sqlx::types::Uuid;

/// Microseconds from 1970, where Alpes counts from, to 2000, where PostgreSQL does.
const MICROS_1970_TO_2000: i64 = 946_684_800_000_000;
/// Days likewise.
const DAYS_CE_TO_2000: i32 = 730_120;

/// What every COPY starts with.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// And ends with: a row of −1 columns.
const END: [u8; 2] = (-1i16).to_be_bytes();

/// Bytes in one message to PostgreSQL, from which on it is sent. Both ends keep a message whole before they go on, and one
/// of this size stays in the caches.
const CHUNK_BYTES: usize = 64 * 1024;
/// Room for the row that makes a message full, usually.
const ROW_BYTES: usize = 4 * 1024;

/// Rows in the making.
#[derive(Debug)]
pub struct CopyRows(Vec<u8>);

/// Copies `items` by a `COPY … FROM STDIN (FORMAT binary)`, each written by `write` as one row. PostgreSQL reads some
/// while the next ones are made.
pub async fn copy<T: Send>(
    connection: &mut PgConnection,
    statement: &str,
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    write: impl Fn(&mut CopyRows, T) -> Result<(), sqlx::Error> + Send,
) -> Result<(), sqlx::Error> {
    let mut items = items.into_iter().peekable();
    if items.peek().is_none() {
        return Ok(());
    }
    let mut copy = connection.copy_in_raw(statement).await?;
    let mut rows = CopyRows::with_header();
    for item in items {
        write(&mut rows, item)?;
        if rows.0.len() >= CHUNK_BYTES {
            copy.send(&*rows.0).await?;
            rows.0.clear();
        }
    }
    rows.0.extend_from_slice(&END);
    copy.send(&*rows.0).await?;
    copy.finish().await?;
    Ok(())
}

/// The same unless a unique index refuses one: then none is there, and the answer is false.
pub async fn copy_if_new<T: Send>(
    connection: &mut PgConnection,
    statement: &str,
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    write: impl Fn(&mut CopyRows, T) -> Result<(), sqlx::Error> + Send,
) -> Result<bool, sqlx::Error> {
    let mut items = items.into_iter().peekable();
    if items.peek().is_none() {
        return Ok(true);
    }
    sqlx::raw_sql("SAVEPOINT before_copy").execute(&mut *connection).await?;
    match copy(connection, statement, items, write).await {
        Ok(()) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            sqlx::raw_sql("ROLLBACK TO SAVEPOINT before_copy").execute(connection).await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

impl CopyRows {
    fn with_header() -> Self {
        let mut bytes = Vec::with_capacity(CHUNK_BYTES + ROW_BYTES);
        bytes.extend_from_slice(HEADER);
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

    /// A `smallint`.
    pub fn i16(&mut self, value: i16) -> &mut Self {
        self.value(&value.to_be_bytes())
    }

    /// A `uuid`.
    pub fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.value(value.as_bytes())
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

    /// A `bytea`.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.value(value)
    }

    /// No value, of any type.
    pub fn null(&mut self) -> &mut Self {
        self.0.extend_from_slice(&(-1i32).to_be_bytes());
        self
    }

    /// A `text`.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.value(value.as_bytes())
    }

    /// A `text` that may be null.
    pub fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }
}
