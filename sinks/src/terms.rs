//! `terms` and `commission_rules`: what earns how much, version by version.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::terms::{Basis, Pay};
use schemas::{Currency, Terms};
use sqlx::PgConnection;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

const INSERT: &str = "
WITH terms AS (
    INSERT INTO terms (tenant, id, campaign, influencer, valid_from, defined_at) VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING terms
)
INSERT INTO commission_rules (terms, basis, conversion, amount, currency, percent)
SELECT t.terms, r.* FROM terms t, unnest($7::smallint[], $8::smallint[], $9::numeric[], $10::text[], $11::numeric[]) AS r";

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
    let pays = || terms.rules.iter().map(|rule| rule.pay);
    sqlx::query(INSERT)
        .bind(TENANT)
        .bind(&*terms.id)
        .bind(campaign)
        .bind(influencer)
        .bind(DateTime::<Utc>::from(terms.valid_from))
        .bind(DateTime::<Utc>::from(terms.defined_at))
        .bind(terms.rules.iter().map(|rule| rule.basis.number()).collect::<Vec<_>>())
        .bind(terms.rules.iter().map(|rule| conversion(rule.basis)).collect::<Vec<_>>())
        .bind(pays().map(|pay| flat(pay).map(|(amount, _)| amount)).collect::<Vec<_>>())
        .bind(pays().map(|pay| flat(pay).map(|(_, currency)| currency.code())).collect::<Vec<_>>())
        .bind(pays().map(percent).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// 0 where the rule is not about conversions.
fn conversion(basis: Basis) -> i16 {
    basis.conversion().map_or(0, |kind| kind.number())
}

const fn flat(pay: Pay) -> Option<(Decimal, Currency)> {
    match pay {
        Pay::Flat(money) => Some((money.amount(), money.currency())),
        Pay::Percent(_) => None,
    }
}

const fn percent(pay: Pay) -> Option<Decimal> {
    match pay {
        Pay::Flat(_) => None,
        Pay::Percent(percent) => Some(percent),
    }
}
