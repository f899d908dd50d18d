//! Commissions beside counts: of all time as the ledger has them, of a range as its windows have earned them.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use schemas::Timestamp;
use serde::Serialize;
use sqlx::postgres::types::PgInterval;
use sqlx::{FromRow, PgPool};
use std::collections::{BTreeMap, HashMap};
use std::iter::zip;
use std::time::Duration;
use utoipa::ToSchema;

use crate::amounts::{ByCurrency, Exact};
use crate::balances::{Balance, Open};
use crate::pieces::{Grain, Piece, Range, bounds};
use crate::sums::Sums;

/// Commissions in one currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Comisiones)]
pub(crate) struct Commissions {
    /// Posted as earned.
    #[serde(rename = "devengada")]
    earned: Exact,
    /// Taken back of it, with conversions that were.
    #[serde(rename = "revertida")]
    reversed: Exact,
    /// Posted and held, and what the open windows will bring at the rules' first rates.
    #[serde(rename = "pendiente")]
    pending: Exact,
    /// Approved for payment and not paid.
    #[serde(rename = "aprobada")]
    approved: Exact,
    #[serde(rename = "pagada")]
    paid: Exact,
}

/// What was earned for what was counted: by currency, and currencies are never added.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rendimiento)]
pub(crate) struct Yield {
    /// Commission earned per click; null without clicks.
    #[schema(value_type = BTreeMap<String, f64>)]
    epc: ByCurrency<Option<Exact>>,
    /// What conversions were worth for each unit of commission earned; null without commission.
    #[schema(value_type = BTreeMap<String, f64>)]
    roas: ByCurrency<Option<Exact>>,
}

impl Yield {
    fn of(earned: &Earned, sums: &Sums) -> Self {
        let clicks = Decimal::from(sums.clicks);
        let epc = |(currency, sum): (&str, &Decimal)| (currency.to_owned(), Exact::ratio(*sum, clicks));
        let roas = |(currency, sum): (&str, &Decimal)| (currency.to_owned(), Exact::ratio(sums.amount(currency), *sum));
        let unrewarded = sums.amounts().filter(|(currency, _)| earned.get(currency).is_none());
        Self {
            epc: earned.iter().map(epc).collect(),
            roas: earned.iter().map(roas).chain(unrewarded.map(|(currency, _)| (currency.to_owned(), None))).collect(),
        }
    }
}

/// Commissions of all time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ComisionesDeSiempre)]
pub(crate) struct OfAllTime {
    #[serde(rename = "comisiones")]
    commissions: BTreeMap<String, Commissions>,
    #[serde(flatten)]
    per: Yield,
}

impl OfAllTime {
    /// What was posted, with what open windows will bring.
    pub(crate) fn of(balances: &[Balance], open: &[Open], sums: &Sums) -> Self {
        let earned = balances.iter().map(|it| (it.currency.clone(), it.earned)).collect();
        Self { commissions: by_currency(balances, open), per: Yield::of(&earned, sums) }
    }
}

/// What was posted, with what open windows will bring.
pub(crate) fn by_currency(balances: &[Balance], open: &[Open]) -> BTreeMap<String, Commissions> {
    let mut sums: BTreeMap<&str, (Balance, Decimal)> =
        balances.iter().map(|it| (it.currency.as_str(), (it.clone(), Decimal::ZERO))).collect();
    for Open { currency, amount, .. } in open {
        let (_, pending) = sums.entry(currency).or_insert_with(|| (Balance::zero(currency), Decimal::ZERO));
        *pending = pending.saturating_add(*amount);
    }
    sums.into_iter().map(|(currency, (balance, open))| (currency.into(), commissions(&balance, open))).collect()
}

/// Rounded once, at the end.
fn commissions(balance: &Balance, open: Decimal) -> Commissions {
    let amount = |amount| Exact::amount(amount, &balance.currency);
    Commissions {
        earned: amount(balance.earned),
        reversed: amount(balance.reversed),
        pending: amount(balance.held.saturating_add(open)),
        approved: amount(balance.approved()),
        paid: amount(balance.paid),
    }
}

/// Commissions of a range.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ComisionesDeRango)]
pub(crate) struct OfRange {
    /// What the windows of the range have earned, before tiers, caps and reversals, which look at more than a range.
    #[serde(rename = "comision_devengada")]
    #[schema(value_type = BTreeMap<String, Exact>)]
    earned: ByCurrency<Exact>,
    #[serde(flatten)]
    per: Yield,
}

/// Exact sums by currency.
pub(crate) type Earned = ByCurrency<Decimal>;

impl OfRange {
    pub(crate) fn of(earned: &Earned, sums: &Sums) -> Self {
        let amount = |(currency, sum): (&str, &Decimal)| (currency.to_owned(), Exact::amount(*sum, currency));
        Self { earned: earned.iter().map(amount).collect(), per: Yield::of(earned, sums) }
    }
}

/// Raw rows lie in days of commit; only these can hold rows of the pieces.
const DAYS: &str = "
SELECT min(r.day), max(r.day) FROM raw_days r JOIN unnest($1::timestamptz[], $2::timestamptz[]) AS p(since, until)
    ON r.event_from < p.until AND r.event_to >= p.since";

