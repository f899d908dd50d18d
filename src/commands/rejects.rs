//! `alpes rejects`: what was rejected, and another try.

use super::CommandError;
use crate::config::Settings;

/// Arguments of `alpes rejects`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// Results as JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List rejects, newest first
    List {
        /// Only those with this code
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        /// This many at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Show one reject with its raw bytes
    Show {
        /// Its number
        id: String,
    },
    /// Send rejects through the line again
    Replay {
        /// Their numbers
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// Lists, shows or replays.
pub async fn run(_args: Args, _settings: Settings) -> Result<(), CommandError> {
    Err("rejects is not in this version".into())
}
