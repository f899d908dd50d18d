//! The one error of the API: RFC 9457 problem details, with all faults of the request.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::{Code, Fault, Faults};
use serde::Serialize;
use serde_json::{Map, Value};
use sinks::LogError;
use std::borrow::Cow;
use utoipa::ToSchema;

/// Seconds after which a sender may try again when the log is full or away: a group of appends takes milliseconds, a
/// restart of PostgreSQL a few seconds.
const RETRY_AFTER_SECONDS: u16 = 2;
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request is not answered as it was meant to be.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    detail: Cow<'static, str>,
    faults: Vec<FaultBody>,
    more: Map<String, Value>,
}

/// The body of every failed request (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    /// What is wrong, for people.
    detail: Cow<'static, str>,
    /// Everything that is wrong, for programs.
    #[serde(rename = "errores", skip_serializing_if = "Vec::is_empty")]
    faults: Vec<FaultBody>,
    #[serde(flatten)]
    #[schema(ignore)]
    more: Map<String, Value>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Falta)]
pub(crate) struct FaultBody {
    /// The key or parameter; empty for the whole body.
    #[serde(rename = "ruta")]
    path: Cow<'static, str>,
    /// As in the list of rejects.
    #[serde(rename = "codigo")]
    #[schema(example = "campo_faltante")]
    code: &'static str,
    /// What is wrong and how to mend it.
    #[serde(rename = "detalle")]
    detail: String,
}

impl ApiError {
    fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), faults: Vec::new(), more: Map::new() }
    }

    /// 400: bytes that are no request.
    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404, with the text that the users know.
    pub(crate) fn not_found(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }

    /// 408: the body did not come in time.
    pub(crate) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "El cuerpo no llegó a tiempo.")
    }

    /// 409: a command that does not go together with what there is. `shown` is the fault as it is shown: `id: …`.
    pub(crate) fn conflict(code: Code, shown: String) -> Self {
        let (path, detail) = shown
            .split_once(": ")
            .map_or_else(|| (String::new(), shown.clone()), |(path, detail)| (path.to_owned(), detail.to_owned()));
        let fault = FaultBody { path: path.into(), code: code.name(), detail };
        Self { faults: vec![fault], ..Self::new(StatusCode::CONFLICT, shown) }
    }

    /// 413.
    pub(crate) fn too_large(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// 415.
    pub(crate) fn unsupported_media_type(detail: &'static str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// 422 for a command, with everything that is wrong with it.
    pub(crate) fn faults(faults: &Faults) -> Self {
        Self {
            faults: faults.iter().map(FaultBody::from).collect(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, faults.to_string())
        }
    }

    /// 422 for one parameter of the request.
    pub(crate) fn parameter(name: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        let (path, detail) = (name.into(), detail.into());
        let shown = format!("{path}: {detail}");
        let fault = FaultBody { path, code: Code::InvalidValue.name(), detail };
        Self { faults: vec![fault], ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, shown) }
    }

    /// 503: come back in a moment.
    pub(crate) fn unavailable(detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// 500: a defect of Alpes. What it was is in the log, not in the answer.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Error interno; el registro del servidor dice más.")
    }

    /// With more keys in the body, for programs.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.insert(key.into(), value.into());
        self
    }
}

impl From<&Fault> for FaultBody {
    fn from(fault: &Fault) -> Self {
        Self { path: fault.path.into(), code: fault.code.name(), detail: fault.detail.clone() }
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Full => Self::unavailable("La cola está llena; inténtelo de nuevo en un momento."),
            // The writer has logged why.
            LogError::Unavailable(_) => Self::unavailable(
                "El registro de comandos no está disponible; inténtelo de nuevo en un momento con el mismo id.",
            ),
        }
    }
}

/// A query that failed: 503 where trying again may help, else a defect.
impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        let away = match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
            // Class 08: connection, 53: resources, 57: cancelled, shutting down or starting up.
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| ["08", "53", "57"].iter().any(|class| code.starts_with(class)))
            }
            _ => false,
        };
        if away {
            tracing::warn!(%error, "the database did not answer");
            Self::unavailable("La base de datos no está disponible; inténtelo de nuevo en un momento.")
        } else {
            tracing::error!(%error, "a query failed");
            Self::internal()
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
            faults: self.faults,
            more: self.more,
        };
        let mut response = (self.status, Json(problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        response
    }
}
