//! Series by minutes of hours that were closed and asked for before.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::support::Api;
use crate::world::{Event, What, at, close, create_campaigns, line, sample, terms, write};

/// Four closed hours of the sample and a minute at each end.
const SERIES: (&str, &str) = ("2026-01-03T08:59:00Z", "2026-01-03T13:01:00Z");
const CLOSED: &str = "2026-01-04T00:00:00Z";

async fn with_a_created_campaign() -> Api {
    let api = Api::start().await;
    line(&api, 100, "2026-01-05T12:00:00Z").await;
    write(&api, &sample()).await;
    close(&api, CLOSED).await;
    create_campaigns(&api).await;
    api
}

async fn points_of(api: &Api, (from, to): (&str, &str)) -> Vec<Value> {
    let path = format!("/tracking/queries/campañas/cmp-123/serie?granularidad=minuto&desde={from}&hasta={to}");
    api.get(&path).await.json()["puntos"].as_array().unwrap().clone()
}

async fn points(api: &Api) -> Vec<Value> {
    points_of(api, SERIES).await
}

fn impressions(points: &[Value]) -> i64 {
    points.iter().map(|point| point["total_impresiones"].as_i64().unwrap()).sum()
}

fn at_minute<'a>(points: &'a [Value], minute: &str) -> &'a Value {
    points.iter().find(|point| point["inicio"] == minute).unwrap()
}

#[tokio::test]
async fn what_was_read_of_them_is_not_read_again() {
    let api = with_a_created_campaign().await;
    let first = points(&api).await;
    assert_eq!((first.len(), impressions(&first)), (4 * 60 + 2, 3));
    api.sql("TRUNCATE windows, window_amounts, conversions").await;
    assert_eq!(points(&api).await, first);
    assert_eq!(points_of(&api, ("2026-01-03T10:01:00Z", "2026-01-03T12:06:00Z")).await, first[62..187]);
}

#[tokio::test]
async fn whatever_changes_them_is_told_at_once() {
    let api = with_a_created_campaign().await;
    let before = points(&api).await;

    let late = Event {
        kind: What::Conversion("0.5", "COP"),
        id: "late".into(),
        campaign: "cmp-123",
        influencer: Some("inf-001"),
        time: at("2026-01-03T12:05:30Z"),
        day: NaiveDate::from_ymd_opt(2026, 1, 5).unwrap(),
    };
    write(&api, &[late]).await;
    close(&api, CLOSED).await;
    let after = points(&api).await;
    let changed: Vec<_> = after.iter().zip(&before).filter(|(after, before)| after != before).collect();
    assert_eq!(changed.len(), 1);
    let minute = at_minute(&after, "2026-01-03T12:05:00Z");
    assert_eq!((&minute["total_conversiones"], &minute["valor_total_conversiones"]), (&2.into(), &150_000.5.into()));

    let five_percent = "3, 1, NULL, NULL, 5, NULL, NULL, 't', false, '{}', '{}'";
    terms(&api, "terms", None, "2026-01-01T00:00:00Z", &[five_percent]).await;
    api.sql("UPDATE facts SET generation = generation + 1").await;
    let earning = points(&api).await;
    let earned = &at_minute(&earning, "2026-01-03T12:05:00Z")["comision_devengada"]["COP"];
    assert_eq!(earned.to_string().parse(), Ok("7500.02".parse::<Decimal>().unwrap()));
}

#[tokio::test]
async fn a_campaign_that_nobody_created_is_read_each_time() {
    let api = with_a_created_campaign().await;
    api.sql("DELETE FROM campaigns").await;
    assert_eq!(impressions(&points(&api).await), 3);
    api.sql("DELETE FROM windows").await;
    assert_eq!(impressions(&points(&api).await), 0);
}
