//! Runs the relay: reads, publishes, stores, one bounded batch after the other, whatever the broker does meanwhile.

use metrics::{counter, gauge, histogram};
use schemas::Timestamp;
use sinks::pulsar::PulsarSettings;
use sinks::relay::{Backlog, Publisher, Relay};
use sqlx::postgres::PgConnectOptions;
use std::time::{Duration, Instant};
use tokio::sync::watch;

use crate::LineError;
use crate::SourceError;
use crate::supervisor::sleep_unless_stopped;

/// How often an idle relay looks for what was committed: the delay of an event on a quiet day.
const IDLE: Duration = Duration::from_millis(100);
/// How often a standby looks whether the relay is gone.
const STANDBY: Duration = Duration::from_secs(1);
/// The first pause after a failure; doubled with each failure in a row.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: a broker that is back is found no later than this.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a batch that is on its way may hold up the end of the process. What is given up is published again.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Relays until shutdown. Of several processes one does; the others wait for it to go.
pub async fn run(options: PgConnectOptions, pulsar: PulsarSettings, mut shutdown: watch::Receiver<bool>) {
    let mut publisher = Publisher::new(pulsar);
    let mut pause = PAUSE_MIN;
    while !*shutdown.borrow() {
        let started = Instant::now();
        let outcome = lead(&options, &mut publisher, &mut shutdown).await;
        if started.elapsed() > PAUSE_MAX * 4 {
            pause = PAUSE_MIN;
        }
        let wait = match outcome {
            Ok(()) => STANDBY,
            Err(error) => {
                counter!("alpes_relay_failures_total").increment(1);
                tracing::warn!(%error, "the relay stopped; it goes on from what is confirmed");
                pause = (pause * 2).min(PAUSE_MAX);
                pause
            }
        };
        sleep_unless_stopped(wait, &mut shutdown).await;
    }
}

/// Relays until shutdown or the first failure; returns at once while another process does it.
async fn lead(
    options: &PgConnectOptions,
    publisher: &mut Publisher,
    shutdown: &mut watch::Receiver<bool>,
) -> Result<(), LineError> {
    let Some(mut relay) = Relay::lead(options).await? else { return Ok(()) };
    tracing::info!("relaying events");
    while !*shutdown.borrow() {
        let mut batch = relay.read().await?;
        batch.backlog.iter().for_each(show);
        let events = std::mem::take(&mut batch.events);
        let idle = events.is_empty();
        if !idle {
            let begun = Instant::now();
            tokio::select! {
                published = publisher.publish(events) => published.map_err(SourceError::from)?,
                () = stopped_for(STOP_MAX, shutdown.clone()) => return Ok(()),
            }
            histogram!("alpes_relay_publish_seconds").record(begun.elapsed());
            fail::fail_point!("relay::sent", |_| std::process::abort());
        }
        relay.store(&batch).await?;
        if idle {
            sleep_unless_stopped(IDLE, shutdown).await;
        }
    }
    Ok(())
}

/// Ends some time after it is time to stop.
async fn stopped_for(duration: Duration, mut shutdown: watch::Receiver<bool>) {
    // A closed channel means that the process is going down.
    let _ = shutdown.wait_for(|stop| *stop).await;
    tokio::time::sleep(duration).await;
}

/// How far a line is behind, for `/metrics`; only the process that relays shows it.
fn show(backlog: &Backlog) {
    let labels = [("source", backlog.source.clone())];
    let now = Timestamp::now().unix_seconds();
    let lag = backlog.oldest.map_or(0.0, |oldest| seconds_between(oldest.unix_seconds(), now));
    gauge!("alpes_relay_lag_seconds", &labels).set(lag);
    gauge!("alpes_relay_unpublished_events", &labels).set(backlog.events as f64);
    if backlog.missing {
        counter!("alpes_relay_missing_total", &labels).increment(1);
    }
}

/// For metrics only; nothing is computed with it.
#[allow(clippy::float_arithmetic)]
fn seconds_between(from: f64, to: f64) -> f64 {
    (to - from).max(0.0)
}
