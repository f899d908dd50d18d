//! A small world, written straight into the tables as a line would write it, and brute force to compare with.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use schemas::{ClaimKey, Kind, Timestamp};
use sqlx::PgPool;
use std::collections::BTreeMap;

use crate::support::Api;

/// What happened.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: What,
    pub(crate) id: String,
    pub(crate) campaign: &'static str,
    pub(crate) influencer: Option<&'static str>,
    pub(crate) time: Timestamp,
    /// The day that it came.
    pub(crate) day: NaiveDate,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Impression,
    Click,
    Conversion(&'static str, &'static str),
}

/// Counts and amounts, added up the simple way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counted {
    pub(crate) impressions: i64,
    pub(crate) clicks: i64,
    pub(crate) conversions: i64,
    pub(crate) amounts: BTreeMap<&'static str, Decimal>,
}

impl Counted {
    pub(crate) fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut sum = Self::default();
        for event in events {
            match event.kind {
                What::Impression => sum.impressions += 1,
                What::Click => sum.clicks += 1,
                What::Conversion(amount, currency) => {
                    sum.conversions += 1;
                    *sum.amounts.entry(currency).or_default() += amount.parse::<Decimal>().unwrap();
                }
            }
        }
        sum
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn sql(time: Timestamp) -> DateTime<Utc> {
    time.into()
}

/// The live line of partition 0, at a position.
pub(crate) async fn line(api: &Api, entry: i64, watermark: &str) {
    api.sql(&format!(
        "INSERT INTO lines (flow, source, live, ledger, entry, index, watermark)
         VALUES ('tracking', 'log-0', true, 0, {entry}, -1, '{watermark}')
         ON CONFLICT (flow, source) DO UPDATE SET entry = excluded.entry, watermark = excluded.watermark"
    ))
    .await;
}

/// Writes `events` as line 1 would, at offsets from 0 on.
pub(crate) async fn write(api: &Api, events: &[Event]) {
    let pool = &api.pool;
    for (offset, event) in events.iter().enumerate() {
        sinks::days::ensure_day(&mut pool.acquire().await.unwrap(), event.day).await.unwrap();
        let campaign = name(pool, "campaign", Some(event.campaign)).await;
        let influencer = name(pool, "influencer", event.influencer).await;
        raw_row(pool, event, offset as i64, campaign, influencer).await;
        sums(pool, event, campaign, influencer).await;
    }
}

async fn name(pool: &PgPool, what: &str, name: Option<&str>) -> i32 {
    let Some(name) = name else { return 0 };
    let statement = format!(
        "WITH new AS (INSERT INTO {what}_names (tenant, name) VALUES (1, $1) ON CONFLICT DO NOTHING RETURNING {what})
         SELECT {what} FROM new UNION ALL SELECT {what} FROM {what}_names WHERE name = $1"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(name).fetch_one(pool).await.unwrap()
}

async fn raw_row(pool: &PgPool, event: &Event, offset: i64, campaign: i32, influencer: i32) {
    let kind = if matches!(event.kind, What::Conversion(..)) { Kind::RecordConversion } else { Kind::RecordImpression };
    let key = ClaimKey::new(kind, &event.id);
    sqlx::query(
        "INSERT INTO claims (tenant, kind, id, content, line, ledger, entry, index, day)
         VALUES (1, $1, $2, $2, 1, 0, $3, -1, $4)",
    )
    .bind(kind.number())
    .bind(key.id)
    .bind(offset)
    .bind(event.day)
    .execute(pool)
    .await
    .unwrap();
    let (table, columns, values) = match &event.kind {
        What::Conversion(amount, currency) => {
            ("conversions", "kind, amount, currency", format!("1, {amount}, '{currency}'"))
        }
        What::Click => ("impressions", "click", "true".into()),
        What::Impression => ("impressions", "click", "false".into()),
    };
    let insert = format!(
        "INSERT INTO {table} (campaign, influencer, event_time, day, line, ledger, entry, index, published_at, id,
                              user_id, user_agent, ip_address, referrer, {columns})
         VALUES ($1, $2, $3, $4, 1, 0, $5, -1, $6, $7, 'usr-101', 'Mozilla/5.0', '127.0.0.1', NULL, {values})"
    );
    sqlx::query(sqlx::AssertSqlSafe(insert))
        .bind(campaign)
        .bind(influencer)
        .bind(sql(event.time))
        .bind(event.day)
        .bind(offset)
        .bind(event.day.and_hms_opt(23, 0, 0).unwrap().and_utc())
        .bind(&event.id)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO raw_days AS d (day, line, event_from, event_to) VALUES ($1, 1, $2, $2) ON CONFLICT (day, line)
         DO UPDATE SET event_from = least(d.event_from, $2), event_to = greatest(d.event_to, $2)",
    )
    .bind(event.day)
    .bind(sql(event.time))
    .execute(pool)
    .await
    .unwrap();
}

