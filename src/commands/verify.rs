//! `alpes verify`: everything computed again the simple way, and compared.

use serde_json::json;
use sqlx::postgres::PgConnectOptions;

use super::CommandError;
use crate::cluster::Cluster;
use crate::config::Settings;
use crate::console;
use crate::verify::{Difference, Outcome, verify};

/// Arguments of `alpes verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Compares, and fails on any difference.
pub async fn run(args: Args, settings: Settings) -> Result<(), CommandError> {
    let cluster = Cluster::join(&settings.cluster()).await?;
    let outcome = compare(&args, &cluster.connect_options()).await;
    cluster.leave().await?;
    outcome
}

async fn compare(args: &Args, options: &PgConnectOptions) -> Result<(), CommandError> {
    sinks::migrate(options).await?;
    let done = |outcome: &Outcome| {
        if !args.json {
            print(outcome);
        }
    };
    let outcomes = verify(options, done).await?;
    let wrong = outcomes.iter().filter(|outcome| outcome.different > 0).count();
    if args.json {
        console::line(json!({"equal": wrong == 0, "checks": outcomes}));
    }
    if wrong > 0 {
        return Err(format!("{wrong} of {} comparisons found differences", outcomes.len()).into());
    }
    Ok(())
}

fn print(outcome: &Outcome) {
    let Outcome { name, compared, different, elapsed, examples, note } = outcome;
    let verdict = if *different == 0 { "equal" } else { "WRONG" };
    let seconds = format!("{}.{:03}", elapsed.as_secs(), elapsed.subsec_millis());
    console::line(format!("{verdict}  {name:<34} {compared:>12} compared {different:>8} differ {seconds:>9} s"));
    if let Some(note) = note {
        console::line(format!("       {note}"));
    }
    for Difference { key, expected, found } in examples {
        let (expected, found) = (expected.as_deref().unwrap_or("nothing"), found.as_deref().unwrap_or("nothing"));
        console::line(format!("       {}", console::printable(&format!("{key}: expected {expected}, found {found}"))));
    }
}
