//! Rejects: listed, shown, tried again.

use insta::assert_json_snapshot;

use crate::support::Api;
use crate::world::line;

/// Three rejects of partition 0: one of bytes that are no text, one of a click, one that was resolved.
async fn with_rejects() -> Api {
    let api = Api::start().await;
    line(&api, 100, "2026-01-05T12:00:00Z").await;
    api.sql(
        r#"INSERT INTO rejects (tenant, line, ledger, entry, index, code, detail, faults, kind, assigned_id, event_time,
                                published_at, payload, rejected_at, replays, resolved_at)
           VALUES
           (1, 1, 0, 5, -1, 'malformado', 'no es un objeto JSON válido',
            '[{"ruta": "", "codigo": "malformado", "detalle": "no es un objeto JSON válido"}]', NULL, NULL, NULL,
            '2026-01-02T00:00:00Z', '\xff00', '2026-01-02T00:00:01Z', 0, NULL),
           (1, 1, 0, 6, -1, 'campo_faltante', 'campaña_id: falta',
            '[{"ruta": "campaña_id", "codigo": "campo_faltante", "detalle": "falta"}]', 6, NULL, NULL,
            '2026-01-02T00:00:02Z', '{"usuario_id":"u"}', '2026-01-02T00:00:03Z', 0, NULL),
           (1, 1, 0, 7, -1, 'futuro', 'timestamp: está más de 5 minutos en el futuro', '[]', 1,
            '0198b0a5-0000-7000-8000-000000000001', '2026-01-03T00:00:00Z',
            '2026-01-02T00:00:04Z', '{"campaña_id":"c","timestamp":"2026-01-03T00:00:00Z"}', '2026-01-02T00:00:05Z', 1,
            '2026-01-03T00:00:00Z')"#,
    )
    .await;
    api
}

#[tokio::test]
async fn they_are_listed() {
    let api = with_rejects().await;
    assert_json_snapshot!("rejects", api.get("/rechazos").await.shown());
    let ids = async |query: &str| {
        let page = api.get(&format!("/rechazos?{query}")).await.json();
        page["rechazos"].as_array().unwrap().iter().map(|reject| reject["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("codigo=futuro").await, [3]);
    assert_eq!(ids("estado=PENDIENTE").await, [2, 1]);
    assert_eq!(ids("estado=RESUELTO").await, [3]);
    assert_eq!(ids("codigo=valor_invalido").await, [0; 0]);
    let next = api.get("/rechazos?limit=2").await.json()["siguiente"].as_str().unwrap().to_owned();
    assert_eq!(ids(&format!("limit=2&cursor={next}")).await, [1]);
    for query in ["codigo=nada", "codigo=%00", "estado=quizas", "limit=1001"] {
        let answer = api.get(&format!("/rechazos?{query}")).await;
        assert_eq!(answer.status, 422, "{query}");
        assert_json_snapshot!(answer.shown());
    }
}

#[tokio::test]
async fn they_are_shown_with_their_bytes() {
    let api = with_rejects().await;
    for id in [1, 2, 4] {
        assert_json_snapshot!(format!("reject_{id}"), api.get(&format!("/rechazos/{id}")).await.shown());
    }
}

async fn logged(api: &Api) -> Vec<(Option<i16>, Option<i64>, Option<String>, String, String)> {
    let log = "SELECT kind, replay_of, assigned_id::text, convert_from(payload, 'UTF8'), published_at::text
               FROM log ORDER BY published_at";
    sqlx::query_as(log).fetch_all(&api.pool).await.unwrap()
}

#[tokio::test]
async fn what_is_still_faulty_is_not_tried() {
    let api = with_rejects().await;
    assert_json_snapshot!("replay_malformed", api.post("/rechazos/1/reprocesar", "").await.shown());
    assert_json_snapshot!("replay_faulty", api.post("/rechazos/2/reprocesar", r#"{"campaña_id":""}"#).await.shown());
    assert_json_snapshot!("replay_unknown", api.post("/rechazos/99/reprocesar", "").await.shown());
    assert_eq!(logged(&api).await, []);
}

#[tokio::test]
async fn a_mended_reject_is_tried_under_the_same_id_every_time() {
    let api = with_rejects().await;
    let mended = r#"{"campaña_id":"c","usuario_id":"u"}"#;
    let (first, second) =
        (api.post("/rechazos/2/reprocesar", mended).await, api.post("/rechazos/2/reprocesar", mended).await);
    assert_eq!(first.status, 202);
    assert_eq!(first.json(), second.json());
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let position = schemas::Position::offset(6);
    assert_eq!(id, *schemas::CommandId::from_position("log-0", position));
    assert!(first.header("location").ends_with("&rechazo=2"), "{}", first.header("location"));
    // It names no time, so it happened when it was first published.
    let entry = (Some(6), Some(2), Some(id), mended.to_owned(), "2026-01-02 00:00:02+00".to_owned());
    assert_eq!(logged(&api).await, [entry.clone(), entry]);
}

#[tokio::test]
async fn the_future_is_judged_anew() {
    let api = with_rejects().await;
    let answer = api.post_with("/rechazos/3/reprocesar", &[], "").await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["id"], "0198b0a5-0000-7000-8000-000000000001");
    let (kind, replay_of, assigned, payload, published_at) = logged(&api).await.remove(0);
    assert_eq!((kind, replay_of, assigned.is_some()), (Some(1), Some(3), true));
    assert_eq!(payload, r#"{"campaña_id":"c","timestamp":"2026-01-03T00:00:00Z"}"#);
    assert!(published_at.as_str() > "2026-01-03");
}

#[tokio::test]
async fn a_reject_of_unknown_kind_is_mended_with_its_comando() {
    let api = with_rejects().await;
    let mended = r#"{"comando":"crear-campaña","id":"cmp-1"}"#;
    assert_eq!(api.post("/rechazos/1/reprocesar", mended).await.status, 202);
    let (partition, kind, ..) = api.log().await.remove(0);
    assert_eq!((partition, kind), (4, None));
}

#[tokio::test]
async fn the_outcome_of_a_replay_is_that_of_its_reject() {
    let api = with_rejects().await;
    api.sql(
        "INSERT INTO lines (flow, source, live, ledger, entry, index)
         SELECT 'tracking', 'log-' || n, true, 0, 1000, -1 FROM generate_series(1, 3) AS n",
    )
    .await;
    let mended = r#"{"campaña_id":"c"}"#;
    let replay = async || api.post_with("/rechazos/2/reprocesar", &[("prefer", "wait=5")], mended).await;
    assert_json_snapshot!("replay_rejected_again", replay().await.shown());
    api.sql("UPDATE rejects SET code = 'conflicto_de_id', detail = 'id: ya existe' WHERE reject = 2").await;
    assert_eq!(replay().await.status, 409);
    let claim = schemas::ClaimKey::new(
        schemas::Kind::RecordClick,
        &schemas::CommandId::from_position("log-0", schemas::Position::offset(6)),
    );
    api.sql("UPDATE rejects SET resolved_at = now() WHERE reject = 2").await;
    api.sql(&format!(
        "INSERT INTO claims VALUES (1, {}, '{}', '{}', 1, 0, 90, -1, '2026-01-02')",
        claim.kind.number(),
        claim.id,
        claim.id
    ))
    .await;
    assert_json_snapshot!("replay_counted_before", replay().await.shown());
}
