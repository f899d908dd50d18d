//! Keeps the lines running: a line that stops, for whatever reason, is taken again and goes on from its position.

use sinks::{Flow, SinkError, session};
use sqlx::postgres::PgConnectOptions;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::run::{LineContext, log_line};
use crate::{LineError, SourceError};

/// The first pause before a line is taken again; doubled with each failure in a row.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: recovery after an outage takes no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often a standby looks whether the holder of a line is gone.
const STANDBY: Duration = Duration::from_secs(1);

/// Runs every line over the log, until shutdown; returns when all of them have committed what they had begun.
pub async fn run_lines(context: LineContext) -> Result<(), LineError> {
    let mut lines = JoinSet::new();
    for (flow, partition) in partitions(&context.options).await? {
        lines.spawn(keep_running(context.clone(), flow, partition));
    }
    while let Some(ended) = lines.join_next().await {
        if let Err(panic) = ended {
            // Cannot be told from a defect in the line; the process must not go on as if it were reading.
            std::panic::resume_unwind(panic.into_panic());
        }
    }
    Ok(())
}

async fn partitions(options: &PgConnectOptions) -> Result<Vec<(Flow, i32)>, LineError> {
    let mut connection = session::connect(options, "supervisor").await?;
    let rows: Vec<(i32, String)> =
        sqlx::query_as("SELECT partition, flow FROM log_heads ORDER BY partition").fetch_all(&mut connection).await?;
    let flow = |name: &str| if name == Flow::Campaigns.name() { Flow::Campaigns } else { Flow::Tracking };
    Ok(rows.into_iter().map(|(partition, name)| (flow(&name), partition)).collect())
}

async fn keep_running(context: LineContext, flow: Flow, partition: i32) {
    let mut shutdown = context.shutdown.clone();
    let mut pause = PAUSE_MIN;
    while !*shutdown.borrow() {
        let started = tokio::time::Instant::now();
        let outcome = log_line(&context, flow, partition).await;
        if started.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        let wait = match outcome {
            Ok(()) => continue,
            Err(LineError::Sink(SinkError::Taken(_))) => STANDBY,
            Err(error) => {
                report(flow, partition, &error);
                pause
            }
        };
        pause = (pause * 2).min(PAUSE_MAX);
        sleep_unless_stopped(wait, &mut shutdown).await;
    }
}

fn report(flow: Flow, partition: i32, error: &LineError) {
    metrics::counter!("alpes_line_restarts_total", "flow" => flow.name()).increment(1);
    let flow = flow.name();
    match error {
        LineError::Source(SourceError::Gap { .. }) => {
            tracing::error!(flow, partition, %error, "line stopped: data is missing")
        }
        error => tracing::warn!(flow, partition, %error, "line stopped; it will be taken again"),
    }
}

/// Sleeps, or returns at once when it is time to stop.
pub(crate) async fn sleep_unless_stopped(duration: Duration, shutdown: &mut watch::Receiver<bool>) {
    // Either outcome is fine, and a closed channel means that the process is going down.
    let _ = tokio::time::timeout(duration, shutdown.wait_for(|stop| *stop)).await;
}
