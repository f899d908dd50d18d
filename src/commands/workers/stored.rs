//! A line as it lies in its table.

use chrono::{DateTime, Utc};
use schemas::{Position, Timestamp};
use sqlx::PgConnection;

/// A row of `lines`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct StoredLine {
    pub(super) flow: String,
    pub(super) source: String,
    pub(super) owner: Option<String>,
    /// Whether somebody holds a session for it.
    pub(super) connected: bool,
    pub(super) epoch: i64,
    ledger: i64,
    entry: i64,
    index: i32,
    pub(super) messages: i64,
    pub(super) accepted: i64,
    pub(super) duplicates: i64,
    pub(super) rejected: i64,
    /// The message behind the gap at which it has stopped.
    pub(super) gap: Option<String>,
    /// Messages of the log in PostgreSQL that wait; a topic's broker knows its own.
    pub(super) unread: Option<i64>,
    pub(super) watermark: Option<DateTime<Utc>>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Sessions are named for their line, see sinks/src/session.rs; PostgreSQL cuts names at 63 bytes.
const ALL: &str = "
SELECT l.flow, l.source, l.owner, l.epoch, l.ledger, l.entry, l.index, l.messages, l.accepted, l.duplicates, l.rejected,
       CASE WHEN (l.ledger, l.entry) < (split_part(l.gap, ':', 1)::bigint, split_part(l.gap, ':', 2)::bigint) THEN l.gap END AS gap,
       EXISTS (SELECT FROM pg_stat_activity a
               WHERE a.datname = current_database()
                 AND a.application_name = left('alpes ' || l.flow || ' ' || l.source, 63)) AS connected,
       h.next - 1 - l.entry AS unread, l.watermark, l.updated_at
FROM lines l LEFT JOIN log_heads h ON l.flow = h.flow AND l.source = 'log-' || h.partition
ORDER BY l.flow DESC, l.source";

/// Every line that there ever was.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<StoredLine>, sqlx::Error> {
    sqlx::query_as(ALL).fetch_all(connection).await
}

/// Lets the lines of `source` go on behind a gap; returns how many there are.
pub(super) async fn accept_gap(
    connection: &mut PgConnection,
    source: &str,
    position: Position,
) -> Result<u64, sqlx::Error> {
    let update = "UPDATE lines SET gap_accepted = $2, gap = NULL WHERE source = $1";
    let done = sqlx::query(update).bind(source).bind(position.to_string()).execute(connection).await?;
    Ok(done.rows_affected())
}

impl StoredLine {
    pub(super) const fn position(&self) -> Position {
        Position { ledger: self.ledger, entry: self.entry, index: self.index }
    }

    /// How far its watermark is behind, in seconds.
    pub(super) fn lag_seconds(&self, now: Timestamp) -> Option<i64> {
        let watermark = Timestamp::from(self.watermark?);
        Some((now.micros() - watermark.micros()).max(0) / 1_000_000)
    }
}
