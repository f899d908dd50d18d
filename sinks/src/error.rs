//! What can go wrong with a sink: broken plumbing. Bad data is never an error; it is a reject.

use crate::pulsar::BrokerError;

/// Why an epoch did not commit. Whatever it is, the line is taken up again from its stored position.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Another worker has taken the line: this one must stop touching it.
    #[error("line {line} of {source_name} was taken over by another worker (epoch {epoch} is over)")]
    Fenced {
        /// The line.
        line: i32,
        /// What it reads.
        source_name: String,
        /// The epoch number that is over.
        epoch: i64,
    },
    /// Another worker holds the line and is alive.
    #[error("{0} is held by another worker")]
    Taken(String),
    /// PostgreSQL said no, or is away.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The broker, or our connection to it.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A value that cannot be written; a defect of Alpes, not of the data.
    #[error("cannot encode {0}")]
    Encoding(String),
}
