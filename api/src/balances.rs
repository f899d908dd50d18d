//! `balances`: what commissions sum up to, now or as of some posting; by currency, and currencies are never added.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{Currency, Timestamp};
use sqlx::{FromRow, PgPool};

/// Sums of postings in one currency.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Balance {
    pub(crate) currency: String,
    /// Commissions.
    pub(crate) earned: Decimal,
    /// What was taken back of them.
    pub(crate) reversed: Decimal,
    /// Of what is left, what is not approved.
    pub(crate) held: Decimal,
    pub(crate) paid: Decimal,
}

impl Balance {
    /// Nothing.
    pub(crate) fn zero(currency: &str) -> Self {
        let nothing = Decimal::ZERO;
        Self { currency: currency.into(), earned: nothing, reversed: nothing, held: nothing, paid: nothing }
    }

    /// What commissions come to. Differences saturate, as sums of money with more than 28 digits are refused long before.
    pub(crate) fn net(&self) -> Decimal {
        self.earned.saturating_sub(self.reversed)
    }

    /// What is approved for payment and not paid.
    pub(crate) fn approved(&self) -> Decimal {
        self.owed().saturating_sub(self.held)
    }

    /// What is owed, approved or not.
    pub(crate) fn owed(&self) -> Decimal {
        self.net().saturating_sub(self.paid)
    }
}

const OF_CAMPAIGN: &str = "
SELECT currency, sum(earned) AS earned, sum(reversed) AS reversed, sum(held) AS held, sum(paid) AS paid
FROM balances WHERE campaign = $1 GROUP BY currency ORDER BY currency";

/// What a campaign has spent on commissions.
pub(crate) async fn of_campaign(pool: &PgPool, campaign: i32) -> Result<Vec<Balance>, sqlx::Error> {
    sqlx::query_as(OF_CAMPAIGN).bind(campaign).fetch_all(pool).await
}

const OF_INFLUENCER: &str = "
SELECT currency, sum(earned) AS earned, sum(reversed) AS reversed, sum(held) AS held, sum(paid) AS paid
FROM balances WHERE influencer = $1 GROUP BY currency ORDER BY currency";

/// What an influencer has earned over all campaigns.
pub(crate) async fn of_influencer(pool: &PgPool, influencer: i32) -> Result<Vec<Balance>, sqlx::Error> {
    sqlx::query_as(OF_INFLUENCER).bind(influencer).fetch_all(pool).await
}

/// One influencer's balance in a campaign.
#[derive(Debug, FromRow)]
pub(crate) struct OfOne {
    pub(crate) influencer: i32,
    #[sqlx(flatten)]
    pub(crate) balance: Balance,
}

const IN_CAMPAIGN: &str = "
SELECT influencer, currency, earned, reversed, held, paid
FROM balances WHERE campaign = $1 AND influencer = ANY ($2) ORDER BY influencer, currency";

/// What some influencers have earned in a campaign.
pub(crate) async fn in_campaign(pool: &PgPool, campaign: i32, of: &[i32]) -> Result<Vec<OfOne>, sqlx::Error> {
    sqlx::query_as(IN_CAMPAIGN).bind(campaign).bind(of).fetch_all(pool).await
}

/// What is owed in one currency.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Owed {
    pub(crate) currency: String,
    pub(crate) amount: Decimal,
}

/// Every posting holds what is owed after it.
const OWED_BEFORE: &str = "
SELECT c.currency, p.balance AS amount FROM unnest($2::text[]) AS c(currency)
CROSS JOIN LATERAL (
    SELECT balance FROM postings
    WHERE influencer = $1 AND currency = c.currency AND posting < $3 ORDER BY posting DESC LIMIT 1
) AS p ORDER BY c.currency";

/// What was owed to an influencer before a posting, in each currency that had been posted by then.
pub(crate) async fn owed_before(pool: &PgPool, influencer: i32, posting: i64) -> Result<Vec<Owed>, sqlx::Error> {
    let currencies = Currency::ALL.map(Currency::code);
    sqlx::query_as(OWED_BEFORE).bind(influencer).bind(&currencies[..]).bind(posting).fetch_all(pool).await
}

/// What is still to be posted, at the rules' first rates: impressions and clicks of open windows.
#[derive(Debug, FromRow)]
pub(crate) struct Open {
    /// 0 where it was not asked for one by one.
    pub(crate) influencer: i32,
    pub(crate) currency: String,
    /// Exact.
    pub(crate) amount: Decimal,
}

const OPEN_IN_CAMPAIGN: &str = "
SELECT 0 AS influencer, currency, sum(commission) AS amount FROM rated_windows
WHERE campaign = $1 AND start >= $2 GROUP BY currency";

/// What a campaign's open windows bring.
pub(crate) async fn open_of_campaign(
    pool: &PgPool,
    campaign: i32,
    closed_through: Option<Timestamp>,
) -> Result<Vec<Open>, sqlx::Error> {
    sqlx::query_as(OPEN_IN_CAMPAIGN).bind(campaign).bind(since(closed_through)).fetch_all(pool).await
}

/// Campaign by campaign, so that terms are looked up for those alone.
const OPEN_OF_INFLUENCER: &str = "
SELECT 0 AS influencer, o.currency, sum(o.amount) AS amount
FROM (SELECT DISTINCT campaign FROM windows WHERE influencer = $1 AND start >= $2) c
CROSS JOIN LATERAL (
    SELECT w.currency, sum(w.commission) AS amount FROM rated_windows w
    WHERE w.campaign = c.campaign AND w.influencer = $1 AND w.start >= $2 GROUP BY w.currency
) AS o GROUP BY o.currency";

/// What an influencer's open windows bring.
pub(crate) async fn open_of_influencer(
    pool: &PgPool,
    influencer: i32,
    closed_through: Option<Timestamp>,
) -> Result<Vec<Open>, sqlx::Error> {
    sqlx::query_as(OPEN_OF_INFLUENCER).bind(influencer).bind(since(closed_through)).fetch_all(pool).await
}

const OPEN_OF_SOME: &str = "
SELECT influencer, currency, sum(commission) AS amount FROM rated_windows
WHERE campaign = $1 AND start >= $2 AND influencer = ANY ($3) GROUP BY influencer, currency";

/// What the open windows of some influencers bring in a campaign.
pub(crate) async fn open_in_campaign(
    pool: &PgPool,
    campaign: i32,
    of: &[i32],
    closed_through: Option<Timestamp>,
) -> Result<Vec<Open>, sqlx::Error> {
    sqlx::query_as(OPEN_OF_SOME).bind(campaign).bind(since(closed_through)).bind(of).fetch_all(pool).await
}

/// Where nothing is closed, all is open.
fn since(closed_through: Option<Timestamp>) -> DateTime<Utc> {
    closed_through.unwrap_or(Timestamp::EPOCH).into()
}
