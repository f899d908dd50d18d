//! `alpes generate`: made-up events, the same for the same seed.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use schemas::Timestamp;

use super::CommandError;
use crate::config::Settings;
use crate::generate::{Generator, Mix};
use crate::output::{Output, OutputArgs, unless_reader_left};

/// Lines made between two writes and two moves of the progress bar: about 400 KB.
const LINES_AT_ONCE: u64 = 1_000;

/// Arguments of `alpes generate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many lines
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub events: u64,
    /// The same seed gives the same lines
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Who works for which campaigns, and who is famous; the seed where it is missing. Files of one programme have other
    /// events of the same people
    #[arg(long, value_name = "N")]
    pub programme: Option<u64>,
    /// Where to
    #[command(flatten)]
    pub output: OutputArgs,
    /// How many campaigns
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub campaigns: u32,
    /// How many influencers, each in about three campaigns, of very unequal fame
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub influencers: u32,
    /// Hours of event time
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub hours: u32,
    /// Event time of the first line
    #[arg(long, value_name = "INSTANT", default_value = "2026-01-01T00:00:00Z", value_parser = Timestamp::parse)]
    pub start: Timestamp,
    /// Lines of a hundred that repeat an earlier one
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=90))]
    pub duplicates: u32,
    /// Lines of a hundred that are faulty
    #[arg(long, value_name = "PERCENT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub faults: u32,
}

/// Writes the events as NDJSON.
pub async fn run(args: Args, _settings: Settings) -> Result<(), CommandError> {
    let output = Output::open(args.output.out.as_deref())?;
    let (seed, mix) = (args.seed, args.mix());
    tokio::task::spawn_blocking(move || unless_reader_left(write(mix, seed, output))).await??;
    Ok(())
}

impl Args {
    fn mix(&self) -> Mix {
        Mix {
            events: self.events,
            campaigns: self.campaigns,
            influencers: self.influencers,
            hours: self.hours,
            start: self.start,
            duplicates: self.duplicates,
            faults: self.faults,
            programme: self.programme.unwrap_or(self.seed),
        }
    }
}

fn write(mix: Mix, seed: u64, mut output: Output) -> io::Result<()> {
    let events = mix.events;
    let bar = progress_bar(events);
    let mut generator = Generator::new(mix, seed);
    let mut lines = Vec::new();
    for first in (0..events).step_by(LINES_AT_ONCE as usize) {
        lines.clear();
        let next = events.min(first + LINES_AT_ONCE);
        (first..next).for_each(|number| generator.write(number, &mut lines));
        output.write_all(&lines)?;
        bar.set_position(next);
    }
    output.finish()?;
    bar.finish_and_clear();
    Ok(())
}

/// On standard error, and only where that is a terminal.
fn progress_bar(events: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent}% {human_pos} lines, {per_sec}, {eta} left");
    ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
