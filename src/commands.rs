//! The subcommands, one a file: its arguments and what it does.

pub mod api;
pub mod backfill;
pub mod config;
pub mod export;
pub mod generate;
pub mod load;
pub mod pipeline;
pub mod queries;
pub mod rejects;
pub mod relay;
pub mod up;
pub mod verify;
pub mod workers;

/// Whatever ended a command: it is only printed, with its causes, on the last line before exit 1.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;
