//! Lists against brute force: any pages, any order of arrival, ties included.

use chrono::NaiveDate;
use schemas::Timestamp;

use crate::support::Api;
use crate::world::{Event, What, at, write};

/// A small generator of numbers: the same every time.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Events of two campaigns and three influencers over two days, which came over six: many at the same instant.
pub(crate) fn scattered(count: usize, seed: u64) -> Vec<Event> {
    let mut numbers = Numbers::new(seed);
    let start = at("2026-01-01T00:00:00Z").micros();
    let event = |n: usize| Event {
        kind: match numbers.below(6) {
            0 => What::Click,
            1 => What::Conversion(
                ["0.01", "150000", "19.99"][numbers.below(3) as usize],
                ["COP", "USD"][numbers.below(2) as usize],
            ),
            _ => What::Impression,
        },
        id: format!("{}-{n}", ["a", "Z", "ñ"][numbers.below(3) as usize]),
        campaign: ["cmp-1", "cmp-2"][numbers.below(2) as usize],
        influencer: [Some("inf-1"), Some("inf-2"), None][numbers.below(3) as usize],
        // Steps of 20 minutes and a bit: whole minutes, edges of windows, and many ties.
        time: Timestamp::from_micros(
            start + numbers.below(144) as i64 * 1_200_000_000 + [0, 1, 59_999_999][numbers.below(3) as usize],
        ),
        day: NaiveDate::from_ymd_opt(2026, 1, 1 + numbers.below(6) as u32).unwrap(),
    };
    (0..count).map(event).collect()
}

async fn pages(api: &Api, path: &str, rows: &str, limit: usize) -> Vec<(String, String)> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit={limit}{cursor}")).await.json();
        let list = page[rows].as_array().unwrap();
        assert_eq!(page["total"], list.len());
        assert!(list.len() <= limit);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        found.extend(list.iter().map(|row| (text(&row["timestamp"]), text(&row["id"]))));
        let Some(next) = page["siguiente"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn every_page_of_every_list_is_exact() {
    let api = Api::start().await;
    let events = scattered(300, 7);
    write(&api, &events).await;
    for (owner, is_owned) in [
        ("campañas/cmp-1", (|event| event.campaign == "cmp-1") as fn(&Event) -> bool),
        ("campañas/cmp-2", |event| event.campaign == "cmp-2"),
        ("influencers/inf-1", |event| event.influencer == Some("inf-1")),
        ("influencers/inf-2", |event| event.influencer == Some("inf-2")),
    ] {
        for (rows, is_conversion) in [("impresiones", false), ("conversiones", true)] {
            let is_listed =
                |event: &&Event| is_owned(event) && matches!(event.kind, What::Conversion(..)) == is_conversion;
            let mut wanted: Vec<_> = events.iter().filter(is_listed).collect();
            wanted.sort_by(|a, b| (b.time, &b.id).cmp(&(a.time, &a.id)));
            let wanted: Vec<_> = wanted.into_iter().map(|event| (event.time.to_string(), event.id.clone())).collect();
            assert!(!wanted.is_empty());
            for limit in [1, 2, 7, 1000] {
                let path = format!("/tracking/queries/{owner}/{rows}");
                assert_eq!(pages(&api, &path, rows, limit).await, wanted, "{path} by {limit}");
            }
        }
    }
}
