//! The answers of the queries, whole.

use insta::assert_json_snapshot;

use crate::support::Api;
use crate::world::{close, line, sample, write};

async fn with_sample() -> Api {
    let api = Api::start().await;
    line(&api, 100, "2026-01-05T12:00:00Z").await;
    write(&api, &sample()).await;
    close(&api, "2026-01-04T00:00:00Z").await;
    api
}

#[tokio::test]
async fn rows_by_id() {
    let api = with_sample().await;
    assert_json_snapshot!("impression", api.get("/tracking/queries/impresiones/imp-1").await.shown());
    assert_json_snapshot!("click", api.get("/tracking/queries/impresiones/clic-1").await.shown());
    assert_json_snapshot!("conversion", api.get("/tracking/queries/conversiones/conv-2").await.shown());
    assert_json_snapshot!("no_impression", api.get("/tracking/queries/impresiones/conv-1").await.shown());
    assert_json_snapshot!("no_conversion", api.get("/tracking/queries/conversiones/imp-1").await.shown());
    for (path, twin) in [
        ("/tracking/impresiones/imp-1", "/tracking/queries/impresiones/imp-1"),
        ("/tracking/conversiones/conv-1", "/tracking/queries/conversiones/conv-1"),
        ("/tracking/campanas/cmp-123/impresiones", "/tracking/queries/campañas/cmp-123/impresiones"),
        ("/tracking/campa%C3%B1as/cmp-123/conversiones", "/tracking/queries/campa%c3%b1as/cmp-123/conversiones"),
    ] {
        let (answer, twin) = (api.get(path).await, api.get(twin).await);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.json(), twin.json(), "{path}");
    }
}

