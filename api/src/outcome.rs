//! What became of a command: found by its place in the log and its id.

use schemas::{ClaimKey, Kind, Position};
use serde::Serialize;
use sinks::{Flow, TENANT};
use sqlx::{FromRow, PgPool};
use utoipa::ToSchema;

use crate::place::Place;

/// `estado` of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EstadoComando)]
pub(crate) enum State {
    /// In the log, not dealt with yet.
    #[serde(rename = "EN_QUEUED")]
    Queued,
    /// Counted.
    #[serde(rename = "REGISTRADO")]
    Recorded,
    /// The same command was counted before.
    #[serde(rename = "DUPLICADO")]
    Duplicate,
    /// Could not be counted; it is in the list of rejects.
    #[serde(rename = "RECHAZADO")]
    Rejected,
}

impl State {
    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queued => "EN_QUEUED",
            Self::Recorded => "REGISTRADO",
            Self::Duplicate => "DUPLICADO",
            Self::Rejected => "RECHAZADO",
        }
    }
}

/// What became of one command.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ResultadoComando)]
pub(crate) struct Outcome {
    /// Set in the answer to a command: the same as `estado`, under the key of the 202.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<State>,
    #[schema(example = "imp-123")]
    id: String,
    #[serde(rename = "comando")]
    #[schema(example = "registrar-impresion")]
    command: &'static str,
    #[serde(rename = "estado")]
    state: State,
    /// Why it was rejected.
    #[serde(rename = "codigo")]
    pub(crate) code: Option<String>,
    /// The same in words.
    #[serde(rename = "detalle")]
    pub(crate) detail: Option<String>,
}

impl Outcome {
    /// With `status`, for the answer to a command.
    pub(crate) fn with_status(self) -> Self {
        Self { status: Some(self.state), ..self }
    }
}

/// Which command is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// Its kind; without it, any kind's.
    pub(crate) kind: Option<Kind>,
    /// Where it lies; without it, only what was counted is known.
    pub(crate) place: Option<&'a Place>,
    /// The reject that it replays.
    pub(crate) reject: Option<i64>,
}

/// One statement, so that position, claim and reject are those of one instant.
const FIND: &str = r#"
WITH line AS (
    SELECT line, (ledger, entry, index) >= ($5, $6, $7) AS reached
    FROM lines
    WHERE (source = $4 OR split_part(source, '@', 1) = $4) AND ($9::text IS NULL OR flow = $9)
    -- A topic that was made again has a line for each time: receipts tell of the newest.
    ORDER BY split_part(source, '@', 2) DESC, line LIMIT 1
), claim AS (
    SELECT c.kind, EXISTS (SELECT FROM line WHERE line.line = c.line) AND (c.ledger, c.entry, c.index) = ($5, $6, $7) AS here
    FROM claims c WHERE c.tenant = $1 AND c.kind = ANY ($2) AND c.id = $3
    ORDER BY here DESC, c.kind LIMIT 1
), reject AS (
    SELECT r.kind, r.code, r.detail FROM line JOIN rejects r ON r.line = line.line
    WHERE (r.ledger, r.entry, r.index) = ($5, $6, $7)
    UNION ALL
    SELECT r.kind, r.code, r.detail FROM rejects r WHERE r.reject = $8 AND r.resolved_at IS NULL
    LIMIT 1
)
SELECT coalesce((SELECT reached FROM line), false) AS reached,
       $4 NOT LIKE 'log-%' OR EXISTS (
           SELECT FROM log_heads WHERE 'log-' || partition = $4 AND $6 < next AND ($9::text IS NULL OR flow = $9)
       ) AS appended,
       claim.kind AS claimed_kind, claim.here, reject.kind AS rejected_kind, reject.code, reject.detail
FROM (SELECT) AS one LEFT JOIN claim ON true LEFT JOIN reject ON true
"#;

#[derive(Debug, FromRow)]
struct Found {
    reached: bool,
    /// Whether the log has such a place at all. Only the log in PostgreSQL knows.
    appended: Option<bool>,
    claimed_kind: Option<i16>,
    here: Option<bool>,
    rejected_kind: Option<i16>,
    code: Option<String>,
    detail: Option<String>,
}

/// What became of it; nothing if Alpes does not know of it.
pub(crate) async fn find(pool: &PgPool, question: Question<'_>) -> Result<Option<Outcome>, sqlx::Error> {
    let kinds = question.kind.map_or(Kind::COMMANDS.to_vec(), |kind| vec![kind.claimed_as()]);
    let key = ClaimKey::new(Kind::RecordImpression, question.id).id; // the same for every kind
    let position = question.place.map_or(Position::START, |place| place.position);
    let found: Found = sqlx::query_as(FIND)
        .bind(TENANT)
        .bind(kinds.iter().map(|kind| kind.number()).collect::<Vec<_>>())
        .bind(key)
        .bind(question.place.map(|place| &place.source))
        .bind(position.ledger)
        .bind(position.entry)
        .bind(position.index)
        .bind(question.reject)
        .bind(question.kind.map(|kind| Flow::of(kind).name()))
        .fetch_one(pool)
        .await?;
    Ok(found.outcome(question))
}

impl Found {
    fn outcome(self, question: Question<'_>) -> Option<Outcome> {
        let state = match question.place {
            None => self.claimed_kind.map(|_| State::Recorded)?,
            Some(_) if !self.reached => self.appended.unwrap_or(false).then_some(State::Queued)?,
            Some(_) if self.here == Some(true) => State::Recorded,
            Some(_) if self.code.is_some() => State::Rejected,
            Some(_) => self.claimed_kind.map(|_| State::Duplicate)?,
        };
        let number = if state == State::Rejected { self.rejected_kind } else { self.claimed_kind };
        let kind = question.kind.or_else(|| number.and_then(Kind::from_number));
        let rejected = state == State::Rejected;
        Some(Outcome {
            status: None,
            id: question.id.into(),
            command: kind.map_or("", Kind::name),
            state,
            code: self.code.filter(|_| rejected),
            detail: self.detail.filter(|_| rejected),
        })
    }
}
