//! What the marks name: closed windows, conversions with what was taken back of them, and how all of it was settled last.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use schemas::commission::{Accrual, Cause, Commission, Counted, RuleKey, Rules, Sold, Subject, Unsettled};
use schemas::terms::Period;
use schemas::time::HOUR;
use schemas::{Currency, Money, Timestamp};
use sqlx::{FromRow, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::marks::Mark;
use super::rules;

type Instant = DateTime<Utc>;
type Pairs = BTreeMap<(i32, i32), Unsettled>;

/// Reads everything, influencer by influencer.
pub(super) async fn read(
    connection: &mut PgConnection,
    rules: &mut Arc<Rules>,
    marks: &BTreeMap<Mark, Cause>,
) -> Result<Vec<Unsettled>, sqlx::Error> {
    let closed_through = closed_through(connection).await?;
    let keys = Keys::of(marks);
    let counted = counted(connection, &keys, closed_through).await?;
    let sold = sold(connection, &keys).await?;
    let accruals = accruals(connection, &keys).await?;
    let mut commissions = conversions(connection, &keys).await?;
    commissions.extend(periods(connection, marks).await?);
    let terms = counted.iter().map(|it| it.terms).chain(sold.iter().map(|it| it.terms));
    let terms = terms.chain(accruals.iter().map(|it| it.terms)).chain(commissions.iter().map(|it| it.terms));
    rules::learn(connection, rules, terms.collect()).await?;
    let mut pairs = pairs(marks, closed_through, rules);
    for row in counted {
        pair(&mut pairs, row.campaign, row.influencer)?.counted.push(row.into());
    }
    for row in sold {
        pair(&mut pairs, row.campaign, row.influencer)?.sold.push(row.sold()?);
    }
    for row in accruals {
        pair(&mut pairs, row.campaign, row.influencer)?.accruals.push(row.accrual()?);
    }
    for row in commissions {
        pair(&mut pairs, row.campaign, row.influencer)?.commissions.push(row.commission()?);
    }
    Ok(pairs.into_values().collect())
}

/// Every row was asked for by a mark.
fn pair(pairs: &mut Pairs, campaign: i32, influencer: i32) -> Result<&mut Unsettled, sqlx::Error> {
    pairs.get_mut(&(campaign, influencer)).ok_or(sqlx::Error::RowNotFound)
}

fn pairs(marks: &BTreeMap<Mark, Cause>, closed_through: Instant, rules: &Arc<Rules>) -> Pairs {
    let mut pairs = Pairs::new();
    for (mark, cause) in marks {
        let (campaign, influencer) = (mark.campaign, mark.influencer);
        let pair = pairs.entry((campaign, influencer)).or_insert_with(|| Unsettled {
            campaign,
            influencer,
            hours: Vec::new(),
            closed_through: closed_through.into(),
            rules: rules.clone(),
            counted: Vec::new(),
            sold: Vec::new(),
            accruals: Vec::new(),
            commissions: Vec::new(),
        });
        pair.hours.push((mark.hour.into(), *cause));
    }
    pairs
}

/// The marks as the statements take them.
struct Keys {
    campaigns: Vec<i32>,
    influencers: Vec<i32>,
    hours: Vec<Instant>,
}

impl Keys {
    fn of(marks: &BTreeMap<Mark, Cause>) -> Self {
        Self {
            campaigns: marks.keys().map(|mark| mark.campaign).collect(),
            influencers: marks.keys().map(|mark| mark.influencer).collect(),
            hours: marks.keys().map(|mark| mark.hour).collect(),
        }
    }
}

/// Nothing is closed before there is a watermark.
async fn closed_through(connection: &mut PgConnection) -> Result<Instant, sqlx::Error> {
    let closed: Option<Instant> = sqlx::query_scalar("SELECT closed_through FROM facts").fetch_one(connection).await?;
    Ok(closed.unwrap_or(Instant::UNIX_EPOCH))
}

/// The times within the marked hours for which some terms hold for the influencer. Looked up once for an hour and not
/// for everything in it, and before anything else: whatever the statistics of young tables say, windows and conversions
/// are then found by influencer and time. With the statements it says what `rated_windows` and `rated_conversions` say.
/// `= ANY` leaves the terms of all other campaigns alone.
macro_rules! of_spells {
    ($statement:literal) => {
        concat!(
            "WITH spells AS MATERIALIZED (
                SELECT m.campaign, m.influencer, t.terms, greatest(m.hour, t.valid_from) AS since,
                       least(m.hour + interval '1 hour', t.valid_until, own.since) AS until
                FROM unnest($1::int[], $2::int[], $3::timestamptz[]) AS m(campaign, influencer, hour)
                JOIN terms_in_force t ON t.campaign = m.campaign AND t.campaign = ANY ($1)
                     AND (t.influencer = m.influencer OR t.influencer IS NULL)
                     AND t.valid_from < m.hour + interval '1 hour' AND t.valid_until > m.hour
                LEFT JOIN LATERAL (
                    SELECT min(o.valid_from) AS since FROM terms o
                    WHERE o.campaign = m.campaign AND o.influencer = m.influencer
                ) own ON t.influencer IS NULL
                WHERE m.influencer > 0
            )",
            $statement
        )
    };
}

