//! The raw rows of one line behind a position, in the order of their positions, at the cost of what is read.
//!
//! Raw rows have no ordinary index on positions, it would cost the line too much; a BRIN index knows which positions a
//! stretch of pages holds. It can only bound columns one by one, so a reading stays within one ledger and between two
//! entries. Between ledgers, and over stretches without rows, the next row is looked for ([`next_row`]).

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use rust_decimal::Decimal;
use schemas::{ConversionKind, Money, Position, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::lines::{LineState, StoredLine, WINDOW_MAX};
use crate::SinkError;

const IMPRESSIONS: &str = "
SELECT ledger, entry, index, campaign, influencer, event_time, day, published_at, id, user_id, user_agent, ip_address,
       referrer, click
FROM impressions";
const CONVERSIONS: &str = "
SELECT ledger, entry, index, campaign, influencer, event_time, day, published_at, id, user_id, user_agent, ip_address,
       referrer, kind, amount, currency
FROM conversions";
/// `index` counts within the first entry only.
const BETWEEN: &str = "
WHERE line = $1 AND ledger = $2 AND entry BETWEEN $3 AND $4 AND (entry > $3 OR index > $5) AND day >= $6
ORDER BY entry, index LIMIT $7";
/// What a row takes beside its texts.
const ROW_BYTES: usize = 200;

/// A row that was counted.
#[derive(Debug)]
pub(super) struct RawRow {
    pub(super) position: Position,
    pub(super) campaign: i32,
    pub(super) influencer: i32,
    pub(super) event_time: Timestamp,
    pub(super) day: NaiveDate,
    pub(super) published_at: Timestamp,
    pub(super) id: String,
    pub(super) user: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) ip_address: Option<String>,
    pub(super) referrer: Option<String>,
    pub(super) kind: RowKind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum RowKind {
    Impression,
    Click,
    Conversion { kind: ConversionKind, amount: Money },
}

/// How much one reading may bring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// What was read.
#[derive(Debug)]
pub(super) struct ReadRows {
    pub(super) rows: Vec<RawRow>,
    pub(super) bytes: usize,
    /// All rows up to here are among them, or were before.
    pub(super) to: Position,
}

/// A stretch of one ledger.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    line: i32,
    after: Position,
    through_entry: i64,
    day: NaiveDate,
}

/// Reads the next rows of a line, up to what it has committed. No rows only where none are left.
pub(super) async fn read(
    connection: &mut PgConnection,
    state: &mut LineState,
    line: &StoredLine,
    mut limits: Limits,
) -> Result<ReadRows, SinkError> {
    let mut read = ReadRows { rows: Vec::new(), bytes: 0, to: state.position };
    while read.to < line.committed && limits.rows > 0 && limits.bytes > 0 {
        let after = read.to;
        let last_ledger = after.ledger == line.committed.ledger;
        let end = if last_ledger { line.committed.entry } else { i64::MAX };
        let through_entry = after.entry.saturating_add(state.window).min(end);
        let stretch = Stretch { line: line.line, after, through_entry, day: no_earlier_day(state.day) };
        let (rows, bytes, whole) = rows_of(connection, stretch, limits).await?;
        read.to = match rows.last() {
            Some(last) if !whole => last.position,
            _ if last_ledger && through_entry == end => line.committed,
            _ => Position { ledger: after.ledger, entry: through_entry, index: i32::MAX },
        };
        state.window = if whole { state.window * 2 } else { read.to.entry - after.entry }.clamp(1, WINDOW_MAX);
        if rows.is_empty() && read.to < line.committed {
            read.to = match next_row(connection, stretch, read.to).await? {
                Some((ledger, entry)) => Position { ledger, entry: entry - 1, index: i32::MAX }.min(line.committed),
                None => line.committed,
            };
        }
        limits.rows -= rows.len();
        limits.bytes = limits.bytes.saturating_sub(bytes);
        read.bytes += bytes;
        read.rows.extend(rows);
    }
    Ok(read)
}

/// Clocks of hosts differ: a line that moved to another one may write into the day before, but not earlier.
fn no_earlier_day(day: NaiveDate) -> NaiveDate {
    day.pred_opt().unwrap_or(day)
}

/// The rows of a stretch, their bytes, and whether they are all.
async fn rows_of(
    connection: &mut PgConnection,
    stretch: Stretch,
    limits: Limits,
) -> Result<(Vec<RawRow>, usize, bool), SinkError> {
    let impressions = of_table(connection, IMPRESSIONS, impression, stretch, limits).await?;
    let conversions = of_table(connection, CONVERSIONS, conversion, stretch, limits).await?;
    // What one table has behind the end of the other's rows must wait for those.
    let ends = [impressions.cut_after, conversions.cut_after].into_iter().flatten().min();
    let mut rows = impressions.rows;
    rows.extend(conversions.rows);
    rows.retain(|row| ends.is_none_or(|end| row.position <= end));
    rows.sort_unstable_by_key(|row| row.position);
    let mut whole = ends.is_none();
    let (mut bytes, mut count) = (0, 0);
    for row in rows.iter().take(limits.rows) {
        if count > 0 && bytes + row.bytes() > limits.bytes {
            break;
        }
        (bytes, count) = (bytes + row.bytes(), count + 1);
    }
    whole &= count == rows.len();
    rows.truncate(count);
    Ok((rows, bytes, whole))
}

