//! Alpes over HTTP: commands go into the log, queries are answered from the tables.
//!
//! Reading order: [`router`] (every route on one screen) → one file per resource in `routes/` → `accept` (a command
//! becomes durable) → `outcome` (what became of it) → `sums`, `earned`, `balances` and `closed_hours` (counts, commissions)
//! → `explain/` and `statement/` (what people read about money) → `edge/` (what HTTP itself needs). Handlers hold no rules:
//! a command is judged by [`schemas::wire`], written by [`sinks`], and everything read here is read-only SQL.

mod accept;
mod amounts;
mod balances;
mod budget;
mod closed_hours;
mod earned;
mod edge;
mod error;
mod explain;
mod openapi;
mod outcome;
mod page;
mod pieces;
mod place;
mod positions;
mod precondition;
mod raw;
pub mod router;
mod routes;
pub mod server;
mod state;
mod statement;
mod sums;
mod time;

pub use error::ApiError;
pub use router::{commands_router, queries_router, status_router};
pub use server::serve;
pub use state::{ApiState, read_pool};
