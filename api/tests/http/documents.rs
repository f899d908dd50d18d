//! Health, metrics, the OpenAPI document, and what is not there.

use axum::body::Body;
use axum::http::Request;
use insta::assert_json_snapshot;
use std::collections::BTreeSet;
use tower::ServiceExt;

use crate::support::Api;
use crate::world::line;

#[tokio::test]
async fn the_users_greetings() {
    let api = Api::start().await;
    for (path, message) in [
        ("/", "OK"),
        ("/tracking/health", "Tracking API is healthy"),
        ("/tracking/queries/health", "Tracking Queries API is healthy"),
        ("/marketing-influencers/health", "Marketing Influencers API is healthy"),
    ] {
        assert_eq!(api.get(path).await.json(), serde_json::json!({ "message": message }), "{path}");
    }
}

#[tokio::test]
async fn ready_means_that_no_command_waits_for_long() {
    let api = Api::start().await;
    assert_json_snapshot!("live", api.get("/health/live").await.shown());
    assert_json_snapshot!("ready", api.get("/health/ready").await.shown());
    assert_eq!(api.post("/tracking/impresiones", r#"{"campaña_id":"c"}"#).await.status, 202);
    assert_eq!(api.get("/health/ready").await.status, 200);
    api.sql("UPDATE log SET published_at = now() - interval '2 minutes'").await;
    assert_json_snapshot!("not_ready", api.get("/health/ready").await.shown());
    for partition in 0..4 {
        api.sql(&format!(
            "INSERT INTO lines (flow, source, live, ledger, entry, index)
             VALUES ('tracking', 'log-{partition}', true, 0, 0, -1)"
        ))
        .await;
    }
    assert_eq!(api.get("/health/ready").await.status, 200);
    line(&api, 0, "2026-01-01T00:00:00Z").await;
    api.sql("DROP TABLE log_heads").await;
    assert_json_snapshot!("no_schema", api.get("/health/ready").await.shown());
}

#[tokio::test]
async fn what_is_not_there() {
    let api = Api::start().await;
    assert_json_snapshot!("no_path", api.get("/nope").await.shown());
    assert_json_snapshot!("no_method", api.get("/tracking/impresiones").await.shown());
    for method in ["PUT", "TRACE", "DELETE", "HEAD"] {
        let request = Request::builder().method(method).uri("/tracking/impresiones").body(Body::empty()).unwrap();
        assert_eq!(api.send(request).await.status, 405, "{method}");
    }
    let head = Request::head("/tracking/health").body(Body::empty()).unwrap();
    assert_eq!(api.send(head).await.status, 200);
}

#[tokio::test]
async fn campaigns_are_looked_up_and_listed() {
    let api = Api::start().await;
    assert_json_snapshot!("campaign_unknown", api.get("/marketing-influencers/campanas/abc").await.shown());
    api.sql(
        r#"INSERT INTO campaigns VALUES
           (1, 1, 'cmp-1', 'Lanzamiento X', 'Producto X', 'MarcaX', 1000000, 'COP', '{inf-1,inf-2}',
            '[{"a": 1.50}]', '2026-01-01T00:00:00Z'),
           (2, 1, 'cmp-2', NULL, NULL, NULL, 0.5, 'USD', '{}', '[]', '2026-01-02T00:00:00Z'),
           (3, 1, 'cmp-3', NULL, NULL, NULL, 0, 'USD', '{}', '[]', '2026-01-02T00:00:00Z')"#,
    )
    .await;
    assert_json_snapshot!("campaign", api.get("/marketing-influencers/campanas/cmp-1").await.shown());
    let first = api.get("/marketing-influencers/campa%C3%B1as?limit=2").await;
    assert_json_snapshot!("campaigns", first.shown());
    let next = first.json()["siguiente"].as_str().unwrap().to_owned();
    let rest = api.get(&format!("/marketing-influencers/campanas?limit=2&cursor={next}")).await.json();
    assert_eq!((&rest["total"], &rest["campañas"][0]["id"]), (&1.into(), &"cmp-1".into()));
    assert_eq!(rest["siguiente"], serde_json::Value::Null);
}

#[tokio::test]
async fn the_second_port_only_reads() {
    let api = Api::start().await;
    let queries = api::queries_router(api.state.clone());
    let status = async |request: Request<Body>| queries.clone().oneshot(request).await.unwrap().status().as_u16();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    for path in [
        "/",
        "/tracking/queries/health",
        "/tracking/queries/campanas/x/estadisticas",
        "/tracking/queries/influencers/x/impresiones",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/openapi.json",
    ] {
        assert_eq!(status(get(path)).await, 200, "{path}");
    }
    for path in ["/tracking/campanas/x/impresiones", "/rechazos", "/marketing-influencers/campanas"] {
        assert_eq!(status(get(path)).await, 404, "{path}");
    }
    assert_eq!(status(Request::post("/tracking/impresiones").body(Body::empty()).unwrap()).await, 404);
}

#[tokio::test]
async fn the_document_describes_every_route() {
    let api = Api::start().await;
    let document = api.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let (mut routes, mut ids) = (Vec::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            routes.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    assert_json_snapshot!("routes", routes);
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name: String = reference.chars().take_while(|c| *c != '"').collect();
        assert!(document["components"]["schemas"][&name].is_object(), "{name} is not described");
    }
}
