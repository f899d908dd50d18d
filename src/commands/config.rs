//! `alpes config`: every setting with its value, where that came from, and what it means.

use super::CommandError;
use crate::config::Entry;
use crate::console;

/// Arguments of `alpes config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON list, for programs
    #[arg(long)]
    pub json: bool,
}

/// Prints the settings, without secrets.
pub fn run(args: &Args, entries: &[Entry]) -> Result<(), CommandError> {
    if args.json {
        console::line(serde_json::to_string_pretty(entries)?);
        return Ok(());
    }
    for entry in entries {
        console::line(paragraph(entry));
    }
    Ok(())
}

fn paragraph(entry: &Entry) -> String {
    let value = entry.shown().unwrap_or_else(|| "(not set)".to_owned());
    let default = entry.default.as_deref().map_or_else(String::new, |default| format!(", default {default}"));
    format!(
        "{} = {value}\n    {}\n    from: {}; flag --{}{default}\n",
        entry.name, entry.meaning, entry.origin, entry.flag
    )
}
