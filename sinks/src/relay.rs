//! The relay: publishes what was counted as events, after its commit, at least once, in order per key.
//!
//! It reads the raw rows of each line behind the line's relay position, publishes them ([`publisher`]), and stores the new
//! position when all receipts are there. A crash in between publishes the same events again: same ids, same bytes, same
//! order, since all of it comes from the rows. Nothing more is read before what was read is confirmed, so that a broker
//! that is away for a week costs no memory. Low-volume events wait in the [`outbox`] and are marked there.
//!
//! One relay works at a time, whoever holds the advisory lock on its connection; that connection also reads and stores, so
//! that a relay that lost the lock can do neither.

mod events;
mod lines;
mod names;
pub mod publisher;
mod rows;
mod start;

pub use events::{Event, event_id};
pub use publisher::Publisher;
pub use start::begin;

use chrono::NaiveDate;
use schemas::{Position, Timestamp};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::{SinkError, days, locks, outbox, session};
use lines::{LineState, StoredLine};
use names::NamesByNumber;
use rows::Limits;

/// Raw rows in one batch, of all lines together: at 4 KB for a row with its two events, 32 MB.
const BATCH_ROWS_MAX: usize = 8_000;
/// Bytes of raw rows in one batch, for rows that are much longer than usual; one line may exceed it once.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Events of the outbox in one batch.
const OUTBOX_EVENTS_MAX: i64 = 1_000;
/// How often new pages are made known to the BRIN indexes: until then every reading visits them.
const SUMMARIZE: Duration = Duration::from_secs(1);
/// The name that the outbox has among the lines, for people and metrics.
const OUTBOX: &str = "outbox";

/// The one relay of a database.
#[derive(Debug)]
pub struct Relay {
    connection: PgConnection,
    campaigns: NamesByNumber,
    influencers: NamesByNumber,
    lines: HashMap<i32, LineState>,
    /// How many batches there were: each begins with another line, so that none starves.
    turn: usize,
    summarized: Option<Instant>,
}

/// What is to be published next.
#[derive(Debug, Default)]
pub struct Batch {
    /// In order per key.
    pub events: Vec<Event>,
    /// How far each line, and the outbox, is behind.
    pub backlog: Vec<Backlog>,
    moves: Vec<Move>,
    outbox: Vec<i64>,
}

/// How far a line is behind.
#[derive(Debug, Clone)]
pub struct Backlog {
    /// What the line reads; `outbox` for the outbox.
    pub source: String,
    /// Rows that are not published yet.
    pub events: i64,
    /// Since when the oldest of them is known to Alpes, where there is one.
    pub oldest: Option<Timestamp>,
    /// Nothing is left to be read, though rows should be: they were removed, or lie where nobody looks.
    pub missing: bool,
}

/// A line's way through one batch.
#[derive(Debug)]
struct Move {
    line: i32,
    from: Position,
    to: Position,
    day: NaiveDate,
    /// Rows of the line up to `to`.
    events: i64,
}

impl Relay {
    /// Becomes the relay of this database, until the connection ends; none while another process is it.
    pub async fn lead(options: &PgConnectOptions) -> Result<Option<Self>, SinkError> {
        // Raw rows are found by the BRIN index of their positions. The planner would rather read a partition from its
        // beginning to find the first row behind a position, not knowing that rows lie in the order of their positions.
        let only_bitmaps = [("enable_seqscan", "off"), ("enable_indexscan", "off"), ("enable_indexonlyscan", "off")];
        let options = options.clone().options(only_bitmaps).options([("max_parallel_workers_per_gather", "0")]);
        let mut connection = session::connect(&options, "relay").await?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(locks::RELAY);
        if !lock.fetch_one(&mut connection).await? {
            return Ok(None);
        }
        Ok(Some(Self {
            connection,
            campaigns: NamesByNumber::campaigns(),
            influencers: NamesByNumber::influencers(),
            lines: HashMap::new(),
            turn: 0,
            summarized: None,
        }))
    }

