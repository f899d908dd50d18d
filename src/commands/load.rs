//! `alpes load`: commands from files to a running Alpes, over HTTP.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::CommandError;
use crate::config::Settings;
use crate::console;
use crate::load::{LoadError, Plan, Report, load};

/// How often the bar is drawn while nothing is answered.
const REDRAW: Duration = Duration::from_millis(200);

/// Arguments of `alpes load`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NDJSON files, plain, gzip or zstd; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the running Alpes listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// Lines per second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Requests under way at once; with more than one, of two commands with one id the later may win
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub paralelo: u8,
    /// Results as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Sends the lines of the files, one file after the other.
pub async fn run(args: Args, _settings: Settings) -> Result<(), CommandError> {
    let plan = Plan { url: args.url, rate: args.rate, parallel: args.paralelo.into() };
    for path in &args.files {
        let bar = bar(path)?;
        let mut report = Report::default();
        let sent = load(path, &plan, bar.clone(), &mut report).await;
        bar.finish_and_clear();
        print(args.json, path, &report, &sent)?;
        sent.map_err(|error| format!("{}: {}", path.display(), console::chain(&error)))?;
    }
    Ok(())
}

/// On standard error, and only where that is a terminal.
fn bar(path: &Path) -> Result<ProgressBar, CommandError> {
    let bar = if path == Path::new("-") {
        ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?)
    } else {
        let bytes = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
        let style = "{prefix} {bar:30} {percent}% {bytes}/{total_bytes} {msg} ETA {eta}";
        ProgressBar::new(bytes).with_style(ProgressStyle::with_template(style)?)
    };
    bar.enable_steady_tick(REDRAW);
    Ok(bar.with_prefix(path.display().to_string()))
}

fn print(as_json: bool, path: &Path, report: &Report, sent: &Result<(), LoadError>) -> Result<(), CommandError> {
    let (milliseconds, rate) = (report.milliseconds(), report.lines_per_second());
    if as_json {
        let mut result = serde_json::to_value(report)?;
        result["file"] = json!(path);
        result["error"] = json!(sent.as_ref().err().map(|error| console::chain(error)));
        result["milliseconds"] = json!(milliseconds);
        result["lines_per_second"] = json!(rate);
        console::line(result);
        return Ok(());
    }
    let Report { lines, accepted, rejected, by_code, faults, retries, .. } = report;
    let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
    console::line(format!("{}: {lines} lines in {seconds}.{rest:03} s ({rate}/s), {retries} retries", path.display()));
    console::line(format!("  {accepted} accepted, {rejected} rejected"));
    for (code, n) in by_code {
        console::line(format!("  {n:>9} {code}"));
    }
    for fault in faults {
        console::line(format!("  line {}: {}: {}", fault.line, fault.code, console::printable(&fault.detail)));
    }
    if *rejected > faults.len() as u64 {
        console::line("  …; all of them: alpes rejects list");
    }
    Ok(())
}
