//! The log in PostgreSQL: few commands are appended by one statement, many are copied in; offsets come from the heads,
//! which are locked until the commit.

use chrono::{DateTime, NaiveDate, Utc};
use schemas::message::Origin;
use schemas::{Position, RawMessage, Timestamp};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AppendRequest, Appended, Flow, LogBackend, LogEntry, LogError, PartitionKey, Receipt};
use crate::copy::{CopyRows, copy as copy_rows};
use crate::{TENANT, days::ensure_day, session};

/// Commands from which on an append is a COPY: that takes half of the time for each, and three round trips more.
const COPY_COMMANDS_MIN: usize = 500;
const COLUMNS: i16 = 9;

/// Locks the partitions in order and hands out their offsets, so that writers wait for one another instead of
/// deadlocking, and the order of commits is the order of offsets.
macro_rules! with_heads {
    ($rest:literal) => {
        concat!(
            "
WITH wanted AS MATERIALIZED (SELECT * FROM unnest($1::int[], $2::bigint[]) AS w(partition, n)),
locked AS MATERIALIZED (
    SELECT partition FROM log_heads WHERE partition = ANY ($1) ORDER BY partition FOR UPDATE
),
heads AS (
    UPDATE log_heads h SET next = h.next + w.n FROM wanted w JOIN locked USING (partition)
    WHERE h.partition = w.partition RETURNING h.partition, h.next - w.n AS base
)",
            $rest,
            "SELECT partition, base, pg_notify('alpes_log', '')::text FROM heads"
        )
    };
}

/// Appends a few entries. The columns are unnested in the list, row by row; in FROM each would be stored first.
const APPEND: &str = with_heads!(
    r#",
rows AS (
    INSERT INTO log (partition, "offset", day, published_at, kind, assigned_id, replay_of, payload, encoding)
    SELECT h.partition, h.base + r.nth, $3, r.published_at, r.kind, r.assigned_id, r.replay_of, r.payload, r.encoding
    FROM (SELECT unnest($4::int[]) AS partition, unnest($5::bigint[]) AS nth, unnest($6::timestamptz[]) AS published_at,
                 unnest($7::smallint[]) AS kind, unnest($8::uuid[]) AS assigned_id, unnest($9::bigint[]) AS replay_of,
                 unnest($10::bytea[]) AS payload, unnest($11::text[]) AS encoding) AS r
    JOIN heads h ON h.partition = r.partition
)
"#
);

/// Makes room for many entries, which [`COPY`] then appends in the same transaction.
const RESERVE: &str = with_heads!(" ");

const COPY: &str = r#"COPY log (partition, "offset", day, published_at, kind, assigned_id, replay_of, payload, encoding)
FROM STDIN (FORMAT binary)"#;

/// The writing end of the log in PostgreSQL: one connection of its own.
#[derive(Debug)]
pub struct PostgresLog {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    day: Option<NaiveDate>,
    partitions: Partitions,
}

/// Each flow's partitions.
#[derive(Debug, Default)]
struct Partitions(Vec<(Flow, Vec<i32>)>);

/// Where an append begins in a partition.
struct Base {
    offset: i64,
    /// The partition's name as a source, shared by all receipts.
    source: Arc<str>,
}

/// Each entry's partition, and its place among the entries of that partition.
struct Placed<'a> {
    entry: &'a LogEntry,
    partition: i32,
    nth: i64,
}

impl PostgresLog {
    /// For the database of `options`. Connects at the first append, and again after a failure.
    pub const fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None, day: None, partitions: Partitions(Vec::new()) }
    }

    async fn try_append(&mut self, requests: &[AppendRequest]) -> Result<Vec<Vec<Receipt>>, sqlx::Error> {
        let mut connection = self.connect().await?;
        let today = Timestamp::now().date();
        if self.day != Some(today) {
            ensure_day(&mut connection, today).await?;
            self.day = Some(today);
        }
        let commands: usize = requests.iter().map(|request| request.entries.len()).sum();
        let done = if commands >= COPY_COMMANDS_MIN || requests.iter().any(|request| request.chunk.is_some()) {
            let mut transaction = connection.begin().await?;
            let done = self.append_fresh(&mut transaction, requests, today).await?;
            transaction.commit().await?;
            done
        } else {
            // One statement is its own transaction: one round trip and one flush for the whole group.
            self.append_fresh(&mut connection, requests, today).await?
        };
        self.connection = Some(connection);
        Ok(done)
    }

    async fn append_fresh(
        &self,
        connection: &mut PgConnection,
        requests: &[AppendRequest],
        day: NaiveDate,
    ) -> Result<Vec<Vec<Receipt>>, sqlx::Error> {
        let appended = fresh(connection, requests).await?;
        let entries = appended.iter().flatten().flat_map(|request| &request.entries);
        let (placed, counts) = self.partitions.place(entries);
        let bases = insert(connection, day, &placed, &counts).await?;
        Ok(receipts(&appended, &placed, &bases))
    }

    /// The connection, taken out: a failure on the way leaves none behind, and the next append starts afresh.
    async fn connect(&mut self) -> Result<PgConnection, sqlx::Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut connection = session::connect(&self.options, "log").await?;
        self.partitions = Partitions::read(&mut connection).await?;
        self.day = None;
        Ok(connection)
    }
}

