//! A command over HTTP: judged, made durable, answered. The same for every kind.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemas::message::Encoding;
use schemas::wire::{Context, Privacy};
use schemas::{CampaignCommand, Code, Command, CommandId, Faults, Kind, Position, Timestamp};
use serde::Serialize;
use sinks::{Flow, LogEntry, PartitionKey, Receipt};
use std::time::Duration;
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use crate::edge::Prefer;
use crate::error::Problem;
use crate::outcome::{self, Outcome, Question, State};
use crate::place::Place;
use crate::{ApiError, ApiState, precondition};

/// What may stand unescaped in a URL, in a path as in a query (RFC 3986 unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Rejects that are answered as conflicts.
const CONFLICTS: [Code; 2] = [Code::IdConflict, Code::InvalidState];

/// The answer to an accepted command: it is durable and will be counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Aceptado)]
pub(crate) struct Accepted<'a> {
    /// Always `EN_QUEUED`.
    #[schema(example = "EN_QUEUED")]
    status: &'static str,
    /// The command's id; made by Alpes where none was sent.
    #[schema(example = "imp-123")]
    id: &'a str,
}

/// Every answer to a command, for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes the answers; accept and ApiError make them")]
pub(crate) enum Answers {
    /// Durable; `Location` says where its outcome is.
    #[response(status = ACCEPTED)]
    Accepted(Accepted<'static>),
    /// Dealt with, as preferred.
    #[response(status = OK)]
    Dealt(Outcome),
    /// Not there.
    #[response(status = NOT_FOUND)]
    NotFound(Problem),
    /// The body did not come in time.
    #[response(status = REQUEST_TIMEOUT)]
    Timeout(Problem),
    /// The id belongs to another command, as was found out while waiting; or its campaign does not allow it.
    #[response(status = CONFLICT)]
    Conflict(Problem),
    /// More than a command may be.
    #[response(status = PAYLOAD_TOO_LARGE)]
    TooLarge(Problem),
    /// Not JSON.
    #[response(status = UNSUPPORTED_MEDIA_TYPE)]
    NotJson(Problem),
    /// Faulty, and not recorded; `errores` has everything that is wrong.
    #[response(status = UNPROCESSABLE_ENTITY)]
    Faulty(Problem),
    /// Try again after `Retry-After`.
    #[response(status = SERVICE_UNAVAILABLE)]
    Unavailable(Problem),
}

/// A command that the line will find sound, as far as that can be told without its tables.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) kind: Kind,
    pub(crate) id: CommandId,
    pub(crate) key: PartitionKey,
    /// Whether the payload has no id of its own.
    pub(crate) needs_id: bool,
    pub(crate) command: Command,
}

/// A command that the line would reject.
#[derive(Debug)]
pub(crate) struct Unsound {
    pub(crate) faults: Faults,
    /// The partition whose line makes the reject of it.
    pub(crate) key: PartitionKey,
}

/// Judges a payload exactly as the line will, by the same code. Facts that only the line knows (duplicates, the
/// horizon) are left to it. `assigned` becomes the id where the payload has none.
pub(crate) fn judge(
    kind: Option<Kind>,
    encoding: &Encoding,
    payload: &[u8],
    published_at: Timestamp,
    assigned: Uuid,
) -> Result<Sound, Unsound> {
    let unreadable = |faults| Unsound { faults, key: PartitionKey::unreadable(payload) };
    let record = encoding.decode(kind, payload).map_err(unreadable)?;
    let kind = record.kind();
    let context = Context { source: "http", position: Position::START, published_at, assigned_id: Some(assigned) };
    // A line ignores commands of another flow, so a faulty one must go to its own line to become a reject.
    let unsound = |faults| Unsound {
        faults,
        key: PartitionKey { flow: Flow::of(kind), hash: PartitionKey::unreadable(payload).hash },
    };
    // Personal data is the line's business: what is kept of it does not change the judgement.
    let command = record.validate(context, Privacy::AsSent).map_err(unsound)?;
    let mut text = Uuid::encode_buffer();
    let needs_id = &**command.id() == assigned.hyphenated().encode_lower(&mut text);
    Ok(Sound { kind, key: PartitionKey::of(&command), needs_id, id: command.id().clone(), command })
}

/// Takes one command of `kind` in. Answers when it is durable or, where the client prefers, when it is dealt with.
pub(crate) async fn accept(state: &ApiState, kind: Kind, payload: Bytes, prefer: Prefer) -> Result<Response, ApiError> {
    let Intake { entry, id, campaign } = intake(kind, payload)?;
    if let Some(command) = campaign {
        // What few requests need is boxed, here and below: every request pays for the size of its future.
        Box::pin(precondition::check(&state.pool, &command)).await?;
    }
    append(state, entry, kind, &id, prefer).await
}

/// A sound command, ready for the log.
struct Intake {
    entry: LogEntry,
    id: CommandId,
    /// The command, where the state of its campaign has a say.
    campaign: Option<Box<CampaignCommand>>,
}

