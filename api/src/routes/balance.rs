//! `pagos/influencers/{id}/saldo`: what is owed to an influencer, now or at any time.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

use super::postings::Numbers;
use crate::amounts::Exact;
use crate::balances::{self, Owed};
use crate::earned::{Commissions, by_currency};
use crate::edge::{Id, Query};
use crate::error::Problem;
use crate::sums::Subject;
use crate::time::{Time, TimeParam};
use crate::{ApiError, ApiState};

/// The finest step of time that postings have.
const MICROSECOND: Duration = Duration::from_micros(1);

/// The time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// As of this instant, with what was posted at it; now where it is missing.
    #[param(value_type = Option<String>, example = "2026-02-01T00:00:00Z")]
    a_fecha: Option<TimeParam>,
}

/// What is owed to an influencer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Saldo)]
pub(crate) struct BalanceAt {
    #[schema(example = "inf-001")]
    influencer_id: String,
    /// Null: now.
    #[serde(rename = "a_fecha")]
    at: Option<Time>,
    /// What is owed, approved or not, by currency.
    #[serde(rename = "saldos")]
    owed: BTreeMap<String, Exact>,
    /// What it comes of, now; not of the past, in which other postings may have been held.
    #[serde(rename = "comisiones", skip_serializing_if = "Option::is_none")]
    commissions: Option<BTreeMap<String, Commissions>>,
}

/// What is owed to an influencer by currency, now or as of any time.
#[utoipa::path(get, path = "/pagos/influencers/{id}/saldo", tag = "pagos",
    params(("id" = String, Path, description = "influencer_id", example = "inf-001"), Params),
    responses((status = OK, body = BalanceAt), (status = NOT_FOUND, body = Problem),
              (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_influencer(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<Params>,
) -> Result<Json<BalanceAt>, ApiError> {
    let influencer = Subject::influencer(&state.pool, &id).await?;
    let number = influencer.number.ok_or_else(|| ApiError::not_found("Not Found"))?;
    let (owed, commissions) = match params.a_fecha {
        Some(TimeParam(at)) => {
            let posted = Numbers::posted(&state.pool, None, Some(at.plus(MICROSECOND))).await?;
            (balances::owed_before(&state.pool, number, posted.until).await?, None)
        }
        None => {
            let balances = balances::of_influencer(&state.pool, number).await?;
            let open = balances::open_of_influencer(&state.pool, number, influencer.closed_through()).await?;
            let owed = balances.iter().map(|it| Owed { currency: it.currency.clone(), amount: it.owed() }).collect();
            (owed, Some(by_currency(&balances, &open)))
        }
    };
    let amount = |Owed { currency, amount }: Owed| (currency.clone(), Exact::amount(amount, &currency));
    Ok(Json(BalanceAt {
        influencer_id: id,
        at: params.a_fecha.map(|TimeParam(at)| at.into()),
        owed: owed.into_iter().map(amount).collect(),
        commissions,
    }))
}
