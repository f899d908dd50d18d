//! The PostgreSQL behind a process: the user's own, or an embedded cluster in the data folder.
//!
//! Every process of one data folder shares one cluster. The first one starts it, the last one stops
//! it, and nobody owns it: a process that was killed leaves it running for the next one to adopt.
//! Two lock files say who is there; the system drops their locks with the process, however it ends.
//!
//! - `start.lock`, exclusive: one process at a time makes, starts or repairs the cluster.
//! - `cluster.lock`, shared by all who use it: who gets it exclusively at its own end was the last.

mod account;
mod binaries;
mod configuration;
mod download;
mod error;
mod initdb;
mod lock;
mod places;
mod server;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinHandle;

use crate::config::{DatabaseUrl, PostgresChoice};
use crate::console;
use account::Account;
use binaries::Binaries;
pub use error::ClusterError;
use places::{Home, Places};
use server::Server;

/// A PostgreSQL that died is missed within a second: soon for people, nothing for the processor.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// After a start that failed: long enough not to fill the log, short enough for a disk that was
/// freed.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// What decides which PostgreSQL is used.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The data folder, `ALPES_DATA`.
    pub data: PathBuf,
    /// The binaries of the embedded PostgreSQL, `ALPES_POSTGRES`.
    pub postgres: PostgresChoice,
    /// A PostgreSQL of the user's own, `DATABASE_URL`.
    pub database_url: Option<DatabaseUrl>,
}

/// A PostgreSQL that is there to be used.
///
/// End it with [`Cluster::leave`]. A `Cluster` that is only dropped never blocks and stops nothing:
/// an embedded PostgreSQL then goes on until the next process joins it and leaves.
#[derive(Debug)]
pub struct Cluster {
    options: PgConnectOptions,
    embedded: Option<Membership>,
}

/// One process's part in an embedded cluster.
#[derive(Debug)]
struct Membership {
    server: Arc<Server>,
    /// `cluster.lock`, held shared.
    place: File,
    watch: Watch,
}

impl Cluster {
    /// Uses the PostgreSQL that the settings name, else joins the embedded one: made if it is not
    /// there, started if it does not run, ready when this returns.
    pub async fn join(settings: &ClusterSettings) -> Result<Self, ClusterError> {
        if let Some(url) = &settings.database_url {
            return Ok(Self { options: url.connect_options(), embedded: None });
        }
        let home = Home::open(&settings.data)?;
        let turn = lock::exclusive(&home.start_lock()).await?;
        let place = lock::shared(&home.cluster_lock()).await?;
        let server = Arc::new(server(settings, &home).await?);
        server.make().await?;
        server.ensure_ready().await?;
        drop(turn);

        let watch = Watch(tokio::spawn(keep_running(Arc::clone(&server), home)));
        let options = server.connect_options();
        Ok(Self { options, embedded: Some(Membership { server, place, watch }) })
    }

    /// How to connect to its database.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Leaves the cluster, and stops it if nobody else uses it. Close the connections first: a stop
    /// does not wait for them.
    pub async fn leave(self) -> Result<(), ClusterError> {
        let Some(Membership { server, place, watch }) = self.embedded else {
            return Ok(());
        };
        drop(watch);
        // Unlocked before it is tried: of two that leave at once, the later one then finds nobody.
        if lock::became_exclusive(&place)? { server.stop().await } else { Ok(()) }
    }
}

/// Everything about the cluster that must be known before it is touched.
async fn server(settings: &ClusterSettings, home: &Home) -> Result<Server, ClusterError> {
    let account = Account::choose(home)?;
    let places = Places::settle(home, &account).await?;
    let binaries = Binaries::find(&settings.postgres, &places, &account).await?;
    Ok(Server { account, places, binaries })
}

/// The task that watches over the cluster. Ends with its handle.
#[derive(Debug)]
struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Nobody but Alpes would start an embedded PostgreSQL again that was killed while it was in use.
async fn keep_running(server: Arc<Server>, home: Home) {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        if server.is_running() {
            continue;
        }
        tracing::warn!("the embedded PostgreSQL is gone; starting it again");
        if let Err(error) = restart(&server, &home).await {
            tracing::error!(error = console::chain(&error), "the embedded PostgreSQL does not start");
            tokio::time::sleep(RESTART_PAUSE).await;
        }
    }
}

async fn restart(server: &Server, home: &Home) -> Result<(), ClusterError> {
    let _turn = lock::exclusive(&home.start_lock()).await?;
    server.ensure_ready().await
}
