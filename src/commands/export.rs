//! `alpes export`: windows, amounts or rejects as CSV.

use std::path::PathBuf;

use super::CommandError;
use crate::config::Settings;

/// Arguments of `alpes export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to write
    #[arg(value_enum)]
    pub table: Table,
    /// File to write; else standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Table {
    /// Counts by window
    Ventanas,
    /// Amounts and commissions by window and currency
    Valores,
    /// Rejects by code
    Rechazos,
}

/// Writes the table.
pub async fn run(_args: Args, _settings: Settings) -> Result<(), CommandError> {
    Err("export is not in this version".into())
}
