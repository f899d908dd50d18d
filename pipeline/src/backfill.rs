//! Reading a file to its end through the same lines as everything else: exactly once, resumable after any crash.

use memchr::memmem;
use sinks::line::LineSpec;
use sinks::{Flow, Line, files, session};
use sqlx::postgres::PgConnectOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::task::JoinSet;

use crate::file::{FileSource, FileSpec, ReadProgress, Route, Share, digest, source_name};
use crate::run::{Keep, run};
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
    /// Lines of the file that were read; each counts in the flow that it belongs to.
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

/// Partitions that a file is dealt out to for tracking, each with a line of its own: as many as keep two cores busy,
/// PostgreSQL's work included.
pub const PARTITIONS: usize = 4;
/// The most: each is a connection and some tens of megabytes.
pub const PARTITIONS_MAX: usize = 16;

/// Reads `path` through the campaigns line and `partitions` tracking lines. Their number is stored with the file: one that
/// was begun with another number is dealt out to that many. A finished file is left alone.
pub async fn backfill(
    options: &PgConnectOptions,
    path: &Path,
    partitions: usize,
    keep: Keep,
    progress: Progress,
) -> Result<Summary, LineError> {
    let bytes = std::fs::metadata(path).map_err(SourceError::from)?.len();
    let for_digest = path.to_owned();
    let digest = tokio::task::spawn_blocking(move || digest(&for_digest)).await.map_err(|_| SourceError::Ended)?;
    let digest = digest.map_err(SourceError::from)?;
    let mut connection = session::connect(options, "backfill").await?;
    let file = files::register(&mut connection, &digest, &path.to_string_lossy(), bytes, partitions).await?;
    if file.finished_at.is_none() {
        let spec = FileSpec { path, digest: &digest, published_at: file.started_at };
        let mut patience = Patience::new();
        while let Err(error) = read(options, &spec, file.partitions, keep, progress.clone()).await {
            patience.wait_or_fail(error, progress.lines_committed()).await?;
        }
        // The connection may have been lost meanwhile, together with the lines'.
        connection = session::connect(options, "backfill").await?;
        files::finish(&mut connection, &digest).await?;
    }
    let summary = summary(&mut connection, &digest).await?;
    Ok(Summary { was_finished: file.finished_at.is_some(), ..summary })
}

/// Attempts without progress before a backfill gives up: with the pauses, about a minute without a database.
const ATTEMPTS_MAX: u32 = 30;
/// Between attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// Lets the lines be taken again after a lost database, a deadlock or a claim that another line made first.
struct Patience {
    attempts: u32,
    committed: u64,
}

impl Patience {
    const fn new() -> Self {
        Self { attempts: 0, committed: 0 }
    }

    /// Waits for another attempt, or returns the error when it is of no use: a file that cannot be read stays so.
    async fn wait_or_fail(&mut self, error: LineError, committed: u64) -> Result<(), LineError> {
        let progressed = committed > self.committed;
        (self.attempts, self.committed) = (if progressed { 0 } else { self.attempts + 1 }, committed);
        if matches!(error, LineError::Source(_)) || self.attempts >= ATTEMPTS_MAX {
            return Err(error);
        }
        tracing::warn!(%error, "the file's lines stopped; they will be taken again");
        tokio::time::sleep(if progressed { PAUSE / 20 } else { PAUSE }).await;
        Ok(())
    }
}

/// Takes the file's lines and runs them side by side to the end of the file.
async fn read(
    options: &PgConnectOptions,
    spec: &FileSpec<'_>,
    partitions: usize,
    keep: Keep,
    progress: Progress,
) -> Result<(), LineError> {
    let campaigns = take(options, Flow::Campaigns, spec.digest, 1).await?;
    let tracking = take(options, Flow::Tracking, spec.digest, partitions).await?;
    let share = |route, lines: &[Line]| Share { route, after: lines.iter().map(Line::position).collect() };
    let shares = [share(CAMPAIGNS, &campaigns), share(TRACKING, &tracking)];
    let sources = FileSource::open(spec, &shares, progress.read)?;
    let lines = campaigns.into_iter().map(|line| (Flow::Campaigns, line));
    let lines = lines.chain(tracking.into_iter().map(|line| (Flow::Tracking, line)));
    let mut running = JoinSet::new();
    for ((flow, line), source) in lines.zip(sources.into_iter().flatten()) {
        let committed = progress.committed.clone();
        running.spawn(run(flow, source, line, keep, move |span| {
            committed.fetch_add(span.messages, Ordering::Relaxed);
        }));
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|_| SourceError::Ended)??;
    }
    Ok(())
}

