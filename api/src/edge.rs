//! What HTTP itself needs: bodies with bounds, parameters with texts, paths with and without ñ.

mod body;
mod campaign_path;
mod inflate;
mod keys;
mod lines;
mod observe;
mod params;
mod prefer;

pub(crate) use body::{CommandBody, OptionalBody};
pub(crate) use campaign_path::CampaignPaths;
pub(crate) use inflate::{InflateError, Inflater};
pub(crate) use keys::with_keys;
pub(crate) use lines::Lines;
pub(crate) use observe::Observe;
pub(crate) use params::{Id, MemberPath, Number, Query, TextParam};
pub(crate) use prefer::{Prefer, PreferHeader};
