//! `alpes`: one program, one subcommand a file in `commands`.

use std::process::ExitCode;
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

use alpes::commands::CommandError;
use alpes::config::{ConfigError, Entry, Settings};
use alpes::{commands, config, console, logging};

/// Many small allocations on several threads: the system's allocator is slow at that. Its settings are in
/// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Counts what influencers bring to a campaign and turns it into money that everybody can check.
#[derive(Debug, clap::Parser)]
#[command(name = "alpes", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run everything in one process
    Up(commands::up::Args),
    /// Take commands and answer queries over HTTP
    Api(commands::api::Args),
    /// Answer queries alone
    Queries(commands::queries::Args),
    /// Run the dataflows alone
    Pipeline(commands::pipeline::Args),
    /// Publish what was counted as events, alone
    Relay(commands::relay::Args),
    /// Show every setting: value, source, meaning
    Config(commands::config::Args),
    /// Count events from files, exactly once
    Backfill(commands::backfill::Args),
    /// Send events from a file to a running Alpes
    Load(commands::load::Args),
    /// Write made-up events, the same for the same seed
    Generate(commands::generate::Args),
    /// Write windows, amounts or rejects as CSV
    Export(commands::export::Args),
    /// Compute everything again the simple way and compare
    Verify(commands::verify::Args),
    /// List, show and replay what was rejected
    Rejects(commands::rejects::Args),
    /// Show which process reads what, and how far it has come
    Workers(commands::workers::Args),
}

/// Threads beside one for each core, where lines run. Decoding a batch takes a thread for tens of milliseconds; meanwhile
/// another one must send rows, or PostgreSQL waits for them: with as many threads as cores an eighth of two cores idled.
const THREADS_BESIDE_CORES: usize = 4;

impl Command {
    /// What only answers requests never keeps a thread for long; more threads than cores would be in one another's way.
    const fn threads_beside_cores(&self) -> usize {
        match self {
            Self::Api(_) | Self::Queries(_) => 0,
            _ => THREADS_BESIDE_CORES,
        }
    }
}

fn main() -> ExitCode {
    // What the crash tests set in FAILPOINTS, for the whole run.
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), CommandError> {
    let (Cli { command, settings }, entries) = match config::parse::<Cli>(std::env::args_os()) {
        Err(ConfigError::Usage(error)) => error.exit(),
        parsed => parsed?,
    };
    logging::start(&settings);
    runtime(command.threads_beside_cores())?.block_on(run(command, settings, entries))
}

fn runtime(threads_beside_cores: usize) -> io::Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread().worker_threads(cores + threads_beside_cores).enable_all().build()
}

async fn run(command: Command, settings: Settings, entries: Vec<Entry>) -> Result<(), CommandError> {
    match command {
        Command::Up(args) => commands::up::run(args, settings).await,
        Command::Api(args) => commands::api::run(args, settings).await,
        Command::Queries(args) => commands::queries::run(args, settings).await,
        Command::Pipeline(args) => commands::pipeline::run(args, settings).await,
        Command::Relay(args) => commands::relay::run(args, settings).await,
        Command::Config(args) => commands::config::run(&args, &entries),
        Command::Backfill(args) => commands::backfill::run(args, settings).await,
        Command::Load(args) => commands::load::run(args, settings).await,
        Command::Generate(args) => commands::generate::run(args, settings).await,
        Command::Export(args) => commands::export::run(args, settings).await,
        Command::Verify(args) => commands::verify::run(args, settings).await,
        Command::Rejects(args) => commands::rejects::run(args, settings).await,
        Command::Workers(args) => commands::workers::run(args, settings).await,
    }
}
