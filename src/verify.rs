//! The oracle: what is stored, computed again from the rows it came from, and compared.
//!
//! On purpose the slow and simple way, in SQL that shares nothing with the line that wrote it. Everything is read in one
//! snapshot, so it may run while the lines do.

mod campaigns;
mod chain;
mod checks;
mod commissions;
mod counts;
mod described;
mod rollups;

use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

/// Differences that are shown of one check: enough to see a pattern.
pub const EXAMPLES_MAX: i64 = 20;
/// Memory for each sort or hash table of PostgreSQL's; what needs more goes over its temporary files.
const WORK_MEMORY: &str = "128MB";
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// One comparison.
#[derive(Debug, Clone, Copy)]
struct Check {
    /// What is compared.
    name: &'static str,
    /// A row for each pair: `same`, then for people `campaign`, `influencer`, `place`, `expected`, `found`.
    pairs: &'static str,
}

/// How a comparison came out.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What was compared.
    pub name: &'static str,
    /// How many pairs.
    pub compared: i64,
    /// How many of them differ.
    pub different: i64,
    /// How long it took.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// The first that differ, [`EXAMPLES_MAX`] at most.
    pub examples: Vec<Difference>,
    /// What else is good to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Two values that should be one.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Difference {
    /// Whose values.
    pub key: String,
    /// What the rows give; none for what should not be there.
    pub expected: Option<String>,
    /// What is stored; none for what is missing.
    pub found: Option<String>,
}

fn milliseconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(elapsed.as_millis() as u64)
}

/// Makes all comparisons, telling of each when it is done.
pub async fn verify(options: &PgConnectOptions, mut done: impl FnMut(&Outcome)) -> Result<Vec<Outcome>, sqlx::Error> {
    let settings = [
        ("work_mem", WORK_MEMORY),
        // Right after a large load the planner knows nothing yet, and one nested loop over millions would never end.
        ("enable_nestloop", "off"),
        ("timezone", "UTC"),
        ("jit", "off"),
        ("statement_timeout", "0"),
    ];
    let options = options.clone().application_name("alpes verify").options(settings).disable_statement_logging();
    let mut connection = options.connect().await?;
    let mut snapshot = connection.begin_with(SNAPSHOT).await?;
    let mut outcomes = Vec::new();
    for check in checks::all() {
        let outcome = check.run(&mut snapshot).await?;
        done(&outcome);
        outcomes.push(outcome);
    }
    for what in described::ALL {
        let outcome = described::claimed(&mut snapshot, &what).await?;
        done(&outcome);
        outcomes.push(outcome);
    }
    let chain = chain::unbroken(&mut snapshot).await?;
    done(&chain);
    outcomes.push(chain);
    snapshot.rollback().await?;
    connection.close().await?;
    Ok(outcomes)
}

impl Check {
    async fn run(&self, snapshot: &mut PgConnection) -> Result<Outcome, sqlx::Error> {
        let started = Instant::now();
        let count = format!("SELECT count(*), count(*) FILTER (WHERE same IS NOT TRUE) FROM ({}) p", self.pairs);
        let (compared, different) = sqlx::query_as(AssertSqlSafe(count)).fetch_one(&mut *snapshot).await?;
        let examples = if different > 0 { self.examples(snapshot).await? } else { Vec::new() };
        Ok(Outcome { name: self.name, compared, different, elapsed: started.elapsed(), examples, note: None })
    }

    /// A second pass over the same snapshot: made only where the first one found something.
    async fn examples(&self, snapshot: &mut PgConnection) -> Result<Vec<Difference>, sqlx::Error> {
        let select = format!(
            "SELECT concat_ws(' ', coalesce(c.name, 'campaign ' || p.campaign),
                              CASE p.influencer WHEN -1 THEN '(everybody)' WHEN 0 THEN '(nobody)'
                                   ELSE coalesce(i.name, 'influencer ' || p.influencer) END, p.place) AS key,
                    p.expected, p.found
             FROM ({}) p
             LEFT JOIN campaign_names c USING (campaign)
             LEFT JOIN influencer_names i ON i.influencer = p.influencer
             WHERE p.same IS NOT TRUE ORDER BY 1 LIMIT {EXAMPLES_MAX}",
            self.pairs
        );
        sqlx::query_as(AssertSqlSafe(select)).fetch_all(snapshot).await
    }
}