    /// Reads what comes next. Empty when all is published.
    pub async fn read(&mut self) -> Result<Batch, SinkError> {
        let mut batch = Batch::default();
        self.read_outbox(&mut batch).await?;
        let mut lines = lines::all(&mut self.connection).await?;
        self.summarize(&lines).await?;
        if !lines.is_empty() {
            let first = self.turn % lines.len();
            lines.rotate_left(first);
            self.turn += 1;
        }
        let mut left = Limits { rows: BATCH_ROWS_MAX, bytes: BATCH_BYTES_MAX };
        for line in lines {
            self.read_line(&line, &mut left, &mut batch).await?;
        }
        Ok(batch)
    }

    /// Adds the next rows of a line, as far as there is room; one row in any case, where nothing else tells its lag.
    async fn read_line(&mut self, line: &StoredLine, left: &mut Limits, batch: &mut Batch) -> Result<(), SinkError> {
        let state = self.lines.entry(line.line).or_insert_with(|| line.stored());
        let full = left.rows == 0 || left.bytes == 0;
        if full && (state.oldest.is_some() || !state.waits_for(line)) {
            batch.backlog.push(state.backlog(line, false));
            return Ok(());
        }
        let limits = Limits { rows: left.rows.max(1), bytes: left.bytes.max(1) };
        let read = rows::read(&mut self.connection, state, line, limits).await?;
        left.rows = left.rows.saturating_sub(read.rows.len());
        left.bytes = left.bytes.saturating_sub(read.bytes);
        state.oldest = read.rows.first().map(|row| row.published_at);
        batch.backlog.push(state.backlog(line, read.rows.is_empty()));
        self.campaigns.learn(&mut self.connection, read.rows.iter().map(|row| row.campaign)).await?;
        self.influencers.learn(&mut self.connection, read.rows.iter().map(|row| row.influencer)).await?;
        for row in &read.rows {
            events::of_row(row, &self.campaigns, &self.influencers, &mut batch.events)?;
        }
        batch.moves.extend(state.advance(line, &read));
        Ok(())
    }

    async fn read_outbox(&mut self, batch: &mut Batch) -> Result<(), SinkError> {
        let waiting = outbox::waiting(&mut self.connection, OUTBOX_EVENTS_MAX).await?;
        batch.backlog.push(Backlog {
            source: OUTBOX.into(),
            events: waiting.len() as i64,
            oldest: waiting.first().map(|event| event.created_at.into()),
            missing: false,
        });
        for event in waiting {
            batch.outbox.push(event.sequence);
            batch.events.push(event.into());
        }
        Ok(())
    }

    /// Remembers that all events of `batch` are published.
    pub async fn store(&mut self, batch: &Batch) -> Result<(), SinkError> {
        if batch.moves.is_empty() && batch.outbox.is_empty() {
            return Ok(());
        }
        let mut transaction = self.connection.begin().await?;
        for step in &batch.moves {
            lines::store(&mut transaction, step).await?;
        }
        if !batch.outbox.is_empty() {
            outbox::mark_relayed(&mut transaction, &batch.outbox).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Where rows wait: at first in all days that may hold some, then in those that still grow.
    async fn summarize(&mut self, lines: &[StoredLine]) -> Result<(), SinkError> {
        let waits = |line: &StoredLine| self.lines.get(&line.line).is_none_or(|state| state.waits_for(line));
        let waiting = lines.iter().filter(|line| waits(line));
        let day = if self.summarized.is_none() { StoredLine::first_day } else { StoredLine::no_earlier_day };
        let Some(since) = waiting.map(day).min() else { return Ok(()) };
        if self.summarized.is_none_or(|at| at.elapsed() >= SUMMARIZE) {
            days::summarize(&mut self.connection, since).await?;
            self.summarized = Some(Instant::now());
        }
        Ok(())
    }
}
