//! `influencers/{id}/estadisticas`: all that an influencer has ever brought, over all campaigns.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use tokio::try_join;
use utoipa::ToSchema;

use crate::balances;
use crate::earned::OfAllTime;
use crate::edge::Id;
use crate::sums::{self, InfluencerSums, Progress, Subject, Totals};
use crate::{ApiError, ApiState};

/// An influencer's sums.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EstadisticasDeInfluencer)]
pub(crate) struct Statistics {
    #[schema(example = "inf-001")]
    influencer_id: String,
    /// In how many campaigns.
    #[serde(rename = "total_campañas")]
    campaigns: i64,
    #[serde(flatten)]
    totals: Totals,
    #[serde(flatten)]
    commissions: OfAllTime,
    #[serde(flatten)]
    progress: Progress,
}

/// An influencer's sums over all campaigns, live and exact. Zeros for an unknown influencer.
#[utoipa::path(get, path = "/influencers/{id}/estadisticas", tag = "consultas",
    params(("id" = String, Path, description = "influencer_id", example = "inf-001")),
    responses((status = OK, body = Statistics)))]
pub(crate) async fn statistics(State(state): State<Arc<ApiState>>, Id(id): Id) -> Result<Json<Statistics>, ApiError> {
    let influencer = Subject::influencer(&state.pool, &id).await?;
    let (InfluencerSums { campaigns, sums }, balances, open) = match influencer.number {
        Some(number) => try_join!(
            sums::influencer_totals(&state.pool, number),
            balances::of_influencer(&state.pool, number),
            balances::open_of_influencer(&state.pool, number, influencer.closed_through()),
        )?,
        None => Default::default(),
    };
    let commissions = OfAllTime::of(&balances, &open, &sums);
    let (totals, progress) = (sums.totals(None), influencer.progress());
    Ok(Json(Statistics { influencer_id: id, campaigns, totals, commissions, progress }))
}
