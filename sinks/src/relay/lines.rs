//! The lines that are relayed, and how far each has come.

use chrono::NaiveDate;
use schemas::{Position, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection};

use super::rows::ReadRows;
use super::{Backlog, Move};
use crate::SinkError;

/// Lines over the log and over topics. Files are history and are not announced, see docs/DECISIONS.md.
pub(super) const RELAYED: &str = "l.flow = 'tracking' AND (l.source LIKE 'log-%' OR l.source LIKE '%@%')";
/// Entries that are looked through at first: an entry of a topic may hold a thousand rows.
const WINDOW_MIN: i64 = 16;
/// Entries that are looked through at most: as many as a batch has rows. Where fewer have one, the next row is looked for.
pub(super) const WINDOW_MAX: i64 = 8_192;

/// A line as PostgreSQL knows it.
#[derive(Debug)]
pub(super) struct StoredLine {
    pub(super) line: i32,
    pub(super) source: String,
    /// What it has committed.
    pub(super) committed: Position,
    /// Rows that it has written up to there.
    pub(super) rows: i64,
    relayed: Position,
    day: NaiveDate,
    events: i64,
    today: NaiveDate,
}

/// A line as the relay knows it: ahead of what is stored by stretches without rows, which are not worth a write.
#[derive(Debug)]
pub(super) struct LineState {
    /// Published up to here.
    pub(super) position: Position,
    /// As stored: where the next move begins.
    stored: Position,
    /// No row behind the position lies in an earlier day.
    pub(super) day: NaiveDate,
    stored_day: NaiveDate,
    /// Rows up to the position.
    events: i64,
    /// Entries to look through next: about as many as fill a batch.
    pub(super) window: i64,
    /// When the first row behind the position was published to the log, as far as it was read.
    pub(super) oldest: Option<Timestamp>,
}

/// All lines that are relayed. One snapshot: what is committed and how many rows that makes belong together.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<StoredLine>, sqlx::Error> {
    type Row = (i32, String, i64, i64, i32, i64, i64, i64, i32, NaiveDate, i64, NaiveDate);
    let select = format!(
        "SELECT l.line, l.source, l.ledger, l.entry, l.index, l.accepted - l.reversals - l.unstored,
                coalesce(r.ledger, -1), coalesce(r.entry, -1), coalesce(r.index, -1),
                coalesce(r.day, s.first_day), coalesce(r.events, 0), current_date
         FROM relay_start s, lines l LEFT JOIN relay_positions r USING (line) WHERE {RELAYED} ORDER BY l.line"
    );
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(select)).fetch_all(connection).await?;
    let line = |row: Row| StoredLine {
        line: row.0,
        source: row.1,
        committed: Position { ledger: row.2, entry: row.3, index: row.4 },
        rows: row.5,
        relayed: Position { ledger: row.6, entry: row.7, index: row.8 },
        day: row.9,
        events: row.10,
        today: row.11,
    };
    Ok(rows.into_iter().map(line).collect())
}

impl StoredLine {
    /// How the relay finds it at first.
    pub(super) fn stored(&self) -> LineState {
        LineState {
            position: self.relayed,
            stored: self.relayed,
            day: self.day,
            stored_day: self.day,
            events: self.events,
            window: WINDOW_MIN,
            oldest: None,
        }
    }

    /// No row that was not published when the relay began lies in an earlier day.
    pub(super) fn first_day(&self) -> NaiveDate {
        self.day.pred_opt().unwrap_or(self.day)
    }

    /// What is committed from now on lies in no earlier day than this, whichever host's clock says so.
    pub(super) fn no_earlier_day(&self) -> NaiveDate {
        self.today.pred_opt().unwrap_or(self.today)
    }
}

impl LineState {
    /// Whether the line has committed more than was published.
    pub(super) fn waits_for(&self, line: &StoredLine) -> bool {
        self.position < line.committed
    }

    /// `all_read`: no row is left behind the position.
    pub(super) fn backlog(&self, line: &StoredLine, all_read: bool) -> Backlog {
        let events = line.rows - self.events;
        Backlog { source: line.source.clone(), events, oldest: self.oldest, missing: all_read && events != 0 }
    }

    /// Goes on behind what was read, and says what there is to store.
    pub(super) fn advance(&mut self, line: &StoredLine, read: &ReadRows) -> Option<Move> {
        self.position = read.to;
        self.events += read.rows.len() as i64;
        let reached = read.rows.last().map(|row| row.day);
        let caught_up = (read.to == line.committed).then(|| line.no_earlier_day());
        self.day = self.day.max(reached.or(caught_up).unwrap_or(self.day));
        if read.rows.is_empty() && self.day == self.stored_day {
            return None;
        }
        let from = std::mem::replace(&mut self.stored, self.position);
        self.stored_day = self.day;
        Some(Move { line: line.line, from, to: self.position, day: self.day, events: self.events })
    }
}

/// Stores a move; refused where the line is not where the move began, which nobody but a second relay can bring about.
pub(super) async fn store(connection: &mut PgConnection, step: &Move) -> Result<(), SinkError> {
    let stored = sqlx::query(
        "INSERT INTO relay_positions AS r (line, ledger, entry, index, day, events) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (line) DO UPDATE
         SET (ledger, entry, index, day, events, updated_at) = ($2, $3, $4, $5, $6, clock_timestamp())
         WHERE (r.ledger, r.entry, r.index) = ($7, $8, $9)",
    )
    .bind(step.line)
    .bind(step.to.ledger)
    .bind(step.to.entry)
    .bind(step.to.index)
    .bind(step.day)
    .bind(step.events)
    .bind(step.from.ledger)
    .bind(step.from.entry)
    .bind(step.from.index)
    .execute(connection)
    .await?;
    match stored.rows_affected() {
        1 => Ok(()),
        _ => Err(SinkError::Taken("the relay".into())),
    }
}
