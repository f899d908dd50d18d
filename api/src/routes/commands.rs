//! `comandos/{id}`: what became of a command.

use axum::Json;
use axum::extract::State;
use schemas::Kind;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::edge::{Id, Number, Query};
use crate::error::Problem;
use crate::outcome::{self, Outcome, Question};
use crate::place::Place;
use crate::{ApiError, ApiState};

/// Which of the commands with this id is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// The kind of command; without it, any.
    #[param(value_type = Option<String>, example = "registrar-impresion")]
    comando: Option<Command>,
    /// Where it lies, as `Location` says; without it, only what was counted is known.
    #[param(value_type = Option<String>, example = "log-2/0:17:-1")]
    posicion: Option<Place>,
    /// The reject that it replays, as `Location` says.
    #[param(value_type = Option<i64>)]
    rechazo: Option<Number>,
}

/// `comando`, which must be one that Alpes knows.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Command(Kind);

impl TryFrom<String> for Command {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = || format!("no se conoce; uno de {}", Kind::COMMANDS.map(Kind::name).join(", "));
        Kind::from_name(&name).map(Self).ok_or_else(known)
    }
}

/// What became of a command: still in the queue, recorded, a duplicate, or rejected (and why).
#[utoipa::path(get, path = "/tracking/comandos/{id}", tag = "tracking",
    params(("id" = String, Path, description = "id of the command", example = "imp-123"), Params),
    responses(
        (status = OK, body = Outcome),
        (status = NOT_FOUND, description = "Not known", body = Problem),
        (status = UNPROCESSABLE_ENTITY, body = Problem),
    ))]
pub(crate) async fn outcome(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<Params>,
) -> Result<Json<Outcome>, ApiError> {
    let question = Question {
        id: &id,
        kind: params.comando.map(|Command(kind)| kind),
        place: params.posicion.as_ref(),
        reject: params.rechazo.map(|Number(reject)| reject),
    };
    let outcome = outcome::find(&state.pool, question).await?;
    outcome.map(Json).ok_or_else(|| ApiError::not_found("Comando no encontrado"))
}