impl Partitions {
    async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let rows: Vec<(i32, String)> =
            sqlx::query_as("SELECT partition, flow FROM log_heads ORDER BY partition").fetch_all(connection).await?;
        let of_flow = |flow: Flow| rows.iter().filter(|(_, name)| name == flow.name()).map(|(p, _)| *p).collect();
        Ok(Self([Flow::Tracking, Flow::Campaigns].map(|flow| (flow, of_flow(flow))).into()))
    }

    fn place<'a>(&self, entries: impl Iterator<Item = &'a LogEntry>) -> (Vec<Placed<'a>>, BTreeMap<i32, i64>) {
        let mut counts = BTreeMap::new();
        let mut placed = Vec::new();
        for entry in entries {
            let partition = self.of(entry);
            let count = counts.entry(partition).or_insert(0);
            placed.push(Placed { entry, partition, nth: *count });
            *count += 1;
        }
        (placed, counts)
    }

    fn of(&self, entry: &LogEntry) -> i32 {
        let of_flow = self.0.iter().find(|(flow, _)| *flow == entry.key.flow).map(|(_, all)| all.as_slice());
        match of_flow {
            Some(all) if !all.is_empty() => all[(entry.key.hash % all.len() as u64) as usize],
            _ => 0,
        }
    }
}

/// Appends messages that one line read and another flow must count, within the transaction of `connection`.
pub(crate) async fn forward(
    connection: &mut PgConnection,
    day: NaiveDate,
    strays: Vec<RawMessage>,
) -> Result<(), sqlx::Error> {
    if strays.is_empty() {
        return Ok(());
    }
    let entries: Vec<LogEntry> = strays.into_iter().map(stray).collect();
    let (placed, counts) = Partitions::read(connection).await?.place(entries.iter());
    insert(connection, day, &placed, &counts).await?;
    Ok(())
}

fn stray(RawMessage { origin, kind }: RawMessage) -> LogEntry {
    let Origin { published_at, assigned_id, replay_of, payload, encoding, .. } = origin;
    let key = PartitionKey::stray(kind.map_or(Flow::Tracking, Flow::of), &payload);
    LogEntry { kind, key, published_at, assigned_id, replay_of, payload, encoding }
}

impl LogBackend for PostgresLog {
    async fn append(&mut self, group: &[AppendRequest]) -> Vec<Appended> {
        // Whether a failed append reached its commit is unknown, so it is not tried again here: the senders decide, and
        // their ids make a second attempt harmless.
        let appended = self.try_append(group).await.map_err(|error| LogError::Unavailable(error.to_string()));
        fail::fail_point!("log::appended", |_| std::process::abort());
        appended.map_or_else(|error| vec![Err(error); group.len()], |done| done.into_iter().map(Ok).collect())
    }
}

/// The requests that are to be appended: all but the keyed chunks that lie in the log already.
async fn fresh<'a>(
    connection: &mut PgConnection,
    requests: &'a [AppendRequest],
) -> Result<Vec<Option<&'a AppendRequest>>, sqlx::Error> {
    let mut appended = Vec::with_capacity(requests.len());
    for request in requests {
        let is_new = match &request.chunk {
            None => true,
            Some(chunk) => {
                let insert = "INSERT INTO log_chunks (tenant, key, chunk) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
                let query = sqlx::query(insert).bind(TENANT).bind(&chunk.key).bind(chunk.chunk);
                query.execute(&mut *connection).await?.rows_affected() == 1
            }
        };
        appended.push(is_new.then_some(request));
    }
    Ok(appended)
}

