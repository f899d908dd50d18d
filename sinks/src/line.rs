//! A line's end in PostgreSQL: one connection of its own, holding one row of `lines`.

use chrono::{DateTime, NaiveDate, Utc};
use schemas::{ClaimKey, Facts, Position, Span, Timestamp};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use std::sync::Arc;
use tokio::sync::Mutex;

use crate::impressions::RawRows;
use crate::recent::Recent;
use crate::suspects::{CLAIM_BLOCKS, Suspects, WINDOW_BLOCKS};
use crate::windows::NumberedKey;
use crate::{Epoch, Flow, SinkError, days, locks, names::Names, session};

/// Counts the epoch number up: whoever had the line before changes no row any more.
const TAKE: &str = "
UPDATE lines SET epoch = epoch + 1, owner = $2, taken_at = clock_timestamp(), session_pid = pg_backend_pid(),
    session_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
WHERE line = $1 RETURNING epoch, ledger, entry, index, gap_accepted";

/// Ends the session of whoever had the line: a worker that hangs in the middle of an epoch would keep its locks, and the
/// line with them, until it wakes up. What it had not committed is done again by the next one.
const END_SESSION: &str = "
SELECT pg_terminate_backend(a.pid) FROM lines l
JOIN pg_stat_activity a ON a.pid = l.session_pid AND a.backend_start = l.session_start
WHERE l.line = $1 AND a.pid <> pg_backend_pid()";

/// What is known stays known until it has been read. A line that is busy is spared: it is reading what comes next.
const SAW: &str = "
UPDATE lines SET next_ledger = $2, next_entry = $3
WHERE line = (SELECT line FROM lines WHERE line = $1 AND (next_ledger IS NULL
                  OR (next_ledger, next_entry) <= (ledger, entry) OR (next_ledger, next_entry) > ($2, $3))
              FOR UPDATE SKIP LOCKED)";

/// No line has this epoch number: they begin at 0.
const NOBODYS: i64 = -1;

/// A line that this process has taken.
#[derive(Debug)]
pub struct Line {
    pub(crate) connection: PgConnection,
    pub(crate) line: i32,
    pub(crate) source: String,
    pub(crate) epoch: i64,
    pub(crate) position: Position,
    gap_accepted: Option<Position>,
    pub(crate) live: bool,
    pub(crate) raw_rows: RawRows,
    pub(crate) day: NaiveDate,
    pub(crate) campaigns: Names,
    pub(crate) influencers: Names,
    pub(crate) claimed: Suspects<ClaimKey>,
    pub(crate) recent: Recent,
    pub(crate) opened: Suspects<NumberedKey>,
}

/// What a line reads, and how it is taken.
#[derive(Debug, Clone, Copy)]
pub struct LineSpec<'a> {
    /// The flow.
    pub flow: Flow,
    /// The source partition: `log-2`, `file-…`.
    pub source: &'a str,
    /// Whether it counts for the global watermark and the late list; files do not.
    pub live: bool,
    /// Whether to hold a session lock on it, so that a second process waits instead of taking it over. Where a broker
    /// assigns partitions it decides, and the epoch number alone fences.
    pub exclusive: bool,
}

