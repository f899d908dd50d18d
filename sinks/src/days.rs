//! Daily partitions: made ahead of the day, never while rows wait for them.

use chrono::{Days, NaiveDate};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::locks;

/// The tables that are kept in days.
pub const DAILY_TABLES: [&str; 3] = ["log", "impressions", "conversions"];

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
