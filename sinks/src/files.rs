//! `files`: the files that were or are being read, so that one is read once, whatever happens in between.

use chrono::{DateTime, Utc};
use schemas::Timestamp;
use sqlx::PgConnection;

/// What is known of a file.
#[derive(Debug, Clone, Copy)]
pub struct FileRecord {
    /// When it was first started: the publish time of all its lines.
    pub started_at: Timestamp,
    /// How many partitions its lines are dealt out to; as it was begun.
    pub partitions: usize,
    /// When it was read to the end.
    pub finished_at: Option<Timestamp>,
}

/// Registers a file, or finds it again.
pub async fn register(
    connection: &mut PgConnection,
    digest: &str,
    name: &str,
    bytes: u64,
    partitions: usize,
) -> Result<FileRecord, sqlx::Error> {
    let insert = "INSERT INTO files (digest, name, bytes, partitions) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    sqlx::query(insert)
        .bind(digest)
        .bind(name)
        .bind(bytes as i64)
        .bind(partitions as i32)
        .execute(&mut *connection)
        .await?;
    let (started_at, partitions, finished_at): (DateTime<Utc>, i32, Option<DateTime<Utc>>) =
        sqlx::query_as("SELECT started_at, partitions, finished_at FROM files WHERE digest = $1")
            .bind(digest)
            .fetch_one(connection)
            .await?;
    let partitions = partitions as usize;
    Ok(FileRecord { started_at: started_at.into(), partitions, finished_at: finished_at.map(Into::into) })
}

/// Notes that every line of the file has been committed.
pub async fn finish(connection: &mut PgConnection, digest: &str) -> Result<(), sqlx::Error> {
    let finish = "UPDATE files SET finished_at = clock_timestamp() WHERE digest = $1 AND finished_at IS NULL";
    sqlx::query(finish).bind(digest).execute(connection).await?;
    Ok(())
}
