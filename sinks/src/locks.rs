//! The advisory locks, all in one place. PostgreSQL keeps them per database.

use sqlx::PgConnection;

/// Facts: shared by every epoch, exclusive for those who change facts.
pub const FACTS: i64 = 1;
/// Making daily partitions.
pub const DAYS: i64 = 2;
/// Being the closer.
pub const CLOSER: i64 = 3;
/// Bringing the schema up to date.
pub const MIGRATIONS: i64 = 4;
/// First half of the two-part key of a line (the second is its number).
pub const LINE: i32 = 5;
/// Being the relay.
pub const RELAY: i64 = 6;
/// Being the one that posts.
pub const LEDGER: i64 = 7;

/// Takes a lock until the end of the transaction.
pub async fn exclusive(connection: &mut PgConnection, lock: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(connection).await?;
    Ok(())
}
