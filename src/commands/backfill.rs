//! `alpes backfill`: events from files, through the same line as all others, exactly once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::builder::RangedU64ValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use pipeline::backfill::{PARTITIONS, PARTITIONS_MAX, Progress, Summary, backfill};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;

use super::CommandError;
use crate::cluster::Cluster;
use crate::config::Settings;
use crate::console;

/// How often the progress bar is drawn anew.
const REDRAW: Duration = Duration::from_millis(200);

/// Arguments of `alpes backfill`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NDJSON files, plain, gzip or zstd; a finished one is left alone
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Lines that read a file at once; one that was begun goes on with as many as it began with
    #[arg(
        long, value_name = "N", default_value_t = PARTITIONS,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=PARTITIONS_MAX as u64)
    )]
    pub partitions: usize,
    /// Results as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Counts the events of the files, one file after the other.
pub async fn run(args: Args, settings: Settings) -> Result<(), CommandError> {
    let cluster = Cluster::join(&settings.cluster()).await?;
    let options = cluster.connect_options();
    let outcome = read_all(&args, &settings, &options).await;
    cluster.leave().await?;
    outcome
}

async fn read_all(args: &Args, settings: &Settings, options: &PgConnectOptions) -> Result<(), CommandError> {
    sinks::migrate(options).await?;
    for path in &args.files {
        let started = Instant::now();
        let progress = Progress::default();
        let bar = tokio::spawn(draw(bar(path)?, progress.clone()));
        let read = backfill(options, path, args.partitions, settings.keep(), progress.clone()).await;
        bar.abort();
        let summary = read.map_err(|error| format!("{}: {error}", path.display()))?;
        report(args.json, path, &summary, progress.lines_committed(), started.elapsed());
    }
    Ok(())
}

fn bar(path: &Path) -> Result<ProgressBar, CommandError> {
    let bytes = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    let style = "{prefix} {bar:30} {percent}% {bytes}/{total_bytes} {msg} ETA {eta}";
    let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(style)?);
    Ok(bar.with_prefix(path.display().to_string()))
}

async fn draw(bar: ProgressBar, progress: Progress) {
    let started = Instant::now();
    loop {
        tokio::time::sleep(REDRAW).await;
        let lines = progress.lines_committed();
        bar.set_position(progress.bytes_read());
        bar.set_message(format!("{lines} lines, {}/s", per_second(lines, started.elapsed())));
    }
}

fn report(as_json: bool, path: &Path, summary: &Summary, committed: u64, elapsed: Duration) {
    let Summary { lines, accepted, duplicates, rejected, was_finished } = *summary;
    let rate = per_second(committed, elapsed);
    if as_json {
        console::line(json!({
            "file": path, "lines": lines, "accepted": accepted, "duplicates": duplicates, "rejected": rejected,
            "already_finished": was_finished, "lines_this_run": committed, "seconds": elapsed.as_millis() as u64 / 1000,
            "milliseconds": elapsed.as_millis() as u64, "lines_per_second": rate,
        }));
        return;
    }
    let path = path.display();
    if was_finished {
        console::line(format!("{path}: finished before, nothing to do ({lines} lines)"));
    } else {
        let seconds = format!("{}.{:03}", elapsed.as_secs(), elapsed.subsec_millis());
        console::line(format!("{path}: {committed} lines in {seconds} s ({rate}/s)"));
    }
    console::line(format!(
        "  {accepted} accepted, {duplicates} duplicates, {rejected} rejected, of {lines} lines in all"
    ));
}

/// Whole events per second.
fn per_second(events: u64, elapsed: Duration) -> u64 {
    let millis = elapsed.as_millis().max(1) as u64;
    events.saturating_mul(1000) / millis
}
