//! `alpes export`: windows, amounts, events, campaigns, commissions or rejects as CSV or NDJSON.

use sqlx::postgres::PgConnectOptions;

use super::CommandError;
use crate::cluster::Cluster;
use crate::config::Settings;
use crate::export::{ExportError, Format, Table, export};
use crate::output::{Output, OutputArgs, unless_reader_left};

/// Arguments of `alpes export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to write
    #[arg(value_enum)]
    pub table: Table,
    /// Where to
    #[command(flatten)]
    pub output: OutputArgs,
    /// As what
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub formato: Format,
    /// The same as --formato ndjson
    #[arg(long, conflicts_with = "formato")]
    pub json: bool,
}

/// Writes the table.
pub async fn run(args: Args, settings: Settings) -> Result<(), CommandError> {
    let cluster = Cluster::join(&settings.cluster()).await?;
    let outcome = write(&args, &cluster.connect_options()).await;
    cluster.leave().await?;
    outcome
}

pub(super) async fn write(args: &Args, options: &PgConnectOptions) -> Result<(), CommandError> {
    let mut output = Output::open(args.output.out.as_deref())?;
    let format = if args.json { Format::Ndjson } else { args.formato };
    sinks::migrate(options).await?;
    match export(options, args.table, format, &mut output).await {
        Ok(()) => unless_reader_left(output.finish())?,
        Err(ExportError::Output(error)) => unless_reader_left(Err(error))?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
