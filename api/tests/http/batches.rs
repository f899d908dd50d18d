//! Batches: every line is durable and accounted for, whatever the lines and the body are like.

use axum::body::Body;
use flate2::write::GzEncoder;
use insta::assert_json_snapshot;
use schemas::message::PAYLOAD_BYTES_MAX;
use std::io::Write;

use crate::support::Api;

const LOTES: &str = "/tracking/lotes";

fn lines(count: usize) -> String {
    (0..count)
        .map(|n| {
            format!("{{\"comando\":\"registrar-impresion\",\"id\":\"imp-{n}\",\"campaña_id\":\"cmp-{}\"}}\n", n % 7)
        })
        .collect()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn every_line_is_logged_and_counted() {
    let api = Api::start().await;
    let body = [
        r#"{"comando":"registrar-impresion","id":"imp-1","campaña_id":"cmp-1"}"#,
        "",
        r#"{"comando":"registrar-conversion","campaña_id":"cmp-1","valor":"19.99","moneda":"USD"}"#,
        r#"{"comando":"crear-campana","id":"cmp-1","nombre":"Uno"}"#,
        "  \r",
        r#"{"comando":"registrar-impresion","campaña_id":""}"#,
        "{no es json",
        r#"{"comando":"bailar"}"#,
        r#"{"id":"sin-comando"}"#,
        r#"{"comando":"registrar-reversion","id":"rev-1"}"#,
        r#"{"comando":"crear-campaña","id":"cmp-2","presupuesto":-1}"#,
        r#"{"comando":"registrar-conversion","id":"conv-2","campaña_id":"cmp-1","valor":5}"#,
    ]
    .join("\n");
    let answer = api.post_with(LOTES, &[], body.clone()).await;
    assert_json_snapshot!("batch", answer.shown());
    let log = api.log().await;
    assert!(log.iter().all(|(_, kind, ..)| kind.is_none()));
    let mut logged: Vec<_> = log.iter().map(|(.., payload)| payload.as_str()).collect();
    let mut sent: Vec<_> = body.split('\n').filter(|line| !line.trim().is_empty()).collect();
    logged.sort_unstable();
    sent.sort_unstable();
    assert_eq!(logged, sent);
    // A line ignores what belongs to another flow, so a faulty campaign must lie where campaigns are read.
    let campaigns: Vec<_> = log.iter().filter(|(partition, ..)| *partition == 4).collect();
    assert_eq!(campaigns.len(), 2);
    assert!(campaigns.iter().all(|(.., payload)| payload.contains("crear-campa")));
}

#[tokio::test]
async fn every_coding_is_read() {
    let api = Api::start().await;
    let plain = lines(4_500);
    let zstd = zstd::encode_all(plain.as_bytes(), 3).unwrap();
    for (coding, body) in [("identity", plain.clone().into_bytes()), ("gzip", gzip(plain.as_bytes())), ("ZSTD", zstd)] {
        let answer = api.post_with(LOTES, &[("content-encoding", coding)], body).await.json();
        assert_eq!((&answer["aceptados"], &answer["rechazados"]), (&4_500.into(), &0.into()), "{coding}");
    }
    assert_eq!(api.log().await.len(), 13_500);
    assert_json_snapshot!("batch_coding", api.post_with(LOTES, &[("content-encoding", "br")], plain).await.shown());
    let empty = api.post_with(LOTES, &[], "").await;
    assert_json_snapshot!("batch_empty", empty.shown());
}

#[tokio::test]
async fn the_same_body_under_the_same_key_is_logged_once() {
    let api = Api::start().await;
    let keyed = async |key: &str, body: String| {
        let answer = api.post_with(LOTES, &[("idempotency-key", key)], body).await;
        assert_eq!(answer.status, 202);
        answer.json()
    };
    let body = format!("{}mal\n", lines(4_100));
    let first = keyed("archivo-7", body.clone()).await;
    assert_eq!(first, keyed("archivo-7", body.clone()).await);
    assert_eq!(api.log().await.len(), 4_101);
    // Another body under a used key is not lost: only its chunks that lie there already are left out.
    keyed("archivo-7", format!("{body}peor\n")).await;
    assert_eq!(api.log().await.len(), 4_101 + 102);
    keyed("archivo-8", body).await;
    assert_eq!(api.log().await.len(), 2 * 4_101 + 102);
    let answer = api.post_with(LOTES, &[("idempotency-key", &"x".repeat(201))], "").await;
    assert_json_snapshot!("batch_key", answer.shown());
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_whole_chunks_only() {
    let api = Api::start().await;
    let body = lines(2_500);
    let parts = [Ok(body.clone()), Err(std::io::Error::other("cut"))];
    let answer =
        api.post_with(LOTES, &[("idempotency-key", "k")], Body::from_stream(futures::stream::iter(parts))).await;
    assert_json_snapshot!("batch_broken_off", answer.shown());
    assert_eq!(api.log().await.len(), 2_000);
    let zipped = gzip(body.as_bytes());
    let cut = api.post_with(LOTES, &[("content-encoding", "gzip")], zipped[..zipped.len() - 9].to_vec()).await;
    assert_json_snapshot!("batch_cut", cut.shown());
    // The whole body later adds the rest.
    assert_eq!(api.post_with(LOTES, &[("idempotency-key", "k")], body).await.json()["aceptados"], 2_500);
    assert_eq!(api.log().await.len(), 2_000 + 500 + 2_000);
}

#[tokio::test]
async fn a_sender_that_pauses_for_too_long() {
    let api = Api::start().await;
    tokio::time::pause();
    let parts = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    assert_json_snapshot!("batch_timeout", api.post_with(LOTES, &[], Body::from_stream(parts)).await.shown());
}

#[tokio::test]
async fn a_bomb_is_refused() {
    let api = Api::start().await;
    let zeros = vec![b' '; 32 * 1024 * 1024];
    for (coding, body) in [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 3).unwrap())] {
        let answer = api.post_with(LOTES, &[("content-encoding", coding)], body).await;
        assert_eq!(answer.status, 413, "{coding}");
        assert_json_snapshot!("batch_bomb", answer.shown());
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_is_rejected_by_its_start() {
    let api = Api::start().await;
    let long = format!("{{\"comando\":\"registrar-impresion\",\"x\":\"{}\"}}", "y".repeat(PAYLOAD_BYTES_MAX));
    let body = format!("{}{long}\n{}", lines(1), lines(1).replace("imp-0", "imp-z"));
    let answer = api.post_with(LOTES, &[], body).await.json();
    assert_eq!((&answer["aceptados"], &answer["rechazados"]), (&2.into(), &1.into()));
    assert_eq!((&answer["errores"][0]["linea"], &answer["errores"][0]["codigo"]), (&2.into(), &"malformado".into()));
    assert!(api.log().await.iter().any(|(.., payload)| *payload == long[..PAYLOAD_BYTES_MAX]));
}

#[tokio::test]
async fn errors_are_listed_up_to_a_thousand() {
    let api = Api::start().await;
    let answer = api.post_with(LOTES, &[], "mal\n".repeat(2_345)).await.json();
    assert_eq!(answer["rechazados"], 2_345);
    assert_eq!(answer["errores"].as_array().unwrap().len(), 1_000);
    assert_eq!(answer["errores_omitidos"], 1_345);
    assert_eq!(answer["errores"][999]["linea"], 1_000);
}
