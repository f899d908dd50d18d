//! `alpes queries`: queries alone, on the port for queries.

use super::CommandError;
use crate::config::Settings;
use crate::listen;
use crate::process::Process;
use crate::shutdown::Shutdown;

/// Arguments of `alpes queries`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs until it is asked to stop.
pub async fn run(_args: Args, settings: Settings) -> Result<(), CommandError> {
    let shutdown = Shutdown::on_signals()?;
    let listener = listen::bind("ALPES_QUERIES", &settings.queries).await?;
    let mut process = Process::start(&settings, shutdown).await?;
    process.serve(listener, api::queries_router(process.state()));
    process.run().await
}
