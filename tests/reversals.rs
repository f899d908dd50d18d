//! What reversals come to in money: the same, whether they come before their conversion, after it, or after it was posted.

#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::poster;
use pipeline::run::{Keep, run};
use schemas::message::{Encoding, Origin};
use schemas::{Position, RawMessage, Timestamp};
use sinks::line::LineSpec;
use sinks::{Flow, Line};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

fn messages(payloads: &[String]) -> Vec<RawMessage> {
    let message = |(offset, payload): (usize, &String)| RawMessage {
        kind: None,
        origin: Origin {
            position: Position::offset(offset as i64),
            published_at: Timestamp::parse("2026-01-02T00:00:00Z").unwrap(),
            assigned_id: None,
            replay_of: None,
            payload: Bytes::from(payload.clone()),
            encoding: Encoding::Json,
        },
    };
    payloads.iter().enumerate().map(message).collect()
}

/// Runs a line over `payloads`, and settles what has changed.
async fn settle(options: &PgConnectOptions, flow: Flow, name: &str, payloads: &[String]) {
    let spec = LineSpec { flow, source: name, live: false, exclusive: false };
    let line = Line::take(options, spec).await.unwrap();
    let source = MemorySource::new(name, &messages(payloads), line.position(), &[3]);
    run(flow, source, line, Keep::default(), |_| ()).await.unwrap();
    poster::drain(options).await.unwrap();
}

fn conversion(id: &str) -> String {
    format!(
        r#"{{"comando":"registrar-conversion","id":"{id}","campaña_id":"cmp","influencer_id":"inf","valor":100,
            "timestamp":"2026-01-01T10:00:00Z"}}"#
    )
}

fn reversal(id: &str, conversion: &str, fields: &str) -> String {
    format!(
        r#"{{"comando":"registrar-reversion","id":"{id}","conversion_id":"{conversion}","timestamp":"2026-01-01T11:00:00Z"
            {fields}}}"#
    )
}

/// What each conversion of 100 brings at 7 %, when all is said: earned and reversed.
const EXPECTED: [(&str, &str, &str); 7] = [
    ("disputed", "7.00", "0.00"),
    ("lost", "7.00", "7.00"),
    ("part", "7.00", "2.10"),
    ("pesos-only", "7.00", "0.00"),
    ("too-much", "7.00", "7.00"),
    ("whole", "7.00", "7.00"),
    ("won", "7.00", "0.00"),
];

fn reversals() -> Vec<String> {
    let step = |kind: &str| format!(r#","tipo":"DISPUTA_{kind}","disputa_id":"d""#);
    vec![
        reversal("r1", "whole", ""),
        reversal("r2", "part", r#","valor":"10""#),
        reversal("r3", "part", r#","valor":"20","moneda":"COP""#),
        reversal("r4", "too-much", r#","valor":"60""#),
        reversal("r5", "too-much", r#","valor":"60.01""#),
        reversal("r6", "pesos-only", r#","moneda":"USD""#),
        reversal("r7", "disputed", &step("ABIERTA")),
        reversal("r8", "won", &step("ABIERTA")),
        reversal("r9", "won", &step("GANADA")),
        reversal("r10", "lost", &step("ABIERTA")),
        reversal("r11", "lost", &step("PERDIDA")),
        reversal("r12", "nobody's", ""),
    ]
}

async fn assert_expected(options: &PgConnectOptions, when: &str) {
    let mut connection = options.connect().await.unwrap();
    let select = "SELECT conversion, to_char(earned, 'FM0.00'), to_char(reversed, 'FM0.00') FROM commissions
                  ORDER BY conversion COLLATE \"C\"";
    let found: Vec<(String, String, String)> = sqlx::query_as(select).fetch_all(&mut connection).await.unwrap();
    let expected = EXPECTED.map(|(id, earned, reversed)| (id.to_owned(), earned.to_owned(), reversed.to_owned()));
    assert_eq!(found, expected, "{when}");
}

#[tokio::test]
async fn money_is_the_same_whenever_they_come() {
    let terms = r#"{"comando":"definir-comisiones","id":"t","campaña_id":"cmp","vigente_desde":"2026-01-01T00:00:00Z",
        "reglas":[{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":7}]}"#;
    let conversions: Vec<_> = EXPECTED.iter().map(|(id, ..)| conversion(id)).collect();
    let (before, amid) = (reversals(), reversals().into_iter().rev().chain(conversions.clone()).collect::<Vec<_>>());
    for (when, parts) in [
        ("before", vec![before.clone(), conversions.clone()]),
        ("after", vec![conversions.clone(), before.clone()]),
        ("together", vec![amid]),
        ("one by one", conversions.iter().chain(&before).map(|payload| vec![payload.clone()]).collect()),
    ] {
        let options = support::database().await;
        settle(&options, Flow::Campaigns, "terms", &[terms.to_owned()]).await;
        for (number, part) in parts.iter().enumerate() {
            settle(&options, Flow::Tracking, &format!("part-{number}"), part).await;
        }
        assert_expected(&options, when).await;
    }
}
