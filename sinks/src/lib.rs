//! Everything that writes to PostgreSQL: the log, and the epochs of the lines.
//!
//! Reading order: [`epoch`] (one transaction of one line), then the tables it writes, one file each, in lock order:
//! [`claims`], [`impressions`], [`conversions`], [`reversals`], [`windows`], [`totals`], [`rollups`], [`late`],
//! [`rejects`], [`campaigns`] with what changes them, [`terms`], [`outbox`]. [`closer`] closes windows, [`ledger`] posts
//! what has changed, [`log`] is where commands come from, [`relay`] announces what was counted.

mod campaign_edits;
mod campaign_states;
pub mod campaigns;
pub mod claims;
pub mod closer;
pub mod conversions;
pub mod copy;
pub mod days;
pub mod epoch;
pub mod error;
pub mod files;
pub mod impressions;
mod influencers;
pub mod late;
pub mod ledger;
pub mod line;
pub mod locks;
pub mod log;
mod memberships;
pub mod names;
pub mod outbox;
pub mod pulsar;
mod raw_days;
mod recent;
pub mod rejects;
pub mod relay;
pub mod reversals;
pub mod rollups;
pub mod session;
mod suspects;
pub mod terms;
pub mod totals;
pub mod windows;

pub use epoch::Epoch;
pub use error::SinkError;
pub use ledger::Ledger;
pub use line::{Line, PostgresSink};
pub use log::{ChunkKey, Flow, LogEntry, LogError, LogWriter, PartitionKey, PostgresLog, PulsarLog, Receipt};

use sqlx::postgres::PgConnectOptions;
use std::sync::LazyLock;

/// The one tenant, `default`, until API keys bring more.
pub const TENANT: i16 = 1;

/// The name of this process among all that work on one database: host, process and a few digits, for people and for
/// the broker.
pub fn worker() -> &'static str {
    static WORKER: LazyLock<String> = LazyLock::new(|| {
        let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
        let host = host.or_else(|| std::fs::read_to_string("/etc/hostname").ok());
        let host = host.as_deref().map_or("alpes", str::trim);
        let digits = &uuid::Uuid::new_v4().simple().to_string()[..4];
        format!("{host}-{}-{digits}", std::process::id())
    });
    &WORKER
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Brings the schema up to date; processes that start together wait for one another.
pub async fn migrate(options: &PgConnectOptions) -> Result<(), SinkError> {
    let mut connection = session::connect(options, "migrate").await?;
    MIGRATIONS.run_direct(None, &mut connection, false).await?;
    days::ensure_day(&mut connection, schemas::Timestamp::now().date()).await?;
    Ok(())
}
