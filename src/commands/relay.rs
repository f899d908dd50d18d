//! `alpes relay`: publishes what was counted as events, and nothing else.

use super::CommandError;
use crate::config::Settings;
use crate::listen;
use crate::process::Process;
use crate::shutdown::Shutdown;

/// Arguments of `alpes relay`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs until it is asked to stop. Health and metrics are on the port of ALPES_HTTP.
pub async fn run(_args: Args, settings: Settings) -> Result<(), CommandError> {
    if settings.pulsar().is_none() {
        return Err("there is no broker to publish to: set PULSAR_URL or BROKER_HOST".into());
    }
    let shutdown = Shutdown::on_signals()?;
    let listener = listen::bind("ALPES_HTTP", &settings.http).await?;
    let mut process = Process::start(&settings, shutdown).await?;
    process.serve(listener, api::status_router(process.state()));
    process.run_relay();
    process.run().await
}
