//! One file per resource: parameters, answer, handler and query side by side.

pub(crate) mod balance;
pub(crate) mod batches;
pub(crate) mod campaigns;
pub(crate) mod clicks;
pub(crate) mod commands;
pub(crate) mod conversions;
pub(crate) mod edits;
pub(crate) mod explanation;
pub(crate) mod health;
pub(crate) mod impressions;
pub(crate) mod influencers;
pub(crate) mod late;
pub(crate) mod members;
pub(crate) mod postings;
pub(crate) mod profiles;
pub(crate) mod ranking;
pub(crate) mod rejects;
pub(crate) mod reversals;
pub(crate) mod series;
pub(crate) mod simulation;
pub(crate) mod statement;
pub(crate) mod states;
pub(crate) mod statistics;
pub(crate) mod terms;

use schemas::Timestamp;

use crate::ApiError;
use crate::pieces::{Grain, Range};
use crate::time::TimeParam;

/// An end of a range, which must be the start of a minute, hour or day: to round it silently would be a wrong answer.
fn aligned(name: &'static str, end: Option<TimeParam>, grain: Grain) -> Result<Option<Timestamp>, ApiError> {
    let Some(TimeParam(end)) = end else { return Ok(None) };
    let before = end.floor(grain.width());
    if before == end {
        return Ok(Some(end));
    }
    let unit = match grain {
        Grain::Minute => "un minuto",
        Grain::Hour => "una hora",
        Grain::Day => "un día",
    };
    let after = before.plus(grain.width());
    Err(ApiError::parameter(name, format!("debe ser el inicio de {unit}: use {before} o {after}")))
}

/// `[from, to)`, which must hold something.
fn range(from: Timestamp, to: Timestamp) -> Result<Range, ApiError> {
    if from < to {
        return Ok(Range { from, to });
    }
    Err(ApiError::parameter("hasta", format!("debe ser posterior a desde ({from})")))
}
