//! `alpes api`: commands and queries over HTTP, without the dataflows.

use super::CommandError;
use crate::cluster::Cluster;
use crate::config::Settings;
use crate::listen;
use crate::shutdown::Shutdown;

/// Arguments of `alpes api`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs until it is asked to stop.
pub async fn run(_args: Args, settings: Settings) -> Result<(), CommandError> {
    settings.require_postgres_log()?;
    let shutdown = Shutdown::on_signals()?;
    let _listener = listen::bind("ALPES_HTTP", &settings.http).await?;
    let cluster = Cluster::join(&settings.cluster()).await?;
    shutdown.requested().await;
    cluster.leave().await?;
    Ok(())
}
