//! What changes campaigns: decided command by command however batches are cut and lines crash; and what it does to money.

#![allow(clippy::unwrap_used)]

#[path = "support/property.rs"]
#[allow(dead_code)] // others need more of it
mod property;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::run::{Keep, run};
use property::cases;
use proptest::prelude::*;
use schemas::message::{Encoding, Origin};
use schemas::{Position, RawMessage, Timestamp};
use sinks::line::LineSpec;
use sinks::{Flow, Line, SinkError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

fn message(flow: Flow, offset: usize, payload: String) -> RawMessage {
    // Commands about campaigns come half a minute apart, from half past a minute on.
    let published_at = match flow {
        Flow::Tracking => at("2026-01-01T14:00:00Z"),
        Flow::Campaigns => at("2026-01-01T12:00:30Z").plus(Duration::from_secs(30 * offset as u64)),
    };
    let origin = Origin {
        position: Position::offset(offset as i64),
        published_at,
        assigned_id: None,
        replay_of: None,
        payload: Bytes::from(payload),
        encoding: Encoding::Json,
    };
    RawMessage { origin, kind: None }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

async fn run_line(options: &PgConnectOptions, flow: Flow, lines: &[String], batches: &[usize]) {
    let messages: Vec<_> =
        lines.iter().cloned().enumerate().map(|(offset, line)| message(flow, offset, line)).collect();
    let name = if flow == Flow::Tracking { "log-0" } else { "log-4" };
    let spec = LineSpec { flow, source: name, live: true, exclusive: true };
    let line = loop {
        match Line::take(options, spec).await {
            Ok(line) => break line,
            // The connection of the life before is still being cleaned up.
            Err(SinkError::Taken(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    };
    let source = MemorySource::new(name, &messages, line.position(), batches);
    run(flow, source, line, Keep::default(), |_| ()).await.unwrap();
}

async fn column(options: &PgConnectOptions, query: &str) -> Vec<String> {
    let mut connection = options.connect().await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.unwrap()
}

/// A click of each influencer for each campaign, on the hour and half past, from 10:00 to 13:30.
fn clicks() -> Vec<String> {
    let each = (0..8).flat_map(|half| (0..2).flat_map(move |campaign| (0..2).map(move |who| (half, campaign, who))));
    each.map(|(half, campaign, who)| {
        let minutes = (half % 2) * 30;
        format!(
            r#"{{"comando":"registrar-impresion","id":"k-{half}-{campaign}-{who}","campaña_id":"cmp-{campaign}",
               "influencer_id":"inf-{who}","tipo_evento":"CLICK","timestamp":"2026-01-01T{}:{minutes:02}:00Z"}}"#,
            10 + half / 2,
        )
    })
    .collect()
}

/// What has been earned of `cmp-0`: influencer and minute, a click a line.
async fn earned(options: &PgConnectOptions) -> Vec<String> {
    let query = "SELECT concat_ws(' ', i.name, to_char(start, 'HH24:MI')) FROM window_commissions
                 JOIN campaign_names c USING (campaign) JOIN influencer_names i USING (influencer)
                 WHERE c.name = 'cmp-0' ORDER BY 1";
    column(options, query).await
}

/// The hours of `cmp-0` that were marked since the last time.
async fn marks(options: &PgConnectOptions) -> Vec<String> {
    let query = "WITH taken AS (DELETE FROM unsettled RETURNING *)
                 SELECT DISTINCT concat_ws(' ', i.name, to_char(hour, 'HH24')) FROM taken JOIN influencer_names i USING (influencer)
                 JOIN campaign_names c USING (campaign) WHERE c.name = 'cmp-0' ORDER BY 1";
    column(options, query).await
}

fn of(who: u8, times: &[&str]) -> Vec<String> {
    times.iter().map(|time| format!("inf-{who} {time}")).collect()
}

#[tokio::test]
async fn what_does_not_earn_is_counted_all_the_same_and_marked() {
    let options = support::database().await;
    run_line(&options, Flow::Tracking, &clicks(), &[]).await;
    let mut sent = Vec::new();
    let mut send = async |line: &str| {
        sent.push(line.to_owned());
        run_line(&options, Flow::Campaigns, &sent, &[]).await;
    };
    let all = ["10:00", "10:30", "11:00", "11:30", "12:00", "12:30", "13:00", "13:30"];
    let hours = ["10", "11", "12", "13"];
    let both = |times: &[&str]| [of(0, times), of(1, times)].concat();

    send(r#"{"comando":"crear-campaña","id":"cmp-0","fecha_inicio":"2026-01-01T10:30:00Z"}"#).await;
    assert_eq!(marks(&options).await, both(&hours), "what came before the campaign may earn something else");
    let terms = r#""vigente_desde":"2026-01-01T00:00:00Z","reglas":[{"tipo":"CPC","monto":1}]"#;
    send(&format!(r#"{{"comando":"definir-comisiones","id":"t","campaña_id":"cmp-0",{terms}}}"#)).await;
    assert_eq!((earned(&options).await, marks(&options).await), (both(&all[1..]), both(&hours)));

    send(r#"{"comando":"editar-campaña","id":"e1","campaña_id":"cmp-0","nombre":"N","presupuesto":7}"#).await;
    assert_eq!(marks(&options).await, [""; 0], "a name earns nothing");
    send(r#"{"comando":"editar-campaña","id":"e2","campaña_id":"cmp-0","fecha_inicio":null,"fecha_fin":"2026-01-01T13:30:00Z"}"#)
        .await;
    assert_eq!((earned(&options).await, marks(&options).await), (both(&all[..7]), both(&hours)));

    // Sent at 12:02:30: the minute that has begun still earns.
    send(r#"{"comando":"pausar-campaña","id":"p","campaña_id":"cmp-0"}"#).await;
    assert_eq!((earned(&options).await, marks(&options).await), (both(&all[..5]), both(&hours[2..])));
    send(r#"{"comando":"reanudar-campaña","id":"r","campaña_id":"cmp-0","desde":"2026-01-01T13:00:00Z"}"#).await;
    let with_pause = [&all[..5], &all[6..7]].concat();
    assert_eq!((earned(&options).await, marks(&options).await), (both(&with_pause), both(&hours[3..])));

    send(r#"{"comando":"retirar-influencer","id":"d","campaña_id":"cmp-0","influencer_id":"inf-1","desde":"2026-01-01T10:30:00Z"}"#)
        .await;
    let removed = [of(0, &with_pause), of(1, &all[..1])].concat();
    assert_eq!((earned(&options).await, marks(&options).await), (removed, of(1, &hours)));
    send(r#"{"comando":"agregar-influencer","id":"a","campaña_id":"cmp-0","influencer_id":"inf-1","desde":"2026-01-01T11:00:00Z"}"#)
        .await;
    let back = [of(0, &with_pause), of(1, &[&all[..1], &with_pause[2..]].concat())].concat();
    assert_eq!((earned(&options).await, marks(&options).await), (back, of(1, &hours[1..])));

    send(r#"{"comando":"finalizar-campaña","id":"f","campaña_id":"cmp-0","desde":"2026-01-01T13:00:00Z"}"#).await;
    let ended = [of(0, &all[..5]), of(1, &[&all[..1], &all[2..5]].concat())].concat();
    assert_eq!((earned(&options).await, marks(&options).await), (ended, both(&hours[3..])));
    // Counted: both campaigns, both influencers, at every half hour.
    assert_eq!(column(&options, "SELECT sum(clicks)::text FROM campaign_totals").await, ["32"]);
    let generations = "SELECT generation::text FROM facts";
    assert_eq!(column(&options, generations).await, ["8"], "every change but that of the name");
}

/// One command as the test makes it up: few ids, few campaigns, so that everything meets everything.
fn made() -> impl Strategy<Value = String> {
    let minute = |minute: u8| format!(r#","desde":"2026-01-01T12:{minute:02}:00Z""#);
    let desde = prop_oneof![2 => Just(String::new()), 3 => (0u8..20).prop_map(minute)];
    let states = prop::sample::select(&["pausar-campaña", "reanudar-campaña", "finalizar-campaña"][..]);
    let change = prop_oneof![
        1 => Just(r#""comando":"crear-campaña""#.to_owned()),
        6 => (states, desde.clone()).prop_map(|(comando, desde)| format!(r#""comando":"{comando}"{desde}"#)),
        2 => prop::sample::select(&[
                r#""nombre":"N""#, r#""moneda":"USD""#, r#""moneda":"COP","presupuesto":5"#,
                r#""fecha_inicio":"2026-01-01T11:00:00Z""#, r#""fecha_fin":"2026-01-01T11:00:00Z","marca":null"#,
            ][..]).prop_map(|edit| format!(r#""comando":"editar-campaña",{edit}"#)),
        2 => (prop::sample::select(&["agregar-influencer", "retirar-influencer"][..]), 0u8..2, desde)
            .prop_map(|(comando, who, desde)| format!(r#""comando":"{comando}","influencer_id":"inf-{who}"{desde}"#)),
        1 => (0u8..2, 0u8..3).prop_map(|(who, name)| {
            format!(r#""comando":"registrar-influencer","influencer_id":"inf-{who}","nombre":"{name}""#)
        }),
        1 => Just(r#""comando":"definir-comisiones","reglas":[{"tipo":"CPC","monto":1}]"#.to_owned()),
    ];
    (change, 0u8..12, 0u8..2).prop_map(|(change, id, campaign)| {
        // A campaign's own id is the command's.
        let id = if change.contains("crear-") { format!("cmp-{campaign}") } else { format!("x-{id}") };
        format!(r#"{{{change},"id":"{id}","campaña_id":"cmp-{campaign}"}}"#)
    })
}

/// Everything that the campaigns line decided, by name.
async fn outcome(lines: &[String], batches: &[usize], crashes: &[u64]) -> BTreeMap<&'static str, Vec<String>> {
    let options = support::database().await;
    run_line(&options, Flow::Tracking, &clicks(), &[]).await;
    for micros in crashes {
        // The line is dropped wherever it is: its connection ends, and with it its transaction.
        let whole = run_line(&options, Flow::Campaigns, lines, batches);
        drop(tokio::time::timeout(Duration::from_micros(*micros), whole).await);
    }
    run_line(&options, Flow::Campaigns, lines, batches).await;
    let outcomes = alpes::verify::verify(&options, |_| ()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.different == 0), "{outcomes:#?}");
    let mut tables = BTreeMap::new();
    for (table, query) in [
        ("claims", "SELECT concat_ws(' ', kind, id, content, entry) FROM claims WHERE kind > 2"),
        ("rejects", "SELECT concat_ws(' ', entry, code, detail) FROM rejects"),
        (
            "campaigns",
            "SELECT to_jsonb(c)::text FROM (SELECT id, name, brand, budget, starts_at, ends_at FROM campaigns) c",
        ),
        (
            "states",
            "SELECT concat_ws(' ', id, c.name, valid_from, state, rank() OVER (PARTITION BY campaign ORDER BY change))
             FROM campaign_states JOIN campaign_names c USING (campaign)",
        ),
        (
            "memberships",
            "SELECT concat_ws(' ', id, c.name, i.name, valid_from, member) FROM memberships
             JOIN campaign_names c USING (campaign) JOIN influencer_names i USING (influencer)",
        ),
        ("influencers", "SELECT concat_ws(' ', id, name, registered_at, updated_at) FROM influencers"),
        ("edits", "SELECT concat_ws(' ', id, keys, edited_at) FROM campaign_edits"),
        (
            "marks",
            "SELECT DISTINCT concat_ws(' ', c.name, i.name, hour) FROM unsettled
             JOIN campaign_names c USING (campaign) JOIN influencer_names i USING (influencer)",
        ),
        ("lines", "SELECT concat_ws(' ', accepted, duplicates, rejected, messages) FROM lines WHERE source = 'log-4'"),
    ] {
        tables.insert(table, column(&options, &format!("{query} ORDER BY 1")).await);
    }
    tables
}

proptest! {
    #![proptest_config(cases())]

    /// D1 for campaigns: what a command comes to depends on those before it, never on how batches were cut.
    #[test]
    fn batching_and_crashes_decide_nothing(
        lines in prop::collection::vec(made(), 1..60),
        batches in prop::collection::vec(1usize..12, 1..5),
        crashes in prop::collection::vec(0u64..60_000, 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (one_by_one, calm, wild) = runtime.block_on(async {
            (
                outcome(&lines, &[1], &[]).await,
                outcome(&lines, &[], &[]).await,
                outcome(&lines, &batches, &crashes).await,
            )
        });
        prop_assert_eq!(&one_by_one, &calm);
        prop_assert_eq!(calm, wild);
    }
}
