//! Counts and amounts of a campaign or an influencer. What they cost depends on time and influencers, not on events.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{Currency, Timestamp};
use serde::Serialize;
use sinks::TENANT;
use sqlx::postgres::types::PgInterval;
use sqlx::{FromRow, PgPool};
use std::collections::{BTreeSet, HashMap};
use std::iter::zip;
use std::time::Duration;
use utoipa::ToSchema;

use crate::amounts::{ByCurrency, Exact};
use crate::pieces::{Piece, Range, bounds};
use crate::time::Time;

/// A campaign or an influencer, as far as it is known, with how far counting has come.
#[derive(Debug, FromRow)]
pub(crate) struct Subject {
    /// Its number; none if no event has named it.
    pub(crate) number: Option<i32>,
    /// The campaign's currency, if it was created.
    pub(crate) currency: Option<String>,
    /// The campaign's budget, if it was created.
    pub(crate) budget: Option<Decimal>,
    /// When its totals last changed.
    pub(crate) updated_at: Option<Time>,
    /// Counts the changes of what decides who earns.
    pub(crate) generation: i64,
    watermark: Option<Time>,
    closed_through: Option<Time>,
}

/// How far counting has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Avance)]
pub(crate) struct Progress {
    /// The event time that every live line has reached.
    #[serde(rename = "marca_de_agua")]
    watermark: Option<Time>,
    /// How far that lies behind now, in milliseconds.
    #[serde(rename = "retraso_ms")]
    lag_ms: Option<i64>,
    /// Windows that end at or before it are closed: later arrivals for them are listed as late.
    #[serde(rename = "cerrado_hasta")]
    closed_through: Option<Time>,
}

macro_rules! subject {
    ($columns:literal, $joins:literal) => {
        concat!(
            "SELECT ",
            $columns,
            ", f.generation, f.closed_through,
                (SELECT CASE WHEN bool_and(watermark IS NOT NULL) THEN min(watermark) END
                 FROM lines WHERE live AND flow = 'tracking') AS watermark
             FROM facts f ",
            $joins
        )
    };
}

const CAMPAIGN: &str = subject!(
    "n.campaign AS number, c.currency, c.budget,
     (SELECT max(t.updated_at) FROM campaign_totals t WHERE t.campaign = n.campaign) AS updated_at",
    "LEFT JOIN campaign_names n ON n.tenant = $1 AND n.name = $2 LEFT JOIN campaigns c ON c.campaign = n.campaign"
);

const INFLUENCER: &str = subject!(
    "n.influencer AS number, NULL::text AS currency, NULL::numeric AS budget, NULL::timestamptz AS updated_at",
    "LEFT JOIN influencer_names n ON n.tenant = $1 AND n.name = $2"
);

impl Subject {
    /// The campaign with this id.
    pub(crate) async fn campaign(pool: &PgPool, id: &str) -> Result<Self, sqlx::Error> {
        sqlx::query_as(CAMPAIGN).bind(TENANT).bind(id).fetch_one(pool).await
    }

    /// The influencer with this id.
    pub(crate) async fn influencer(pool: &PgPool, id: &str) -> Result<Self, sqlx::Error> {
        sqlx::query_as(INFLUENCER).bind(TENANT).bind(id).fetch_one(pool).await
    }

    /// Windows that end at or before it are closed.
    pub(crate) fn closed_through(&self) -> Option<Timestamp> {
        self.closed_through.map(Into::into)
    }

    /// How far counting had come before the sums were read: all that lies before it is in them.
    pub(crate) fn progress(&self) -> Progress {
        let lag_ms = |watermark: Time| (Timestamp::now().micros() - Timestamp::from(watermark).micros()).max(0) / 1_000;
        Progress { watermark: self.watermark, lag_ms: self.watermark.map(lag_ms), closed_through: self.closed_through }
    }
}

/// Counts, and amounts by currency: different currencies are never added.
#[derive(Debug, Clone, Default, FromRow)]
pub(crate) struct Sums {
    pub(crate) impressions: i64,
    pub(crate) clicks: i64,
    pub(crate) conversions: i64,
    currencies: Vec<String>,
    amounts: Vec<Decimal>,
}

/// Sums as answers show them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Totales)]
pub(crate) struct Totals {
    #[serde(rename = "total_impresiones")]
    impressions: i64,
    #[serde(rename = "total_clics")]
    clicks: i64,
    #[serde(rename = "total_conversiones")]
    conversions: i64,
    /// In the campaign's currency, else COP if there is any, else the first; `valor_por_moneda` has all.
    #[serde(rename = "valor_total_conversiones")]
    amount: Exact,
    /// The currency of `valor_total_conversiones`.
    #[serde(rename = "moneda")]
    currency: String,
    #[serde(rename = "valor_por_moneda")]
    #[schema(value_type = BTreeMap<String, Exact>)]
    amounts: ByCurrency<Exact>,
    /// Conversions per 100 impressions.
    #[serde(rename = "tasa_conversion")]
    conversion_rate: Exact,
    /// Clicks per 100 impressions.
    ctr: Exact,
}

