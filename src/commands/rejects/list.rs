//! `alpes rejects list`: the newest, one a line.

use schemas::Timestamp;
use serde_json::Value;
use sqlx::PgConnection;

use super::stored::{Stored, newest};
use super::{CommandError, codes};
use crate::console;

/// Rejects of one list at most: what a terminal still shows. `export` writes all.
const LIMIT_MAX: i64 = 10_000;

/// Arguments of `alpes rejects list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those with this code
    #[arg(long, value_name = "CODE", value_parser = codes())]
    code: Option<String>,
    /// This many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=LIMIT_MAX))]
    limit: u32,
    /// Those too that a replay has resolved
    #[arg(long)]
    resolved: bool,
}

pub(super) async fn run(args: &Args, json: bool, connection: &mut PgConnection) -> Result<(), CommandError> {
    let rejects = newest(connection, args.code.as_deref(), args.resolved, args.limit).await?;
    if json {
        console::line(rejects.iter().map(Stored::json).collect::<Value>());
        return Ok(());
    }
    console::line(format!("{:>10}  {:<20}  {:<9}  {:<19}  DETAIL", "ID", "REJECTED", "STATE", "CODE"));
    rejects.iter().for_each(|reject| console::line(line(reject)));
    if rejects.len() == args.limit as usize {
        console::line(format!("the newest {}; more with --limit", args.limit));
    }
    Ok(())
}

fn line(reject: &Stored) -> String {
    let Stored { reject: id, code, detail, .. } = reject;
    let at = Timestamp::from(reject.rejected_at).floor(std::time::Duration::from_secs(1)).to_string();
    format!("{id:>10}  {at:<20}  {:<9}  {code:<19}  {}", reject.state(), console::printable(detail))
}
