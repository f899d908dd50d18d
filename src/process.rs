//! A long-running process: its PostgreSQL, its log, its parts, and their orderly end.

use std::sync::Arc;
use std::time::Duration;

use api::ApiState;
use axum::Router;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use pipeline::run::LineContext;
use pipeline::ticker::{self, TickerSettings};
use pipeline::{log, poster, supervisor};
use sinks::log::LANES;
use sinks::pulsar::PulsarSettings;
use sinks::{Flow, LogWriter, PostgresLog, PulsarLog, SinkError, relay};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::commands::CommandError;
use crate::config::{RelayFrom, Settings};
use crate::shutdown::Shutdown;

/// Upper bounds in seconds of the buckets of every duration: from a cached read to an outage.
const SECONDS_BUCKETS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the buckets of batch sizes.
const MESSAGES_BUCKETS: [f64; 8] = [1.0, 10.0, 100.0, 1_000.0, 5_000.0, 10_000.0, 25_000.0, 50_000.0];

/// How often recorded durations are sorted into their buckets; in between they are kept one by one.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// How often a database that was not there is looked for.
const DATABASE_AWAY: Duration = Duration::from_secs(5);

async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(METRICS_UPKEEP).await;
        metrics.run_upkeep();
    }
}

fn in_broker(settings: PulsarSettings) -> LogWriter {
    LogWriter::start_lanes((0..LANES).map(|_| PulsarLog::new(settings.clone())))
}

/// Brings the schema up to date once there is a database.
async fn migrate_later(options: PgConnectOptions) {
    while let Err(error) = sinks::migrate(&options).await {
        tracing::warn!(%error, "still no database");
        tokio::time::sleep(DATABASE_AWAY).await;
    }
}

/// What the roles of one process share.
#[derive(Debug)]
pub struct Process {
    cluster: Cluster,
    options: PgConnectOptions,
    /// The log in PostgreSQL, whose idle partitions need ticks wherever commands go.
    ticks: LogWriter,
    pulsar: Option<PulsarSettings>,
    state: Arc<ApiState>,
    shutdown: Shutdown,
    parts: JoinSet<Result<(), CommandError>>,
}

impl Process {
    /// Joins the cluster, brings the schema up to date and opens the log.
    pub async fn start(settings: &Settings, shutdown: Shutdown) -> Result<Self, CommandError> {
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_messages".into()), &MESSAGES_BUCKETS)?
            .install_recorder()?;
        tokio::spawn(keep_up(metrics.clone()));
        let cluster = Cluster::join(&settings.cluster()).await?;
        let options = cluster.connect_options();
        let pulsar = settings.pulsar();
        match sinks::migrate(&options).await {
            Err(SinkError::Database(sqlx::Error::Io(error))) if pulsar.is_some() => {
                tracing::warn!(%error, "no database yet; with a broker, commands are taken in all the same");
                tokio::spawn(migrate_later(options.clone()));
            }
            Ok(()) if pulsar.is_some() => {
                // Before the first line runs: what it commits is to be announced, whoever relays and whenever.
                relay::begin(&options, settings.relay_from == RelayFrom::Beginning).await?;
            }
            outcome => outcome?,
        }
        let ticks = LogWriter::start(PostgresLog::new(options.clone()));
        let log = pulsar.clone().map_or_else(|| ticks.clone(), in_broker);
        let state = ApiState::new(log, api::read_pool(&options), operators::commission::settle, metrics);
        Ok(Self { cluster, options, ticks, pulsar, state, shutdown, parts: JoinSet::new() })
    }

    /// What a router answers from.
    pub fn state(&self) -> Arc<ApiState> {
        self.state.clone()
    }

    /// Serves `router` until the process stops.
    pub fn serve(&mut self, listener: TcpListener, router: Router) {
        let shutdown = self.shutdown.clone();
        self.parts.spawn(async move {
            api::serve(listener, router, async { shutdown.requested().await }).await;
            Ok(())
        });
    }

    /// Runs the lines over the log and its topics, the closer and the ledger; of one flow only, if it is given.
    pub fn run_dataflows(&mut self, settings: &Settings, flow: Option<Flow>) {
        let context = LineContext {
            options: self.options.clone(),
            keep: settings.keep(),
            appended: log::follow_appends(self.options.clone()),
            shutdown: self.shutdown.watch(),
            only: flow,
        };
        let pulsar = self.pulsar.clone();
        self.parts.spawn(async move { Ok(supervisor::run_lines(context, pulsar).await?) });
        if flow == Some(Flow::Campaigns) {
            return;
        }
        let ticks = TickerSettings { grace: settings.grace, retention_days: settings.log_retention_days.into() };
        let (options, log, shutdown) = (self.options.clone(), self.ticks.clone(), self.shutdown.watch());
        let pulsar = self.pulsar.clone();
        self.parts.spawn(async move {
            ticker::run(options, log, pulsar, ticks, shutdown).await;
            Ok(())
        });
        let (options, shutdown) = (self.options.clone(), self.shutdown.watch());
        self.parts.spawn(async move {
            poster::run(options, shutdown).await;
            Ok(())
        });
    }

    /// Publishes what was counted as events, where there is a broker.
    pub fn run_relay(&mut self) {
        let Some(pulsar) = self.pulsar.clone() else { return };
        let (options, shutdown) = (self.options.clone(), self.shutdown.watch());
        self.parts.spawn(async move {
            pipeline::relay::run(options, pulsar, shutdown).await;
            Ok(())
        });
    }

    /// Runs until the process is asked to stop and all parts have finished their work; then leaves the cluster.
    pub async fn run(mut self) -> Result<(), CommandError> {
        let mut outcome = Ok(());
        while let Some(ended) = self.parts.join_next().await {
            outcome = outcome.and(ended.map_err(CommandError::from).and_then(|outcome| outcome));
            // A part that ends before its time takes the process along: half a process would look alive.
            if outcome.is_err() && !self.shutdown.is_requested() {
                break;
            }
        }
        self.parts.shutdown().await;
        self.cluster.leave().await?;
        outcome
    }
}
