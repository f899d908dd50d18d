//! Broken plumbing between a source and PostgreSQL. Whatever it is, the line is taken up again from its position.

use operators::commission::Overflow;
use sinks::SinkError;
use sinks::pulsar::BrokerError;

/// Why a source has no more to give.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The database behind the log.
    #[error("log: {0}")]
    Database(#[from] sqlx::Error),
    /// The file, or its compression.
    #[error("file: {0}")]
    Io(#[from] std::io::Error),
    /// Messages are missing: going on would lose them silently.
    #[error(
        "{source_name}: messages after {after} are missing, the next is {next}; somebody cut the log below a reader's \
         position. Once the loss is accepted, `alpes workers accept-gap {source_name} {next}` lets the line go on"
    )]
    Gap {
        /// The partition.
        source_name: String,
        /// The last position that was committed.
        after: String,
        /// What came instead of its successor.
        next: String,
    },
    /// The broker, or our connection to it.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The broker has given the partition to another worker, which has taken the line.
    #[error("{0} was given to another worker")]
    GivenAway(String),
    /// The reading task ended.
    #[error("the reader ended unexpectedly")]
    Ended,
}

/// Why a line stopped.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Its source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its sink.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Money that cannot be counted.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl From<sqlx::Error> for LineError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sink(error.into())
    }
}
