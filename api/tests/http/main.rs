//! The API over real PostgreSQL: every endpoint, every class of fault. Rows are written straight into the tables, so
//! these tests know nothing of the lines.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that unwraps says what it expects")]

mod support;
mod terms;
mod world;

mod batches;
mod campaigns;
mod closed_hours;
mod commands;
mod documents;
mod explanations;
mod ledger;
mod lists;
mod queries;
mod ranges;
mod rejects;
mod reversals;
mod server;
mod statements;
