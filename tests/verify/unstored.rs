//! Lines that have stopped to store rows of impressions and clicks: what cannot be counted again is still held to sums.

use pipeline::memory::MemorySource;
use pipeline::run::{Keep, run};
use sinks::impressions::RawRows;
use sinks::line::LineSpec;
use sinks::{Flow, Line};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::{Tampered, close, message, outcomes, run_line, support, tick, wrong};

fn event(kind: &str, id: u8) -> String {
    format!(
        r#"{{"comando":"registrar-{kind}","id":"{kind}-{id}","campaña_id":"cmp-{}","influencer_id":"inf-1",
            "tipo_evento":"{}","timestamp":"2026-01-01T00:{:02}:30Z"}}"#,
        id % 2,
        if id.is_multiple_of(3) { "CLICK" } else { "IMPRESION" },
        id % 5,
    )
}

/// One line that stored its first rows and then no more, late ones among them, and one that stores all.
async fn sound() -> PgConnectOptions {
    let options = support::database().await;
    let events = |ids: std::ops::Range<u8>| ids.map(|id| message(id.into(), event("impresion", id), None));
    let stored: Vec<_> = events(0..10).chain([tick(10)]).collect();
    run_line(&options, Flow::Tracking, "log-0", &stored).await;
    for partition in 1..4 {
        run_line(&options, Flow::Tracking, &format!("log-{partition}"), &[tick(0)]).await;
    }
    close(&options).await;

    let spec = LineSpec { flow: Flow::Tracking, source: "log-0", live: true, exclusive: false };
    let line = Line::take(&options, spec).await.unwrap();
    let late: Vec<_> = events(11..30).chain([message(40, event("conversion", 1), None)]).collect();
    let source = MemorySource::new("log-0", &late, line.position(), &[4]);
    let keep = Keep { raw_rows: RawRows::Drop, ..Keep::default() };
    run(Flow::Tracking, source, line, keep, |_| ()).await.unwrap();
    run_line(&options, Flow::Tracking, "file-x", &events(30..40).collect::<Vec<_>>()).await;
    options
}

#[tokio::test]
async fn what_was_not_stored_is_counted() {
    let options = sound().await;
    let mut connection = options.connect().await.unwrap();
    let (unstored, rows, conversions): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(unstored)::bigint FROM lines), (SELECT count(*) FROM impressions),
                (SELECT count(*) FROM conversions)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((unstored, rows, conversions), (19, 20, 1));
    assert!(wrong(&outcomes(&options).await).is_empty());
}

#[tokio::test]
async fn what_is_changed_by_hand_is_noticed() {
    let mut tampered = Tampered::new(sound().await);
    for (change, noticed_by) in [
        ("UPDATE lines SET unstored = unstored - 1 WHERE unstored > 0", &["claims of raw rows", "campaign totals"][..]),
        ("DELETE FROM impressions WHERE entry = 3", &["claims of raw rows", "campaign totals"]),
        ("DELETE FROM impressions WHERE entry = 33", &["claims of raw rows", "campaign totals"]),
        ("DELETE FROM claims WHERE entry = 20", &["claims of raw rows", "lines: accepted"]),
        ("UPDATE windows SET clicks = clicks + 1 WHERE clicks > 0", &["campaign totals of windows"]),
        ("UPDATE windows SET impressions = 0, clicks = 0", &["windows", "campaign totals of windows"]),
        ("UPDATE campaign_totals SET clicks = clicks + 1", &["campaign totals", "campaign totals of windows"]),
        ("UPDATE windows SET conversions = conversions + 1", &["windows"]),
        ("UPDATE late_events SET start = start - interval '1 minute' WHERE entry = 20", &["late events"]),
    ] {
        tampered.change(change, noticed_by).await;
    }
    assert!(tampered.missed.is_empty(), "{:#?}", tampered.missed);
}

/// Rows of a window are found by its number, whichever instant of the minute they are of.
#[tokio::test]
async fn an_event_has_the_number_of_its_window() {
    let mut connection = support::database().await.connect().await.unwrap();
    let wrong: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM generate_series('1969-12-31 23:58Z', '1970-01-01 00:02Z', interval '100 milliseconds') AS t(at)
         WHERE window_key(7, at, 9) <> window_key(7, date_bin('1 minute', at, 'epoch'), 9)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    let neighbours: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT window_key(c, '2026-01-01Z'::timestamptz + m * interval '1 minute', i))
         FROM generate_series(1, 10) c, generate_series(0, 10) i, generate_series(-1, 1) m",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((wrong, neighbours), (0, 330));
}