async fn sums(pool: &PgPool, event: &Event, campaign: i32, influencer: i32) {
    let one = Counted::of([event]);
    sqlx::query(
        "INSERT INTO windows AS w (campaign, start, influencer, impressions, clicks, conversions)
         VALUES ($1, date_trunc('minute', $2), $3, $4, $5, $6) ON CONFLICT (campaign, start, influencer) DO UPDATE
         SET impressions = w.impressions + $4, clicks = w.clicks + $5, conversions = w.conversions + $6",
    )
    .bind(campaign)
    .bind(sql(event.time))
    .bind(influencer)
    .bind(one.impressions)
    .bind(one.clicks)
    .bind(one.conversions)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO campaign_totals AS t (campaign, summand, impressions, clicks, conversions, updated_at)
         VALUES ($1, 1, $2, $3, $4, '2026-01-05T12:00:00Z') ON CONFLICT (campaign, summand) DO UPDATE
         SET impressions = t.impressions + $2, clicks = t.clicks + $3, conversions = t.conversions + $4",
    )
    .bind(campaign)
    .bind(one.impressions)
    .bind(one.clicks)
    .bind(one.conversions)
    .execute(pool)
    .await
    .unwrap();
    for (currency, amount) in one.amounts {
        sqlx::query(
            "INSERT INTO window_amounts AS w VALUES ($1, date_trunc('minute', $2), $3, $4, $5)
             ON CONFLICT (campaign, start, influencer, currency) DO UPDATE SET amount = w.amount + $5",
        )
        .bind(campaign)
        .bind(sql(event.time))
        .bind(influencer)
        .bind(currency)
        .bind(amount)
        .execute(pool)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO campaign_total_amounts AS t VALUES ($1, 1, $2, $3)
             ON CONFLICT (campaign, summand, currency) DO UPDATE SET amount = t.amount + $3",
        )
        .bind(campaign)
        .bind(currency)
        .bind(amount)
        .execute(pool)
        .await
        .unwrap();
    }
}

