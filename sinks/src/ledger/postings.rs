//! `postings` and `ledger_head`: the ledger itself. Rows are only ever added.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::commission::{Cause, Concept, Posting, Settled};
use schemas::{Currency, Timestamp};
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};

use super::commissions::{Numbers, conversion};
use super::hash;
use crate::SinkError;

/// What campaigns have spent.
const SPENT: &str = "g";
/// What is owed to influencers.
const OWED: &str = "p";

/// The end of the ledger, held until the transaction ends.
#[derive(Debug)]
pub(super) struct Head {
    posting: i64,
    commission: i64,
    posted_at: DateTime<Utc>,
    hash: Vec<u8>,
}

impl Head {
    /// Whoever posts holds it, so numbers and hashes follow the order of commits.
    pub(super) async fn hold(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let select = "SELECT posting, commission, posted_at, hash FROM ledger_head FOR UPDATE";
        let (posting, commission, before, hash): (i64, i64, DateTime<Utc>, Vec<u8>) =
            sqlx::query_as(select).fetch_one(connection).await?;
        // Never before the posting before it, whatever the clocks of hosts say.
        let posted_at = DateTime::from(Timestamp::now()).max(before);
        Ok(Self { posting, commission, posted_at, hash })
    }

    pub(super) const fn next_commission(&mut self) -> i64 {
        self.commission += 1;
        self.commission
    }

    pub(super) async fn move_on(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE ledger_head SET posting = $1, commission = $2, posted_at = $3, hash = $4")
            .bind(self.posting)
            .bind(self.commission)
            .bind(self.posted_at)
            .bind(self.hash)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// A posting as it is stored.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) posting: i64,
    pub(super) posted_at: DateTime<Utc>,
    pub(super) debit: &'static str,
    pub(super) credit: &'static str,
    pub(super) campaign: i32,
    pub(super) influencer: i32,
    pub(super) currency: &'static str,
    pub(super) amount: Decimal,
    pub(super) concept: Concept,
    pub(super) cause: Cause,
    pub(super) commission: i64,
    pub(super) terms: i32,
    pub(super) rule: i16,
    pub(super) conversion: Option<String>,
    pub(super) event_from: DateTime<Utc>,
    pub(super) event_to: DateTime<Utc>,
    pub(super) quantity_before: Decimal,
    pub(super) quantity_after: Decimal,
    pub(super) exact_after: Decimal,
    pub(super) total_before: Decimal,
    pub(super) total_after: Decimal,
    pub(super) reverses: Option<i64>,
    pub(super) balance: Decimal,
    pub(super) hash: Vec<u8>,
}

impl Row {
    /// In the influencer's favour; below 0 against.
    pub(super) fn in_favour(&self) -> Decimal {
        if self.credit == OWED { self.amount } else { -self.amount }
    }
}

/// What is owed to each influencer in each currency.
type Owed = HashMap<(i32, String), Decimal>;

/// Posts what was settled.
pub(super) async fn write(
    connection: &mut PgConnection,
    head: &mut Head,
    settled: &[Settled],
    numbers: &Numbers,
) -> Result<Vec<Row>, SinkError> {
    let mut owed = owed(connection, settled).await?;
    let mut first = first_postings(connection, numbers).await?;
    let mut rows = Vec::new();
    for (settled, numbers) in settled.iter().zip(numbers) {
        for posting in &settled.postings {
            let row = row(head, &mut owed, &mut first, settled, posting, numbers)?;
            rows.push(row);
        }
    }
    insert(connection, &rows).await?;
    Ok(rows)
}

/// The next row of the ledger.
fn row(
    head: &mut Head,
    owed: &mut Owed,
    first: &mut HashMap<i64, i64>,
    settled: &Settled,
    posting: &Posting,
    numbers: &[i64],
) -> Result<Row, SinkError> {
    let missing = || SinkError::Encoding("a posting without its commission".into());
    let commission = settled.commissions.get(posting.commission).ok_or_else(missing)?;
    let number = *numbers.get(posting.commission).ok_or_else(missing)?;
    let in_favour = posting.in_favour();
    let (debit, credit) = if in_favour.is_sign_negative() { (OWED, SPENT) } else { (SPENT, OWED) };
    let currency: Currency = commission.currency;
    let balance = owed.entry((settled.influencer, currency.code().into())).or_default();
    let too_much = || SinkError::Encoding(format!("the balance of influencer {}", settled.influencer));
    *balance = balance.checked_add(in_favour).ok_or_else(too_much)?;
    head.posting += 1;
    let reverses = match posting.concept {
        Concept::Commission => None,
        Concept::Reversal => first.get(&number).copied(),
    };
    first.entry(number).or_insert(head.posting);
    let mut row = Row {
        posting: head.posting,
        posted_at: head.posted_at,
        debit,
        credit,
        campaign: settled.campaign,
        influencer: settled.influencer,
        currency: currency.code(),
        amount: in_favour.abs(),
        concept: posting.concept,
        cause: posting.cause,
        commission: number,
        terms: commission.rule.terms,
        rule: commission.rule.rule,
        conversion: conversion(commission).map(Into::into),
        event_from: posting.event_from.into(),
        event_to: posting.event_to.into(),
        quantity_before: posting.quantity_before,
        quantity_after: posting.quantity_after,
        exact_after: posting.exact_after,
        total_before: posting.total_before,
        total_after: posting.total_after,
        reverses,
        balance: *balance,
        hash: Vec::new(),
    };
    row.hash = hash::of(&head.hash, &row).to_vec();
    head.hash.clone_from(&row.hash);
    Ok(row)
}

const OWED_TO: &str = "
SELECT influencer, currency, sum(earned - reversed - paid) FROM balances WHERE influencer = ANY ($1) GROUP BY 1, 2";

async fn owed(connection: &mut PgConnection, settled: &[Settled]) -> Result<Owed, sqlx::Error> {
    let influencers: BTreeSet<i32> = settled.iter().map(|it| it.influencer).collect();
    let influencers: Vec<i32> = influencers.into_iter().collect();
    let rows: Vec<(i32, String, Decimal)> = sqlx::query_as(OWED_TO).bind(influencers).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(influencer, currency, owed)| ((influencer, currency), owed)).collect())
}

