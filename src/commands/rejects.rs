//! `alpes rejects`: what was rejected, and another try.

mod list;
mod replay;
mod show;
mod stored;

use clap::builder::PossibleValuesParser;
use schemas::Code;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::CommandError;
use super::export;
use crate::cluster::Cluster;
use crate::config::Settings;
use crate::export::{Format, Table};
use crate::output::OutputArgs;

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
    List(list::Args),
    /// Show one reject with its raw bytes
    Show {
        /// Its number
        id: i64,
    },
    /// Send rejects through the line again, as they are or mended; twice changes nothing
    Replay(replay::Args),
    /// Write all rejects with their raw bytes
    Export {
        #[command(flatten)]
        output: OutputArgs,
        /// As what
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
        formato: Format,
    },
}

/// Lists, shows, replays or exports.
pub async fn run(args: Args, settings: Settings) -> Result<(), CommandError> {
    let cluster = Cluster::join(&settings.cluster()).await?;
    let outcome = act(args, &cluster.connect_options()).await;
    cluster.leave().await?;
    outcome
}

async fn act(Args { action, json }: Args, options: &PgConnectOptions) -> Result<(), CommandError> {
    sinks::migrate(options).await?;
    let mut connection = options.clone().application_name("alpes rejects").connect().await?;
    match action {
        Action::List(args) => list::run(&args, json, &mut connection).await,
        Action::Show { id } => show::run(id, json, &mut connection).await,
        Action::Replay(args) => replay::run(&args, json, &mut connection, options).await,
        Action::Export { output, formato } => {
            export::write(&export::Args { table: Table::RechazosDetalle, output, formato, json }, options).await
        }
    }
}

/// The codes that a reject can have, for `--code`.
fn codes() -> PossibleValuesParser {
    PossibleValuesParser::new(Code::ALL.map(Code::name))
}
