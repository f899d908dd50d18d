//! `campaign_edits`: which keys of a campaign were edited when. The campaign itself becomes what was asked for.

use chrono::{DateTime, Utc};
use schemas::{BudgetPolicy, CampaignEdit, Timestamp};

use crate::epoch::Writer;
use crate::ledger::marks;
use crate::{SinkError, TENANT};

/// A null value changes nothing, unless its flag says that it is the value.
const UPDATE: &str = "
UPDATE campaigns SET name = CASE WHEN $2 THEN $3 ELSE name END, product = CASE WHEN $4 THEN $5 ELSE product END,
    brand = CASE WHEN $6 THEN $7 ELSE brand END, budget = coalesce($8, budget),
    budget_policy = coalesce($9, budget_policy),
    starts_at = CASE WHEN $10 THEN $11 ELSE starts_at END, ends_at = CASE WHEN $12 THEN $13 ELSE ends_at END
WHERE campaign = $1";

const INSERT: &str = "INSERT INTO campaign_edits (tenant, id, campaign, edited_at, keys) VALUES ($1, $2, $3, $4, $5)";

/// Makes of a campaign what the edit says, and remembers which keys it was about.
pub(crate) async fn apply(writer: &mut Writer<'_>, edit: &CampaignEdit) -> Result<(), SinkError> {
    let campaign = writer.campaigns.number(&edit.campaign)?;
    let instant = |value: Option<Option<Timestamp>>| value.flatten().map(DateTime::<Utc>::from);
    sqlx::query(UPDATE)
        .bind(campaign)
        .bind(edit.name.is_some())
        .bind(edit.name.as_ref().and_then(Option::as_deref))
        .bind(edit.product.is_some())
        .bind(edit.product.as_ref().and_then(Option::as_deref))
        .bind(edit.brand.is_some())
        .bind(edit.brand.as_ref().and_then(Option::as_deref))
        .bind(edit.budget)
        .bind(edit.policy.map(BudgetPolicy::name))
        .bind(edit.starts_at.is_some())
        .bind(instant(edit.starts_at))
        .bind(edit.ends_at.is_some())
        .bind(instant(edit.ends_at))
        .execute(&mut *writer.connection)
        .await?;
    sqlx::query(INSERT)
        .bind(TENANT)
        .bind(&*edit.id)
        .bind(campaign)
        .bind(DateTime::<Utc>::from(edit.edited_at))
        .bind(keys(edit))
        .execute(&mut *writer.connection)
        .await?;
    if edit.budget.is_some() || edit.policy.is_some() {
        marks::leave_for_budget(writer.connection, campaign).await?;
    }
    Ok(())
}

fn keys(edit: &CampaignEdit) -> Vec<&'static str> {
    let sent = [
        ("nombre", edit.name.is_some()),
        ("producto", edit.product.is_some()),
        ("marca", edit.brand.is_some()),
        ("presupuesto", edit.budget.is_some()),
        ("moneda", edit.currency.is_some()),
        ("politica_presupuesto", edit.policy.is_some()),
        ("fecha_inicio", edit.starts_at.is_some()),
        ("fecha_fin", edit.ends_at.is_some()),
    ];
    sent.into_iter().filter_map(|(key, is_sent)| is_sent.then_some(key)).collect()
}