impl Sums {
    /// Amounts of conversions by currency.
    pub(crate) fn amounts(&self) -> impl Iterator<Item = (&str, Decimal)> {
        self.currencies.iter().map(String::as_str).zip(self.amounts.iter().copied())
    }

    /// The amount of conversions in one currency.
    pub(crate) fn amount(&self, currency: &str) -> Decimal {
        self.amounts().find(|(code, _)| *code == currency).map_or(Decimal::ZERO, |(_, sum)| sum)
    }

    /// For the answer; `preferred` is the campaign's currency.
    pub(crate) fn totals(&self, preferred: Option<&str>) -> Totals {
        let currency = main_currency(preferred, [self]);
        Totals {
            impressions: self.impressions,
            clicks: self.clicks,
            conversions: self.conversions,
            amount: Exact::amount(self.amount(&currency), &currency),
            amounts: self.amounts().map(|(code, sum)| (code.to_owned(), Exact::amount(sum, code))).collect(),
            conversion_rate: Exact::percent(self.conversions, self.impressions),
            ctr: Exact::percent(self.clicks, self.impressions),
            currency,
        }
    }
}

/// The currency of `valor_total_conversiones`: the campaign's, else COP if there is any, else the first.
pub(crate) fn main_currency<'a>(preferred: Option<&str>, sums: impl IntoIterator<Item = &'a Sums>) -> String {
    if let Some(preferred) = preferred {
        return preferred.to_owned();
    }
    let cop = Currency::Cop.code();
    let codes: BTreeSet<&str> = sums.into_iter().flat_map(|sum| sum.currencies.iter().map(String::as_str)).collect();
    let first = codes.first().copied().filter(|_| !codes.contains(cop));
    first.unwrap_or(cop).to_owned()
}

const CAMPAIGN_TOTALS: &str = "
WITH priced AS MATERIALIZED (
    SELECT currency, sum(amount) AS amount FROM campaign_total_amounts WHERE campaign = $1 GROUP BY currency
)
SELECT coalesce(sum(impressions), 0)::bigint AS impressions, coalesce(sum(clicks), 0)::bigint AS clicks,
       coalesce(sum(conversions), 0)::bigint AS conversions,
       (SELECT coalesce(array_agg(currency ORDER BY currency), '{}') FROM priced) AS currencies,
       (SELECT coalesce(array_agg(amount ORDER BY currency), '{}') FROM priced) AS amounts
FROM campaign_totals WHERE campaign = $1";

/// All that a campaign has ever had.
pub(crate) async fn campaign_totals(pool: &PgPool, campaign: i32) -> Result<Sums, sqlx::Error> {
    sqlx::query_as(CAMPAIGN_TOTALS).bind(campaign).fetch_one(pool).await
}

const INFLUENCER_TOTALS: &str = "
WITH open AS MATERIALIZED (SELECT coalesce(closed_through, '-infinity') AS since FROM facts),
counted AS (
    SELECT campaign, impressions, clicks, conversions FROM rollups
    WHERE influencer = $1 AND influencer > 0 AND grain = 't'
    UNION ALL
    SELECT w.campaign, w.impressions, w.clicks, w.conversions FROM open JOIN windows w ON w.start >= open.since
    WHERE w.influencer = $1
), priced AS MATERIALIZED (
    SELECT currency, sum(amount) AS amount FROM (
        SELECT currency, amount FROM rollup_amounts WHERE influencer = $1 AND influencer > 0 AND grain = 't'
        UNION ALL
        SELECT w.currency, w.amount FROM open JOIN window_amounts w ON w.start >= open.since WHERE w.influencer = $1
    ) AS parts GROUP BY currency
)
SELECT count(DISTINCT campaign) AS campaigns,
       coalesce(sum(impressions), 0)::bigint AS impressions, coalesce(sum(clicks), 0)::bigint AS clicks,
       coalesce(sum(conversions), 0)::bigint AS conversions,
       (SELECT coalesce(array_agg(currency ORDER BY currency), '{}') FROM priced) AS currencies,
       (SELECT coalesce(array_agg(amount ORDER BY currency), '{}') FROM priced) AS amounts
FROM counted";

/// All that an influencer has ever brought.
#[derive(Debug, Default, FromRow)]
pub(crate) struct InfluencerSums {
    /// In how many campaigns.
    pub(crate) campaigns: i64,
    #[sqlx(flatten)]
    pub(crate) sums: Sums,
}

/// All that an influencer has ever brought: what is closed from the total, what is open from the windows.
pub(crate) async fn influencer_totals(pool: &PgPool, influencer: i32) -> Result<InfluencerSums, sqlx::Error> {
    sqlx::query_as(INFLUENCER_TOTALS).bind(influencer).fetch_one(pool).await
}

