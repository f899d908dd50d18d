//! `alpes up`: every role in one process.

use super::CommandError;
use crate::config::{Relay, Settings};
use crate::process::Process;
use crate::shutdown::Shutdown;
use crate::{console, listen};

/// Arguments of `alpes up`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs until it is asked to stop.
pub async fn run(_args: Args, settings: Settings) -> Result<(), CommandError> {
    let shutdown = Shutdown::on_signals()?;
    let http = listen::bind("ALPES_HTTP", &settings.http).await?;
    let queries = listen::bind("ALPES_QUERIES", &settings.queries).await?;
    let screen = first_screen(&http.local_addr()?.to_string(), &queries.local_addr()?.to_string());
    let mut process = Process::start(&settings, shutdown).await?;
    process.serve(http, api::commands_router(process.state()));
    process.serve(queries, api::queries_router(process.state()));
    process.run_dataflows(&settings, None);
    if settings.relay == Relay::On {
        process.run_relay();
    }
    console::line(screen);
    process.run().await
}

/// Where everything is, and two lines to try.
fn first_screen(http: &str, queries: &str) -> String {
    format!(
        "
  Alpes is running. Ctrl-C stops it; nothing that was accepted is lost.

    commands and queries   http://{http}
    queries alone          http://{queries}/tracking/queries
    metrics and health     http://{http}/metrics  http://{http}/health/ready
    description            http://{http}/openapi.json

  Try it:

    curl -s http://{http}/tracking/conversiones -H 'Content-Type: application/json' \\
      -d '{{\"id\":\"conv-1\",\"campaña_id\":\"cmp-1\",\"influencer_id\":\"inf-1\",\"valor\":19.99,\"moneda\":\"USD\"}}'
    curl -s http://{http}/tracking/queries/campanas/cmp-1/estadisticas
"
    )
}
