//! Commission terms: sent, listed, simulated.

use axum::body::Body;
use axum::http::Request;
use insta::assert_json_snapshot;

use crate::support::{Answer, Api};
use crate::world::{line, sample, write};

const PATH: &str = "/marketing-influencers/campanas/cmp-123/comisiones";
const RULES: &str = r#"[{"tipo":"CPM","monto":"500","moneda":"COP"},{"tipo":"CPC","monto":100},
    {"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":7.125}]"#;

async fn put(api: &Api, body: &str) -> Answer {
    let request = Request::put(PATH).header("content-type", "application/json").body(Body::from(body.to_owned()));
    api.send(request.unwrap()).await
}

/// The sample world with general terms from the beginning on, and better ones for one influencer later.
async fn with_terms() -> Api {
    let api = Api::start().await;
    line(&api, 100, "2026-01-05T12:00:00Z").await;
    write(&api, &sample()).await;
    api.sql(
        "INSERT INTO terms (tenant, id, campaign, influencer, valid_from, defined_at) VALUES
             (1, 'general', 1, NULL, '2025-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
             (1, 'ana', 1, (SELECT influencer FROM influencer_names WHERE name = 'inf-001'), '2026-01-04T00:00:00Z',
              '2026-01-01T00:00:01Z'),
             (1, 'nothing', 1, NULL, '2026-02-01T00:00:00Z', '2026-01-01T00:00:02Z')",
    )
    .await;
    api.sql(
        "INSERT INTO commission_rules (terms, rule, basis, conversion, amount, currency, percent) VALUES
             (1, 1, 1, 0, 1000, 'COP', NULL), (1, 2, 2, 0, 200.5, 'COP', NULL), (1, 3, 3, 1, NULL, NULL, 6.5),
             (2, 1, 3, 1, NULL, NULL, 10)",
    )
    .await;
    api
}

#[tokio::test]
async fn they_are_durable_when_they_are_accepted() {
    let api = Api::start().await;
    let body =
        format!(r#"{{"id":"terms-1","vigente_desde":"2026-01-01T00:00:00Z","influencer_id":null,"reglas":{RULES}}}"#);
    assert_json_snapshot!("terms_accepted", put(&api, &body).await.shown());
    let sent = body.replacen('{', r#"{"campaña_id":"cmp-123","#, 1);
    assert_eq!(api.log().await, [(4, Some(5), false, sent)]);
    assert_json_snapshot!(
        "terms_faulty",
        put(&api, r#"{"reglas":[{"tipo":"CPM"},{"tipo":"CPA","monto":-1}]}"#).await.shown()
    );
    assert_json_snapshot!("terms_of_two_campaigns", put(&api, r#"{"campaña_id":"x","reglas":[]}"#).await.shown());
    assert_eq!(put(&api, "").await.status, 422);
    assert_eq!(api.log().await.len(), 1);
}

#[tokio::test]
async fn they_are_listed_version_by_version() {
    let api = with_terms().await;
    assert_json_snapshot!("terms", api.get(PATH).await.shown());
    let next = api.get(&format!("{PATH}?limit=2")).await.json()["siguiente"].as_str().unwrap().to_owned();
    let last = api.get(&format!("{PATH}?limit=2&cursor={next}")).await.json();
    assert_eq!((&last["terminos"][0]["id"], &last["total"]), (&"general".into(), &1.into()));
    let unknown = api.get("/marketing-influencers/campanas/nope/comisiones").await.json();
    assert_eq!(unknown["total"], 0);
}

#[tokio::test]
async fn what_they_would_bring_is_told_and_nothing_is_stored() {
    let api = with_terms().await;
    let simulate = async |body: &str| api.post(&format!("{PATH}/simular"), body.to_owned()).await;
    // 2 + 1 impressions of Ana at 1,000 a thousand, 6.5 % of 150,000, later 10 % of 19.99 USD; Luis: 1 and a click.
    assert_json_snapshot!("simulation", simulate(&format!(r#"{{"reglas":{RULES}}}"#)).await.shown());
    let body = format!(r#"{{"influencer_id":"inf-002","vigente_desde":"2026-01-03T10:01:00Z","reglas":{RULES}}}"#);
    assert_json_snapshot!("simulation_of_one", simulate(&body).await.shown());
    assert_json_snapshot!("simulation_of_nobody", simulate(r#"{"influencer_id":"x","reglas":[]}"#).await.shown());
    assert_json_snapshot!("simulation_faulty", simulate(r#"{"reglas":1}"#).await.shown());
    let unknown = api.post("/marketing-influencers/campanas/nope/comisiones/simular", r#"{"reglas":[]}"#).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(api.get(PATH).await.json()["total"], 3);
    assert!(api.log().await.is_empty());
}
