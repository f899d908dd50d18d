//! `alpes pipeline`: the dataflows, without the API.

use sinks::Flow;

use super::CommandError;
use crate::config::{Relay, Settings};
use crate::listen;
use crate::process::Process;
use crate::shutdown::Shutdown;

/// Arguments of `alpes pipeline`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run the lines of one flow only
    #[arg(long, value_enum, value_name = "FLOW")]
    flow: Option<FlowName>,
}

/// A flow, on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FlowName {
    /// Impressions, clicks, conversions; and the closer
    Tracking,
    /// Campaigns
    Campaigns,
}

impl From<FlowName> for Flow {
    fn from(name: FlowName) -> Self {
        match name {
            FlowName::Tracking => Self::Tracking,
            FlowName::Campaigns => Self::Campaigns,
        }
    }
}

/// Runs until it is asked to stop. Health and metrics are on the port of ALPES_HTTP: beside an `alpes api` on the same
/// machine it needs another one.
pub async fn run(args: Args, settings: Settings) -> Result<(), CommandError> {
    let shutdown = Shutdown::on_signals()?;
    let listener = listen::bind("ALPES_HTTP", &settings.http).await?;
    let mut process = Process::start(&settings, shutdown).await?;
    process.serve(listener, api::status_router(process.state()));
    process.run_dataflows(&settings, args.flow.map(Flow::from));
    if settings.relay == Relay::On {
        process.run_relay();
    }
    process.run().await
}
