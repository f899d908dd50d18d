//! `alpes pipeline`: the dataflows, without the API.

use super::CommandError;
use crate::config::Settings;
use crate::listen;
use crate::process::Process;
use crate::shutdown::Shutdown;

/// Arguments of `alpes pipeline`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs until it is asked to stop. Health and metrics are on the port of ALPES_HTTP: beside an `alpes api` on the same
/// machine it needs another one.
pub async fn run(_args: Args, settings: Settings) -> Result<(), CommandError> {
    let shutdown = Shutdown::on_signals()?;
    let listener = listen::bind("ALPES_HTTP", &settings.http).await?;
    let mut process = Process::start(&settings, shutdown).await?;
    process.serve(listener, api::status_router(process.state()));
    process.run_dataflows(&settings);
    process.run().await
}