async fn take(options: &PgConnectOptions, flow: Flow, digest: &str, partitions: usize) -> Result<Vec<Line>, LineError> {
    let mut lines = Vec::new();
    for partition in 0..partitions {
        let name = source_name(digest, partition);
        lines.push(Line::take(options, LineSpec { flow, source: &name, live: false, exclusive: true }).await?);
    }
    Ok(lines)
}

/// What is looked for in every line of a file; made once, for making a finder costs more than finding.
type Finders<const N: usize> = LazyLock<[memmem::Finder<'static>; N]>;

/// How lines begin that hold no campaign command, for a second `comando` would be a fault.
const TRACKING_STARTS: [&[u8]; 2] = [br#"{"comando":"registrar-impresion""#, br#"{"comando":"registrar-conversion""#];

static CAMPAIGN_COMMANDS: Finders<3> =
    LazyLock::new(|| ["-campa", "-comisiones", "-influencer"].map(memmem::Finder::new));
static PARTITION_KEYS: Finders<2> =
    LazyLock::new(|| ["\"campaña_id\":\"", "\"influencer_id\":\""].map(memmem::Finder::new));

/// Whether a line may hold a campaign command: a glance that spares reading a million impressions twice. A name with
/// JSON escapes in it may hide from the glance, so lines with a backslash are looked at properly.
const CAMPAIGNS: Route = |line, _| {
    if TRACKING_STARTS.iter().any(|start| line.starts_with(start)) {
        return None;
    }
    let may_be =
        CAMPAIGN_COMMANDS.iter().any(|name| name.find(line).is_some()) || memchr::memchr(b'\\', line).is_some();
    may_be.then_some(0)
};

/// By campaign and influencer, so that a window is written by one line. A glance again: a line that is written in an
/// unusual way goes elsewhere, which costs some waiting and nothing else, for claims are exact across lines. Reversals
/// name neither, so one line has them all.
const TRACKING: Route = |line, partitions| {
    let mut hash = blake3::Hasher::new();
    for key in &*PARTITION_KEYS {
        let value = key.find(line).map_or(&b""[..], |at| &line[at + key.needle().len()..]);
        hash.update(&value[..memchr::memchr(b'"', value).unwrap_or(0)]);
    }
    Some(usize::from(hash.finalize().as_bytes()[0]) % partitions)
};

async fn summary(connection: &mut sqlx::PgConnection, digest: &str) -> Result<Summary, LineError> {
    let row: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT coalesce(sum(messages), 0)::bigint, coalesce(sum(accepted), 0)::bigint,
                coalesce(sum(duplicates), 0)::bigint, coalesce(sum(rejected), 0)::bigint
         FROM lines WHERE source LIKE 'file-' || $1 || '-%'",
    )
    .bind(digest)
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

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Kind;

    #[test]
    fn no_campaign_command_hides_from_the_glance() {
        for kind in Kind::COMMANDS {
            let line = format!(r#"{{"comando":"{}","campaña_id":"c","influencer_id":"i"}}"#, kind.name());
            assert_eq!(CAMPAIGNS(line.as_bytes(), 1).is_some(), !kind.is_tracking(), "{line}");
        }
    }

    #[test]
    fn a_line_that_begins_as_tracking_is_never_a_campaign_command() {
        for start in TRACKING_STARTS {
            for key in [&b"comando"[..], br"comand\u006f"] {
                let line = [start, b",\"", key, b"\":\"crear-campa\xc3\xb1a\"}"].concat();
                assert!(schemas::wire::decode(None, &line).is_err(), "{}", String::from_utf8_lossy(&line));
            }
        }
    }
}
