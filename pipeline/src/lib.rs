//! From a source to committed epochs: sources, the straight lines, and who runs them.
//!
//! Start at [`flows`]: the whole dataflow is there on one screen.

pub mod backfill;
pub mod epoch;
pub mod error;
pub mod file;
pub mod flows;
pub mod log;
pub mod memory;
pub mod poster;
pub mod pulsar;
pub mod relay;
pub mod run;
pub mod settling;
pub mod source;
pub mod supervisor;
pub mod ticker;

pub use error::{LineError, SourceError};
pub use source::{Acknowledge, Source};
