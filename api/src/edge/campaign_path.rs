//! `campañas`, `campa%C3%B1as` and `campanas` are the same path. Routes are written with ñ; this makes the others so.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use std::task::{Context, Poll};
use tower::Service;

/// What may stand before the segment; longest first, and never an id, which may have any name.
const BEFORE: [&str; 3] = ["/tracking/queries/", "/tracking/", "/marketing-influencers/"];
const CANONICAL: &str = "campañas";

/// Rewrites paths before they are routed again.
#[derive(Debug, Clone)]
pub(crate) struct CampaignPaths<S>(pub(crate) S);

impl<S: Service<Request>> Service<Request> for CampaignPaths<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        if let Some(uri) = canonical(request.uri()) {
            *request.uri_mut() = uri;
        }
        self.0.call(request)
    }
}

/// The URI with ñ, if it was written otherwise.
fn canonical(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let (before, rest) = BEFORE.iter().find_map(|before| Some((before, path.strip_prefix(before)?)))?;
    let segment = rest.split('/').next()?;
    if !is_other_spelling(segment) {
        return None;
    }
    let rest = &rest[segment.len()..];
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = PathAndQuery::try_from(format!("{before}{CANONICAL}{rest}{query}")).ok()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

fn is_other_spelling(segment: &str) -> bool {
    let escaped = segment.strip_prefix("campa").and_then(|rest| rest.strip_suffix("as"));
    segment == "campanas" || escaped.is_some_and(|letter| letter.eq_ignore_ascii_case("%C3%B1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: Option<&str>) {
        let uri = canonical(&path.parse().unwrap());
        assert_eq!(uri.map(|uri| uri.to_string()).as_deref(), expect, "{path}");
    }

    #[test]
    fn every_spelling_becomes_the_one_with_ñ() {
        for spelling in ["campanas", "campa%C3%B1as", "campa%c3%b1as", "campa%C3%b1as"] {
            let canonical = "/tracking/queries/campañas/cmp-1/estadisticas?desde=x";
            check(&format!("/tracking/queries/{spelling}/cmp-1/estadisticas?desde=x"), Some(canonical));
            check(&format!("/marketing-influencers/{spelling}"), Some("/marketing-influencers/campañas"));
        }
        check("/tracking/campanas/campanas/impresiones", Some("/tracking/campañas/campanas/impresiones"));
    }

    #[test]
    fn everything_else_stays() {
        check("/tracking/campañas/x/impresiones", None);
        check("/tracking/queries/campan%CC%83as/x/estadisticas", None);
        check("/tracking/CAMPANAS/x/impresiones", None);
        check("/tracking/impresiones/campanas", None);
        check("/tracking/queries/influencers/campanas/impresiones", None);
        check("/campanas", None);
    }
}
