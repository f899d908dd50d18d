//! Daily partitions: made ahead of the day, never while rows wait for them; and what their BRIN indexes know of them.

use chrono::{Days, NaiveDate};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::locks;

/// The tables that are kept in days.
pub const DAILY_TABLES: [&str; 3] = ["log", "impressions", "conversions"];
/// How long pages may wait to become known to their index while a vacuum works on them. Less than what makes PostgreSQL
/// end the vacuum for us.
const SUMMARIZE_LOCK_MAX: &str = "SET LOCAL lock_timeout = '50ms'";
/// PostgreSQL's code for a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Makes sure that the partitions of `day` and of the day after exist.
pub async fn ensure_day(connection: &mut PgConnection, day: NaiveDate) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    locks::exclusive(&mut transaction, locks::DAYS).await?;
    for day in [Some(day), day.checked_add_days(Days::new(1))].into_iter().flatten() {
        for table in DAILY_TABLES {
            ensure_partition(&mut transaction, table, day).await?;
        }
    }
    transaction.commit().await
}

async fn ensure_partition(connection: &mut PgConnection, table: &str, day: NaiveDate) -> Result<(), sqlx::Error> {
    let name = partition_name(table, day);
    let exists = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&name);
    if exists.fetch_one(&mut *connection).await? {
        return Ok(());
    }
    // Made first and attached then: attaching waits for nobody who is writing other days.
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    let create = format!(
        "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION);
         ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{next}')"
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(connection).await?;
    Ok(())
}

/// Makes new pages of raw rows known to the BRIN indexes on their positions, in the days from `since` on. Until then whoever
/// looks for a position reads all of them. PostgreSQL does so by itself once in a while, for 256 stretches at most: as many
/// as lines fill in a second.
pub async fn summarize(connection: &mut PgConnection, since: NaiveDate) -> Result<(), sqlx::Error> {
    let summarize = format!(
        "SELECT brin_summarize_new_values(i.inhrelid::regclass) FROM pg_inherits i
         JOIN pg_index x ON x.indexrelid = i.inhrelid
         JOIN pg_class t ON t.oid = x.indrelid
         WHERE i.inhparent IN ('impressions_position'::regclass, 'conversions_position'::regclass)
           AND right(t.relname, 8) >= '{}'",
        since.format("%Y%m%d")
    );
    let statements = format!("BEGIN; {SUMMARIZE_LOCK_MAX}; {summarize}; COMMIT");
    match sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *connection).await {
        Err(sqlx::Error::Database(busy)) if busy.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {
            sqlx::raw_sql("ROLLBACK").execute(connection).await?;
            Ok(())
        }
        summarized => summarized.map(drop),
    }
}

/// The name of a table's partition of a day: `log_20260131`.
pub fn partition_name(table: &str, day: NaiveDate) -> String {
    format!("{table}_{}", day.format("%Y%m%d"))
}

/// The days that a table has partitions of, oldest first.
pub async fn partitions(connection: &mut PgConnection, table: &str) -> Result<Vec<NaiveDate>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = $1::regclass ORDER BY 1",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    let day = |name: &String| NaiveDate::parse_from_str(name.rsplit('_').next()?, "%Y%m%d").ok();
    Ok(names.iter().filter_map(day).collect())
}
