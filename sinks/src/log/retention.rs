//! Retention of the log: whole days, and only what every line has read.

use chrono::NaiveDate;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::days::{partition_name, partitions};

/// Whether every command of a day lies at or below the position of the line that reads its partition.
const READ: &str = r#"
SELECT NOT EXISTS (
    SELECT FROM (SELECT partition, max("offset") AS last FROM log WHERE day = $1 GROUP BY partition) s
    JOIN log_heads h USING (partition)
    LEFT JOIN lines l ON l.flow = h.flow AND l.source = 'log-' || h.partition
    WHERE l.entry IS NULL OR l.entry < s.last
)
"#;

/// Drops the log's days before `keep_from` that have been read to the end; returns them. Positions, claims and rejects
/// do not depend on them. Idempotency keys of chunks go with the days.
pub async fn drop_read_segments(
    connection: &mut PgConnection,
    keep_from: NaiveDate,
) -> Result<Vec<NaiveDate>, sqlx::Error> {
    let mut dropped = Vec::new();
    for day in partitions(connection, "log").await? {
        if day >= keep_from || !sqlx::query_scalar(READ).bind(day).fetch_one(&mut *connection).await? {
            continue;
        }
        let drop = format!("DROP TABLE {}", partition_name("log", day));
        sqlx::query(AssertSqlSafe(drop)).execute(&mut *connection).await?;
        dropped.push(day);
    }
    let forget = "DELETE FROM log_chunks WHERE created_at < $1";
    sqlx::query(forget).bind(keep_from).execute(connection).await?;
    Ok(dropped)
}
