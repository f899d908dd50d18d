//! D1 and D2 for money: balances do not depend on batching, crashes, order of arrival, or on when windows are closed and
//! postings made; with tiers, caps, minima, back-dated terms, refunds and disputes. The oracle agrees with every one.

#![allow(clippy::unwrap_used)]

#[path = "support/property.rs"]
mod property;
mod support;

use alpes::verify::verify;
use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::poster;
use pipeline::run::{Keep, run};
use property::{block_on, cases, shuffle};
use proptest::prelude::*;
use rust_decimal::Decimal;
use schemas::message::{Encoding, Origin};
use schemas::money::round_commission;
use schemas::{Currency, Kind, Position, RawMessage, Timestamp};
use sinks::line::LineSpec;
use sinks::{Flow, Line, closer};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Three hours over the end of a month, so that events fall into two days and two months.
const START: &str = "2026-01-31T22:30:00Z";
const MINUTES: u16 = 180;
const GRACE: Duration = Duration::from_secs(60);
/// The log's partitions: four of tracking, then the campaigns'.
const PARTITIONS: usize = 5;
const CAMPAIGNS: usize = 4;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A command, for a partition.
    Send(usize, String),
    /// Time passes up to a minute: windows close.
    Close(u16),
    /// What has changed is posted.
    Post,
}

fn at(minute: u16) -> Timestamp {
    Timestamp::parse(START).unwrap().plus(Duration::from_secs(60 * u64::from(minute)))
}

