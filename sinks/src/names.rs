//! Numbers for campaign and influencer names. A name's number never changes, so a cache of them cannot be wrong.

use foldhash::{HashMap, HashMapExt, HashSet};
use smol_str::SmolStr;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::TENANT;

/// Names remembered per kind and line: at about 100 bytes each, 10 MB. Beyond, the cache starts afresh.
pub const NAMES_CACHED_MAX: usize = 100_000;

/// The number of "nobody": events without an influencer.
pub const NOBODY: i32 = 0;

/// One kind of names.
#[derive(Debug)]
pub struct Names {
    table: &'static str,
    number: &'static str,
    /// Short names lie in the map itself, where a look finds them at once.
    known: HashMap<SmolStr, i32>,
}

impl Names {
    /// The campaigns.
    pub fn campaigns() -> Self {
        Self { table: "campaign_names", number: "campaign", known: HashMap::new() }
    }

    /// The influencers.
    pub fn influencers() -> Self {
        Self { table: "influencer_names", number: "influencer", known: HashMap::new() }
    }

    /// Makes sure that all of `names` have numbers. Commits on its own, before the epoch: a number without events
    /// does no harm, and lines do not wait for one another's epochs over a new name.
    pub async fn learn(&mut self, connection: &mut PgConnection, names: &[&str]) -> Result<(), sqlx::Error> {
        let mut unknown: HashSet<&str> = self.unknown(names);
        if unknown.is_empty() {
            return Ok(());
        }
        if self.known.len() + unknown.len() > NAMES_CACHED_MAX {
            self.known.clear();
            unknown = self.unknown(names);
        }
        let mut unknown: Vec<&str> = unknown.into_iter().collect();
        unknown.sort_unstable();
        let (table, number) = (self.table, self.number);
        let insert = format!(
            "INSERT INTO {table} (tenant, name) SELECT $1, n FROM unnest($2::text[]) AS n
             WHERE NOT EXISTS (SELECT FROM {table} k WHERE k.tenant = $1 AND k.name = n) ON CONFLICT DO NOTHING"
        );
        sqlx::query(AssertSqlSafe(insert)).bind(TENANT).bind(&unknown).execute(&mut *connection).await?;
        let select = format!("SELECT name, {number} FROM {table} WHERE tenant = $1 AND name = ANY ($2)");
        let rows: Vec<(String, i32)> =
            sqlx::query_as(AssertSqlSafe(select)).bind(TENANT).bind(&unknown).fetch_all(connection).await?;
        self.known.extend(rows.into_iter().map(|(name, number)| (name.into(), number)));
        Ok(())
    }

    fn unknown<'a>(&self, names: &[&'a str]) -> HashSet<&'a str> {
        names.iter().copied().filter(|name| !self.known.contains_key(*name)).collect()
    }

    /// The number of a name that was learnt.
    pub fn number(&self, name: &str) -> Result<i32, sqlx::Error> {
        // Cannot miss: every epoch learns its names first, and the cache is only emptied while learning.
        self.known.get(name).copied().ok_or(sqlx::Error::RowNotFound)
    }

    /// The number of a name, or of nobody.
    pub fn number_or_nobody(&self, name: Option<&str>) -> Result<i32, sqlx::Error> {
        name.map_or(Ok(NOBODY), |name| self.number(name))
    }
}
