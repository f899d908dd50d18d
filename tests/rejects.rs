//! `alpes rejects` and `alpes export`, as a user runs them, over a database of their own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::run::{Keep, run};
use schemas::message::{Encoding, Origin};
use schemas::{Position, RawMessage, Timestamp};
use serde_json::Value;
use sinks::line::LineSpec;
use sinks::{Flow, Line};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

const SOUND: &str = r#"{"comando":"registrar-impresion","id":"i-1","campaña_id":"cmp-ñ","timestamp":"2026-01-01T00:00:30Z","user_agent":"=1+1"}"#;
const CONVERSION: &str = r#"{"comando":"registrar-conversion","id":"c-1","campaña_id":"cmp-ñ","influencer_id":"inf-1","valor":"150000.50","moneda":"COP","timestamp":"2026-01-01T00:01:00Z"}"#;
const NO_CAMPAIGN: &str = r#"{"comando":"registrar-impresion","timestamp":"2026-01-01T00:02:00Z"}"#;
const MENDED: &str = r#"{"comando":"registrar-impresion","campaña_id":"cmp-ñ","timestamp":"2026-01-01T00:02:00Z"}"#;
const CONFLICT: &str =
    r#"{"comando":"registrar-impresion","id":"i-1","campaña_id":"other","timestamp":"2026-01-01T00:00:30Z"}"#;

/// The numbers of the rejects in the order of their messages.
const REJECT_NO_CAMPAIGN: &str = "1";
const REJECT_NOT_TEXT: &str = "2";
const REJECT_CONFLICT: &str = "3";

