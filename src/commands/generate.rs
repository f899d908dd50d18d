//! `alpes generate`: made-up events, the same for the same seed.

use std::path::PathBuf;

use super::CommandError;
use crate::config::Settings;

/// Arguments of `alpes generate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many events
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub events: u64,
    /// The same seed gives the same events
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// File to write; else standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Writes the events as NDJSON.
pub async fn run(_args: Args, _settings: Settings) -> Result<(), CommandError> {
    Err("generate is not in this version".into())
}