impl Line {
    /// Takes the line: counts its epoch number up, so that whoever had it before is fenced, and reads its position.
    pub async fn take(options: &PgConnectOptions, spec: LineSpec<'_>) -> Result<Self, SinkError> {
        let mut connection = session::connect(options, &format!("{} {}", spec.flow.name(), spec.source)).await?;
        let line = line_number(&mut connection, spec).await?;
        if spec.exclusive {
            let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, $2)").bind(locks::LINE).bind(line);
            if !lock.fetch_one(&mut connection).await? {
                return Err(SinkError::Taken(spec.source.into()));
            }
        }
        let (epoch, ledger, entry, index, gap_accepted): (i64, i64, i64, i32, Option<String>) =
            sqlx::query_as(TAKE).bind(line).bind(crate::worker()).fetch_one(&mut connection).await?;
        let today = Timestamp::now().date();
        days::ensure_day(&mut connection, today).await?;
        Ok(Self {
            connection,
            line,
            source: spec.source.into(),
            epoch,
            position: Position { ledger, entry, index },
            gap_accepted: gap_accepted.and_then(|text| text.parse().ok()),
            live: spec.live,
            raw_rows: RawRows::default(),
            day: today,
            campaigns: Names::campaigns(),
            influencers: Names::influencers(),
            claimed: Suspects::new(CLAIM_BLOCKS),
            recent: Recent::new(),
            opened: Suspects::new(WINDOW_BLOCKS),
        })
    }

    /// Ends the session of whoever has the line, for the one to whom a broker has given it now.
    pub async fn evict(options: &PgConnectOptions, spec: LineSpec<'_>) -> Result<(), SinkError> {
        let mut connection = session::connect(options, "evict").await?;
        let line = line_number(&mut connection, spec).await?;
        sqlx::query(END_SESSION).bind(line).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Makes its row, so that the closer waits for it, without taking it: it is nobody's by this.
    pub async fn register(options: &PgConnectOptions, spec: LineSpec<'_>) -> Result<Ownership, SinkError> {
        let mut connection = session::connect(options, "register").await?;
        let line = line_number(&mut connection, spec).await?;
        Ok(Ownership { options: options.clone(), line, epoch: NOBODYS })
    }

    /// The position up to which somebody has accepted that messages are missing.
    pub const fn gap_accepted(&self) -> Option<Position> {
        self.gap_accepted
    }

    /// Whose it is, to ask about later.
    pub fn ownership(&self, options: &PgConnectOptions) -> Ownership {
        Ownership { options: options.clone(), line: self.line, epoch: self.epoch }
    }

    /// How far it has come.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The UTC day whose partitions take the next rows; made sure to exist.
    async fn today(&mut self) -> Result<NaiveDate, sqlx::Error> {
        let today = Timestamp::now().date();
        if today != self.day {
            days::ensure_day(&mut self.connection, today).await?;
            self.day = today;
        }
        Ok(today)
    }
}

/// Whether a line is still held by whoever took it, for those who do not write to it.
#[derive(Debug, Clone)]
pub struct Ownership {
    options: PgConnectOptions,
    line: i32,
    epoch: i64,
}

impl Ownership {
    /// Whether nobody has taken the line since.
    pub async fn is_ours(&self) -> Result<bool, sqlx::Error> {
        Ok(self.look().await?.0 == self.epoch)
    }

    /// How far the line has come, whoever has it.
    pub async fn committed(&self) -> Result<Position, sqlx::Error> {
        Ok(self.look().await?.1)
    }

    /// The topic was seen to hold the entry `next`, the first one behind the line's position.
    pub async fn saw(&self, next: (i64, i64)) -> Result<(), sqlx::Error> {
        let mut connection = session::connect(&self.options, "look").await?;
        saw(&mut connection, self.line, next).await?;
        connection.close().await
    }

    /// An entry that the topic was seen to hold when the line had not read it.
    pub async fn seen(&self) -> Result<Option<(i64, i64)>, sqlx::Error> {
        let mut connection = session::connect(&self.options, "look").await?;
        let select = "SELECT next_ledger, next_entry FROM lines WHERE line = $1 AND next_ledger IS NOT NULL";
        let seen = sqlx::query_as(select).bind(self.line).fetch_optional(&mut connection).await?;
        connection.close().await?;
        Ok(seen)
    }

    async fn look(&self) -> Result<(i64, Position), sqlx::Error> {
        let mut connection = session::connect(&self.options, "look").await?;
        let select = "SELECT epoch, ledger, entry, index FROM lines WHERE line = $1";
        let (epoch, ledger, entry, index) = sqlx::query_as(select).bind(self.line).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok((epoch, Position { ledger, entry, index }))
    }
}

/// The line over `source` has stopped at a gap, behind which the next message is the one at `next`.
pub async fn stopped_at_gap(options: &PgConnectOptions, source: &str, next: &str) -> Result<(), sqlx::Error> {
    let mut connection = session::connect(options, "gap").await?;
    let update = "UPDATE lines SET gap = $2 WHERE source = $1";
    sqlx::query(update).bind(source).bind(next).execute(&mut connection).await?;
    connection.close().await
}

