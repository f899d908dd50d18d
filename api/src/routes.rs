//! One file per resource: parameters, answer, handler and query side by side.

pub(crate) mod batches;
pub(crate) mod campaigns;
pub(crate) mod clicks;
pub(crate) mod commands;
pub(crate) mod conversions;
pub(crate) mod health;
pub(crate) mod impressions;
pub(crate) mod influencers;
pub(crate) mod late;
pub(crate) mod ranking;
pub(crate) mod rejects;
pub(crate) mod series;
pub(crate) mod statistics;

use schemas::Timestamp;

use crate::ApiError;
use crate::pieces::Range;
use crate::time::{MINUTE, TimeParam};

/// The end of a range, which must lie on a boundary of its grain: rounding it silently would be a wrong answer.
fn aligned(
    name: &'static str,
    end: Option<TimeParam>,
    width: std::time::Duration,
) -> Result<Option<Timestamp>, ApiError> {
    let Some(TimeParam(end)) = end else { return Ok(None) };
    if end.floor(width) == end {
        return Ok(Some(end));
    }
    let unit = if width == MINUTE { "minuto" } else { "intervalo de la granularidad" };
    let (before, after) = (end.floor(width), end.floor(width).plus(width));
    Err(ApiError::parameter(name, format!("debe caer en el inicio de un {unit}: use {before} o {after}")))
}

/// `[from, to)`, which must hold something.
fn range(from: Timestamp, to: Timestamp) -> Result<Range, ApiError> {
    if from < to {
        return Ok(Range { from, to });
    }
    Err(ApiError::parameter("hasta", format!("debe ser posterior a desde ({from})")))
}
