//! Names by their numbers: the way back from the raw rows. A number's name never changes, so this cannot be wrong.

use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::names::{NAMES_CACHED_MAX, NOBODY};

/// One kind of names.
#[derive(Debug)]
pub(super) struct NamesByNumber {
    table: &'static str,
    number: &'static str,
    known: HashMap<i32, Arc<str>>,
}

impl NamesByNumber {
    /// The campaigns.
    pub(super) fn campaigns() -> Self {
        Self { table: "campaign_names", number: "campaign", known: HashMap::new() }
    }

    /// The influencers.
    pub(super) fn influencers() -> Self {
        Self { table: "influencer_names", number: "influencer", known: HashMap::new() }
    }

    /// Makes sure that the names of all of `numbers` are known.
    pub(super) async fn learn(
        &mut self,
        connection: &mut PgConnection,
        numbers: impl Iterator<Item = i32>,
    ) -> Result<(), sqlx::Error> {
        let numbers: HashSet<i32> = numbers.filter(|number| *number != NOBODY).collect();
        let mut unknown: Vec<i32> = numbers.iter().copied().filter(|number| !self.known.contains_key(number)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        if self.known.len() + unknown.len() > NAMES_CACHED_MAX {
            self.known.clear();
            unknown = numbers.into_iter().collect();
        }
        let (table, number) = (self.table, self.number);
        let select = format!("SELECT {number}, name FROM {table} WHERE {number} = ANY ($1)");
        let rows: Vec<(i32, String)> =
            sqlx::query_as(AssertSqlSafe(select)).bind(&unknown).fetch_all(connection).await?;
        self.known.extend(rows.into_iter().map(|(number, name)| (number, name.into())));
        Ok(())
    }

    /// The name of a number that was learnt; none for nobody.
    pub(super) fn name(&self, number: i32) -> Result<Option<&str>, sqlx::Error> {
        match self.known.get(&number) {
            Some(name) => Ok(Some(name)),
            None if number == NOBODY => Ok(None),
            // Cannot miss: names are never removed, and every batch learns its numbers first.
            None => Err(sqlx::Error::RowNotFound),
        }
    }
}
