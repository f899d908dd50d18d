//! `commissions`: what is rounded once, with what its postings sum up to.

use chrono::{DateTime, Utc};
use schemas::commission::{Commission, Settled, Subject};
use sqlx::PgConnection;

use super::postings::Head;

const INSERT: &str = "
INSERT INTO commissions (commission, campaign, influencer, start, conversion, terms, rule, currency, quantity, earned,
                         refunded, reversed)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::timestamptz[], $5::text[], $6::int[], $7::smallint[],
                     $8::text[], $9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[])";

const UPDATE: &str = "
UPDATE commissions c
SET terms = r.terms, rule = r.rule, quantity = r.quantity, earned = r.earned, refunded = r.refunded, reversed = r.reversed
FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[])
     AS r(commission, terms, rule, quantity, earned, refunded, reversed)
WHERE c.commission = r.commission";

/// The numbers of the commissions of each [`Settled`], in their order.
pub(super) type Numbers = Vec<Vec<i64>>;

struct Row<'a> {
    number: i64,
    campaign: i32,
    influencer: i32,
    commission: &'a Commission,
}

/// Stores what is new and what has changed.
pub(super) async fn write(
    connection: &mut PgConnection,
    head: &mut Head,
    settled: &[Settled],
) -> Result<Numbers, sqlx::Error> {
    let (mut new, mut known, mut numbers) = (Vec::new(), Vec::new(), Numbers::new());
    for Settled { campaign, influencer, commissions, .. } in settled {
        let mut of_pair = Vec::with_capacity(commissions.len());
        for commission in commissions {
            let (rows, number) = match commission.number {
                Some(number) => (&mut known, number),
                None => (&mut new, head.next_commission()),
            };
            rows.push(Row { number, campaign: *campaign, influencer: *influencer, commission });
            of_pair.push(number);
        }
        numbers.push(of_pair);
    }
    insert(connection, &new).await?;
    update(connection, &known).await?;
    Ok(numbers)
}

async fn insert(connection: &mut PgConnection, rows: &[Row<'_>]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let start = |row: &Row<'_>| match &row.commission.subject {
        Subject::Conversion { at, .. } => DateTime::<Utc>::from(*at),
        Subject::Period { start, .. } => (*start).into(),
    };
    sqlx::query(INSERT)
        .bind(rows.iter().map(|row| row.number).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.campaign).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.influencer).collect::<Vec<_>>())
        .bind(rows.iter().map(start).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| conversion(row.commission)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.rule.terms).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.rule.rule).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.currency.code()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.quantity).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.earned).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.refunded).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.reversed).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn update(connection: &mut PgConnection, rows: &[Row<'_>]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(UPDATE)
        .bind(rows.iter().map(|row| row.number).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.rule.terms).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.rule.rule).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.quantity).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.earned).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.refunded).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.commission.reversed).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// The id of the conversion that a commission is of.
pub(super) fn conversion(commission: &Commission) -> Option<&str> {
    match &commission.subject {
        Subject::Conversion { id, .. } => Some(id),
        Subject::Period { .. } => None,
    }
}
