//! Campaigns, terms, reversals and what else was described, against the claims of their ids. Their positions, where they have
//! any, do not tell whether the id is the one that was claimed, and PostgreSQL has no BLAKE3, so the keys are made here.

use std::time::Instant;

use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{Difference, EXAMPLES_MAX, Outcome};

/// Rows looked at in one query: a few hundred kilobytes of ids.
const ROWS_AT_ONCE: i64 = 10_000;

/// Rows of which there is one for every command of a kind.
pub(super) struct Described {
    check: &'static str,
    /// With the columns `tenant` and `id`.
    rows: &'static str,
    kind: i16,
}

/// All of them, in the order of their kinds.
pub(super) const ALL: [Described; 10] = [
    Described { check: "reversals: claims", rows: "reversals", kind: 3 },
    Described { check: "campaigns: claims", rows: "campaigns", kind: 4 },
    Described { check: "terms: claims", rows: "terms", kind: 5 },
    Described { check: "edits: claims", rows: "campaign_edits", kind: 7 },
    Described { check: "pauses: claims", rows: "(SELECT * FROM campaign_states WHERE state = 'PAUSADA') s", kind: 8 },
    Described {
        check: "resumptions: claims",
        rows: "(SELECT * FROM campaign_states WHERE state = 'ACTIVA') s",
        kind: 9,
    },
    Described { check: "ends: claims", rows: "(SELECT * FROM campaign_states WHERE state = 'FINALIZADA') s", kind: 10 },
    Described { check: "registrations: claims", rows: "influencer_registrations", kind: 11 },
    Described { check: "additions: claims", rows: "(SELECT * FROM memberships WHERE member) m", kind: 12 },
    Described { check: "removals: claims", rows: "(SELECT * FROM memberships WHERE NOT member) m", kind: 13 },
];

/// Every row's id is claimed, and every such claim made a row.
pub(super) async fn claimed(snapshot: &mut PgConnection, what: &Described) -> Result<Outcome, sqlx::Error> {
    let started = Instant::now();
    let (mut rows, mut different, mut examples) = (0, 0, Vec::new());
    let mut after = (i16::MIN, String::new());
    loop {
        let page = page(snapshot, what, &after).await?;
        let Some(last) = page.last() else { break };
        after = last.clone();
        rows += page.len() as i64;
        let unclaimed = unclaimed(snapshot, what, &page).await?;
        different += unclaimed.len() as i64;
        examples.extend(unclaimed.into_iter().map(difference).take(EXAMPLES_MAX as usize - examples.len()));
    }
    // Ids and keys are one to one: if all rows have claims and the numbers are equal, no claim is without one.
    let claims: i64 =
        sqlx::query_scalar("SELECT count(*) FROM claims WHERE kind = $1").bind(what.kind).fetch_one(snapshot).await?;
    if claims != rows {
        different += 1;
        let (expected, found) = (Some(format!("{claims} claims")), Some(format!("{rows} rows")));
        examples.insert(0, Difference { key: "all".into(), expected, found });
    }
    Ok(Outcome { name: what.check, compared: rows, different, elapsed: started.elapsed(), examples, note: None })
}

async fn page(
    snapshot: &mut PgConnection,
    what: &Described,
    after: &(i16, String),
) -> Result<Vec<(i16, String)>, sqlx::Error> {
    let from = what.rows;
    let select = format!("SELECT tenant, id FROM {from} WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3");
    sqlx::query_as(AssertSqlSafe(select)).bind(after.0).bind(&after.1).bind(ROWS_AT_ONCE).fetch_all(snapshot).await
}

async fn unclaimed(
    snapshot: &mut PgConnection,
    what: &Described,
    page: &[(i16, String)],
) -> Result<Vec<String>, sqlx::Error> {
    let (tenants, ids): (Vec<i16>, Vec<&str>) = page.iter().map(|(tenant, id)| (*tenant, id.as_str())).unzip();
    sqlx::query_scalar(
        "SELECT k.id FROM unnest($1::smallint[], $2::text[], $3::uuid[]) AS k(tenant, id, key)
         LEFT JOIN claims c ON (c.tenant, c.kind, c.id) = (k.tenant, $4, k.key) WHERE c.id IS NULL ORDER BY k.id",
    )
    .bind(tenants)
    .bind(&ids)
    .bind(ids.iter().map(|id| key(id)).collect::<Vec<_>>())
    .bind(what.kind)
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
