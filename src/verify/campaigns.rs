//! Campaigns against the claims of their ids. Claims hold no position in this table, and PostgreSQL has no BLAKE3, so
//! the keys are made here.

use std::time::Instant;

use sqlx::PgConnection;
use sqlx::types::Uuid;

use super::{Difference, EXAMPLES_MAX, Outcome};

/// Campaigns looked at in one query: a few hundred kilobytes of ids.
const CAMPAIGNS_AT_ONCE: i64 = 10_000;
/// `crear-campaña`.
const CREATE_CAMPAIGN: i16 = 4;

/// Every campaign has claimed its id, and every such claim made a campaign.
pub(super) async fn claimed(snapshot: &mut PgConnection) -> Result<Outcome, sqlx::Error> {
    let started = Instant::now();
    let (mut campaigns, mut different, mut examples) = (0, 0, Vec::new());
    let mut after = (i16::MIN, String::new());
    loop {
        let page = page(snapshot, &after).await?;
        let Some(last) = page.last() else { break };
        after = last.clone();
        campaigns += page.len() as i64;
        let unclaimed = unclaimed(snapshot, &page).await?;
        different += unclaimed.len() as i64;
        examples.extend(unclaimed.into_iter().map(difference).take(EXAMPLES_MAX as usize - examples.len()));
    }
    // Ids and keys are one to one: if all campaigns have claims and the numbers are equal, no claim is without one.
    let claims: i64 = sqlx::query_scalar("SELECT count(*) FROM claims WHERE kind = $1")
        .bind(CREATE_CAMPAIGN)
        .fetch_one(snapshot)
        .await?;
    if claims != campaigns {
        different += 1;
        let (expected, found) = (Some(format!("{claims} claims")), Some(format!("{campaigns} campaigns")));
        examples.insert(0, Difference { key: "all".into(), expected, found });
    }
    Ok(Outcome { name: "campaigns: claims", compared: campaigns, different, elapsed: started.elapsed(), examples })
}

async fn page(snapshot: &mut PgConnection, after: &(i16, String)) -> Result<Vec<(i16, String)>, sqlx::Error> {
    let select = "SELECT tenant, id FROM campaigns WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3";
    sqlx::query_as(select).bind(after.0).bind(&after.1).bind(CAMPAIGNS_AT_ONCE).fetch_all(snapshot).await
}

async fn unclaimed(snapshot: &mut PgConnection, page: &[(i16, String)]) -> Result<Vec<String>, sqlx::Error> {
    let (tenants, ids): (Vec<i16>, Vec<&str>) = page.iter().map(|(tenant, id)| (*tenant, id.as_str())).unzip();
    sqlx::query_scalar(
        "SELECT k.id FROM unnest($1::smallint[], $2::text[], $3::uuid[]) AS k(tenant, id, key)
         LEFT JOIN claims c ON (c.tenant, c.kind, c.id) = (k.tenant, $4, k.key) WHERE c.id IS NULL ORDER BY k.id",
    )
    .bind(tenants)
    .bind(&ids)
    .bind(ids.iter().map(|id| key(id)).collect::<Vec<_>>())
    .bind(CREATE_CAMPAIGN)
    .fetch_all(snapshot)
    .await
}

fn difference(id: String) -> Difference {
    Difference { key: id, expected: Some("1 claim".into()), found: None }
}

/// A UUID in its usual form is its own key; any other id has the first half of its hash.
fn key(id: &str) -> Uuid {
    match Uuid::try_parse(id) {
        Ok(uuid) if uuid.to_string() == id => uuid,
        _ => {
            let hash = blake3::hash(id.as_bytes());
            let mut half = [0; 16];
            half.copy_from_slice(&hash.as_bytes()[..16]);
            Uuid::from_bytes(half)
        }
    }
}
