//! `campañas/{id}/influencers`: who brought how much, most conversions first.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sqlx::FromRow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tokio::try_join;
use utoipa::ToSchema;

use crate::balances::{self, Balance, OfOne, Open};
use crate::earned::OfAllTime;
use crate::edge::{Id, Query};
use crate::error::Problem;
use crate::page::{Cursor, NoCursor, PageParams, next_page};
use crate::sums::{Progress, Subject, Sums, Totals};
use crate::{ApiError, ApiState};

/// A campaign's influencers, most conversions first, then most impressions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ranking)]
pub(crate) struct Ranking {
    #[serde(rename = "campaña_id")]
    #[schema(example = "cmp-123")]
    campaign_id: String,
    /// Rows in this answer.
    total: usize,
    influencers: Vec<Ranked>,
    /// The cursor of the next page, if there may be one.
    #[serde(rename = "siguiente")]
    next: Option<Cursor>,
    #[serde(flatten)]
    progress: Progress,
}

/// What one influencer brought to the campaign.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InfluencerDeCampaña)]
pub(crate) struct Ranked {
    /// Null: what no influencer brought.
    #[schema(example = "inf-001")]
    influencer_id: Option<String>,
    #[serde(flatten)]
    totals: Totals,
    #[serde(flatten)]
    commissions: OfAllTime,
}

#[derive(Debug, FromRow)]
struct Row {
    influencer: i32,
    name: String,
    #[sqlx(flatten)]
    sums: Sums,
}

/// The order of the list: most conversions, most impressions, then by name. The unattributed have the empty name.
#[derive(Debug)]
struct Rank {
    conversions: i64,
    impressions: i64,
    name: String,
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.conversions, self.impressions, self.name)
    }
}

impl FromStr for Rank {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut parts = text.splitn(3, '/');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(NoCursor);
        let (conversions, impressions) = (number()?, number()?);
        Ok(Self { conversions, impressions, name: parts.next().ok_or(NoCursor)?.into() })
    }
}

/// What is closed from the total, what is open from the windows, in one snapshot.
const RANKING: &str = r#"
WITH open AS MATERIALIZED (SELECT coalesce(closed_through, '-infinity') AS since FROM facts),
counted AS (
    SELECT influencer, sum(impressions)::bigint AS impressions, sum(clicks)::bigint AS clicks,
           sum(conversions)::bigint AS conversions
    FROM (
        SELECT influencer, impressions, clicks, conversions FROM rollups
        WHERE campaign = $1 AND grain = 't' AND influencer >= 0
        UNION ALL
        SELECT w.influencer, w.impressions, w.clicks, w.conversions FROM open JOIN windows w ON w.start >= open.since
        WHERE w.campaign = $1
    ) AS parts GROUP BY influencer
), page AS MATERIALIZED (
    SELECT * FROM (
        SELECT c.*, coalesce(
                   (SELECT name FROM influencer_names n WHERE n.influencer = c.influencer), '') COLLATE "C" AS name
        FROM counted c
    ) AS named
    WHERE $2::bigint IS NULL OR (conversions, impressions) < ($2, $3)
       OR ((conversions, impressions) = ($2, $3) AND name > $4 COLLATE "C")
    ORDER BY conversions DESC, impressions DESC, name LIMIT $5
), priced AS (
    SELECT influencer, currency, sum(amount) AS amount FROM (
        SELECT influencer, currency, amount FROM rollup_amounts
        WHERE campaign = $1 AND grain = 't' AND influencer IN (SELECT influencer FROM page)
        UNION ALL
        SELECT w.influencer, w.currency, w.amount FROM open JOIN window_amounts w ON w.start >= open.since
        WHERE w.campaign = $1 AND w.influencer IN (SELECT influencer FROM page)
    ) AS parts GROUP BY 1, 2
), lists AS (
    SELECT influencer, array_agg(currency ORDER BY currency) AS currencies, array_agg(amount ORDER BY currency) AS amounts
    FROM priced GROUP BY 1
)
SELECT influencer, name, impressions, clicks, conversions, coalesce(currencies, '{}') AS currencies,
       coalesce(amounts, '{}') AS amounts
FROM page LEFT JOIN lists USING (influencer) ORDER BY conversions DESC, impressions DESC, name
"#;

/// A campaign's influencers, most conversions first. Its cost depends on how many they are, not on events.
#[utoipa::path(get, path = "/campañas/{id}/influencers", tag = "consultas",
    params(("id" = String, Path, description = "campaña_id", example = "cmp-123"), PageParams),
    responses((status = OK, body = Ranking), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
pub(crate) async fn of_campaign(
    State(state): State<Arc<ApiState>>,
    Id(id): Id,
    Query(params): Query<PageParams>,
) -> Result<Json<Ranking>, ApiError> {
    let after: Option<Rank> = params.after()?;
    let campaign = Subject::campaign(&state.pool, &id).await?;
    let rows: Vec<Row> = match campaign.number {
        Some(number) => {
            sqlx::query_as(RANKING)
                .bind(number)
                .bind(after.as_ref().map(|rank| rank.conversions))
                .bind(after.as_ref().map(|rank| rank.impressions))
                .bind(after.as_ref().map(|rank| rank.name.as_str()))
                .bind(params.limit.rows() as i64)
                .fetch_all(&state.pool)
                .await?
        }
        None => Vec::new(),
    };
    let rank = |row: &Row| Rank {
        conversions: row.sums.conversions,
        impressions: row.sums.impressions,
        name: row.name.clone(),
    };
    let next = next_page(&rows, params.limit, rank);
    let mut earned = earned(&state, &campaign, &rows).await?;
    let ranked = |row: Row| {
        let (balances, open) = earned.remove(&row.influencer).unwrap_or_default();
        Ranked {
            totals: row.sums.totals(campaign.currency.as_deref()),
            commissions: OfAllTime::of(&balances, &open, &row.sums),
            influencer_id: (!row.name.is_empty()).then_some(row.name),
        }
    };
    let progress = campaign.progress();
    let influencers: Vec<Ranked> = rows.into_iter().map(ranked).collect();
    Ok(Json(Ranking { campaign_id: id, total: influencers.len(), influencers, next, progress }))
}

/// What was posted to the influencers of a page, and what their open windows bring.
async fn earned(
    state: &ApiState,
    campaign: &Subject,
    rows: &[Row],
) -> Result<HashMap<i32, (Vec<Balance>, Vec<Open>)>, sqlx::Error> {
    let mut earned: HashMap<i32, (Vec<Balance>, Vec<Open>)> = HashMap::new();
    let Some(number) = campaign.number else { return Ok(earned) };
    let influencers: Vec<i32> = rows.iter().map(|row| row.influencer).collect();
    let (balances, open) = try_join!(
        balances::in_campaign(&state.pool, number, &influencers),
        balances::open_in_campaign(&state.pool, number, &influencers, campaign.closed_through()),
    )?;
    for OfOne { influencer, balance } in balances {
        earned.entry(influencer).or_default().0.push(balance);
    }
    for open in open {
        earned.entry(open.influencer).or_default().1.push(open);
    }
    Ok(earned)
}