async fn database() -> PgConnectOptions {
    let options = support::database().await;
    let payloads: [&'static [u8]; 5] =
        [SOUND.as_bytes(), CONVERSION.as_bytes(), NO_CAMPAIGN.as_bytes(), b"\xff\x1b[31m", CONFLICT.as_bytes()];
    let message = |(offset, payload): (usize, &'static [u8])| {
        let origin = Origin {
            position: Position::offset(offset as i64),
            published_at: Timestamp::parse("2026-01-01T03:00:00Z").unwrap(),
            assigned_id: None,
            replay_of: None,
            payload: Bytes::from_static(payload),
            encoding: Encoding::Json,
        };
        RawMessage { origin, kind: None }
    };
    // One batch each, so that the numbers of the rejects are in order.
    let messages: Vec<_> = payloads.into_iter().enumerate().map(message).collect();
    let line = take(&options, "memory").await;
    let source = MemorySource::new("memory", &messages, line.position(), &[1]);
    run(Flow::Tracking, source, line, Keep::default(), |_| ()).await.unwrap();
    options
}

async fn take(options: &PgConnectOptions, source: &str) -> Line {
    Line::take(options, LineSpec { flow: Flow::Tracking, source, live: true, exclusive: false }).await.unwrap()
}

/// Offset, assigned id, replayed reject, payload.
type LogRow = (i64, Option<sqlx::types::Uuid>, Option<i64>, Vec<u8>);

/// Reads what the replays put into the log.
async fn read_the_log(options: &PgConnectOptions) {
    let mut connection = options.connect().await.unwrap();
    for partition in 0..4 {
        let rows: Vec<LogRow> = sqlx::query_as(
            "SELECT \"offset\", assigned_id, replay_of, payload FROM log WHERE partition = $1 ORDER BY 1",
        )
        .bind(partition)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let message = |(offset, assigned_id, replay_of, payload)| {
            let published_at = Timestamp::now();
            let (position, payload) = (Position::offset(offset), Bytes::from(payload));
            RawMessage {
                origin: Origin { position, published_at, assigned_id, replay_of, payload, encoding: Encoding::Json },
                kind: None,
            }
        };
        let messages: Vec<_> = rows.into_iter().map(message).collect();
        let name = format!("log-{partition}");
        let line = take(options, &name).await;
        let source = MemorySource::new(&name, &messages, line.position(), &[]);
        run(Flow::Tracking, source, line, Keep::default(), |_| ()).await.unwrap();
    }
}

fn alpes(options: &PgConnectOptions, arguments: &[&str], input: &str) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_alpes"))
        .args(arguments)
        .env("DATABASE_URL", options.to_url_lossy().as_str())
        .env("ALPES_DATA", std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn list(options: &PgConnectOptions, more: &[&str]) -> Vec<(i64, String, i64)> {
    let output = alpes(options, &[&["rejects", "list", "--json"], more].concat(), "");
    let rows: Vec<Value> = serde_json::from_str(&text(&output)).unwrap();
    let row = |row: &Value| {
        (row["id"].as_i64().unwrap(), row["codigo"].as_str().unwrap().to_owned(), row["intentos"].as_i64().unwrap())
    };
    rows.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reject_is_mended_and_counted_once() {
    let options = database().await;
    let all = [(3, "conflicto_de_id".into(), 0), (2, "malformado".into(), 0), (1, "campo_faltante".into(), 0)];
    assert_eq!(list(&options, &[]), all);
    assert_eq!(list(&options, &["--code", "malformado"]), all[1..2]);

    // As it is, it is still faulty, and is not sent.
    let output = alpes(&options, &["rejects", "replay", REJECT_NO_CAMPAIGN], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("still campo_faltante: campaña_id: falta"), "{output:?}");

    let replay = ["rejects", "replay", REJECT_NO_CAMPAIGN, "--body", "-"];
    for _ in 0..2 {
        text(&alpes(&options, &replay, MENDED));
        read_the_log(&options).await;
    }
    assert_eq!(list(&options, &[]), all[..2]);
    assert_eq!(list(&options, &["--resolved"])[2], (1, "campo_faltante".into(), 2));
    let windows = text(&alpes(&options, &["export", "ventanas"], ""));
    assert_eq!(windows.lines().filter(|line| *line == "cmp-ñ,,2026-01-01T00:02:00Z,1,0,0").count(), 1, "{windows}");
    text(&alpes(&options, &["verify"], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_code_are_replayed() {
    let options = database().await;
    let output = text(&alpes(&options, &["rejects", "replay", "--all", "--code", "conflicto_de_id"], ""));
    assert!(output.ends_with("1 replayed, 0 still faulty, 0 unknown\n"), "{output}");
    read_the_log(&options).await;
    assert_eq!(list(&options, &["--code", "conflicto_de_id"]), [(3, "conflicto_de_id".into(), 1)], "it failed again");
    let output = text(&alpes(&options, &["rejects", "replay", "--all"], ""));
    assert!(output.ends_with("1 replayed, 2 still faulty, 0 unknown\n"), "{output}");
    read_the_log(&options).await;
    text(&alpes(&options, &["verify"], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_shown_without_harm() {
    let options = database().await;
    let shown = text(&alpes(&options, &["rejects", "show", REJECT_NOT_TEXT], ""));
    assert!(shown.ends_with("\u{fffd}\\u{1b}[31m\n"), "{shown}");
    let shown: Value =
        serde_json::from_str(&text(&alpes(&options, &["rejects", "show", REJECT_NOT_TEXT, "--json"], ""))).unwrap();
    assert_eq!((&shown["cuerpo"], &shown["cuerpo_hex"]), (&Value::Null, &Value::from("ff1b5b33316d")));
    let shown = text(&alpes(&options, &["rejects", "show", REJECT_CONFLICT], ""));
    assert!(shown.ends_with(&format!("{CONFLICT}\n")) && shown.contains("memory/0:4:-1"), "{shown}");
    let none = alpes(&options, &["rejects", "show", "99"], "");
    assert_eq!(none.status.code(), Some(1));
    let detail = text(&alpes(&options, &["rejects", "export"], ""));
    assert!(detail.contains(r"\377\x1b[31m") || detail.contains("\\377\u{1b}[31m"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_what_was_promised() {
    let options = database().await;
    let export = |arguments: &[&str]| text(&alpes(&options, &[&["export"], arguments].concat(), ""));
    assert_eq!(
        export(&["ventanas"]),
        "campaña_id,influencer_id,ventana,impresiones,clics,conversiones\n\
         cmp-ñ,,2026-01-01T00:00:00Z,1,0,0\n\
         cmp-ñ,inf-1,2026-01-01T00:01:00Z,0,0,1\n"
    );
    assert_eq!(
        export(&["valores"]),
        "campaña_id,influencer_id,ventana,moneda,valor,comision\n\
         cmp-ñ,inf-1,2026-01-01T00:01:00Z,COP,150000.5,0\n"
    );
    assert_eq!(export(&["rechazos"]), "codigo,n\ncampo_faltante,1\nconflicto_de_id,1\nmalformado,1\n");
    let impressions = export(&["impresiones"]);
    assert!(impressions.contains(",'=1+1,"), "a spreadsheet would run it: {impressions}");
    let impression: Value = serde_json::from_str(&export(&["impresiones", "--formato", "ndjson"])).unwrap();
    assert_eq!(impression["user_agent"], "=1+1", "JSON is for programs");
    assert_eq!(impression["influencer_id"], Value::Null);
    for (table, lines) in
        [("conversiones", 2), ("tardios", 1), ("campañas", 1), ("campanas", 1), ("rechazos-detalle", 4)]
    {
        assert_eq!(export(&[table]).lines().count(), lines, "{table}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.csv.gz");
    assert_eq!(export(&["ventanas", "--out", path.to_str().unwrap()]), "");
    let unpacked = std::io::read_to_string(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())).unwrap();
    assert_eq!(unpacked, export(&["ventanas", "--out", "-"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_exported() {
    let options = database().await;
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO terms (tenant, id, campaign, valid_from, defined_at)
             SELECT 1, '=t', campaign, '2026-01-01', '2026-01-01' FROM campaign_names WHERE name = 'cmp-ñ';
         INSERT INTO commission_rules (terms, rule, basis, conversion, percent) VALUES (1, 1, 3, 1, 6.5)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert_eq!(pipeline::poster::drain(&options).await.unwrap(), 1);
    let posted: String = sqlx::query_scalar(
        r#"SELECT to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM postings"#,
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    let export = |table: &str| text(&alpes(&options, &["export", table], ""));
    let at = "2026-01-01T00:01:00.000000Z";
    assert_eq!(
        export("comisiones"),
        format!(
            "asiento,fecha,campaña_id,influencer_id,moneda,concepto,causa,monto,comision,conversion_id,ventana_desde,\
             ventana_hasta,terminos_id,regla,cantidad_antes,cantidad_despues,exacto,total_antes,total_despues,revierte,\
             estado,motivo_retencion,saldo\n\
             1,{posted},cmp-ñ,inf-1,COP,COMISION,CONVERSION,9750.03,1,c-1,{at},{at},'=t,1,0,150000.5,9750.0325,0,9750.03,,\
             APROBADA,,9750.03\n"
        )
    );
    assert_eq!(
        export("saldos"),
        "campaña_id,influencer_id,moneda,devengada,revertida,retenida,aprobada,pagada,saldo\n\
         cmp-ñ,inf-1,COP,9750.03,0,0,9750.03,0,9750.03\n"
    );
}
