//! `PATCH campañas/{id}`: what of a campaign is to be different.

use axum::extract::State;
use axum::response::Response;
use schemas::Kind;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::accept::{Answers, accept};
use crate::edge::{CommandBody, Id, Prefer, PreferHeader, with_keys};
use crate::{ApiError, ApiState};

/// What `PATCH /marketing-influencers/campañas/{id}` takes: at least one key besides `id`. What is missing stays; null
/// takes a value back.
#[derive(ToSchema)]
#[schema(as = EditarCampaña)]
#[expect(dead_code, reason = "describes the body; schemas::wire reads it")]
pub(crate) struct EditBody {
    /// The command's id; made by Alpes where it is missing. Sent again, it changes nothing.
    #[schema(example = "edit-1")]
    id: Option<String>,
    #[schema(example = "Lanzamiento X")]
    nombre: Option<String>,
    #[schema(example = "Producto X")]
    producto: Option<String>,
    #[schema(example = "MarcaX")]
    marca: Option<String>,
    /// A number or a decimal text, taken exactly as written.
    #[schema(value_type = Option<f64>, example = 2000000)]
    presupuesto: Option<String>,
    /// The campaign's own; another one is refused.
    #[schema(example = "COP")]
    moneda: Option<String>,
    /// When the budget runs out: `alertar`, or `detener` the approval of more. What is counted and earned stays the same.
    #[schema(example = "detener")]
    politica_presupuesto: Option<String>,
    /// The first instant whose events earn: a whole minute.
    #[schema(example = "2026-01-01T00:00:00Z")]
    fecha_inicio: Option<String>,
    /// The first instant whose events do not earn any more: a whole minute.
    #[schema(example = "2026-07-01T00:00:00Z")]
    fecha_fin: Option<String>,
}

/// Changes a campaign. Dates in the past change what the past has earned.
#[utoipa::path(patch, path = "/marketing-influencers/campañas/{id}", tag = "marketing-influencers",
    request_body = EditBody,
    params(("id" = String, Path, description = "id of the campaign", example = "cmp-123"), PreferHeader),
    responses(Answers))]
pub(crate) async fn edit(
    State(state): State<Arc<ApiState>>,
    Id(campaign): Id,
    prefer: Prefer,
    CommandBody(body): CommandBody,
) -> Result<Response, ApiError> {
    accept(&state, Kind::EditCampaign, with_keys(&[("campaña_id", &campaign)], &body)?, prefer).await
}
