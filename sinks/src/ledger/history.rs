//! All that a campaign has ever had, as if nothing of it had been settled: for those who ask what other terms would bring.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::Timestamp;
use schemas::commission::{Counted, RuleKey, Rules, Unsettled};
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::inputs::SoldRow;
use super::rules;

const COUNTED: &str = "
SELECT influencer, date_trunc('hour', start, 'UTC') AS hour, terms, rule, sum(quantity) AS quantity
FROM rated_windows WHERE campaign = $1 GROUP BY 1, 2, 3, 4";

const SOLD: &str = "
WITH refunds AS MATERIALIZED (
    SELECT c.id, sum(coalesce(e.amount, c.amount)) AS amount
    FROM effective_reversals e JOIN conversions c ON c.id = e.conversion_id
    WHERE c.campaign = $1 AND NOT e.open AND (e.currency IS NULL OR e.currency = c.currency) GROUP BY c.id
)
SELECT c.campaign, c.influencer, c.id, c.event_time, c.amount, c.currency, c.terms, c.rule,
       least(coalesce(v.amount, 0), c.amount) AS refunded, coalesce(v.amount >= c.amount, false) AS undone
FROM rated_conversions c LEFT JOIN refunds v USING (id) WHERE c.campaign = $1";

#[derive(Debug, FromRow)]
struct CountedRow {
    influencer: i32,
    hour: DateTime<Utc>,
    terms: i32,
    rule: i16,
    quantity: Decimal,
}

/// Everything of `campaign`, influencer by influencer, open windows included. The terms are those that the transaction
/// sees.
pub async fn of_campaign(connection: &mut PgConnection, campaign: i32) -> Result<Vec<Unsettled>, sqlx::Error> {
    let counted: Vec<CountedRow> = sqlx::query_as(COUNTED).bind(campaign).fetch_all(&mut *connection).await?;
    let sold: Vec<SoldRow> = sqlx::query_as(SOLD).bind(campaign).fetch_all(&mut *connection).await?;
    let terms = counted.iter().map(|row| row.terms).chain(sold.iter().map(|row| row.terms)).collect();
    let mut rules = Arc::new(Rules::new());
    rules::learn(connection, &mut rules, terms).await?;
    let mut influencers: BTreeMap<i32, Unsettled> = BTreeMap::new();
    let nothing = |influencer| Unsettled {
        campaign,
        influencer,
        hours: Vec::new(),
        closed_through: Timestamp::now(),
        rules: rules.clone(),
        counted: Vec::new(),
        sold: Vec::new(),
        accruals: Vec::new(),
        commissions: Vec::new(),
    };
    for row in counted {
        let rule = RuleKey { terms: row.terms, rule: row.rule };
        let counted = Counted { hour: row.hour.into(), rule, quantity: row.quantity };
        influencers.entry(row.influencer).or_insert_with_key(|it| nothing(*it)).counted.push(counted);
    }
    for row in sold {
        influencers.entry(row.influencer).or_insert_with_key(|it| nothing(*it)).sold.push(row.sold()?);
    }
    Ok(influencers.into_values().collect())
}
