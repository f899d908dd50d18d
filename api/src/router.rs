//! Every route.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use bytes::Bytes;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::edge::{CampaignPaths, Observe};
use crate::openapi::{Document, with_unique_ids};
use crate::routes::{
    balance, batches, campaigns, clicks, commands, conversions, edits, explanation, health, impressions, influencers,
    late, members, postings, profiles, ranking, rejects, reversals, series, simulation, statement, states, statistics,
    terms,
};
use crate::{ApiError, ApiState};

type Routes = OpenApiRouter<Arc<ApiState>>;

/// The main port: everything.
pub fn commands_router(state: Arc<ApiState>) -> Router {
    finish(base().merge(writing()).merge(queries()).nest("/tracking", reading()), state)
}

/// The second port: queries, health and metrics.
pub fn queries_router(state: Arc<ApiState>) -> Router {
    finish(base().merge(queries()), state)
}

/// A role without an API of its own: health and metrics.
pub fn status_router(state: Arc<ApiState>) -> Router {
    finish(base(), state)
}

/// Health and metrics, on every port.
fn base() -> Routes {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::root))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

/// Commands, campaigns, influencers, payments and rejects.
fn writing() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(health::tracking))
        .routes(routes!(impressions::record))
        .routes(routes!(clicks::record))
        .routes(routes!(conversions::record))
        .routes(routes!(reversals::record))
        .routes(routes!(batches::record))
        .routes(routes!(commands::outcome))
        .routes(routes!(health::marketing))
        .routes(routes!(campaigns::create, campaigns::list))
        .routes(routes!(campaigns::one, edits::edit))
        .routes(routes!(states::pause))
        .routes(routes!(states::resume))
        .routes(routes!(states::end))
        .routes(routes!(members::list))
        .routes(routes!(members::add, members::remove))
        .routes(routes!(profiles::list))
        .routes(routes!(profiles::one, profiles::register))
        .routes(routes!(terms::define, terms::list))
        .routes(routes!(simulation::simulate))
        .routes(routes!(postings::list))
        .routes(routes!(explanation::one))
        .routes(routes!(statement::of_influencer))
        .routes(routes!(balance::of_influencer))
        .routes(routes!(rejects::list))
        .routes(routes!(rejects::one))
        .routes(routes!(rejects::replay))
}

/// Queries, on both ports.
fn queries() -> Routes {
    let queries = reading()
        .routes(routes!(impressions::of_influencer))
        .routes(routes!(conversions::of_influencer))
        .routes(routes!(statistics::of_campaign))
        .routes(routes!(series::of_campaign))
        .routes(routes!(ranking::of_campaign))
        .routes(routes!(late::of_campaign))
        .routes(routes!(influencers::statistics));
    OpenApiRouter::new().routes(routes!(health::queries)).nest("/tracking/queries", queries)
}

/// Rows: under `/tracking/queries`, and as its twins under `/tracking`.
fn reading() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(impressions::one))
        .routes(routes!(impressions::of_campaign))
        .routes(routes!(conversions::one))
        .routes(routes!(conversions::of_campaign))
        .routes(routes!(reversals::one))
        .routes(routes!(reversals::of_conversion))
}

fn finish(routes: Routes, state: Arc<ApiState>) -> Router {
    let (router, document) = routes.split_for_parts();
    // A document that cannot be written would be a defect of utoipa; it must not keep the API from starting.
    let document = Bytes::from(with_unique_ids(document).to_json().unwrap_or_else(|_| "{}".into()));
    let openapi = || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    let router = router
        .route("/openapi.json", get(openapi))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .fallback(async || ApiError::not_found("Not Found"))
        .layer(Observe)
        .with_state(state);
    // What no route takes as it is written may be a path that is spelled otherwise.
    router.clone().fallback_service(CampaignPaths(router))
}
