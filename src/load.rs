//! Lines of files to a running Alpes, over HTTP, surviving its restarts.

mod chunks;
mod report;
mod send;

use std::io;
use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use chunks::{Chunk, Chunks};
pub use report::Report;
pub use send::SendError;
use send::{Answer, Sender};

/// With a rate, chunks are cut so small that this many go out in a second: no bursts.
const CHUNKS_PER_SECOND: u32 = 10;

/// How a file is sent.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the running Alpes listens.
    pub url: String,
    /// Lines per second at most.
    pub rate: Option<u32>,
    /// Requests under way at once. More than one may swap neighbouring chunks.
    pub parallel: usize,
}

/// Why a file was not sent to its end.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    File(#[from] io::Error),
    /// A chunk cannot be delivered.
    #[error("from line {line} on, nothing more was delivered")]
    Undelivered {
        /// The chunk's first line.
        line: u64,
        /// Why.
        source: SendError,
    },
    /// No request can be made at all.
    #[error(transparent)]
    Client(#[from] SendError),
}

/// Sends all lines of a file; `-` is standard input. The report holds what was delivered, also when the end was not
/// reached.
pub async fn load(path: &Path, plan: &Plan, bar: ProgressBar, report: &mut Report) -> Result<(), LoadError> {
    let digest = digest(path).await?;
    let sender = Sender::new(&plan.url, digest)?;
    let lines_at_once = plan.rate.map(|rate| rate.div_ceil(CHUNKS_PER_SECOND) as usize);
    let chunks = ReceiverStream::new(Chunks::read(path, bar.clone(), lines_at_once)?);
    let pace = Pace::new(plan.rate);
    let (pace, sender) = (&pace, &sender);
    let mut due = 0;
    let answers = chunks.map(move |chunk| {
        let sent_before = due;
        due += chunk.as_ref().map_or(0, |chunk| chunk.lines);
        async move {
            let chunk = chunk?;
            pace.wait(sent_before).await;
            deliver(sender, &chunk).await.map(|answer| (chunk.first_line, chunk.lines, answer))
        }
    });
    let answers = answers.buffered(plan.parallel.max(1));
    let mut answers = std::pin::pin!(answers);
    while let Some((first_line, lines, answer)) = answers.try_next().await? {
        report.add(first_line, lines, answer);
        bar.set_message(format!("{} lines, {}/s", report.lines, report.lines_per_second()));
    }
    Ok(())
}

async fn deliver(sender: &Sender, chunk: &Chunk) -> Result<Answer, LoadError> {
    let undelivered = |source| LoadError::Undelivered { line: chunk.first_line, source };
    sender.send(chunk).await.map_err(undelivered)
}

/// What the keys of a file's chunks begin with: the same file, the same keys. What cannot be read twice has keys of its
/// own, which still guard against an answer that was lost.
async fn digest(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        return Ok(uuid::Uuid::now_v7().to_string());
    }
    let path = path.to_owned();
    let digest = tokio::task::spawn_blocking(move || pipeline::file::digest(&path)).await;
    digest.unwrap_or_else(|_| Err(io::Error::other("the reader ended")))
}

/// Keeps to a rate, measured from the start, so that a pause of the server is made up for.
struct Pace {
    started: Instant,
    rate: Option<u32>,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self { started: Instant::now(), rate }
    }

    /// Waits until lines after the first `sent` are due.
    async fn wait(&self, sent: u64) {
        if let Some(rate) = self.rate {
            tokio::time::sleep_until(self.started + Duration::from_millis(sent * 1_000 / u64::from(rate.max(1)))).await;
        }
    }
}