const COUNTED: &str = of_spells!(
    "
SELECT w.campaign, w.influencer, w.hour, w.terms, r.rule,
       CASE r.basis WHEN 1 THEN w.impressions ELSE w.clicks END AS quantity
FROM (
    SELECT s.campaign, s.influencer, date_trunc('hour', w.start, 'UTC') AS hour, s.terms,
           sum(w.impressions) AS impressions, sum(w.clicks) AS clicks
    FROM spells s
    JOIN windows w ON w.campaign = s.campaign AND w.influencer = s.influencer
         AND w.start >= s.since AND w.start < s.until AND w.start < $4
    WHERE NOT EXISTS (
        SELECT FROM not_earning n WHERE n.campaign = w.campaign AND (n.influencer IS NULL OR n.influencer = w.influencer)
            AND w.start >= n.since AND w.start < n.until)
    GROUP BY 1, 2, 3, 4
) AS w
JOIN commission_rules r ON r.terms = w.terms AND r.basis IN (1, 2)
     AND CASE r.basis WHEN 1 THEN w.impressions ELSE w.clicks END > 0"
);

#[derive(Debug, FromRow)]
struct CountedRow {
    campaign: i32,
    influencer: i32,
    hour: Instant,
    terms: i32,
    rule: i16,
    quantity: Decimal,
}

impl From<CountedRow> for Counted {
    fn from(row: CountedRow) -> Self {
        let rule = RuleKey { terms: row.terms, rule: row.rule };
        Self { hour: row.hour.into(), rule, quantity: row.quantity }
    }
}

async fn counted(
    connection: &mut PgConnection,
    keys: &Keys,
    closed_through: Instant,
) -> Result<Vec<CountedRow>, sqlx::Error> {
    sqlx::query_as(COUNTED)
        .bind(&keys.campaigns)
        .bind(&keys.influencers)
        .bind(&keys.hours)
        .bind(closed_through)
        .fetch_all(connection)
        .await
}

/// Raw rows lie in days of commit; the days that can hold the hours are few, and PostgreSQL leaves the others alone.
const DAYS: &str = "
SELECT min(r.day), max(r.day) FROM raw_days r
JOIN (SELECT DISTINCT h AS hour FROM unnest($1::timestamptz[]) AS h) h
  ON r.event_from < h.hour + interval '1 hour' AND r.event_to >= h.hour";

const SOLD: &str = of_spells!(
    "
SELECT c.campaign, c.influencer, c.id, c.event_time, c.amount, c.currency, s.terms, r.rule,
       least(coalesce(v.amount, 0), c.amount) AS refunded, coalesce(v.amount >= c.amount, false) AS undone
FROM spells s
JOIN conversions c ON c.campaign = s.campaign AND c.influencer = s.influencer
     AND c.event_time >= s.since AND c.event_time < s.until AND c.day BETWEEN $4 AND $5
JOIN commission_rules r ON r.terms = s.terms AND r.basis = 3 AND r.conversion = c.kind
     AND (r.currency IS NULL OR r.amount IS NOT NULL OR r.currency = c.currency)
     AND (r.minimum IS NULL OR r.currency = c.currency AND c.amount >= r.minimum)
LEFT JOIN LATERAL (
    SELECT sum(coalesce(e.amount, c.amount)) AS amount FROM effective_reversals e
    WHERE e.conversion_id = c.id AND NOT e.open AND (e.currency IS NULL OR e.currency = c.currency)
) AS v ON true
WHERE NOT EXISTS (
    SELECT FROM not_earning n WHERE n.campaign = c.campaign AND (n.influencer IS NULL OR n.influencer = c.influencer)
        AND c.event_time >= n.since AND c.event_time < n.until)"
);

#[derive(Debug, FromRow)]
pub(super) struct SoldRow {
    campaign: i32,
    pub(super) influencer: i32,
    id: String,
    event_time: Instant,
    amount: Decimal,
    currency: String,
    pub(super) terms: i32,
    rule: i16,
    refunded: Decimal,
    undone: bool,
}

impl SoldRow {
    pub(super) fn sold(self) -> Result<Sold, sqlx::Error> {
        let amount = Money::exact(self.amount, currency(&self.currency)?);
        Ok(Sold {
            id: self.id.into(),
            event_time: self.event_time.into(),
            amount: amount.map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            refunded: self.refunded,
            undone: self.undone,
            rule: RuleKey { terms: self.terms, rule: self.rule },
        })
    }
}

