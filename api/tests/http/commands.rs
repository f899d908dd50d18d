//! Commands on their way into the log, and what became of them.

use axum::body::Body;
use insta::assert_json_snapshot;
use schemas::message::{Encoding, PAYLOAD_BYTES_MAX};
use serde_json::json;
use sinks::log::{AppendRequest, Appended, LogBackend};
use sinks::{LogError, LogWriter};
use std::time::{Duration, Instant};

use crate::support::{Api, database};
use crate::world::{line, sample, write};

/// The bodies of the users' document, with every key.
fn impression() -> serde_json::Value {
    json!({
        "id": "imp-123", "campaña_id": "cmp-123", "influencer_id": "inf-001", "usuario_id": "usr-101",
        "tipo_evento": "IMPRESION", "user_agent": "Mozilla/5.0", "ip_address": "127.0.0.1",
        "referrer": "https://instagram.com", "timestamp": "2025-01-01T12:00:00Z"
    })
}

#[tokio::test]
async fn every_command_is_logged_as_it_came() {
    let api = Api::start().await;
    let conversion = r#"{"id":"conv-123","campaña_id":"cmp-123", "valor": 150000.0,"moneda":"COP"}"#;
    let campaign = json!({"id": "cmp-123", "nombre": "Lanzamiento X", "presupuesto": 1000000, "moneda": "COP"});
    for (path, body, comando) in [
        ("/tracking/impresiones", impression().to_string(), "registrar-impresion"),
        ("/tracking/clics", r#"{"id":"clic-1","campaña_id":"cmp-123"}"#.into(), "registrar-impresion"),
        ("/tracking/conversiones", conversion.into(), "registrar-conversion"),
        ("/marketing-influencers/campanas", campaign.to_string(), "crear-campa%C3%B1a"),
        ("/marketing-influencers/campa%C3%B1as", r#"{"id":"cmp-9"}"#.into(), "crear-campa%C3%B1a"),
    ] {
        let answer = api.post(path, body.clone()).await;
        assert_eq!(answer.status, 202, "{path}");
        assert_eq!(answer.json()["status"], "EN_QUEUED");
        assert!(answer.header("location").starts_with("/tracking/comandos/"), "{path}");
        assert!(answer.header("location").contains(&format!("?comando={comando}&posicion=log-")), "{path}");
        assert_eq!(api.get(answer.header("location")).await.json()["estado"], "EN_QUEUED", "{path}");
        let log = api.log().await;
        assert!(log.iter().any(|(.., has_id, payload)| !has_id && *payload == body), "{path}: {log:?}");
    }
    let partitions: Vec<_> = api.log().await.into_iter().map(|(partition, kind, ..)| (partition < 4, kind)).collect();
    assert_eq!(partitions.iter().filter(|(_, kind)| *kind == Some(4)).count(), 2);
    assert!(partitions.iter().all(|(is_tracking, kind)| *is_tracking == (*kind != Some(4))));
}

#[tokio::test]
async fn a_command_without_an_id_is_given_one() {
    let api = Api::start().await;
    let answer = api.post("/tracking/impresiones", r#"{"campaña_id":"cmp-123"}"#).await;
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(uuid::Uuid::try_parse(&id).unwrap().get_version_num(), 7);
    let assigned: Vec<String> =
        sqlx::query_scalar("SELECT assigned_id::text FROM log").fetch_all(&api.pool).await.unwrap();
    assert_eq!(assigned, [id]);
}

#[tokio::test]
async fn faults_are_answered_and_not_logged() {
    let api = Api::start().await;
    let impressions = "/tracking/impresiones";
    let conversions = "/tracking/conversiones";
    let with = |key: &str, value: serde_json::Value| {
        let mut body = impression();
        body[key] = value;
        body.to_string()
    };
    for (name, path, body) in [
        ("body_empty", impressions, String::new()),
        ("body_cut", impressions, "{".into()),
        (
            "body_text",
            impressions,
            impression().to_string().replace('"', "\\\"").into_bytes().escape_ascii().to_string(),
        ),
        ("body_nested", impressions, format!("{{\"a\":{}", "[".repeat(10_000))),
        ("body_key_twice", conversions, r#"{"campaña_id":"c","valor":1,"valor":9999}"#.into()),
        ("body_bom", impressions, format!("\u{feff}{}", impression())),
        ("body_trailing", impressions, format!("{}x", impression())),
        ("campaign_missing", impressions, "{}".into()),
        ("id_null", impressions, with("id", json!(null))),
        ("id_number", impressions, with("id", json!(5))),
        ("id_blank", impressions, with("id", json!(" "))),
        ("id_padded", impressions, with("id", json!("imp-1 "))),
        ("id_long", impressions, with("id", json!("x".repeat(300)))),
        ("text_with_nul", impressions, with("referrer", json!("a\0b"))),
        ("timestamp_no_date", impressions, with("timestamp", json!("2026-02-30T00:00:00Z"))),
        ("timestamp_future", impressions, with("timestamp", json!("9999-01-01T00:00:00Z"))),
        ("event_type", impressions, with("tipo_evento", json!("NADA"))),
        ("click_that_is_none", "/tracking/clics", with("tipo_evento", json!("IMPRESION"))),
        ("amount_negative", conversions, r#"{"campaña_id":"c","valor":-1}"#.into()),
        ("amount_null", conversions, r#"{"campaña_id":"c","valor":null}"#.into()),
        ("amount_nan", conversions, r#"{"campaña_id":"c","valor":NaN}"#.into()),
        ("amount_huge", conversions, r#"{"campaña_id":"c","valor":1e400}"#.into()),
        ("amount_too_precise", conversions, r#"{"campaña_id":"c","valor":"19.999"}"#.into()),
        ("amount_grammar", conversions, r#"{"campaña_id":"c","valor":"1_000"}"#.into()),
        ("currency_unknown", conversions, r#"{"campaña_id":"c","moneda":"usd"}"#.into()),
        ("everything_at_once", conversions, r#"{"id":"","valor":-1,"moneda":"XXX","timestamp":"ayer"}"#.into()),
        ("campaign_budget", "/marketing-influencers/campanas", r#"{"id":"c","presupuesto":-5}"#.into()),
    ] {
        let answer = api.post(path, body).await;
        assert_eq!(answer.status, 422, "{name}");
        assert_json_snapshot!(name, answer.shown());
    }
    assert_eq!(api.post(impressions, "[1]").await.status, 422);
    assert_eq!(api.log().await, []);
}

#[tokio::test]
async fn what_is_sound_though_it_looks_odd() {
    let api = Api::start().await;
    for body in [
        r#"{"campaña_id":"c","valor":"12.5"}"#,
        r#"{"campaña_id":"c","valor":99999999999.99,"moneda":"USD"}"#,
        r#"{"campaña_id":"c","valor":-0}"#,
        r#"{"campaña_id":"c","valor":0}"#,
        r#"{"campa\u00f1a_id":"c","influencer_id":null,"usuario_id":"","extra":{"a":[1]}}"#,
        r#"{"campaña_id":"'); DROP TABLE log; --","timestamp":"2025-01-01T12:05:00"}"#,
        r#"{"campaña_id":"c","timestamp":"1970-01-01T00:00:00Z"}"#,
    ] {
        assert_eq!(api.post("/tracking/conversiones", body).await.status, 202, "{body}");
    }
}

#[tokio::test]
async fn bodies_of_the_wrong_size_or_type() {
    let api = Api::start().await;
    let body = |bytes: usize| {
        let start = r#"{"campaña_id":"c","referrer":""#;
        format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2))
    };
    let path = "/tracking/impresiones";
    assert_eq!(api.post(path, body(PAYLOAD_BYTES_MAX)).await.status, 202);
    assert_json_snapshot!("too_large", api.post(path, body(PAYLOAD_BYTES_MAX + 1)).await.shown());
    // Without a length it is found out on the way.
    let chunks = futures::stream::iter((0..80).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024])));
    assert_eq!(api.post(path, Body::from_stream(chunks)).await.status, 413);
    let typed = async |header: (&str, &str)| api.post_with(path, &[header], r#"{"campaña_id":"c"}"#).await;
    assert_json_snapshot!("not_json", typed(("content-type", "text/plain")).await.shown());
    assert_json_snapshot!("encoded", typed(("content-encoding", "gzip")).await.shown());
    for accepted in ["application/json; charset=utf-8", "application/cloudevents+json"] {
        assert_eq!(typed(("content-type", accepted)).await.status, 202, "{accepted}");
    }
    assert_eq!(api.post_with(path, &[], r#"{"campaña_id":"c"}"#).await.status, 202);
}

#[tokio::test]
async fn a_body_that_does_not_come() {
    let api = Api::start().await;
    tokio::time::pause();
    let pending = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let answer = api.post("/tracking/impresiones", pending).await;
    assert_json_snapshot!("timeout", answer.shown());
    let broken = futures::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("cut"))]);
    assert_json_snapshot!("broken_off", api.post("/tracking/impresiones", Body::from_stream(broken)).await.shown());
}

#[tokio::test]
async fn a_client_that_goes_away_takes_nothing_back() {
    let api = Api::start().await;
    {
        let mut request = std::pin::pin!(api.post("/tracking/impresiones", r#"{"campaña_id":"c"}"#));
        assert!(futures::poll!(&mut request).is_pending());
    }
    while api.log().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A log that only ever fails, or never answers.
struct Broken(Option<LogError>);

impl LogBackend for Broken {
    async fn append(&mut self, group: &[AppendRequest]) -> Vec<Appended> {
        match &self.0 {
            Some(error) => vec![Err(error.clone()); group.len()],
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn a_log_that_is_away_or_full_is_told() {
    let body = r#"{"campaña_id":"c"}"#;
    let away = LogWriter::start(Broken(Some(LogError::Unavailable("gone".into()))));
    let api = Api::over(database().await, away);
    assert_json_snapshot!("log_away", api.post("/tracking/impresiones", body).await.shown());

    let stuck = LogWriter::start(Broken(None));
    let api = Api::over(database().await, stuck.clone());
    let entry = sinks::LogEntry {
        kind: None,
        key: sinks::PartitionKey::unreadable(b""),
        published_at: schemas::Timestamp::EPOCH,
        assigned_id: None,
        replay_of: None,
        payload: bytes::Bytes::new(),
        encoding: Encoding::Json,
    };
    let waiting: Vec<_> = (0..sinks::log::WAITING_REQUESTS_MAX + sinks::log::APPEND_COMMANDS_MAX + 1)
        .map(|_| {
            tokio::spawn({
                let (log, entry) = (stuck.clone(), entry.clone());
                async move { log.append(entry).await }
            })
        })
        .collect();
    while !stuck_is_full(&stuck, &entry).await {}
    assert_json_snapshot!("log_full", api.post("/tracking/impresiones", body).await.shown());
    waiting.iter().for_each(|task| task.abort());
}

async fn stuck_is_full(log: &LogWriter, entry: &sinks::LogEntry) -> bool {
    let attempt = tokio::time::timeout(Duration::from_millis(1), log.append(entry.clone())).await;
    matches!(attempt, Ok(Err(LogError::Full)))
}

#[tokio::test]
async fn a_preference_is_honoured_in_time_or_given_up() {
    let api = Api::start().await;
    let post =
        async |body: &'static str, wait: &str| api.post_with("/tracking/impresiones", &[("prefer", wait)], body).await;
    let started = Instant::now();
    let answer = post(r#"{"id":"imp-9","campaña_id":"c"}"#, "wait=1").await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_json_snapshot!("waited_in_vain", answer.shown());

    // All partitions are read to far beyond; what happened there is told.
    let all = "INSERT INTO lines (flow, source, live, ledger, entry, index)
               SELECT 'tracking', 'log-' || n, true, 0, 1000, -1 FROM generate_series(0, 3) AS n";
    api.sql(all).await;
    write(&api, &sample()).await;
    let duplicate = post(r#"{"id":"imp-1","campaña_id":"cmp-123"}"#, "wait=5").await;
    assert_json_snapshot!("waited_duplicate", duplicate.shown());
    reject_next(&api, "conflicto_de_id", "id: ya existe con otro contenido").await;
    let conflict = post(r#"{"id":"imp-2","campaña_id":"cmp-123"}"#, "wait=5").await;
    assert_json_snapshot!("waited_conflict", conflict.shown());
    reject_next(&api, "demasiado_antiguo", "timestamp: es anterior al horizonte").await;
    let old = post(r#"{"id":"imp-old","campaña_id":"cmp-123"}"#, "respond-async, wait=5").await;
    assert_json_snapshot!("waited_rejected", old.shown());
}

/// A reject at the next position of every partition, wherever the next command goes.
async fn reject_next(api: &Api, code: &str, detail: &str) {
    api.sql(&format!(
        "DELETE FROM rejects;
         INSERT INTO rejects (tenant, line, ledger, entry, index, code, detail, faults, published_at, payload)
         SELECT 1, l.line, 0, h.next, -1, '{code}', '{detail}', '[]', now(), ''
         FROM log_heads h JOIN lines l ON l.source = 'log-' || h.partition"
    ))
    .await;
}

#[tokio::test]
async fn what_became_of_a_command() {
    let api = Api::start().await;
    line(&api, 9, "2026-01-05T12:00:00Z").await;
    write(&api, &sample()).await; // offsets 0 to 7 of log-0
    api.sql(
        "UPDATE log_heads SET next = 12 WHERE partition = 0;
         INSERT INTO rejects (tenant, line, ledger, entry, index, code, detail, faults, kind, published_at, payload)
         VALUES (1, 1, 0, 8, -1, 'valor_invalido', 'valor: es negativo', '[]', 2, now(), '')",
    )
    .await;
    for (name, query, status) in [
        ("recorded", "imp-1?comando=registrar-impresion&posicion=log-0/0:0:-1", 200),
        ("duplicate", "imp-1?comando=registrar-impresion&posicion=log-0%2F0%3A9%3A-1", 200),
        ("rejected", "conv-9?comando=registrar-conversion&posicion=log-0/0:8:-1", 200),
        ("queued", "imp-1?comando=registrar-impresion&posicion=log-0/0:11:-1", 200),
        ("queued_unread_partition", "cmp-1?comando=crear-campa%C3%B1a&posicion=log-4/0:0:-1", 404),
        ("without_position", "conv-1?comando=registrar-conversion", 200),
        ("by_id_alone", "conv-1", 200),
        ("unknown", "nadie?comando=registrar-impresion", 404),
        ("unknown_here", "nadie?comando=registrar-impresion&posicion=log-0/0:9:-1", 404),
        ("beyond_the_log", "imp-1?comando=registrar-impresion&posicion=log-0/0:12:-1", 404),
        ("no_such_partition", "imp-1?comando=registrar-impresion&posicion=log-77/0:0:-1", 404),
        ("no_such_command", "imp-1?comando=nada", 422),
        ("no_position", "imp-1?posicion=aqui", 422),
    ] {
        let answer = api.get(&format!("/tracking/comandos/{query}")).await;
        assert_eq!(answer.status, status, "{name}");
        assert_json_snapshot!(format!("outcome_{name}"), answer.shown());
    }
    api.sql("UPDATE log_heads SET next = 1 WHERE partition = 4").await;
    let queued = api.get("/tracking/comandos/cmp-1?comando=crear-campa%C3%B1a&posicion=log-4/0:0:-1").await;
    assert_eq!(queued.json()["estado"], "EN_QUEUED");
}
