//! The OpenAPI document: collected from the routes as they are written.

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;

use crate::accept::Accepted;
use crate::error::Problem;
use crate::outcome::Outcome;

/// What the routes do not say themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Alpes",
        description = "Counts what influencers bring to marketing campaigns and turns it into money that everybody can check.\n\n\
            `campañas` may also be written `campanas` or `campa%C3%B1as`. Faults are RFC 9457 problem details.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    // What `Answers` names; the routes bring the others.
    components(schemas(Accepted<'static>, Outcome, Problem)),
    tags(
        (name = "tracking", description = "Commands: impressions, clicks, conversions, batches"),
        (name = "consultas", description = "Queries: rows, statistics, series, rankings"),
        (name = "marketing-influencers", description = "Campaigns, their states and commissions, and their influencers"),
        (name = "pagos", description = "What was posted for commissions, and why; statements and balances"),
        (name = "rechazos", description = "What could not be counted, and another try"),
        (name = "salud", description = "Health and metrics"),
    )
)]
pub(crate) struct Document;

/// Gives every operation an id of its own: two paths may share a handler, and so its name.
pub(crate) fn with_unique_ids(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for (path, item) in &mut document.paths.paths {
        let name = path.split(['/', '{', '}']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
        let set = |operation: &mut Option<Operation>, method: &str| {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{name}"));
            }
        };
        set(&mut item.get, "get");
        set(&mut item.post, "post");
        set(&mut item.put, "put");
        set(&mut item.patch, "patch");
        set(&mut item.delete, "delete");
    }
    document
}
