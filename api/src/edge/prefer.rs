//! `Prefer: wait=N` (RFC 7240): an answer after the command was dealt with, if that takes at most N seconds.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use std::convert::Infallible;
use std::time::Duration;
use utoipa::IntoParams;

/// The longest wait that is granted, in seconds: beyond, proxies give up first.
const WAIT_SECONDS_MAX: u64 = 30;
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The header as the OpenAPI document shows it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; Prefer reads it")]
pub(crate) struct PreferHeader {
    /// `wait=N`: answer when the command was dealt with, if that takes at most N seconds.
    #[param(rename = "Prefer", example = "wait=5")]
    prefer: Option<String>,
}

/// What the client prefers. Anything that is not understood is ignored, as the RFC demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Prefer {
    wait_seconds: Option<u64>,
}

impl Prefer {
    /// How long to wait for the outcome.
    pub(crate) fn wait(self) -> Option<Duration> {
        self.wait_seconds.map(Duration::from_secs)
    }

    /// Notes in the answer that the preference was honoured.
    pub(crate) fn applied(self, mut response: Response) -> Response {
        if let Some(value) = self.wait_seconds.and_then(|n| HeaderValue::try_from(format!("wait={n}")).ok()) {
            response.headers_mut().insert(PREFERENCE_APPLIED, value);
        }
        response
    }

    fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let preferences = values.flat_map(|value| value.split(','));
        let mut waits = preferences.filter_map(|preference| {
            let (name, value) = preference.split(';').next()?.split_once('=')?;
            let seconds: u64 = value.trim().trim_matches('"').parse().ok()?;
            name.trim().eq_ignore_ascii_case("wait").then_some(seconds)
        });
        let wait_seconds = waits.next().filter(|seconds| *seconds > 0);
        Self { wait_seconds: wait_seconds.map(|seconds| seconds.min(WAIT_SECONDS_MAX)) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(PREFER);
        Ok(Self::parse(values.iter().filter_map(|value| value.to_str().ok())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_knows_and_ignores_the_rest() {
        for (header, seconds) in [
            ("wait=5", Some(5)),
            ("respond-async, wait=10", Some(10)),
            ("Wait=\"7\"; foo=bar", Some(7)),
            ("wait=100000", Some(WAIT_SECONDS_MAX)),
            ("wait=0", None),
            ("wait=-1", None),
            ("wait", None),
            ("return=minimal", None),
        ] {
            assert_eq!(Prefer::parse([header].into_iter()).wait_seconds, seconds, "{header}");
        }
    }
}