/// Appends `placed`: within a transaction, if there are many.
async fn insert(
    connection: &mut PgConnection,
    day: NaiveDate,
    placed: &[Placed<'_>],
    counts: &BTreeMap<i32, i64>,
) -> Result<BTreeMap<i32, Base>, sqlx::Error> {
    let bases = match placed.len() {
        0 => Vec::new(),
        1..COPY_COMMANDS_MIN => append(connection, day, placed, counts).await?,
        _ => copy(connection, day, placed, counts).await?,
    };
    let base = |(partition, offset, _)| (partition, Base { offset, source: source_name(partition).into() });
    let bases: BTreeMap<i32, Base> = bases.into_iter().map(base).collect();
    // A head that is missing took its commands with it: nobody is to be told that they are durable.
    if bases.len() == counts.len() { Ok(bases) } else { Err(sqlx::Error::RowNotFound) }
}

/// Partitions, the first offset in each, and nothing.
type Bases = Vec<(i32, i64, String)>;

async fn append(
    connection: &mut PgConnection,
    day: NaiveDate,
    placed: &[Placed<'_>],
    counts: &BTreeMap<i32, i64>,
) -> Result<Bases, sqlx::Error> {
    let column = |value: fn(&LogEntry) -> Option<i64>| placed.iter().map(|p| value(p.entry)).collect::<Vec<_>>();
    sqlx::query_as(APPEND)
        .bind(counts.keys().copied().collect::<Vec<_>>())
        .bind(counts.values().copied().collect::<Vec<_>>())
        .bind(day)
        .bind(placed.iter().map(|p| p.partition).collect::<Vec<_>>())
        .bind(placed.iter().map(|p| p.nth).collect::<Vec<_>>())
        .bind(placed.iter().map(|p| DateTime::<Utc>::from(p.entry.published_at)).collect::<Vec<_>>())
        .bind(placed.iter().map(|p| p.entry.kind.map(schemas::Kind::number)).collect::<Vec<_>>())
        .bind(placed.iter().map(|p| p.entry.assigned_id).collect::<Vec<_>>())
        .bind(column(|entry| entry.replay_of))
        .bind(placed.iter().map(|p| &p.entry.payload[..]).collect::<Vec<_>>())
        .bind(placed.iter().map(|p| p.entry.encoding.name()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
}

async fn copy(
    connection: &mut PgConnection,
    day: NaiveDate,
    placed: &[Placed<'_>],
    counts: &BTreeMap<i32, i64>,
) -> Result<Bases, sqlx::Error> {
    let (partitions, numbers): (Vec<i32>, Vec<i64>) = counts.iter().unzip();
    let bases: Bases = sqlx::query_as(RESERVE).bind(partitions).bind(numbers).fetch_all(&mut *connection).await?;
    let first: BTreeMap<i32, i64> = bases.iter().map(|(partition, base, _)| (*partition, *base)).collect();
    copy_rows(connection, COPY, placed, |rows, Placed { entry, partition, nth }| {
        let first = first.get(partition).ok_or(sqlx::Error::RowNotFound)?;
        rows.row(COLUMNS).i32(*partition).i64(first + nth).date(day).timestamp(entry.published_at);
        optional(rows, entry.kind, |rows, kind| rows.i16(kind.number()));
        optional(rows, entry.assigned_id, CopyRows::uuid);
        optional(rows, entry.replay_of, CopyRows::i64);
        rows.bytes(&entry.payload).optional_text(entry.encoding.name());
        Ok(())
    })
    .await?;
    Ok(bases)
}

fn optional<T>(rows: &mut CopyRows, value: Option<T>, write: impl Fn(&mut CopyRows, T) -> &mut CopyRows) {
    match value {
        Some(value) => write(rows, value),
        None => rows.null(),
    };
}

fn receipts(
    appended: &[Option<&AppendRequest>],
    placed: &[Placed<'_>],
    bases: &BTreeMap<i32, Base>,
) -> Vec<Vec<Receipt>> {
    let mut placed = placed.iter();
    let receipt = |p: &Placed<'_>| {
        let base = &bases[&p.partition];
        let position = Position::offset(base.offset + p.nth);
        Receipt { flow: p.entry.key.flow, source: base.source.clone(), position }
    };
    appended
        .iter()
        .map(|request| placed.by_ref().take(request.map_or(0, |r| r.entries.len())).map(receipt).collect())
        .collect()
}

/// The name of a partition of this log as a source: `log-2`.
pub(super) fn source_name(partition: i32) -> String {
    format!("log-{partition}")
}