fn event() -> impl Strategy<Value = (u16, String)> {
    let what = prop_oneof![
        4 => Just(r#""comando":"registrar-impresion""#.to_owned()),
        3 => Just(r#""comando":"registrar-impresion","tipo_evento":"CLICK""#.to_owned()),
        6 => (0u16..20_000, prop::sample::select(vec!["COP", "USD"]), prop::sample::select(vec!["VENTA", "REGISTRO"]))
            .prop_map(|(cents, currency, kind)| {
                let amount = format!("{}.{:02}", cents / 100, cents % 100);
                format!(r#""comando":"registrar-conversion","valor":"{amount}","moneda":"{currency}","tipo_conversion":"{kind}""#)
            }),
    ];
    (0u16..60, 0u8..2, 1u8..3, 0..MINUTES, 0u8..60, what).prop_map(|(id, campaign, influencer, minute, second, what)| {
        let time = at(minute).plus(Duration::from_secs(second.into()));
        let text = format!(
            r#"{{{what},"id":"e-{id}","campaña_id":"cmp-{campaign}","influencer_id":"inf-{influencer}","timestamp":"{time}"}}"#
        );
        (id, text)
    })
}

fn reversal() -> impl Strategy<Value = (u16, String)> {
    let what = prop_oneof![
        3 => Just(String::new()),
        1 => (0u8..2, prop::sample::select(vec!["DISPUTA_ABIERTA", "DISPUTA_GANADA", "DISPUTA_PERDIDA"]))
            .prop_map(|(dispute, verdict)| format!(r#","tipo":"{verdict}","disputa_id":"d-{dispute}""#)),
    ];
    let amount = prop::option::of(1u16..15_000);
    (100u16..130, 0u16..60, amount, what, 0..MINUTES).prop_map(|(id, conversion, amount, what, minute)| {
        let amount = amount.map(|cents| format!(r#","valor":"{}.{:02}""#, cents / 100, cents % 100)).unwrap_or_default();
        let time = at(minute);
        let text = format!(
            r#"{{"comando":"registrar-reversion","id":"r-{id}","conversion_id":"e-{conversion}","timestamp":"{time}"{amount}{what}}}"#
        );
        (id, text)
    })
}

/// Rules that meet every branch: rates with remainders, tiers of both kinds, caps by day, month and for ever, minima.
const RULES: [&str; 10] = [
    r#"{"tipo":"CPM","monto":"333.33","moneda":"COP"}"#,
    r#"{"tipo":"CPM","monto":"7.77","moneda":"USD","tope":"0.02","periodo":"DIA"}"#,
    r#"{"tipo":"CPC","monto":"0.37","moneda":"USD"}"#,
    r#"{"tipo":"CPC","monto":"1.11","moneda":"COP","escalones":[{"desde":"2","monto":"0.55"},{"desde":"4","monto":"0.99"}],"periodo":"MES"}"#,
    r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"7.35"}"#,
    r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"7.5","moneda":"COP","tope":"11.11","periodo":"DIA"}"#,
    r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"3","moneda":"COP","escalones":[{"desde":"90.5","porcentaje":"5.55"}],"escala":"RETROACTIVA","periodo":"TOTAL","tope":"20"}"#,
    r#"{"tipo":"CPA","tipo_conversion":"REGISTRO","monto":"10.01","moneda":"COP"}"#,
    r#"{"tipo":"CPA","tipo_conversion":"REGISTRO","monto":"0.33","moneda":"USD","escalones":[{"desde":"3","monto":"0.5"}],"periodo":"MES"}"#,
    r#"{"tipo":"CPA","tipo_conversion":"REGISTRO","monto":"5","moneda":"COP","venta_minima":"50","tope":"7.5","periodo":"TOTAL"}"#,
];

/// One rule of each basis at most, as terms must have; the number of the minute keeps two versions from beginning at once.
fn terms() -> impl Strategy<Value = (u16, String)> {
    let rules = prop::collection::btree_set(0usize..RULES.len(), 1..4);
    (200u16..206, 0u8..2, 0u8..3, rules).prop_map(|(id, campaign, influencer, rules)| {
        let mut bases = BTreeSet::new();
        let basis = |rule: usize| [0, 0, 1, 1, 2, 2, 2, 3, 3, 3][rule];
        let rules: Vec<&str> = rules.into_iter().filter(|it| bases.insert(basis(*it))).map(|it| RULES[it]).collect();
        let from = at((id - 200) * 30);
        let influencer = if influencer == 0 { "null".into() } else { format!(r#""inf-{influencer}""#) };
        let text = format!(
            r#"{{"comando":"definir-comisiones","id":"t-{id}","campaña_id":"cmp-{campaign}","influencer_id":{influencer},"vigente_desde":"{from}","reglas":[{}]}}"#,
            rules.join(",")
        );
        (id, text)
    })
}

/// Commands, each id once, with closing and posting anywhere among them.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commands = (
        prop::collection::vec(event(), 1..90),
        prop::collection::vec(reversal(), 0..20),
        prop::collection::vec(terms(), 1..6),
        any::<u64>(),
    );
    let others = prop_oneof![3 => Just(Step::Post), 1 => (0..MINUTES).prop_map(Step::Close)];
    (commands, prop::collection::vec(others, 0..6)).prop_map(|((events, reversals, terms, seed), others)| {
        let mut ids = BTreeSet::new();
        let all = events.into_iter().chain(reversals).chain(terms).filter(|(id, _)| ids.insert(*id));
        let mut steps: Vec<Step> = all.map(|(id, text)| Step::Send(partition(id), text)).chain(others).collect();
        shuffle(&mut steps, seed);
        steps
    })
}

fn partition(id: u16) -> usize {
    if id < 200 { usize::from(id) % CAMPAIGNS } else { CAMPAIGNS }
}

/// The log as it grows, and the lines over it.
struct World {
    options: PgConnectOptions,
    log: Vec<Vec<RawMessage>>,
}

impl World {
    fn push(&mut self, partition: usize, published_at: Timestamp, kind: Option<Kind>, payload: Bytes) {
        let position = Position::offset(self.log[partition].len() as i64);
        let encoding = Encoding::Json;
        let origin = Origin { position, published_at, assigned_id: None, replay_of: None, payload, encoding };
        self.log[partition].push(RawMessage { origin, kind });
    }

    /// Runs every line to the end of the log.
    async fn count(&self) {
        for (partition, messages) in self.log.iter().enumerate() {
            let flow = if partition == CAMPAIGNS { Flow::Campaigns } else { Flow::Tracking };
            let name = format!("log-{partition}");
            let spec = LineSpec { flow, source: &name, live: partition != CAMPAIGNS, exclusive: false };
            let line = Line::take(&self.options, spec).await.unwrap();
            let source = MemorySource::new(&name, messages, line.position(), &[7, 1, 30]);
            run(flow, source, line, Keep::default(), |_| ()).await.unwrap();
        }
    }

    async fn close(&mut self, through: u16) {
        let time = at(through).plus(GRACE);
        (0..CAMPAIGNS).for_each(|partition| self.push(partition, time, Some(Kind::Tick), Bytes::new()));
        self.count().await;
        let mut connection = self.options.connect().await.unwrap();
        while closer::close(&mut connection, Timestamp::now(), GRACE).await.unwrap().1 {}
    }

    async fn post(&self) {
        self.count().await;
        poster::drain(&self.options).await.unwrap();
    }
}

/// What everybody is owed, and for what, after all steps, with everything closed and posted.
async fn outcome(steps: &[Step]) -> BTreeMap<&'static str, Vec<String>> {
    let mut world = World { options: support::database().await, log: vec![Vec::new(); PARTITIONS] };
    let published_at = at(MINUTES).plus(Duration::from_secs(86_400));
    for step in steps {
        match step {
            Step::Send(partition, text) => world.push(*partition, published_at, None, Bytes::from(text.clone())),
            Step::Close(through) => world.close(*through).await,
            Step::Post => world.post().await,
        }
    }
    world.close(MINUTES).await;
    world.post().await;
    for outcome in verify(&world.options, |_| ()).await.unwrap() {
        assert_eq!(outcome.different, 0, "{}: {:?}", outcome.name, outcome.examples);
    }
    dump(&world.options).await
}

const NAMES: &str = "JOIN campaign_names c USING (campaign) JOIN influencer_names i USING (influencer)";

async fn dump(options: &PgConnectOptions) -> BTreeMap<&'static str, Vec<String>> {
    let mut connection = options.connect().await.unwrap();
    let queries = [
        ("balances", format!(
            "SELECT concat_ws(' ', c.name, i.name, currency, trim_scale(earned), trim_scale(reversed))
             FROM balances {NAMES} WHERE earned <> 0 OR reversed <> 0"
        )),
        ("commissions", format!(
            "SELECT concat_ws(' ', c.name, i.name, start, conversion, CASE WHEN conversion IS NULL THEN t.id END,
                              CASE WHEN conversion IS NULL THEN rule END, currency, trim_scale(quantity),
                              trim_scale(earned), trim_scale(reversed))
             FROM commissions {NAMES} JOIN (SELECT terms, id FROM terms) t USING (terms) WHERE earned <> 0 OR reversed <> 0"
        )),
        ("rejects", "SELECT concat_ws(' ', code, detail) FROM rejects".to_owned()),
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

    /// The same commands in another order, closed and posted at other times.
    #[test]
    fn whenever_things_come_everybody_is_owed_the_same(steps in steps(), seed in any::<u64>()) {
        let mut shuffled = steps.clone();
        shuffle(&mut shuffled, seed);
        let (one, other) = block_on(async { (outcome(&steps).await, outcome(&shuffled).await) });
        prop_assert_eq!(one, other);
    }
}

/// Statistics and `verify` round in PostgreSQL.
#[tokio::test]
async fn postgresql_rounds_as_the_ledger_does() {
    let mut connection = support::database().await.connect().await.unwrap();
    let select = "SELECT exact, round_half_even(exact, 2)
                  FROM generate_series(-2, 2, 0.0005) AS n
                  CROSS JOIN LATERAL (VALUES (n), (n + 0.000000001), (trim_scale(n))) AS v(exact)";
    let rounded: Vec<(Decimal, Decimal)> = sqlx::query_as(select).fetch_all(&mut connection).await.unwrap();
    assert_eq!(rounded.len(), 3 * 8_001);
    for (exact, rounded) in rounded {
        assert_eq!(rounded, round_commission(exact, Currency::Cop), "{exact}");
    }
}