struct TableRows {
    rows: Vec<RawRow>,
    /// The last one, where there may be more.
    cut_after: Option<Position>,
}

async fn of_table(
    connection: &mut PgConnection,
    select: &str,
    row: fn(&PgRow) -> Result<RawRow, SinkError>,
    stretch: Stretch,
    limits: Limits,
) -> Result<TableRows, SinkError> {
    let select = format!("{select}{BETWEEN}");
    let mut stream = sqlx::query(AssertSqlSafe(select))
        .bind(stretch.line)
        .bind(stretch.after.ledger)
        .bind(stretch.after.entry)
        .bind(stretch.through_entry)
        .bind(stretch.after.index)
        .bind(stretch.day)
        .bind(limits.rows as i64)
        .fetch(connection);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(next) = stream.try_next().await? {
        let next = row(&next)?;
        bytes += next.bytes();
        rows.push(next);
        // The rest comes again; it is not kept.
        if rows.len() == limits.rows || bytes >= limits.bytes {
            let cut_after = rows.last().map(|row| row.position);
            return Ok(TableRows { rows, cut_after });
        }
    }
    Ok(TableRows { rows, cut_after: None })
}

/// Ledger and entry of the first row behind `after`.
async fn next_row(
    connection: &mut PgConnection,
    stretch: Stretch,
    after: Position,
) -> Result<Option<(i64, i64)>, SinkError> {
    if let Some(entry) = least(connection, "entry", "ledger = $2 AND entry > $3", stretch, after).await? {
        return Ok(Some((after.ledger, entry)));
    }
    let Some(ledger) = least(connection, "ledger", "ledger > $2 AND $3 = $3", stretch, after).await? else {
        return Ok(None);
    };
    let before = Position { ledger, entry: -1, index: -1 };
    let entry = least(connection, "entry", "ledger = $2 AND entry > $3", stretch, before).await?;
    Ok(entry.map(|entry| (ledger, entry)))
}

/// The least `column` of the rows for which `which` holds. Any such row is found quickly, and mostly it is the first; the
/// index then proves that there is no lesser one, or leads to it.
async fn least(
    connection: &mut PgConnection,
    column: &str,
    which: &str,
    Stretch { line, day, .. }: Stretch,
    after: Position,
) -> Result<Option<i64>, SinkError> {
    let of = |table: &str| {
        let rows = format!("FROM {table} WHERE line = $1 AND {which} AND day >= $4");
        format!(
            "SELECT coalesce((SELECT min({column}) {rows} AND {column} < s.some), s.some) AS least
             FROM (SELECT {column} AS some {rows} LIMIT 1) AS s"
        )
    };
    let select = format!("SELECT min(least) FROM ({} UNION ALL {}) AS t", of("impressions"), of("conversions"));
    let select = sqlx::query_scalar(AssertSqlSafe(select));
    let least = select.bind(line).bind(after.ledger).bind(after.entry).bind(day).fetch_one(connection).await?;
    Ok(least)
}

impl RawRow {
    fn bytes(&self) -> usize {
        let texts = [&self.user, &self.user_agent, &self.ip_address, &self.referrer];
        ROW_BYTES + self.id.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

fn impression(row: &PgRow) -> Result<RawRow, SinkError> {
    let kind = if row.try_get(13)? { RowKind::Click } else { RowKind::Impression };
    common(row, kind)
}

fn conversion(row: &PgRow) -> Result<RawRow, SinkError> {
    let (kind, amount, currency): (i16, Decimal, &str) = (row.try_get(13)?, row.try_get(14)?, row.try_get(15)?);
    let unreadable = || SinkError::Encoding(format!("a conversion of kind {kind} over {amount} {currency}"));
    let money = currency.parse().ok().and_then(|currency| Money::exact(amount, currency).ok());
    let kind = ConversionKind::from_number(kind).ok_or_else(unreadable)?;
    common(row, RowKind::Conversion { kind, amount: money.ok_or_else(unreadable)? })
}

fn common(row: &PgRow, kind: RowKind) -> Result<RawRow, SinkError> {
    Ok(RawRow {
        position: Position { ledger: row.try_get(0)?, entry: row.try_get(1)?, index: row.try_get(2)? },
        campaign: row.try_get(3)?,
        influencer: row.try_get(4)?,
        event_time: row.try_get::<DateTime<Utc>, _>(5)?.into(),
        day: row.try_get(6)?,
        published_at: row.try_get::<DateTime<Utc>, _>(7)?.into(),
        id: row.try_get(8)?,
        user: row.try_get(9)?,
        user_agent: row.try_get(10)?,
        ip_address: row.try_get(11)?,
        referrer: row.try_get(12)?,
        kind,
    })
}