/// Hours and days are what their hours had brought when they were settled last; influencers' hours that have changed since
/// then are taken out of them and rated here, as minutes are. One statement, hence one snapshot: an hour is either marked
/// or settled. Zeros of hours that have lost their commissions are left out.
///
/// It says what `window_commissions` says, for many windows at once, where that view would look up terms and rules for
/// each window and conversion anew:
///
/// - `spells` are the times for which some terms hold for an influencer who has conversions; `rules` what these say.
/// - `counted` adds windows up before it multiplies them, since their commissions are not rounded.
/// - Whether anybody has terms of their own, and whether anything does not earn, is asked once before it is for each.
const EARNED: &str = "
WITH pieces AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) AS p(grain, since, until)
), changed AS MATERIALIZED (
    SELECT DISTINCT u.influencer, u.hour
    FROM pieces p JOIN unsettled u ON u.campaign = $1 AND u.hour >= p.since AND u.hour < p.until WHERE p.grain <> 'm'
), spans AS MATERIALIZED (
    SELECT influencer, hour AS since, hour + interval '1 hour' AS until FROM changed
    UNION ALL
    SELECT DISTINCT w.influencer, p.since, p.until
    FROM pieces p JOIN windows w ON w.campaign = $1 AND w.start >= p.since AND w.start < p.until
    WHERE p.grain = 'm' AND w.conversions > 0 AND w.influencer > 0
), spells AS MATERIALIZED (
    SELECT s.influencer, t.terms,
           greatest(s.since, t.valid_from) AS since, least(s.until, t.valid_until, own.since) AS until
    FROM spans s
    JOIN terms_in_force t ON t.campaign = $1 AND (t.influencer = s.influencer OR t.influencer IS NULL)
         AND t.valid_from < s.until AND t.valid_until > s.since
    LEFT JOIN LATERAL (
        SELECT min(valid_from) AS since FROM terms WHERE campaign = $1 AND influencer = s.influencer
    ) own ON t.influencer IS NULL
), counted AS MATERIALIZED (
    SELECT date_bin($5, w.start, $6) AS bucket, t.terms, sum(w.impressions) AS impressions, sum(w.clicks) AS clicks
    FROM pieces p
    JOIN windows w ON w.campaign = $1 AND w.start >= p.since AND w.start < p.until AND w.influencer > 0
    JOIN terms_in_force t ON t.campaign = $1 AND w.start >= t.valid_from AND w.start < t.valid_until
    WHERE p.grain = 'm' AND (t.influencer = w.influencer OR t.influencer IS NULL AND (
            NOT EXISTS (SELECT FROM terms WHERE campaign = $1 AND influencer IS NOT NULL) OR NOT EXISTS (
                SELECT FROM terms o WHERE o.campaign = $1 AND o.influencer = w.influencer AND o.valid_from <= w.start)))
      AND (NOT EXISTS (SELECT FROM not_earning WHERE campaign = $1) OR NOT EXISTS (
            SELECT FROM not_earning n WHERE n.campaign = $1 AND (n.influencer IS NULL OR n.influencer = w.influencer)
                AND w.start >= n.since AND w.start < n.until))
    GROUP BY 1, 2
), rules AS MATERIALIZED (
    SELECT r.terms, r.basis, r.conversion, r.currency, r.minimum, r.amount, r.percent * 0.01 AS share
    FROM (SELECT terms FROM spells UNION SELECT terms FROM counted) t JOIN commission_rules r USING (terms)
), parts AS (
    SELECT date_bin($5, h.hour, $6) AS bucket, h.currency, h.amount
    FROM pieces p JOIN accrual_hours h ON h.campaign = $1 AND h.hour >= p.since AND h.hour < p.until
    WHERE p.grain <> 'm'
    UNION ALL
    SELECT date_bin($5, a.hour, $6), a.currency, -a.amount
    FROM changed c JOIN accruals a ON a.campaign = $1 AND a.influencer = c.influencer AND a.hour = c.hour
    UNION ALL
    SELECT c.bucket, r.currency, r.amount * CASE r.basis WHEN 1 THEN c.impressions * 0.001 ELSE c.clicks END
    FROM counted c JOIN rules r ON r.terms = c.terms AND r.basis IN (1, 2)
    UNION ALL
    SELECT date_bin($5, w.start, $6), w.currency, w.commission
    FROM changed c JOIN rated_windows w ON w.campaign = $1 AND w.influencer = c.influencer
         AND w.start >= c.hour AND w.start < c.hour + interval '1 hour'
    UNION ALL
    SELECT date_bin($5, c.event_time, $6), coalesce(r.currency, c.currency),
           coalesce(r.amount, round_half_even(c.amount * r.share, 2))
    FROM spells s
    JOIN conversions c ON c.campaign = $1 AND c.influencer = s.influencer
         AND c.event_time >= s.since AND c.event_time < s.until AND c.day BETWEEN $7 AND $8
    JOIN rules r ON r.terms = s.terms AND r.basis = 3 AND r.conversion = c.kind
    WHERE (r.currency IS NULL OR r.amount IS NOT NULL OR r.currency = c.currency)
      AND (r.minimum IS NULL OR r.currency = c.currency AND c.amount >= r.minimum)
      AND (NOT EXISTS (SELECT FROM not_earning WHERE campaign = $1) OR NOT EXISTS (
            SELECT FROM not_earning n WHERE n.campaign = $1 AND (n.influencer IS NULL OR n.influencer = c.influencer)
                AND c.event_time >= n.since AND c.event_time < n.until))
)
SELECT coalesce(array_agg(bucket), '{}') AS buckets, coalesce(array_agg(currency), '{}') AS currencies,
       coalesce(array_agg(amount), '{}') AS amounts
