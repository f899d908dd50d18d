//! `alpes load`: events from a file to a running Alpes, over HTTP.

use std::path::PathBuf;

use super::CommandError;
use crate::config::Settings;

/// Arguments of `alpes load`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NDJSON file, plain, gzip or zstd
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the running Alpes listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// Events per second at most
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// Results as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Sends the events of the file.
pub async fn run(_args: Args, _settings: Settings) -> Result<(), CommandError> {
    Err("load is not in this version".into())
}
