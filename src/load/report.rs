//! What came of sending a file.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::time::Instant;

use super::send::Answer;

/// Faulty lines that are shown: enough to recognise the mistake; all of them are in the list of rejects.
const FAULTS_SHOWN: usize = 10;

/// The sums over all chunks that were delivered.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Lines delivered, empty ones included.
    pub lines: u64,
    /// Commands that are durable and will be counted (or found to be duplicates).
    pub accepted: u64,
    /// Lines that became rejects.
    pub rejected: u64,
    /// Rejects by their code; what the server left out of its answers is `otros`.
    pub by_code: BTreeMap<String, u64>,
    /// The first faulty lines.
    pub faults: Vec<Fault>,
    /// Requests that were sent again.
    pub retries: u64,
    #[serde(skip)]
    started: Instant,
}

/// A line that became a reject.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Its code.
    pub code: String,
    /// In words.
    pub detail: String,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            lines: 0,
            accepted: 0,
            rejected: 0,
            by_code: BTreeMap::new(),
            faults: Vec::new(),
            retries: 0,
            started: Instant::now(),
        }
    }
}

impl Report {
    pub(super) fn add(&mut self, first_line: u64, lines: u64, answer: Answer) {
        self.lines += lines;
        self.accepted += answer.accepted;
        self.rejected += answer.rejected;
        self.retries += answer.retries;
        for error in answer.errors {
            *self.by_code.entry(error.code.clone()).or_default() += 1;
            if self.faults.len() < FAULTS_SHOWN {
                let line = first_line + error.line.saturating_sub(1);
                self.faults.push(Fault { line, code: error.code, detail: error.detail });
            }
        }
        if answer.errors_left_out > 0 {
            *self.by_code.entry("otros".into()).or_default() += answer.errors_left_out;
        }
    }

    /// Milliseconds since the first line.
    pub fn milliseconds(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Whole lines per second so far.
    pub fn lines_per_second(&self) -> u64 {
        self.lines.saturating_mul(1_000) / self.milliseconds().max(1)
    }
}