FROM (SELECT bucket, currency, sum(amount) AS amount FROM parts GROUP BY 1, 2 HAVING sum(amount) <> 0) AS sums";

/// Hours and days where no hour has changed since it was settled, by a plan of a few nodes: that of the other statement
/// takes half a millisecond to set up, whatever is read. One statement, hence one snapshot, with whether that is so.
const SETTLED: &str = "
WITH pieces AS MATERIALIZED (
    SELECT * FROM unnest($2::timestamptz[], $3::timestamptz[]) AS p(since, until)
), sums AS (
    SELECT date_bin($4, h.hour, $5) AS bucket, h.currency, sum(h.amount) AS amount
    FROM pieces p JOIN accrual_hours h ON h.campaign = $1 AND h.hour >= p.since AND h.hour < p.until
    GROUP BY 1, 2 HAVING sum(h.amount) <> 0
)
SELECT coalesce(array_agg(bucket), '{}') AS buckets, coalesce(array_agg(currency), '{}') AS currencies,
       coalesce(array_agg(amount), '{}') AS amounts
FROM sums
HAVING NOT EXISTS (
    SELECT FROM pieces p JOIN unsettled u ON u.campaign = $1 AND u.hour >= p.since AND u.hour < p.until)";

/// In one row, see [`crate::sums::campaign_buckets`].
#[derive(Debug, FromRow)]
struct Columns {
    buckets: Vec<DateTime<Utc>>,
    currencies: Vec<String>,
    amounts: Vec<Decimal>,
}

impl From<Columns> for HashMap<Timestamp, Earned> {
    fn from(columns: Columns) -> Self {
        let mut buckets = Self::new();
        for (bucket, (currency, amount)) in zip(columns.buckets, zip(columns.currencies, columns.amounts)) {
            buckets.entry(bucket.into()).or_default().push(currency, amount);
        }
        buckets
    }
}

/// What `pieces` have earned by buckets of `width`, counted from where the first begins; buckets without commissions are
/// left out.
pub(crate) async fn buckets(
    pool: &PgPool,
    campaign: i32,
    pieces: &[Piece],
    width: Duration,
) -> Result<HashMap<Timestamp, Earned>, sqlx::Error> {
    if pieces.is_empty() {
        return Ok(HashMap::new());
    }
    let width = PgInterval { months: 0, days: 0, microseconds: width.as_micros() as i64 };
    if pieces.iter().all(|piece| piece.grain != Grain::Minute)
        && let Some(columns) = settled(pool, campaign, pieces, &width).await?
    {
        return Ok(columns.into());
    }
    rated(pool, campaign, pieces, &width).await.map(Into::into)
}

/// What hours and days had brought when they were settled last; none if some have changed since then.
async fn settled(
    pool: &PgPool,
    campaign: i32,
    pieces: &[Piece],
    width: &PgInterval,
) -> Result<Option<Columns>, sqlx::Error> {
    let (since, until) = bounds(pieces);
    let origin = since.first().copied();
    sqlx::query_as(SETTLED).bind(campaign).bind(since).bind(until).bind(width).bind(origin).fetch_optional(pool).await
}

/// What pieces have earned, rated as far as it must be.
async fn rated(pool: &PgPool, campaign: i32, pieces: &[Piece], width: &PgInterval) -> Result<Columns, sqlx::Error> {
    let (since, until) = bounds(pieces);
    let origin = since.first().copied();
    let (first, last): (Option<NaiveDate>, Option<NaiveDate>) =
        sqlx::query_as(DAYS).bind(&since).bind(&until).fetch_one(pool).await?;
    sqlx::query_as(EARNED)
        .bind(campaign)
        .bind(pieces.iter().map(|piece| piece.grain.letter()).collect::<Vec<_>>())
        .bind(since)
        .bind(until)
        .bind(width)
        .bind(origin)
        .bind(first)
        .bind(last)
        .fetch_one(pool)
        .await
}

/// What a whole range has earned.
pub(crate) async fn range(pool: &PgPool, campaign: i32, range: Range, pieces: &[Piece]) -> Result<Earned, sqlx::Error> {
    // One bucket as wide as the range.
    let buckets = buckets(pool, campaign, pieces, range.width()).await?;
    Ok(buckets.into_values().next().unwrap_or_default())
}
