//! D1 and D2: what is counted does not depend on batching, crashes or order of arrival.
//!
//! The lines run as they do in production, over PostgreSQL; only the source is in memory, so that the test cuts the
//! batches. A crash is a line dropped in the middle of whatever it was doing, connection and all.

#![allow(clippy::unwrap_used)]

#[path = "support/property.rs"]
mod property;
mod support;

use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::run::{Keep, run};
use property::{block_on, cases, shuffle};
use proptest::prelude::*;
use schemas::message::{Encoding, Origin};
use schemas::{Kind, Position, RawMessage, ReversalKind, Timestamp};
use sinks::line::LineSpec;
use sinks::{Flow, Line, SinkError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use std::collections::BTreeMap;
use std::time::Duration;

const PARTITIONS: usize = 2;
const START: &str = "2026-01-01T00:00:00Z";

/// One command as the test makes it up: small domains, so that everything meets everything.
#[derive(Debug, Clone)]
struct Made {
    id: u8,
    campaign: u8,
    influencer: u8,
    second: u16,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Impression,
    Click,
    Conversion(u16),
    Reversal(Reversal),
    Faulty,
    Broken,
    Tick,
}

/// Of any conversion, come or not, by any line; in part or in whole; a refund or a step of one of two disputes.
#[derive(Debug, Clone, Copy)]
struct Reversal {
    conversion: u8,
    cents: Option<u16>,
    currency: Option<&'static str>,
    kind: ReversalKind,
    dispute: u8,
}

fn reversal() -> impl Strategy<Value = Reversal> {
    let currency = prop::option::of(prop::sample::select(&["COP", "USD"][..]));
    let kind = prop::sample::select(&ReversalKind::ALL[..]);
    (0u8..10, prop::option::of(1u16..5_000), currency, kind, 0u8..2).prop_map(
        |(conversion, cents, currency, kind, dispute)| Reversal { conversion, cents, currency, kind, dispute },
    )
}

impl Reversal {
    fn fields(self) -> String {
        let Self { conversion, cents, currency, kind, dispute } = self;
        let amount = cents.map(|cents| format!(r#","valor":"{}.{:02}""#, cents / 100, cents % 100));
        let currency = currency.map(|currency| format!(r#","moneda":"{currency}""#));
        let dispute = kind.is_dispute().then(|| format!(r#","disputa_id":"dis-{dispute}""#));
        let more = [amount, currency, dispute].into_iter().flatten().collect::<String>();
        let (partition, kind) = (conversion as usize % PARTITIONS, kind.name());
        format!(r#""conversion_id":"{partition}-{conversion}","tipo":"{kind}"{more}"#)
    }
}

fn made() -> impl Strategy<Value = Made> {
    let what = prop_oneof![
        6 => Just(What::Impression),
        2 => Just(What::Click),
        3 => (0u16..5_000).prop_map(What::Conversion),
        3 => reversal().prop_map(What::Reversal),
        1 => Just(What::Faulty),
        1 => Just(What::Broken),
        1 => Just(What::Tick),
    ];
    (0u8..40, 0u8..3, 0u8..4, 0u16..600, what).prop_map(|(id, campaign, influencer, second, what)| Made {
        id,
        campaign,
        influencer,
        second,
        what,
    })
}

impl Made {
    fn partition(&self) -> usize {
        (self.campaign as usize * 4 + self.influencer as usize) % PARTITIONS
    }

    fn payload(&self) -> String {
        let Self { id, campaign, influencer, second, what } = self;
        let time = Timestamp::parse(START).unwrap().plus(Duration::from_secs(u64::from(*second)));
        let influencer = if *influencer == 0 { String::new() } else { format!("inf-{influencer}") };
        // The partition is part of the id: an id with two contents on two partitions is first come, first served.
        let id = format!("{}-{id}", self.partition());
        let common =
            format!(r#""id":"{id}","campaña_id":"cmp-{campaign}","influencer_id":"{influencer}","timestamp":"{time}""#);
        match what {
            What::Impression | What::Tick => format!(r#"{{"comando":"registrar-impresion",{common}}}"#),
            What::Click => format!(r#"{{"comando":"registrar-impresion",{common},"tipo_evento":"CLICK"}}"#),
            What::Conversion(cents) => {
                let currency = ["COP", "USD", "EUR"][*cents as usize % 3];
                let amount = format!("{}.{:02}", cents / 100, cents % 100);
                format!(r#"{{"comando":"registrar-conversion",{common},"valor":"{amount}","moneda":"{currency}"}}"#)
            }
            What::Reversal(reversal) => {
                format!(r#"{{"comando":"registrar-reversion",{common},{}}}"#, reversal.fields())
            }
            What::Faulty => format!(r#"{{"comando":"registrar-conversion",{common},"valor":-1}}"#),
            What::Broken => format!(r#"{{"comando":"registrar-conversion",{common}"#),
        }
    }
}

/// The partitions of the log that these commands would lie in.
fn partitions(commands: &[Made]) -> Vec<Vec<RawMessage>> {
    let mut partitions = vec![Vec::new(); PARTITIONS];
    for command in commands {
        let partition = &mut partitions[command.partition()];
        let tick = matches!(command.what, What::Tick);
        let origin = Origin {
            position: Position::offset(partition.len() as i64),
            published_at: Timestamp::parse("2026-01-01T00:30:00Z").unwrap(),
            assigned_id: None,
            replay_of: None,
            payload: if tick { Bytes::new() } else { Bytes::from(command.payload()) },
            encoding: Encoding::Json,
        };
        partition.push(RawMessage { origin, kind: tick.then_some(Kind::Tick) });
    }
    partitions
}

/// How one run cuts its batches, and after how many microseconds its lines crash, one life after the other.
#[derive(Debug, Clone)]
struct Schedule {
    batches: Vec<usize>,
    crashes: Vec<u64>,
}

/// Lives reach from before a line is taken to its last epochs, so most crashes come within one.
fn schedule() -> impl Strategy<Value = Schedule> {
    (prop::collection::vec(1usize..30, 1..5), prop::collection::vec(0u64..100_000, 1..6))
        .prop_map(|(batches, crashes)| Schedule { batches, crashes })
}

const CALM: Schedule = Schedule { batches: Vec::new(), crashes: Vec::new() };

async fn run_partition(options: &PgConnectOptions, index: usize, messages: &[RawMessage], schedule: &Schedule) {
    let lives = schedule.crashes.iter().map(|micros| Duration::from_micros(*micros)).map(Some).chain([None]);
    for life in lives {
        let whole = run_to_end(options, index, messages, schedule);
        match life {
            // The line is dropped wherever it is: its connection ends, and with it its transaction.
            Some(life) => drop(tokio::time::timeout(life, whole).await),
            None => whole.await,
        }
    }
}

async fn run_to_end(options: &PgConnectOptions, index: usize, messages: &[RawMessage], schedule: &Schedule) {
    let name = format!("memory-{index}");
    loop {
        let spec = LineSpec { flow: Flow::Tracking, source: &name, live: true, exclusive: true };
        let line = match Line::take(options, spec).await {
            Ok(line) => line,
            // The connection of the life before is still being cleaned up.
            Err(SinkError::Taken(_)) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let source = MemorySource::new(&name, messages, line.position(), &schedule.batches);
        return run(Flow::Tracking, source, line, Keep::default(), |_| ()).await.unwrap();
    }
}

/// Everything that counts, by name; numbers that are given out in order of arrival are resolved or left out.
async fn outcome(commands: &[Made], schedule: &Schedule) -> BTreeMap<&'static str, Vec<String>> {
    let options = support::database().await;
    let partitions = partitions(commands);
    let lines = partitions.iter().enumerate().map(|(i, messages)| run_partition(&options, i, messages, schedule));
    futures::future::join_all(lines).await;
    dump(&options).await
}

const NAMES: &str = "JOIN campaign_names c USING (campaign) LEFT JOIN influencer_names i USING (influencer)";

async fn dump(options: &PgConnectOptions) -> BTreeMap<&'static str, Vec<String>> {
    let mut connection = options.connect().await.unwrap();
    let queries = [
        ("claims", "SELECT concat_ws(' ', kind, id, content) FROM claims".to_owned()),
        ("claimants", "SELECT concat_ws(' ', kind, id, l.source, c.ledger, c.entry, c.index) FROM claims c JOIN lines l USING (line)".to_owned()),
        ("rejects", "SELECT concat_ws(' ', code, detail, encode(payload, 'escape')) FROM rejects".to_owned()),
        ("windows", format!("SELECT concat_ws(' ', c.name, i.name, start, impressions, clicks, conversions) FROM windows {NAMES}")),
        ("amounts", format!("SELECT concat_ws(' ', c.name, i.name, start, currency, trim_scale(amount)) FROM window_amounts {NAMES}")),
        ("totals", "SELECT concat_ws(' ', c.name, sum(impressions), sum(clicks), sum(conversions)) FROM campaign_totals JOIN campaign_names c USING (campaign) GROUP BY c.name".to_owned()),
        ("total amounts", "SELECT concat_ws(' ', c.name, currency, trim_scale(sum(amount))) FROM campaign_total_amounts JOIN campaign_names c USING (campaign) GROUP BY c.name, currency".to_owned()),
        ("reversals", "SELECT concat_ws(' ', conversion_id, id, coalesce(trim_scale(amount)::text, 'all'), currency, open) FROM effective_reversals".to_owned()),
        // How often a conversion is marked depends on the batches.
        ("marks", "SELECT DISTINCT conversion::text FROM unsettled_conversions".to_owned()),
        ("lines", "SELECT concat_ws(' ', source, entry, watermark, accepted, reversals, duplicates, rejected, messages) FROM lines".to_owned()),
    ];
    let mut tables = BTreeMap::new();
    for (table, query) in queries {
        let query = format!("{query} ORDER BY 1");
        tables.insert(table, sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut connection).await.unwrap());
    }
    tables
}

proptest! {
    #![proptest_config(cases())]

    /// D1: the same contents of partitions, in any batching and with any crashes.
    #[test]
    fn batching_and_crashes_change_nothing(
        commands in prop::collection::vec(made(), 1..150),
        schedule in schedule(),
    ) {
        let (calm, wild) = block_on(async { (outcome(&commands, &CALM).await, outcome(&commands, &schedule).await) });
        prop_assert_eq!(calm, wild);
    }

    /// D2: any order of arrival, provided that no id comes with two contents.
    #[test]
    fn the_order_of_arrival_changes_no_sum(
        commands in prop::collection::vec(made(), 1..150),
        order in any::<u64>(),
    ) {
        let mut first_of = BTreeMap::new();
        let commands: Vec<Made> = commands
            .into_iter()
            .map(|made| first_of.entry((made.partition(), made.id)).or_insert(made).clone())
            .collect();
        let mut shuffled = commands.clone();
        shuffle(&mut shuffled, order);
        let (mut one, mut other) = block_on(async { (outcome(&commands, &CALM).await, outcome(&shuffled, &CALM).await) });
        for history in ["claimants", "lines"] {
            one.remove(history);
            other.remove(history);
        }
        prop_assert_eq!(one, other);
    }
}