/// Closes the windows before `through`: roll-ups are their sums.
pub(crate) async fn close(api: &Api, through: &str) {
    let fold = |table: &str, target: &str, columns: &str, sums: &str| {
        format!(
            "INSERT INTO {target} SELECT w.campaign, i.influencer, g.grain, g.start, {columns} {sums}
             FROM {table} w
             CROSS JOIN LATERAL (VALUES ('h'::\"char\", date_trunc('hour', w.start)), ('d', date_trunc('day', w.start)),
                                        ('t', 'epoch'::timestamptz)) AS g(grain, start)
             CROSS JOIN LATERAL (VALUES (w.influencer), (-1)) AS i(influencer)
             WHERE w.start < '{through}' GROUP BY 1, 2, 3, 4 {}",
            if columns.is_empty() { "" } else { ", 5" }
        )
    };
    api.sql("DELETE FROM rollups; DELETE FROM rollup_amounts").await;
    api.sql(&format!("UPDATE facts SET closed_through = '{through}'")).await;
    api.sql(&fold("windows", "rollups", "", "sum(impressions), sum(clicks), sum(conversions)")).await;
    api.sql(&fold("window_amounts", "rollup_amounts", "w.currency,", "sum(w.amount)")).await;
}

/// What has events was created, too: in pesos, without a budget.
pub(crate) async fn create_campaigns(api: &Api) {
    api.sql(
        "INSERT INTO campaigns (campaign, tenant, id, budget, currency, influencers, conversions, created_at)
         SELECT campaign, 1, name, 0, 'COP', '{}', '[]', now() FROM campaign_names",
    )
    .await;
}

/// A campaign with two influencers, clicks, two currencies, and rows that came on three days.
pub(crate) fn sample() -> Vec<Event> {
    let day = |n| NaiveDate::from_ymd_opt(2026, 1, n).unwrap();
    let event = |id: &str, kind, influencer, time: &str, day| Event {
        kind,
        id: id.into(),
        campaign: "cmp-123",
        influencer,
        time: at(time),
        day,
    };
    let (ana, luis) = (Some("inf-001"), Some("inf-002"));
    vec![
        event("imp-1", What::Impression, ana, "2026-01-03T10:00:00Z", day(3)),
        event("imp-2", What::Impression, ana, "2026-01-03T10:00:59.999999Z", day(3)),
        event("imp-3", What::Impression, luis, "2026-01-03T10:01:00Z", day(4)),
        event("clic-1", What::Click, luis, "2026-01-03T10:01:00Z", day(4)),
        event("imp-4", What::Impression, None, "2026-01-04T23:59:00.5Z", day(4)),
        event("conv-1", What::Conversion("150000", "COP"), ana, "2026-01-03T12:05:00Z", day(3)),
        event("conv-2", What::Conversion("19.99", "USD"), ana, "2026-01-04T08:00:00Z", day(4)),
        event("imp-5", What::Impression, ana, "2025-12-31T00:00:00Z", day(5)),
    ]
}

/// Terms as the line would store them; rules as rows of `commission_rules` from `rule` on.
pub(crate) async fn terms(api: &Api, id: &str, influencer: Option<&str>, valid_from: &str, rules: &[&str]) {
    let influencer = influencer
        .map_or("NULL".into(), |name| format!("(SELECT influencer FROM influencer_names WHERE name = '{name}')"));
    let rows =
        rules.iter().enumerate().map(|(number, rule)| format!("((SELECT terms FROM t), {}, {rule})", number + 1));
    let rows = rows.collect::<Vec<_>>().join(", ");
    api.sql(&format!(
        "WITH t AS (
             INSERT INTO terms (tenant, id, campaign, influencer, valid_from, defined_at)
             SELECT 1, '{id}', campaign, {influencer}, '{valid_from}', '2026-01-01T00:00:00Z'
             FROM campaign_names WHERE name = 'cmp-123' RETURNING terms
         )
         INSERT INTO commission_rules (terms, rule, basis, conversion, amount, currency, percent, minimum, cap, period,
                                       retroactive, tier_since, tier_rates) VALUES {rows}"
    ))
    .await;
}

/// Marks every hour that anything happened in, for this cause, and lets the ledger's line settle them. What it posts is then
/// dated `posted_at`, so that answers are the same on every day.
pub(crate) async fn settle(api: &Api, cause: char, posted_at: &str) {
    api.sql(&format!(
        "INSERT INTO unsettled SELECT DISTINCT campaign, influencer, date_trunc('hour', start, 'UTC'), '{cause}'::\"char\"
         FROM windows WHERE influencer > 0"
    ))
    .await;
    pipeline::poster::drain(&api.pool.connect_options()).await.unwrap();
    api.sql(&format!(
        "ALTER TABLE postings DISABLE TRIGGER append_only;
         UPDATE postings SET posted_at = '{posted_at}' WHERE posted_at > now() - interval '1 day';
         UPDATE ledger_head SET posted_at = '{posted_at}';
         ALTER TABLE postings ENABLE TRIGGER append_only"
    ))
    .await;
}