/// The first posting of each commission that has any: what a reversal takes back.
async fn first_postings(connection: &mut PgConnection, numbers: &Numbers) -> Result<HashMap<i64, i64>, sqlx::Error> {
    let select = "SELECT commission, min(posting) FROM postings WHERE commission = ANY ($1) GROUP BY commission";
    let numbers: Vec<i64> = numbers.iter().flatten().copied().collect();
    let rows: Vec<(i64, i64)> = sqlx::query_as(select).bind(numbers).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

const INSERT: &str = r#"
INSERT INTO postings (posting, posted_at, debit, credit, campaign, influencer, currency, amount, concept, cause, commission,
                      terms, rule, conversion, event_from, event_to, quantity_before, quantity_after, exact_after,
                      total_before, total_after, reverses, balance, hash)
SELECT posting, posted_at, debit::"char", credit::"char", campaign, influencer, currency, amount, concept::"char",
       cause::"char", commission, terms, rule, conversion, event_from, event_to, quantity_before, quantity_after,
       exact_after, total_before, total_after, reverses, balance, hash
FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::int[], $7::text[], $8::numeric[],
            $9::text[], $10::text[], $11::bigint[], $12::int[], $13::smallint[], $14::text[], $15::timestamptz[],
            $16::timestamptz[], $17::numeric[], $18::numeric[], $19::numeric[], $20::numeric[], $21::numeric[],
            $22::bigint[], $23::numeric[], $24::bytea[])
     AS r(posting, posted_at, debit, credit, campaign, influencer, currency, amount, concept, cause, commission, terms, rule,
          conversion, event_from, event_to, quantity_before, quantity_after, exact_after, total_before, total_after,
          reverses, balance, hash)"#;

async fn insert(connection: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT)
        .bind(rows.iter().map(|row| row.posting).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.posted_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.debit).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.credit).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.campaign).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.influencer).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.currency).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.amount).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.concept.letter()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.cause.letter()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.terms).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.rule).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.conversion.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event_from).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event_to).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.quantity_before).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.quantity_after).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.exact_after).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.total_before).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.total_after).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.reverses).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.balance).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.hash.as_slice()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