#[tokio::test]
async fn money_is_written_with_its_decimals() {
    let api = with_sample().await;
    let text = |answer: crate::support::Answer| String::from_utf8(answer.bytes).unwrap();
    let conversion = text(api.get("/tracking/queries/conversiones/conv-1").await);
    assert!(conversion.contains(r#""valor":150000.00,"moneda":"COP""#), "{conversion}");
    let statistics = text(api.get("/tracking/queries/campañas/cmp-123/estadisticas").await);
    assert!(statistics.contains(r#""valor_por_moneda":{"COP":150000.00,"USD":19.99}"#), "{statistics}");
}

#[tokio::test]
async fn lists() {
    let api = with_sample().await;
    for (name, path) in [
        ("campaign_impressions", "/tracking/queries/campañas/cmp-123/impresiones"),
        ("campaign_conversions", "/tracking/queries/campañas/cmp-123/conversiones"),
        ("influencer_impressions", "/tracking/queries/influencers/inf-002/impresiones"),
        ("influencer_conversions", "/tracking/queries/influencers/inf-001/conversiones?limit=1"),
        ("unknown_campaign_impressions", "/tracking/queries/campañas/nadie/impresiones"),
        ("unknown_influencer_conversions", "/tracking/queries/influencers/nadie/conversiones"),
    ] {
        assert_json_snapshot!(name, api.get(path).await.shown());
    }
}

#[tokio::test]
async fn statistics() {
    let api = with_sample().await;
    for (name, path) in [
        ("statistics", "/tracking/queries/campañas/cmp-123/estadisticas"),
        ("statistics_unknown", "/tracking/queries/campañas/nadie/estadisticas"),
        (
            "statistics_range",
            "/tracking/queries/campañas/cmp-123/estadisticas?desde=2026-01-03T10:01:00Z&hasta=2026-01-04T08:00:00Z",
        ),
        (
            "series",
            "/tracking/queries/campañas/cmp-123/serie?granularidad=dia&desde=2026-01-02T00:00:00Z&hasta=2026-01-05T00:00:00Z",
        ),
        ("ranking", "/tracking/queries/campañas/cmp-123/influencers"),
        ("influencer_statistics", "/tracking/queries/influencers/inf-001/estadisticas"),
        ("influencer_statistics_unknown", "/tracking/queries/influencers/nadie/estadisticas"),
    ] {
        assert_json_snapshot!(name, api.get(path).await.shown());
    }
}

#[tokio::test]
async fn the_campaigns_own_currency_comes_first() {
    let api = with_sample().await;
    let valued = async || api.get("/tracking/queries/campañas/cmp-123/estadisticas").await.json();
    assert_eq!(valued().await["moneda"], "COP");
    for (currency, valor) in [("USD", 19.99), ("EUR", 0.0)] {
        api.sql("DELETE FROM campaigns").await;
        api.sql(&format!(
            "INSERT INTO campaigns (campaign, tenant, id, budget, currency, influencers, conversions, created_at)
             SELECT campaign, 1, name, 0, '{currency}', '{{}}', '[]', now() FROM campaign_names"
        ))
        .await;
        let answer = valued().await;
        assert_eq!((&answer["moneda"], answer["valor_total_conversiones"].as_f64()), (&currency.into(), Some(valor)));
    }
}

#[tokio::test]
async fn ranking_goes_on_page_by_page() {
    let api = with_sample().await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/tracking/queries/campanas/cmp-123/influencers?limit=1{cursor}")).await.json();
        found.extend(page["influencers"].as_array().unwrap().iter().map(|row| row["influencer_id"].clone()));
        let Some(next) = page["siguiente"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, ["inf-001".into(), serde_json::Value::Null, "inf-002".into()]);
}

#[tokio::test]
async fn late_events() {
    let api = with_sample().await;
    api.sql(
        "INSERT INTO late_events SELECT campaign, influencer, date_trunc('minute', event_time), event_time, published_at,
                line, ledger, entry, index FROM impressions WHERE id IN ('imp-1', 'imp-3', 'imp-4')",
    )
    .await;
    assert_json_snapshot!("late", api.get("/tracking/queries/campañas/cmp-123/tardios").await.shown());
    let first = api.get("/tracking/queries/campañas/cmp-123/tardios?limit=2").await.json();
    let next = first["siguiente"].as_str().unwrap();
    let rest = api.get(&format!("/tracking/queries/campañas/cmp-123/tardios?siguiente={next}")).await.json();
    assert_eq!(rest["total"], 1);
    assert_eq!(rest["tardios"][0]["timestamp"], "2026-01-03T10:00:00Z");
    assert_json_snapshot!("late_unknown", api.get("/tracking/queries/campañas/nadie/tardios").await.shown());
}

#[tokio::test]
async fn parameters_that_cannot_be() {
    let api = with_sample().await;
    for (name, path) in [
        ("limit_text", "/tracking/queries/influencers/inf-001/impresiones?limit=abc"),
        ("limit_zero", "/tracking/queries/campañas/cmp-123/conversiones?limit=0"),
        ("limit_twice", "/tracking/queries/campañas/cmp-123/conversiones?limit=1&limit=2"),
        ("cursor_broken", "/tracking/queries/campañas/cmp-123/impresiones?cursor=!!"),
        ("cursor_of_another_list", "/tracking/queries/campañas/cmp-123/influencers?cursor=MQ"),
        ("range_not_aligned", "/tracking/queries/campañas/cmp-123/estadisticas?desde=2026-01-01T00:00:30Z"),
        ("range_no_time", "/tracking/queries/campañas/cmp-123/estadisticas?hasta=ayer"),
        (
            "range_empty",
            "/tracking/queries/campañas/nadie/estadisticas?desde=2026-01-02T00:00:00Z&hasta=2026-01-02T00:00:00Z",
        ),
        ("series_grain", "/tracking/queries/campañas/cmp-123/serie?granularidad=semana"),
        ("series_not_aligned", "/tracking/queries/campañas/cmp-123/serie?granularidad=hora&hasta=2026-01-01T00:30:00Z"),
        (
            "series_too_long",
            "/tracking/queries/campañas/cmp-123/serie?granularidad=minuto&desde=2026-01-01T00:00:00Z&hasta=2026-02-01T00:00:00Z",
        ),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, 422, "{path}");
        assert_json_snapshot!(name, answer.shown());
    }
}

#[tokio::test]
async fn ids_that_no_row_can_have() {
    let api = with_sample().await;
    for (path, status) in [
        ("/tracking/queries/impresiones/%00", 404),
        ("/tracking/queries/impresiones/%ff", 404),
        ("/tracking/queries/impresiones/%2e%2e", 404),
        ("/tracking/queries/impresiones/..%2f..%2fetc", 404),
        ("/tracking/queries/../impresiones/imp-1", 404),
        ("/tracking/queries/campañas/%00/estadisticas", 404),
        ("/tracking/queries/campan%CC%83as/cmp-123/estadisticas", 404),
        ("/tracking/queries/campañas/%27);%20DROP%20TABLE%20windows/estadisticas", 200),
        ("/tracking/queries/impresiones/", 404),
        ("/rechazos/x", 404),
        ("/rechazos/99999999999999999999", 404),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json().is_object(), "{path}");
    }
}
