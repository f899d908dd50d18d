//! `campañas/{id}/estadisticas`: a campaign's sums, of all time or of a range.

use axum::Json;
use axum::extract::State;
use schemas::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::try_join;
use utoipa::{IntoParams, ToSchema};

use crate::balances::{self, Balance};
use crate::budget::Cost;
use crate::earned::{self, OfAllTime, OfRange};
use crate::edge::{Id, Query};
use crate::pieces::{Grain, Range, split};
use crate::sums::{self, Progress, Subject, Sums, Totals};
use crate::time::{AFTER_ALL, Time, TimeParam};
use crate::{ApiError, ApiState};

/// The range; without one, all time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// From this instant on; the start of a minute.
    #[param(value_type = Option<String>, example = "2025-01-01T00:00:00Z")]
    desde: Option<TimeParam>,
    /// Before this instant; the start of a minute.
    #[param(value_type = Option<String>, example = "2025-01-02T00:00:00Z")]
    hasta: Option<TimeParam>,
}

/// A campaign's sums.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Estadisticas)]
pub(crate) struct Statistics {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign_id: String,
    #[serde(rename = "desde", skip_serializing_if = "Option::is_none")]
    from: Option<Time>,
    #[serde(rename = "hasta", skip_serializing_if = "Option::is_none")]
    to: Option<Time>,
    #[serde(flatten)]
    totals: Totals,
    #[serde(flatten)]
    commissions: Commissions,
    /// What the campaign has cost against its budget, of all time; only where it was created.
    #[serde(rename = "costo", skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    /// When the campaign's totals last changed.
    #[serde(rename = "ultima_actualizacion")]
    updated_at: Option<Time>,
    #[serde(flatten)]
    progress: Progress,
}

/// What was posted in all time, or what a range has earned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ComisionesDeEstadisticas)]
enum Commissions {
    OfAllTime(OfAllTime),
    OfRange(OfRange),
}

/// A campaign's sums: live, exact, and as quick for a billion events as for ten. Zeros for an unknown campaign.
#[utoipa::path(get, path = "/campañas/{id}/estadisticas", tag = "consultas",
    params(("id" = String, Path, description = "campaña_id", example = "cmp-123"), Params),
    responses(
        (status = OK, body = Statistics),
        (status = UNPROCESSABLE_ENTITY, description = "A range that cannot be", body = crate::error::Problem),
    ))]
pub(crate) async fn of_campaign(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<Params>,
) -> Result<Json<Statistics>, ApiError> {
    let from = super::aligned("desde", params.desde, Grain::Minute)?;
    let to = super::aligned("hasta", params.hasta, Grain::Minute)?;
    let range = super::range(from.unwrap_or(Timestamp::EPOCH), to.unwrap_or(AFTER_ALL))?;
    let campaign = Subject::campaign(&state.pool, &id).await?;
    let (sums, commissions, cost) = match from.or(to) {
        None => {
            let (sums, balances, commissions) = of_all_time(&state, &campaign).await?;
            let created = campaign.budget.zip(campaign.currency.as_deref());
            let cost = created.map(|(budget, currency)| Cost::of(&balances, budget, currency));
            (sums, Commissions::OfAllTime(commissions), cost)
        }
        Some(_) => {
            let (sums, commissions) = of_range(&state, &campaign, range).await?;
            (sums, Commissions::OfRange(commissions), None)
        }
    };
    Ok(Json(Statistics {
        totals: sums.totals(campaign.currency.as_deref()),
        commissions,
        cost,
        progress: campaign.progress(),
        updated_at: campaign.updated_at,
        campaign_id: id,
        from: from.map(Into::into),
        to: to.map(Into::into),
    }))
}

async fn of_all_time(state: &ApiState, campaign: &Subject) -> Result<(Sums, Vec<Balance>, OfAllTime), sqlx::Error> {
    let (sums, balances, open) = match campaign.number {
        Some(number) => try_join!(
            sums::campaign_totals(&state.pool, number),
            balances::of_campaign(&state.pool, number),
            balances::open_of_campaign(&state.pool, number, campaign.closed_through()),
        )?,
        None => (Sums::default(), Vec::new(), Vec::new()),
    };
    let commissions = OfAllTime::of(&balances, &open, &sums);
    Ok((sums, balances, commissions))
}

async fn of_range(state: &ApiState, campaign: &Subject, range: Range) -> Result<(Sums, OfRange), sqlx::Error> {
    let pieces = split(range, campaign.closed_through(), Grain::Day);
    let (sums, earned) = match campaign.number {
        Some(number) => try_join!(
            sums::campaign_range(&state.pool, number, range, &pieces),
            earned::range(&state.pool, number, range, &pieces),
        )?,
        None => Default::default(),
    };
    let commissions = OfRange::of(&earned, &sums);
    Ok((sums, commissions))
}
