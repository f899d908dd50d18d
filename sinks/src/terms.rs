//! `terms` and `commission_rules`: what earns how much, version by version.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::terms::{Basis, Pay, Scale, Tier};
use schemas::{Currency, Terms};
use sqlx::PgConnection;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

const INSERT: &str = "
WITH terms AS (
    INSERT INTO terms (tenant, id, campaign, influencer, valid_from, defined_at) VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING terms
)
INSERT INTO commission_rules (terms, rule, basis, conversion, amount, currency, percent, minimum, cap, period, retroactive,
                              tier_since, tier_rates)
SELECT t.terms, r.rule, r.basis, r.conversion, r.amount, r.currency, r.percent, r.minimum, r.cap, r.period::\"char\",
       r.retroactive, r.since::numeric[], r.rates::numeric[]
FROM terms t, unnest($7::smallint[], $8::smallint[], $9::numeric[], $10::text[], $11::numeric[], $12::numeric[],
                     $13::numeric[], $14::text[], $15::bool[], $16::text[], $17::text[]) WITH ORDINALITY
     AS r(basis, conversion, amount, currency, percent, minimum, cap, period, retroactive, since, rates, rule)";

/// Defines a version of terms; the epoch changes facts.
pub(crate) async fn define(writer: &mut Writer<'_>, terms: &Terms) -> Result<(), SinkError> {
    let campaign = writer.campaigns.number(&terms.campaign)?;
    let influencer = terms.influencer.as_deref().map(|name| writer.influencers.number(name)).transpose()?;
    Ok(insert(writer.connection, campaign, influencer, terms).await?)
}

/// Stores a version of terms under the numbers of its campaign and influencer. Only an epoch may commit it; whoever asks
/// what terms would bring stores them, looks, and rolls back.
pub async fn insert(
    connection: &mut PgConnection,
    campaign: i32,
    influencer: Option<i32>,
    terms: &Terms,
) -> Result<(), sqlx::Error> {
    let rules = || terms.rules.iter();
    // Lists of lists travel as texts: PostgreSQL's own would have to be of one length.
    let list = |tiers: &[Tier], part: fn(&Tier) -> Decimal| {
        let parts: Vec<String> = tiers.iter().map(|tier| part(tier).to_string()).collect();
        format!("{{{}}}", parts.join(","))
    };
    sqlx::query(INSERT)
        .bind(TENANT)
        .bind(&*terms.id)
        .bind(campaign)
        .bind(influencer)
        .bind(DateTime::<Utc>::from(terms.valid_from))
        .bind(DateTime::<Utc>::from(terms.defined_at))
        .bind(rules().map(|rule| rule.basis.number()).collect::<Vec<_>>())
        .bind(rules().map(|rule| conversion(rule.basis)).collect::<Vec<_>>())
        .bind(rules().map(|rule| flat(rule.pay)).collect::<Vec<_>>())
        .bind(rules().map(|rule| rule.currency.map(Currency::code)).collect::<Vec<_>>())
        .bind(rules().map(|rule| percent(rule.pay)).collect::<Vec<_>>())
        .bind(rules().map(|rule| rule.minimum).collect::<Vec<_>>())
        .bind(rules().map(|rule| rule.cap).collect::<Vec<_>>())
        .bind(rules().map(|rule| rule.period.letter()).collect::<Vec<_>>())
        .bind(rules().map(|rule| rule.scale == Scale::Retroactive).collect::<Vec<_>>())
        .bind(rules().map(|rule| list(&rule.tiers, |tier| tier.since)).collect::<Vec<_>>())
        .bind(rules().map(|rule| list(&rule.tiers, |tier| tier.rate)).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// 0 where the rule is not about conversions.
fn conversion(basis: Basis) -> i16 {
    basis.conversion().map_or(0, |kind| kind.number())
}

const fn flat(pay: Pay) -> Option<Decimal> {
    match pay {
        Pay::Flat(money) => Some(money.amount()),
        Pay::Percent(_) => None,
    }
}

const fn percent(pay: Pay) -> Option<Decimal> {
    match pay {
        Pay::Flat(_) => None,
        Pay::Percent(percent) => Some(percent),
    }
}