async fn sold(connection: &mut PgConnection, keys: &Keys) -> Result<Vec<SoldRow>, sqlx::Error> {
    let (first, last): (Option<NaiveDate>, Option<NaiveDate>) =
        sqlx::query_as(DAYS).bind(&keys.hours).fetch_one(&mut *connection).await?;
    sqlx::query_as(SOLD)
        .bind(&keys.campaigns)
        .bind(&keys.influencers)
        .bind(&keys.hours)
        .bind(first)
        .bind(last)
        .fetch_all(connection)
        .await
}

fn currency(code: &str) -> Result<Currency, sqlx::Error> {
    code.parse().map_err(|()| sqlx::Error::Decode(format!("{code} is no currency").into()))
}

const ACCRUALS: &str = "
SELECT a.campaign, a.influencer, a.hour, a.terms, a.rule, a.currency, a.quantity, a.amount
FROM unnest($1::int[], $2::int[], $3::timestamptz[]) AS m(campaign, influencer, hour)
JOIN accruals a ON a.campaign = m.campaign AND a.influencer = m.influencer AND a.hour = m.hour";

#[derive(Debug, FromRow)]
struct AccrualRow {
    campaign: i32,
    influencer: i32,
    hour: Instant,
    terms: i32,
    rule: i16,
    currency: String,
    quantity: Decimal,
    amount: Decimal,
}

impl AccrualRow {
    fn accrual(&self) -> Result<Accrual, sqlx::Error> {
        Ok(Accrual {
            hour: self.hour.into(),
            rule: RuleKey { terms: self.terms, rule: self.rule },
            currency: currency(&self.currency)?,
            quantity: self.quantity,
            amount: self.amount,
        })
    }
}

async fn accruals(connection: &mut PgConnection, keys: &Keys) -> Result<Vec<AccrualRow>, sqlx::Error> {
    sqlx::query_as(ACCRUALS).bind(&keys.campaigns).bind(&keys.influencers).bind(&keys.hours).fetch_all(connection).await
}

const CONVERSIONS: &str = "
SELECT c.* FROM unnest($1::int[], $2::int[], $3::timestamptz[]) AS m(campaign, influencer, hour)
JOIN commissions c ON c.campaign = m.campaign AND c.influencer = m.influencer AND c.conversion IS NOT NULL
     AND c.start >= m.hour AND c.start < m.hour + interval '1 hour'";

const PERIODS: &str = "
SELECT c.* FROM unnest($1::int[], $2::int[], $3::timestamptz[]) AS m(campaign, influencer, start)
JOIN commissions c ON c.campaign = m.campaign AND c.influencer = m.influencer AND c.conversion IS NULL
     AND c.start = m.start";

#[derive(Debug, FromRow)]
struct CommissionRow {
    commission: i64,
    campaign: i32,
    influencer: i32,
    start: Instant,
    conversion: Option<String>,
    terms: i32,
    rule: i16,
    currency: String,
    quantity: Decimal,
    earned: Decimal,
    refunded: Decimal,
    reversed: Decimal,
}

impl CommissionRow {
    fn commission(self) -> Result<Commission, sqlx::Error> {
        let rule = RuleKey { terms: self.terms, rule: self.rule };
        let start = Timestamp::from(self.start);
        let subject = match self.conversion {
            Some(id) => Subject::Conversion { at: start, id: id.into() },
            None => Subject::Period { start, rule },
        };
        Ok(Commission {
            number: Some(self.commission),
            subject,
            currency: currency(&self.currency)?,
            rule,
            quantity: self.quantity,
            earned: self.earned,
            refunded: self.refunded,
            reversed: self.reversed,
        })
    }
}

async fn conversions(connection: &mut PgConnection, keys: &Keys) -> Result<Vec<CommissionRow>, sqlx::Error> {
    sqlx::query_as(CONVERSIONS)
        .bind(&keys.campaigns)
        .bind(&keys.influencers)
        .bind(&keys.hours)
        .fetch_all(connection)
        .await
}

/// The commissions of every period that a marked hour lies in.
async fn periods(
    connection: &mut PgConnection,
    marks: &BTreeMap<Mark, Cause>,
) -> Result<Vec<CommissionRow>, sqlx::Error> {
    let starts = |mark: &Mark| {
        let hour = Timestamp::from(mark.hour);
        debug_assert_eq!(hour, hour.floor(HOUR), "marks name whole hours");
        [Period::Day, Period::Month, Period::Whole].map(|period| (mark.campaign, mark.influencer, period.start(hour)))
    };
    let keys: BTreeSet<(i32, i32, Timestamp)> = marks.keys().flat_map(starts).collect();
    sqlx::query_as(PERIODS)
        .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.1).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| Instant::from(key.2)).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
}
