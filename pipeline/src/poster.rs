//! Runs the ledger: settles what has changed, again and again, in one process of all.

use futures::TryStreamExt;
use metrics::{counter, histogram};
use sinks::Ledger;
use sqlx::postgres::PgConnectOptions;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

use crate::supervisor::sleep_unless_stopped;
use crate::{LineError, flows};

/// How often an idle ledger looks for marks: the delay of a commission on a quiet day.
const IDLE: Duration = Duration::from_millis(200);
/// How long it rests while lines count, in multiples of how long it worked: hours that change all the time are then
/// settled less often, and the lines keep most of the machine. Where none counts it does not rest before all is settled.
const REST: u32 = 2;
/// The longest rest: commissions are never further behind than this and their work.
const REST_MAX: Duration = Duration::from_secs(10);
/// How often a standby looks whether the one that posts is gone; also the pause after a failure.
const STANDBY: Duration = Duration::from_secs(1);

/// Posts until shutdown. Of several processes one does; the others wait for it to go.
pub async fn run(options: PgConnectOptions, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        if let Err(error) = lead(&options, &mut shutdown).await {
            counter!("alpes_ledger_failures_total").increment(1);
            tracing::warn!(%error, "the ledger stopped; it goes on from its marks");
        }
        sleep_unless_stopped(STANDBY, &mut shutdown).await;
    }
}

async fn lead(options: &PgConnectOptions, shutdown: &mut watch::Receiver<bool>) -> Result<(), LineError> {
    let Some(ledger) = Ledger::lead(options).await? else { return Ok(()) };
    let ledger = Arc::new(Mutex::new(ledger));
    while !*shutdown.borrow() {
        let started = Instant::now();
        let Some(posted) = pin!(flows::postings(ledger.clone())).try_next().await? else {
            sleep_unless_stopped(IDLE, shutdown).await;
            continue;
        };
        let worked = started.elapsed();
        counter!("alpes_ledger_postings_total").increment(posted);
        histogram!("alpes_ledger_settling_seconds").record(worked);
        if ledger.lock().await.lines_have_counted().await? {
            sleep_unless_stopped((worked * REST).min(REST_MAX), shutdown).await;
        }
    }
    Ok(())
}

/// Settles all that there is, once; for tools and tests. Whoever leads next need not wait for the connection to end.
pub async fn drain(options: &PgConnectOptions) -> Result<u64, LineError> {
    let Some(ledger) = Ledger::lead(options).await? else { return Ok(0) };
    let ledger = Arc::new(Mutex::new(ledger));
    let posted = flows::postings(ledger.clone()).try_fold(0, async |sum, posted| Ok(sum + posted)).await?;
    ledger.lock().await.resign().await?;
    Ok(posted)
}
