//! The parts of the `alpes` program: its settings, its PostgreSQL, its commands.
//!
//! A library only so that the tests drive the same code as `main.rs`.

pub mod cluster;
pub mod commands;
pub mod config;
pub mod console;
pub mod export;
pub mod generate;
pub mod listen;
pub mod load;
pub mod logging;
pub mod output;
pub mod process;
pub mod shutdown;
pub mod verify;
