//! The ledger: what has changed is settled, and the difference to what was posted before is posted.
//!
//! Epochs and the closer leave `marks`. Whoever leads the ledger takes some of them away, reads what they name
//! (`inputs`), and writes what comes of it (`accruals`, `commissions`, `postings`, `balances`, `held`) with its
//! `events`: one transaction, so that a crash leaves the marks where they were. There is one writer, hence one order.

mod accruals;
mod balances;
mod commissions;
mod events;
pub mod hash;
mod held;
pub mod history;
mod inputs;
pub(crate) mod marks;
mod postings;
pub mod rules;

use schemas::commission::{Rules, Settled, Unsettled};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{SinkError, locks, session};
use marks::Mark;

/// Hours of influencers that are settled in one transaction: a few thousand windows and conversions to read.
const HOURS_AT_ONCE: i64 = 5_000;

/// The one that posts, on a connection of its own.
#[derive(Debug)]
pub struct Ledger {
    connection: PgConnection,
    rules: Arc<Rules>,
    /// Marks are taken in the order of their keys, round and round, so that the busy do not starve the others.
    after: Mark,
    /// The marks that the transaction under way took.
    taken: BTreeSet<Mark>,
    /// What the lines had counted when it was last looked at.
    counted: i64,
}

impl Ledger {
    /// Becomes the one that posts in this database, until the connection ends; none while somebody else does.
    pub async fn lead(options: &PgConnectOptions) -> Result<Option<Self>, SinkError> {
        let mut connection = session::connect(options, "ledger").await?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(locks::LEDGER);
        let leads: bool = lock.fetch_one(&mut connection).await?;
        let (rules, taken) = (Arc::default(), BTreeSet::new());
        Ok(leads.then_some(Self { connection, rules, after: Mark::FIRST, taken, counted: 0 }))
    }

    /// Lets somebody else lead, at once.
    pub async fn resign(&mut self) -> Result<(), SinkError> {
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(locks::LEDGER).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Whether lines have counted anything since this was last asked.
    pub async fn lines_have_counted(&mut self) -> Result<bool, SinkError> {
        let counted = "SELECT coalesce(sum(messages), 0)::bigint FROM lines";
        let counted: i64 = sqlx::query_scalar(counted).fetch_one(&mut self.connection).await?;
        Ok(counted != std::mem::replace(&mut self.counted, counted))
    }

    /// Begins a transaction that takes marks away, and reads what they name. Nothing, and no transaction, if there are
    /// none.
    pub async fn take(&mut self) -> Result<Vec<Unsettled>, SinkError> {
        marks::find_reversed(&mut self.connection).await?;
        sqlx::raw_sql("BEGIN").execute(&mut self.connection).await?;
        let marks = marks::take(&mut self.connection, &mut self.after, HOURS_AT_ONCE).await?;
        if marks.is_empty() {
            sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await?;
            return Ok(Vec::new());
        }
        fail::fail_point!("ledger::taken", |_| std::process::abort());
        self.taken = marks.keys().copied().collect();
        // A statement of its own: what is read from here on holds at least what the marks were left for.
        Ok(inputs::read(&mut self.connection, &mut self.rules, &marks).await?)
    }

    /// Writes what came of it, and commits. Returns the number of postings.
    pub async fn post(&mut self, settled: &[Settled]) -> Result<u64, SinkError> {
        let connection = &mut self.connection;
        accruals::write(connection, settled).await?;
        let mut head = postings::Head::hold(connection).await?;
        let numbers = commissions::write(connection, &mut head, settled).await?;
        let posted = postings::write(connection, &mut head, settled, &numbers).await?;
        balances::add(connection, &posted).await?;
        events::announce(connection, &posted).await?;
        held::judge(connection, &self.taken, &posted).await?;
        fail::fail_point!("ledger::posted", |_| std::process::abort());
        head.move_on(connection).await?;
        sqlx::raw_sql("COMMIT").execute(connection).await?;
        fail::fail_point!("ledger::committed", |_| std::process::abort());
        Ok(posted.len() as u64)
    }
}
