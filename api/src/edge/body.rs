//! The body of one command: of JSON, within its size, in time.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures::future::poll_immediate;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use schemas::message::PAYLOAD_BYTES_MAX;
use std::time::Duration;
use tokio::time::timeout;

use crate::ApiError;

/// How long a sender may take for one command: 64 KiB at the speed of a bad mobile network.
const BODY_READ_MAX: Duration = Duration::from_secs(10);

/// The bytes of one command, as they came.
#[derive(Debug)]
pub(crate) struct CommandBody(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for CommandBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        require_json(request.headers())?;
        read(request.into_body()).await.map(Self)
    }
}

/// The same where the body may be missing.
#[derive(Debug)]
pub(crate) struct OptionalBody(pub(crate) Option<Bytes>);

impl<S: Send + Sync> FromRequest<S> for OptionalBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if request.body().is_end_stream() {
            return Ok(Self(None));
        }
        let CommandBody(bytes) = CommandBody::from_request(request, state).await?;
        Ok(Self((!bytes.is_empty()).then_some(bytes)))
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let is = |name, accepted: fn(&str) -> bool| {
        headers.get(name).is_none_or(|value| value.to_str().is_ok_and(|value| accepted(value.trim())))
    };
    if !is(header::CONTENT_TYPE, is_json) {
        return Err(ApiError::unsupported_media_type("Se espera Content-Type: application/json."));
    }
    if !is(header::CONTENT_ENCODING, |coding| coding.eq_ignore_ascii_case("identity")) {
        return Err(ApiError::unsupported_media_type(
            "Un comando se envía sin Content-Encoding; un lote admite gzip y zstd.",
        ));
    }
    Ok(())
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().as_bytes();
    let lowercase =
        |part: Option<&[u8]>, text: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(text.as_bytes()));
    let (application, json) = ("application/", "+json");
    essence.eq_ignore_ascii_case(b"application/json")
        || (lowercase(essence.get(..application.len()), application)
            && lowercase(essence.len().checked_sub(json.len()).and_then(|start| essence.get(start..)), json))
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::too_large(format!("Un comando tiene como máximo {PAYLOAD_BYTES_MAX} bytes."));
    if body.size_hint().lower() > PAYLOAD_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let mut collecting = Limited::new(body, PAYLOAD_BYTES_MAX).collect();
    // A small body comes along with its headers; only for the others a clock, which is large, is set.
    let collected = match poll_immediate(&mut collecting).await {
        Some(collected) => collected,
        None => Box::pin(timeout(BODY_READ_MAX, collecting)).await.map_err(|_| ApiError::timeout())?,
    };
    match collected {
        // A copy: what was read lies in the connection's buffer, and as long as a command that waits for the log held it,
        // every request would need a new one.
        Ok(collected) => Ok(Bytes::copy_from_slice(&collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(ApiError::bad_request("El cuerpo no llegó entero.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_many_names() {
        for accepted in ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"] {
            assert!(is_json(accepted), "{accepted}");
        }
        for refused in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx", "json"] {
            assert!(!is_json(refused), "{refused}");
        }
    }
}
