//! Statistics of ranges and series against brute force, whatever is closed.

use schemas::Timestamp;
use serde_json::Value;
use std::time::Duration;

use crate::lists::{Numbers, scattered};
use crate::support::Api;
use crate::world::{Counted, Event, at, close, create_campaigns, write};

const MINUTE: Duration = Duration::from_secs(60);

fn assert_sums(answer: &Value, counted: &Counted, what: &str) {
    assert_eq!(answer["total_impresiones"], counted.impressions, "{what}");
    assert_eq!(answer["total_clics"], counted.clicks, "{what}");
    assert_eq!(answer["total_conversiones"], counted.conversions, "{what}");
    let amounts = answer["valor_por_moneda"].as_object().unwrap();
    assert_eq!(amounts.len(), counted.amounts.len(), "{what}");
    for (currency, amount) in &counted.amounts {
        assert_eq!(amounts[*currency].as_f64().unwrap().to_string().parse(), Ok(*amount), "{what}");
    }
}

fn within(events: &[Event], campaign: &str, from: Timestamp, to: Timestamp) -> Counted {
    Counted::of(events.iter().filter(|event| event.campaign == campaign && event.time >= from && event.time < to))
}

#[tokio::test]
async fn every_range_is_exact_whatever_is_closed() {
    let api = Api::start().await;
    let events = scattered(200, 11);
    write(&api, &events).await;
    create_campaigns(&api).await;
    let mut numbers = Numbers::new(3);
    let start = at("2025-12-31T22:00:00Z");
    for closed in [None, Some("2026-01-01T00:00:00Z"), Some("2026-01-02T05:17:00Z"), Some("2026-01-04T00:00:00Z")] {
        if let Some(closed) = closed {
            close(&api, closed).await;
        }
        for _ in 0..25 {
            let from = start.plus(MINUTE * numbers.below(50 * 60) as u32);
            let to = from.plus(MINUTE * (1 + numbers.below(52 * 60) as u32));
            let path = format!("/tracking/queries/campañas/cmp-1/estadisticas?desde={from}&hasta={to}");
            assert_sums(&api.get(&path).await.json(), &within(&events, "cmp-1", from, to), &path);
        }
        for grain in ["minuto", "hora", "dia"] {
            check_series(&api, &events, grain, &mut numbers).await;
        }
        let all = Counted::of(events.iter().filter(|event| event.campaign == "cmp-1"));
        for range in ["", "?desde=1970-01-01T00:00:00Z", "?hasta=2100-01-01T00:00:00Z"] {
            let path = format!("/tracking/queries/campañas/cmp-1/estadisticas{range}");
            assert_sums(&api.get(&path).await.json(), &all, &path);
        }
        check_influencers(&api, &events).await;
    }
}

async fn check_series(api: &Api, events: &[Event], grain: &str, numbers: &mut Numbers) {
    let (width, points) = match grain {
        "minuto" => (MINUTE, 1_440),
        "hora" => (MINUTE * 60, 72),
        _ => (MINUTE * 60 * 24, 5),
    };
    let from = at("2025-12-31T00:00:00Z").plus(width * numbers.below(points / 2) as u32).floor(width);
    let to = from.plus(width * points as u32);
    let path = format!("/tracking/queries/campañas/cmp-2/serie?granularidad={grain}&desde={from}&hasta={to}");
    let answer = api.get(&path).await.json();
    let found = answer["puntos"].as_array().unwrap();
    assert_eq!(found.len(), points as usize, "{path}");
    for (n, point) in found.iter().enumerate() {
        let start = from.plus(width * n as u32);
        assert_eq!(point["inicio"], start.to_string(), "{path}");
        assert_sums(point, &within(events, "cmp-2", start, start.plus(width)), &path);
    }
}

async fn check_influencers(api: &Api, events: &[Event]) {
    for influencer in ["inf-1", "inf-2"] {
        let path = format!("/tracking/queries/influencers/{influencer}/estadisticas");
        let mine = events.iter().filter(|event| event.influencer == Some(influencer));
        assert_sums(&api.get(&path).await.json(), &Counted::of(mine), &path);
    }
    let ranking = api.get("/tracking/queries/campañas/cmp-1/influencers").await.json();
    let rows = ranking["influencers"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let influencer = row["influencer_id"].as_str();
        let mine = events.iter().filter(|event| event.campaign == "cmp-1" && event.influencer == influencer);
        assert_sums(row, &Counted::of(mine), &row.to_string());
    }
    assert!(rows.is_sorted_by_key(|row| -row["total_conversiones"].as_i64().unwrap()));
}
