//! Waiting for a line to commit a position, however many requests wait at once.

use schemas::Position;
use sinks::Receipt;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How often positions are read while somebody waits: well below an epoch's time, and one small query for all.
const POLL: Duration = Duration::from_millis(10);
/// The pause after a failed read: the database is away, and those who wait have a time limit of their own.
const POLL_FAILED: Duration = Duration::from_millis(200);

/// The position that each line has committed, with its flow and source: a dozen of them, so a list does.
type Committed = Vec<(String, String, Position)>;

/// Follows the lines' positions, only while somebody waits for one.
#[derive(Debug)]
pub(crate) struct Positions {
    committed: watch::Sender<Committed>,
    wanted: Arc<Notify>,
    follower: JoinHandle<()>,
}

impl Positions {
    /// Starts the one task that reads positions; it sleeps until somebody waits.
    pub(crate) fn start(pool: PgPool) -> Self {
        let (committed, wanted) = (watch::Sender::new(Committed::new()), Arc::new(Notify::new()));
        let follower = tokio::spawn(follow(pool, committed.clone(), wanted.clone()));
        Self { committed, wanted, follower }
    }

    /// Waits until the command of `receipt` has been dealt with, at most `limit`; whether it has.
    pub(crate) async fn wait(&self, receipt: &Receipt, limit: Duration) -> bool {
        let mut committed = self.committed.subscribe();
        self.wanted.notify_one();
        let is_line = |flow: &str, source: &str| flow == receipt.flow.name() && *source == *receipt.source;
        let reached =
            |lines: &Committed| lines.iter().any(|(flow, source, at)| is_line(flow, source) && *at >= receipt.position);
        matches!(timeout(limit, committed.wait_for(reached)).await, Ok(Ok(_)))
    }
}

impl Drop for Positions {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

async fn follow(pool: PgPool, committed: watch::Sender<Committed>, wanted: Arc<Notify>) {
    loop {
        if committed.receiver_count() == 0 {
            wanted.notified().await;
        }
        match read(&pool).await {
            Ok(lines) => {
                committed.send_replace(lines);
                sleep(POLL).await;
            }
            Err(error) => {
                tracing::debug!(%error, "the lines' positions cannot be read");
                sleep(POLL_FAILED).await;
            }
        }
    }
}

/// Every line over the log and over topics (files are nobody's to wait for); of a topic that was made again the newest.
/// A receipt knows the topic's name without its incarnation.
const READ: &str = "
SELECT DISTINCT ON (1, 2) flow, split_part(source, '@', 1), ledger, entry, index
FROM lines WHERE source LIKE 'log-%' OR source LIKE '%@%'
ORDER BY 1, 2, split_part(source, '@', 2) DESC";

async fn read(pool: &PgPool) -> Result<Committed, sqlx::Error> {
    let lines: Vec<(String, String, i64, i64, i32)> = sqlx::query_as(READ).fetch_all(pool).await?;
    let line = |(flow, source, ledger, entry, index)| (flow, source, Position { ledger, entry, index });
    Ok(lines.into_iter().map(line).collect())
}