fn intake(kind: Kind, payload: Bytes) -> Result<Intake, ApiError> {
    let (published_at, assigned, encoding) = (Timestamp::now(), Uuid::now_v7(), Encoding::Json);
    let sound = judge(Some(kind), &encoding, &payload, published_at, assigned);
    let sound = sound.map_err(|unsound| ApiError::faults(&unsound.faults))?;
    let assigned_id = sound.needs_id.then_some(assigned);
    let campaign = match sound.command {
        Command::Campaign(command) => Some(Box::new(command)),
        Command::Track(_) | Command::Reverse(_) => None,
    };
    let (kind, key) = (Some(kind), sound.key);
    let entry = LogEntry { kind, key, published_at, assigned_id, replay_of: None, payload, encoding };
    Ok(Intake { entry, id: sound.id, campaign })
}

/// Appends `entry` and answers.
pub(crate) async fn append(
    state: &ApiState,
    entry: LogEntry,
    kind: Kind,
    id: &CommandId,
    prefer: Prefer,
) -> Result<Response, ApiError> {
    let reject = entry.replay_of;
    // A client that goes away cancels this future, not the append: from here on the queue's own task holds the entry.
    let receipt = state.log.append(entry).await?;
    match prefer.wait() {
        None => Ok(queued(kind, id, &receipt, reject)),
        Some(limit) => {
            let dealt_with = Box::pin(dealt_with(state, kind, id, receipt, reject, limit));
            dealt_with.await.map(|response| prefer.applied(response))
        }
    }
}

/// Answers when the command is dealt with, or after `limit`.
async fn dealt_with(
    state: &ApiState,
    kind: Kind,
    id: &CommandId,
    receipt: Receipt,
    reject: Option<i64>,
    limit: Duration,
) -> Result<Response, ApiError> {
    if !state.positions.wait(&receipt, limit).await {
        return Ok(queued(kind, id, &receipt, reject));
    }
    let place = Place::from(receipt);
    let question = Question { id, kind: Some(kind), place: Some(&place), reject };
    let Some(outcome) = outcome::find(&state.pool, question).await? else { return Err(ApiError::internal()) };
    if let Some(code) = CONFLICTS.into_iter().find(|code| outcome.code.as_deref() == Some(code.name())) {
        let detail = outcome.detail.unwrap_or_default();
        let conflict = ApiError::conflict(code, detail).with("id", &**id).with("comando", kind.name());
        return Ok(conflict.with("estado", State::Rejected.name()).into_response());
    }
    Ok((StatusCode::OK, Json(outcome.with_status())).into_response())
}

fn queued(kind: Kind, id: &CommandId, receipt: &Receipt, reject: Option<i64>) -> Response {
    let mut response = (StatusCode::ACCEPTED, Json(Accepted { status: "EN_QUEUED", id })).into_response();
    // Escaped, it is ASCII, which every header value may be.
    if let Ok(location) = HeaderValue::try_from(location(kind, id, receipt, reject)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What a location takes usually, so that it is written without growing.
const LOCATION_BYTES: usize = 192;

/// Where the command's outcome can be asked for. Every 202 pays for it, so it is put together without a formatter for all.
fn location(kind: Kind, id: &str, receipt: &Receipt, reject: Option<i64>) -> String {
    let place = format!("{}/{}", receipt.source, receipt.position);
    let mut location = String::with_capacity(LOCATION_BYTES);
    for (before, text) in [("/tracking/comandos/", id), ("?comando=", kind.name()), ("&posicion=", &place)] {
        location.push_str(before);
        location.extend(utf8_percent_encode(text, ESCAPED));
    }
    if let Some(reject) = reject {
        location.push_str(&format!("&rechazo={reject}"));
    }
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_ascii_and_holds_everything() {
        let place = Receipt { flow: Flow::Campaigns, source: "log-4".into(), position: Position::offset(17) };
        assert_eq!(
            location(Kind::CreateCampaign, "año / 1", &place, None),
            "/tracking/comandos/a%C3%B1o%20%2F%201?comando=crear-campa%C3%B1a&posicion=log-4%2F0%3A17%3A-1"
        );
        assert!(location(Kind::RecordClick, "x", &place, Some(7)).ends_with("&rechazo=7"));
    }

    #[test]
    fn only_an_id_that_was_made_here_is_assigned() {
        let judged = |body: &str| {
            judge(Some(Kind::RecordImpression), &Encoding::Json, body.as_bytes(), Timestamp::now(), Uuid::now_v7())
                .unwrap()
        };
        assert!(!judged(r#"{"id":"imp-1","campaña_id":"c"}"#).needs_id);
        assert!(judged(r#"{"campaña_id":"c"}"#).needs_id);
    }

    #[test]
    fn a_faulty_command_goes_to_the_line_that_rejects_it() {
        let flow = |line: &str| {
            judge(None, &Encoding::Json, line.as_bytes(), Timestamp::now(), Uuid::now_v7()).unwrap_err().key.flow
        };
        assert_eq!(flow("{"), Flow::Tracking);
        assert_eq!(flow(r#"{"comando":"nada"}"#), Flow::Tracking);
        assert_eq!(flow(r#"{"comando":"registrar-impresion"}"#), Flow::Tracking);
        assert_eq!(flow(r#"{"comando":"crear-campaña","presupuesto":-1}"#), Flow::Campaigns);
        assert_eq!(flow(r#"{"comando":"definir-comisiones"}"#), Flow::Campaigns);
    }
}
