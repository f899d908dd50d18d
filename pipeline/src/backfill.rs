//! Reading a file to its end through the same lines as everything else: exactly once, resumable after any crash.

use memchr::memmem;
use schemas::wire::Privacy;
use sinks::line::LineSpec;
use sinks::{Flow, Line, files, session};
use sqlx::postgres::PgConnectOptions;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::file::{FileSource, LineFilter, ReadProgress, digest, source_name};
use crate::run::run;
use crate::{LineError, SourceError};

/// How far a backfill has come; cheap to clone and to ask.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    read: ReadProgress,
    committed: Arc<AtomicU64>,
}

impl Progress {
    /// Bytes of the file read, as they lie on the disk.
    pub fn bytes_read(&self) -> u64 {
        self.read.bytes()
    }

    /// Lines committed in this run.
    pub fn lines_committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }
}

/// What a file has brought in all its runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Lines of the file that were read (campaign commands are read by both flows, and counted once).
    pub lines: u64,
    /// Commands that were new.
    pub accepted: u64,
    /// Commands that were there already.
    pub duplicates: u64,
    /// Lines that became rejects.
    pub rejected: u64,
    /// Whether the file had been finished before.
    pub was_finished: bool,
}

/// Reads `path` through the campaigns line and the tracking line. A finished file is left alone.
pub async fn backfill(
    options: &PgConnectOptions,
    path: &Path,
    privacy: Privacy,
    progress: Progress,
) -> Result<Summary, LineError> {
    let bytes = std::fs::metadata(path).map_err(SourceError::from)?.len();
    let for_digest = path.to_owned();
    let digest = tokio::task::spawn_blocking(move || digest(&for_digest)).await.map_err(|_| SourceError::Ended)?;
    let digest = digest.map_err(SourceError::from)?;
    let mut connection = session::connect(options, "backfill").await?;
    let file = files::register(&mut connection, &digest, &path.to_string_lossy(), bytes).await?;
    if file.finished_at.is_none() {
        let flow = |flow, wanted, progress| {
            let (digest, published_at) = (digest.clone(), file.started_at);
            async move {
                let name = source_name(&digest);
                let line = Line::take(options, LineSpec { flow, source: &name, live: false, exclusive: true }).await?;
                let Progress { read, committed } = progress;
                let source = FileSource::open(path, &digest, line.position(), published_at, wanted, read)?;
                run(flow, source, line, privacy, move |span| {
                    committed.fetch_add(span.messages, Ordering::Relaxed);
                })
                .await
            }
        };
        tokio::try_join!(
            flow(Flow::Campaigns, MAY_BE_CAMPAIGN, Progress::default()),
            flow(Flow::Tracking, |_| true, progress)
        )?;
        files::finish(&mut connection, &digest).await?;
    }
    let summary = summary(&mut connection, &source_name(&digest)).await?;
    Ok(Summary { was_finished: file.finished_at.is_some(), ..summary })
}

/// Whether a line may hold a campaign command: a glance that spares reading a million impressions twice. A name with
/// JSON escapes in it may hide from the glance, so lines with a backslash are looked at properly.
const MAY_BE_CAMPAIGN: LineFilter = |line| {
    memmem::find(line, b"crear-campa").is_some()
        || memmem::find(line, b"definir-comisiones").is_some()
        || memchr::memchr(b'\\', line).is_some()
};

async fn summary(connection: &mut sqlx::PgConnection, source: &str) -> Result<Summary, LineError> {
    let row: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT coalesce(max(messages) FILTER (WHERE flow = 'tracking'), 0),
                coalesce(sum(accepted), 0)::bigint, coalesce(sum(duplicates), 0)::bigint,
                coalesce(sum(rejected), 0)::bigint
         FROM lines WHERE source = $1",
    )
    .bind(source)
    .fetch_one(connection)
    .await?;
    Ok(Summary {
        lines: row.0 as u64,
        accepted: row.1 as u64,
        duplicates: row.2 as u64,
        rejected: row.3 as u64,
        was_finished: false,
    })
}