/// One statement, hence one snapshot, over all pieces. One row with a list for each column: a day of minutes are thousands
/// of rows, and rows cost more to pass on than what is in them.
const CAMPAIGN_BUCKETS: &str = r#"
WITH pieces AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) AS p(grain, since, until)
), counted AS (
    SELECT date_bin($5, s.start, $6) AS bucket, sum(s.impressions)::bigint AS impressions,
           sum(s.clicks)::bigint AS clicks, sum(s.conversions)::bigint AS conversions
    FROM pieces p CROSS JOIN LATERAL (
        SELECT r.start, r.impressions, r.clicks, r.conversions FROM rollups r
        WHERE p.grain <> 'm' AND r.campaign = $1 AND r.grain = p.grain::"char" AND r.influencer = -1
          AND r.start >= p.since AND r.start < p.until
        UNION ALL
        SELECT w.start, w.impressions, w.clicks, w.conversions FROM windows w
        WHERE p.grain = 'm' AND w.campaign = $1 AND w.start >= p.since AND w.start < p.until
    ) AS s GROUP BY 1
), priced AS (
    SELECT date_bin($5, s.start, $6) AS bucket, s.currency, sum(s.amount) AS amount
    FROM pieces p CROSS JOIN LATERAL (
        SELECT r.start, r.currency, r.amount FROM rollup_amounts r
        WHERE p.grain <> 'm' AND r.campaign = $1 AND r.grain = p.grain::"char" AND r.influencer = -1
          AND r.start >= p.since AND r.start < p.until
        UNION ALL
        SELECT w.start, w.currency, w.amount FROM window_amounts w
        WHERE p.grain = 'm' AND w.campaign = $1 AND w.start >= p.since AND w.start < p.until
    ) AS s GROUP BY 1, 2
)
SELECT c.*, p.* FROM (
    SELECT coalesce(array_agg(bucket), '{}') AS counted, coalesce(array_agg(impressions), '{}') AS impressions,
           coalesce(array_agg(clicks), '{}') AS clicks, coalesce(array_agg(conversions), '{}') AS conversions
    FROM counted
) AS c, (
    SELECT coalesce(array_agg(bucket), '{}') AS priced, coalesce(array_agg(currency), '{}') AS currencies,
           coalesce(array_agg(amount), '{}') AS amounts
    FROM priced
) AS p"#;

/// Columns of the buckets that were counted, and of those and their currencies that have amounts.
#[derive(Debug, FromRow)]
struct Columns {
    counted: Vec<DateTime<Utc>>,
    impressions: Vec<i64>,
    clicks: Vec<i64>,
    conversions: Vec<i64>,
    priced: Vec<DateTime<Utc>>,
    currencies: Vec<String>,
    amounts: Vec<Decimal>,
}

impl From<Columns> for HashMap<Timestamp, Sums> {
    fn from(columns: Columns) -> Self {
        let mut buckets = Self::with_capacity(columns.counted.len());
        let counts = zip(columns.impressions, zip(columns.clicks, columns.conversions));
        for (bucket, (impressions, (clicks, conversions))) in zip(columns.counted, counts) {
            buckets.insert(bucket.into(), Sums { impressions, clicks, conversions, ..Sums::default() });
        }
        for (bucket, (currency, amount)) in zip(columns.priced, zip(columns.currencies, columns.amounts)) {
            let sums: &mut Sums = buckets.entry(bucket.into()).or_default();
            sums.currencies.push(currency);
            sums.amounts.push(amount);
        }
        buckets
    }
}

/// The sums of `pieces` by buckets of `width`, counted from where the first begins; buckets without events are left out.
pub(crate) async fn campaign_buckets(
    pool: &PgPool,
    campaign: i32,
    pieces: &[Piece],
    width: Duration,
) -> Result<HashMap<Timestamp, Sums>, sqlx::Error> {
    let (since, until) = bounds(pieces);
    let Some(origin) = since.first().copied() else { return Ok(HashMap::new()) };
    let columns: Columns = sqlx::query_as(CAMPAIGN_BUCKETS)
        .bind(campaign)
        .bind(pieces.iter().map(|piece| piece.grain.letter()).collect::<Vec<_>>())
        .bind(since)
        .bind(until)
        .bind(PgInterval { months: 0, days: 0, microseconds: width.as_micros() as i64 })
        .bind(origin)
        .fetch_one(pool)
        .await?;
    Ok(columns.into())
}

/// The sums of a whole range.
pub(crate) async fn campaign_range(
    pool: &PgPool,
    campaign: i32,
    range: Range,
    pieces: &[Piece],
) -> Result<Sums, sqlx::Error> {
    // One bucket as wide as the range.
    let buckets = campaign_buckets(pool, campaign, pieces, range.width()).await?;
    Ok(buckets.into_values().next().unwrap_or_default())
}
