//! `campañas/{id}/serie`: a campaign's sums minute by minute, hour by hour or day by day.

use axum::Json;
use axum::extract::State;
use schemas::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;
use tokio::try_join;
use utoipa::{IntoParams, ToSchema};

use crate::closed_hours::Stretch;
use crate::earned::{self, Earned, OfRange};
use crate::edge::{Id, Query};
use crate::error::Problem;
use crate::pieces::{Grain, Piece, Range, split};
use crate::sums::{self, Progress, Subject, Sums, Totals};
use crate::time::{Time, TimeParam};
use crate::{ApiError, ApiState};

/// Points of one series: a day of minutes with room to spare, and about 400 kB of JSON.
const POINTS_MAX: i64 = 1_500;
/// Points of a series without a range: an hour of minutes, two and a half days of hours, two months of days.
const POINTS_DEFAULT: u32 = 60;

/// The width of the points, and the range.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// `minuto`, `hora` or `dia`.
    #[param(value_type = Option<String>, example = "hora")]
    #[serde(default)]
    granularidad: Granularity,
    /// From this instant on; the start of a minute, hour or day. 60 points before `hasta` where it is missing.
    #[param(value_type = Option<String>, example = "2025-01-01T00:00:00Z")]
    desde: Option<TimeParam>,
    /// Before this instant; likewise. The end of the present minute, hour or day where it is missing.
    #[param(value_type = Option<String>, example = "2025-01-02T00:00:00Z")]
    hasta: Option<TimeParam>,
}

/// `granularidad`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
struct Granularity(Grain);

impl Default for Granularity {
    fn default() -> Self {
        Self(Grain::Hour)
    }
}

impl From<Granularity> for &'static str {
    fn from(Granularity(grain): Granularity) -> Self {
        match grain {
            Grain::Minute => "minuto",
            Grain::Hour => "hora",
            Grain::Day => "dia",
        }
    }
}

impl TryFrom<String> for Granularity {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let known = [Grain::Minute, Grain::Hour, Grain::Day].map(Self);
        known.into_iter().find(|it| <&str>::from(*it) == name).ok_or("debe ser minuto, hora o dia")
    }
}

/// A campaign's sums over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Serie)]
pub(crate) struct Series {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign_id: String,
    #[serde(rename = "granularidad")]
    #[schema(value_type = String, example = "hora")]
    granularity: Granularity,
    #[serde(rename = "desde")]
    from: Time,
    #[serde(rename = "hasta")]
    to: Time,
    /// One point for each minute, hour or day of the range, in order, with zeros where nothing happened.
    #[serde(rename = "puntos", serialize_with = "in_one_list")]
    #[schema(value_type = Vec<Point>)]
    points: Vec<Part>,
    #[serde(flatten)]
    progress: Progress,
}

/// The sums of one minute, hour or day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Punto)]
pub(crate) struct Point {
    #[serde(rename = "inicio")]
    start: Time,
    #[serde(flatten)]
    totals: Totals,
    #[serde(flatten)]
    commissions: OfRange,
}

/// A campaign's sums over time, exact and live. Zeros for an unknown campaign.
#[utoipa::path(get, path = "/campañas/{id}/serie", tag = "consultas",
    params(("id" = String, Path, description = "campaña_id", example = "cmp-123"), Params),
    responses(
        (status = OK, body = Series),
        (status = UNPROCESSABLE_ENTITY, description = "A range that cannot be, or with too many points", body = Problem),
    ))]
pub(crate) async fn of_campaign(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<Params>,
) -> Result<Json<Series>, ApiError> {
    let Granularity(grain) = params.granularidad;
    let range = range(&params, Timestamp::now())?;
    let campaign = Subject::campaign(&state.pool, &id).await?;
    let stretches = match grain {
        Grain::Minute => state.closed_hours.split(&state.pool, &campaign, range).await?,
        Grain::Hour | Grain::Day => vec![Stretch::unread(range)],
    };
    let pieces = unread(&stretches, campaign.closed_through(), grain);
    let (sums, earned) = match campaign.number {
        Some(number) => try_join!(
            sums::campaign_buckets(&state.pool, number, &pieces, grain.width()),
            earned::buckets(&state.pool, number, &pieces, grain.width()),
        )?,
        None => Default::default(),
    };
    // One currency for all points, or they could not be drawn as one line.
    let currency = sums::main_currency(campaign.currency.as_deref(), sums.values());
    let (no_sums, no_earned) = (Sums::default(), Earned::default());
    let point = |start: Timestamp| {
        let (sums, earned) = (sums.get(&start).unwrap_or(&no_sums), earned.get(&start).unwrap_or(&no_earned));
        Point { start: start.into(), totals: sums.totals(Some(&currency)), commissions: OfRange::of(earned, sums) }
    };
    let read = |range: Range| range.starts(grain.width()).map(point).collect();
    let points = |stretch: Stretch| Part { asked: range, points: state.closed_hours.points(stretch, read) };
    Ok(Json(Series {
        points: stretches.into_iter().map(points).collect(),
        progress: campaign.progress(),
        campaign_id: id,
        granularity: params.granularidad,
        from: range.from.into(),
        to: range.to.into(),
    }))
}

/// The range asked for, or the newest [`POINTS_DEFAULT`] points of it.
fn range(params: &Params, now: Timestamp) -> Result<Range, ApiError> {
    let Granularity(grain) = params.granularidad;
    let width = grain.width();
    let to = super::aligned("hasta", params.hasta, grain)?.unwrap_or(now.floor(width).plus(width));
    let from = super::aligned("desde", params.desde, grain)?.unwrap_or(to.minus(width * POINTS_DEFAULT));
    let range = super::range(from, to)?;
    let points = (to.micros() - from.micros()) / width.as_micros() as i64;
    if points > POINTS_MAX {
        let detail = format!("el rango tiene {points} puntos, más de {POINTS_MAX}: acórtelo o elija otra granularidad");
        return Err(ApiError::parameter("desde", detail));
    }
    Ok(range)
}

/// The pieces of what is to be read, as few as there can be.
fn unread(stretches: &[Stretch], closed_through: Option<Timestamp>, grain: Grain) -> Vec<Piece> {
    let mut ranges: Vec<Range> = Vec::new();
    for Stretch { range, .. } in stretches.iter().filter(|stretch| stretch.is_unread()) {
        match ranges.last_mut() {
            Some(before) if before.to == range.from => before.to = range.to,
            _ => ranges.push(*range),
        }
    }
    ranges.into_iter().flat_map(|range| split(range, closed_through, grain)).collect()
}

/// Points, of which only those within what was asked for are told.
#[derive(Debug)]
struct Part {
    asked: Range,
    points: Arc<[Point]>,
}

fn in_one_list<S: Serializer>(parts: &[Part], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        parts
            .iter()
            .flat_map(|Part { asked, points }| points.iter().filter(|point| asked.contains(point.start.into()))),
    )
}
