//! The ledger as answers show it. What is posted here, the ledger's own line has posted.

use chrono::NaiveDate;
use insta::assert_json_snapshot;
use serde_json::Value;

use crate::support::Api;
use crate::world::{Event, What, at, close, line, sample, settle, terms, write};

/// Days on which this world was settled.
pub(crate) const FIRST: &str = "2026-01-06T10:00:00Z";
pub(crate) const BACKDATED: &str = "2026-01-07T10:00:00Z";
pub(crate) const REFUNDED: &str = "2026-01-08T10:00:00Z";

/// Two influencers, two currencies, every kind of rule; a month's tiers, a cap, better terms that come too late, a refund, an
/// open dispute, an open window, and a budget that holds postings.
pub(crate) async fn settled() -> Api {
    let api = Api::start().await;
    line(&api, 100, "2026-01-05T12:00:00Z").await;
    let mut events = sample();
    let more = |id: &str, kind, time: &str| Event {
        kind,
        id: id.into(),
        campaign: "cmp-123",
        influencer: Some("inf-001"),
        time: at(time),
        day: NaiveDate::from_ymd_opt(2026, 1, 4).unwrap(),
    };
    events.push(more("conv-3", What::Conversion("90000.01", "COP"), "2026-01-03T15:00:00Z"));
    events.push(more("conv-4", What::Conversion("0.5", "USD"), "2026-01-03T15:10:00Z"));
    for n in 0..25 {
        events.push(more(&format!("clic-ana-{n}"), What::Click, &format!("2026-01-03T16:{n:02}:00Z")));
    }
    let open = more("imp-open", What::Impression, "2026-01-05T11:55:00Z");
    events.push(Event { influencer: Some("inf-002"), ..open });
    write(&api, &events).await;
    let general = [
        "1, 0, 1000, 'COP', NULL, NULL, NULL, 't', false, '{}', '{}'",
        "2, 0, 200.5, 'COP', NULL, NULL, NULL, 'm', false, '{10,20}', '{150,100.25}'",
        "3, 1, NULL, NULL, 6.5, NULL, NULL, 't', false, '{}', '{}'",
    ];
    // Its budget stops approval.
    api.sql(
        "INSERT INTO campaigns (campaign, tenant, id, name, budget, currency, influencers, conversions, created_at,
                                budget_policy)
         SELECT campaign, 1, name, 'Lanzamiento X', 14000, 'COP', '{}', '[]', '2026-01-01T00:00:00Z', 'detener'
         FROM campaign_names",
    )
    .await;
    terms(&api, "general", None, "2025-01-01T00:00:00Z", &general).await;
    close(&api, "2026-01-05T11:00:00Z").await;
    settle(&api, 'c', FIRST).await;
    // From noon of the 3rd on Ana has a percentage of her own in pesos, with a cap a day; of dollars nothing any more.
    let own = [
        "2, 0, 200.5, 'COP', NULL, NULL, 5000, 'd', true, '{20}', '{300}'",
        "3, 1, NULL, 'COP', 10, 100, 20000, 'd', false, '{}', '{}'",
    ];
    terms(&api, "ana", Some("inf-001"), "2026-01-03T12:00:00Z", &own).await;
    settle(&api, 't', BACKDATED).await;
    api.sql(
        "INSERT INTO reversals VALUES
             (1, 'dev-1', 'conv-1', 1, NULL, 50000, 'COP', 'talla equivocada', '2026-01-07T09:00:00Z',
              '2026-01-07T09:00:01Z', 1, 0, 1000, -1),
             (1, 'dis-1', 'conv-1', 2, 'D-77', 10000, NULL, 'tarjeta', '2026-01-07T12:00:00Z',
              '2026-01-07T12:00:01Z', 1, 0, 1001, -1)",
    )
    .await;
    settle(&api, 'r', REFUNDED).await;
    api
}

/// All rows of a list, page by page.
pub(crate) async fn all(api: &Api, path: &str, rows: &str, limit: usize) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}limit={limit}{cursor}")).await.json();
        let list = page[rows].as_array().unwrap();
        assert_eq!(page["total"], list.len());
        found.extend(list.iter().cloned());
        let Some(next) = page["siguiente"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn postings_are_listed_newest_first() {
    let api = settled().await;
    assert_json_snapshot!("postings", api.get("/pagos/comisiones").await.shown());
    let whole = all(&api, "/pagos/comisiones?", "comisiones", 1000).await;
    assert!(ids(&whole).is_sorted_by(|a, b| a > b));
    for limit in [1, 2, 7] {
        assert_eq!(all(&api, "/pagos/comisiones?", "comisiones", limit).await, whole, "by {limit}");
    }
    for (query, is_listed) in [
        ("campa%C3%B1a=cmp-123&influencer=inf-002", (|row| row["influencer_id"] == "inf-002") as fn(&Value) -> bool),
        ("campana=cmp-123&moneda=USD", |row| row["moneda"] == "USD"),
        ("estado=PENDIENTE", |row| row["estado"] == "PENDIENTE"),
        ("estado=APROBADA&influencer=inf-001", |row| row["estado"] == "APROBADA" && row["influencer_id"] == "inf-001"),
        ("estado=PAGADA", |_| false),
        ("desde=2026-01-07T10:00:00Z", |row| row["fecha"].as_str() >= Some("2026-01-07T10:00:00Z")),
        ("desde=2026-01-06T10:00:00.000001Z&hasta=2026-01-08T10:00:00Z", |row| row["fecha"] == BACKDATED),
        ("hasta=2026-01-06T10:00:00Z", |_| false),
        ("campana=nadie", |_| false),
        ("influencer=nadie", |_| false),
    ] {
        let wanted: Vec<Value> = whole.iter().filter(|row| is_listed(row)).cloned().collect();
        assert_eq!(all(&api, &format!("/pagos/comisiones?{query}&"), "comisiones", 2).await, wanted, "{query}");
    }
    for (name, query) in [
        ("postings_state", "estado=LISTA"),
        ("postings_currency", "moneda=usd"),
        ("postings_range", "desde=2026-01-07T00:00:00Z&hasta=2026-01-07T00:00:00Z"),
        ("postings_cursor", "cursor=YWJj"),
        ("postings_name", "campana=%00"),
        ("postings_time", "desde=ayer"),
    ] {
        assert_json_snapshot!(name, api.get(&format!("/pagos/comisiones?{query}")).await.shown());
    }
}

#[tokio::test]
async fn statistics_carry_commissions() {
    let api = settled().await;
    for (name, path) in [
        ("earned_campaign", "/tracking/queries/campanas/cmp-123/estadisticas"),
        ("earned_range", "/tracking/queries/campanas/cmp-123/estadisticas?desde=2026-01-03T12:00:00Z"),
        ("earned_influencer", "/tracking/queries/influencers/inf-001/estadisticas"),
        ("earned_ranking", "/tracking/queries/campanas/cmp-123/influencers"),
        ("budget", "/marketing-influencers/campanas/cmp-123"),
    ] {
        assert_json_snapshot!(name, api.get(path).await.shown());
    }
}