/// The topic of a line was seen to hold the entry `next`, the first one behind the line's position.
pub async fn saw(connection: &mut PgConnection, line: i32, next: (i64, i64)) -> Result<(), sqlx::Error> {
    sqlx::query(SAW).bind(line).bind(next.0).bind(next.1).execute(connection).await?;
    Ok(())
}

/// Its number; made if it is new. Looked for first: an insert would wait for an epoch of the line that is under way.
async fn line_number(connection: &mut PgConnection, spec: LineSpec<'_>) -> Result<i32, sqlx::Error> {
    let (flow, source) = (spec.flow.name(), spec.source);
    let select =
        || sqlx::query_scalar("SELECT line FROM lines WHERE flow = $1 AND source = $2").bind(flow).bind(source);
    if let Some(line) = select().fetch_optional(&mut *connection).await? {
        return Ok(line);
    }
    let insert = "INSERT INTO lines (flow, source, live) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    sqlx::query(insert).bind(flow).bind(source).bind(spec.live).execute(&mut *connection).await?;
    select().fetch_one(connection).await
}

/// Where epochs begin. One epoch at a time: it owns the line until it has committed or is dropped.
#[derive(Debug, Clone)]
pub struct PostgresSink {
    line: Arc<Mutex<Line>>,
}

/// The names that an epoch will write.
#[derive(Debug, Default)]
pub struct EpochNames<'a> {
    /// Campaigns.
    pub campaigns: Vec<&'a str>,
    /// Influencers.
    pub influencers: Vec<&'a str>,
}

/// What an epoch does with the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactsAccess {
    /// Relies on them: they stay as they are until it ends.
    Read,
    /// Changes them, and counts their generation up: it waits for every epoch under way, and the others wait for it.
    Change,
}

impl PostgresSink {
    /// Over a line that was taken, and that keeps raw rows or not.
    pub fn new(line: Line, raw_rows: RawRows) -> Self {
        Self { line: Arc::new(Mutex::new(Line { raw_rows, ..line })) }
    }

    /// Begins the epoch that covers `span`: from here on, one transaction. Takes the facts lock, moves the position.
    pub async fn begin(&self, span: Span, names: EpochNames<'_>, access: FactsAccess) -> Result<Epoch, SinkError> {
        let mut line = self.line.clone().lock_owned().await;
        let day = line.today().await?;
        let Line { connection, campaigns, influencers, .. } = &mut *line;
        campaigns.learn(connection, &names.campaigns).await?;
        influencers.learn(connection, &names.influencers).await?;
        // The lock is a statement of its own, so that what is read next is what held when the lock was granted.
        let facts = locks::FACTS;
        let begin = match access {
            FactsAccess::Read => format!("BEGIN; SELECT pg_advisory_xact_lock_shared({facts})"),
            FactsAccess::Change => {
                format!("BEGIN; SELECT pg_advisory_xact_lock({facts}); UPDATE facts SET generation = generation + 1")
            }
        };
        sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut *connection).await?;
        let facts = move_position(&mut line, span).await?;
        fail::fail_point!("epoch::begun", |_| std::process::abort());
        Ok(Epoch::new(line, facts, span, day))
    }
}

/// The fence: changes no row if somebody else has taken the line, or has moved it.
async fn move_position(line: &mut Line, span: Span) -> Result<Facts, SinkError> {
    let (after, through) = (line.position, span.through);
    type Row = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let moved: Option<Row> = sqlx::query_as(
        "UPDATE lines SET ledger = $1, entry = $2, index = $3
             FROM facts
             WHERE line = $4 AND epoch = $5 AND (ledger, entry, index) = ($6, $7, $8)
             RETURNING closed_through, dedup_horizon",
    )
    .bind(through.ledger)
    .bind(through.entry)
    .bind(through.index)
    .bind(line.line)
    .bind(line.epoch)
    .bind(after.ledger)
    .bind(after.entry)
    .bind(after.index)
    .fetch_optional(&mut line.connection)
    .await?;
    let Some((closed_through, dedup_horizon)) = moved else {
        return Err(SinkError::Fenced { line: line.line, source_name: line.source.clone(), epoch: line.epoch });
    };
    Ok(Facts { closed_through: closed_through.map(Into::into), dedup_horizon: dedup_horizon.map(Into::into) })
}
