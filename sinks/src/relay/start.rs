//! Where the relay begins in a database that has counted before.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::lines::RELAYED;
use crate::{SinkError, session};

/// Remembers, once and for all, where announcing begins: before the first row where `from_first_row`, else behind what
/// was counted until now. To be called before the first line runs, so that not one event of a new database is lost; when
/// it was called before, nothing changes.
pub async fn begin(options: &PgConnectOptions, from_first_row: bool) -> Result<(), SinkError> {
    let mut connection = session::connect(options, "relay start").await?;
    let mut transaction = connection.begin().await?;
    // A day earlier, since the clocks of hosts differ.
    let insert = "INSERT INTO relay_start (first_day)
                  VALUES (CASE WHEN $1 THEN DATE '1970-01-01' ELSE current_date - 1 END) ON CONFLICT DO NOTHING";
    let first = sqlx::query(insert).bind(from_first_row).execute(&mut *transaction).await?.rows_affected() == 1;
    if first && !from_first_row {
        pass_over(&mut transaction).await?;
    }
    Ok(transaction.commit().await?)
}

async fn pass_over(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lines = format!(
        "INSERT INTO relay_positions (line, ledger, entry, index, day, events)
         SELECT l.line, l.ledger, l.entry, l.index, current_date - 1, l.accepted - l.reversals - l.unstored FROM lines l WHERE {RELAYED}"
    );
    sqlx::query(sqlx::AssertSqlSafe(lines)).execute(&mut *connection).await?;
    sqlx::query("UPDATE outbox SET relayed_at = now() WHERE relayed_at IS NULL").execute(connection).await?;
    Ok(())
}
