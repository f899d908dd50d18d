//! The log in PostgreSQL as a source: one partition, read by offset, woken by the appender's notification.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use operators::Batch;
use schemas::message::{Encoding, Origin};
use schemas::{Kind, Position, RawMessage, Span};
use sinks::session;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::types::Uuid;
use sqlx::{FromRow, PgConnection};
use std::time::{Duration, Instant};
use tokio::sync::watch;

use crate::source::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, GATHER, NothingToAcknowledge, gathering};
use crate::{Source, SourceError};

/// A batch this large, or as large as was asked for, needs no gathering: there is a backlog.
const BACKLOG_MESSAGES: usize = 2_000;
/// How long a reader trusts that it will be woken; a notification can be lost with its connection.
const POLL: Duration = Duration::from_secs(1);

/// The next messages, up to a count.
const READ: &str = r#"
SELECT "offset", published_at, kind, assigned_id, replay_of, payload, encoding
FROM log WHERE partition = $1 AND "offset" > $2 ORDER BY "offset" LIMIT $3
"#;

/// One partition of the log.
#[derive(Debug)]
pub struct LogSource {
    connection: PgConnection,
    name: String,
    partition: i32,
    position: Position,
    appended: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    behind: bool,
    gather: Duration,
    read_at: Instant,
    /// Messages that the next read asks for.
    wanted: usize,
}

#[derive(FromRow)]
struct LogRow {
    offset: i64,
    published_at: DateTime<Utc>,
    kind: Option<i16>,
    assigned_id: Option<Uuid>,
    replay_of: Option<i64>,
    payload: Vec<u8>,
    encoding: Option<String>,
}

/// The name of a partition of the log as a source.
pub fn source_name(partition: i32) -> String {
    format!("log-{partition}")
}

impl LogSource {
    /// Partition `partition`, after `position`.
    pub async fn open(
        options: &PgConnectOptions,
        partition: i32,
        position: Position,
        appended: watch::Receiver<u64>,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, SourceError> {
        let name = source_name(partition);
        let connection = session::connect(options, &format!("read {name}")).await?;
        let (gather, read_at, wanted) = (GATHER, Instant::now(), BATCH_MESSAGES_MAX);
        Ok(Self { connection, name, partition, position, appended, shutdown, behind: true, gather, read_at, wanted })
    }

    /// The next messages, up to a count and a sum of bytes; at least one, whatever its size. The bytes are counted here:
    /// for PostgreSQL to count them would take longer than to send them.
    async fn read(&mut self) -> Result<Vec<LogRow>, SourceError> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let query = sqlx::query_as(READ).bind(self.partition).bind(self.position.entry).bind(self.wanted as i64);
        let mut coming = query.fetch(&mut self.connection);
        while bytes < BATCH_BYTES_MAX
            && let Some(row) = coming.try_next().await?
        {
            let row: LogRow = row;
            bytes += row.payload.len();
            rows.push(row);
        }
        drop(coming);
        // What comes on top is read and dropped: so much of what is large is not asked for the next time.
        let full = bytes >= BATCH_BYTES_MAX;
        self.behind = full || rows.len() >= BACKLOG_MESSAGES.min(self.wanted);
        let wanted = if full { rows.len() } else { self.wanted.saturating_mul(2) };
        self.wanted = wanted.min(BATCH_MESSAGES_MAX);
        Ok(rows)
    }

    /// Waits until something was appended, and a little longer; false when it is time to stop.
    async fn wait(&mut self) -> bool {
        let woken = async {
            // A closed channel means that the listener has gone: the poll interval remains.
            if self.appended.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.gather).await;
        };
        tokio::select! {
            _ = tokio::time::timeout(POLL, woken) => true,
            _ = self.shutdown.wait_for(|stop| *stop) => false,
        }
    }

    fn batch(&mut self, rows: Vec<LogRow>) -> Result<Batch<RawMessage>, SourceError> {
        let after = self.position;
        let first = rows.first().map_or(0, |row| row.offset);
        // Offsets have no holes, so a hole is a loss: stop here rather than count on without it.
        if first != after.entry + 1 || rows.last().is_some_and(|last| last.offset != first + rows.len() as i64 - 1) {
            let next = Position::offset(first).to_string();
            return Err(SourceError::Gap { source_name: self.name.clone(), after: after.to_string(), next });
        }
        let messages: Vec<_> = rows.into_iter().map(message).collect();
        let through = messages.last().map_or(after, |message| message.origin.position);
        self.position = through;
        let counted = messages.iter().filter(|message| message.kind != Some(Kind::Tick)).count() as u64;
        Ok(Batch::new(messages, Span { after, through, messages: counted }))
    }
}

fn message(row: LogRow) -> RawMessage {
    RawMessage {
        origin: Origin {
            position: Position::offset(row.offset),
            published_at: row.published_at.into(),
            assigned_id: row.assigned_id,
            replay_of: row.replay_of,
            payload: Bytes::from(row.payload),
            encoding: Encoding::named(row.encoding.as_deref()),
        },
        kind: row.kind.and_then(Kind::from_number),
    }
}

impl Source for LogSource {
    type Acks = NothingToAcknowledge;

    fn name(&self) -> &str {
        &self.name
    }

    fn acks(&self) -> NothingToAcknowledge {
        NothingToAcknowledge
    }

    async fn next_batch(&mut self) -> Result<Option<Batch<RawMessage>>, SourceError> {
        loop {
            if *self.shutdown.borrow() || (!self.behind && !self.wait().await) {
                return Ok(None);
            }
            self.appended.borrow_and_update();
            let rows = self.read().await?;
            self.gather = gathering(rows.len(), self.read_at.elapsed());
            self.read_at = Instant::now();
            if !rows.is_empty() {
                return self.batch(rows).map(Some);
            }
        }
    }
}

/// Follows the appenders' notifications for all readers of this process; counts them.
pub fn follow_appends(options: PgConnectOptions) -> watch::Receiver<u64> {
    let (count, appended) = watch::channel(0);
    tokio::spawn(async move {
        while !count.is_closed() {
            match listen(&options, &count).await {
                // Nobody reads any more: the process is going down, perhaps with its database.
                _ if count.is_closed() => return,
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "not listening for appends; readers poll meanwhile"),
            }
            tokio::time::sleep(POLL).await;
        }
    });
    appended
}

async fn listen(options: &PgConnectOptions, count: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let pool: PgPool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("alpes_log").await?;
    while !count.is_closed() {
        if let Ok(notification) = tokio::time::timeout(POLL, listener.recv()).await {
            notification?;
            count.send_modify(|count| *count += 1);
        }
    }
    Ok(())
}
