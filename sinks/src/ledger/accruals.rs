//! `accruals`: what each hour has brought each influencer under each rule, as of its last settlement; `accrual_hours`: what
//! it has brought all of them.

use chrono::{DateTime, Utc};
use schemas::commission::{Accrual, Settled};
use sqlx::PgConnection;

/// `more` reads what stood before this statement, as all its parts do.
const WRITE: &str = "
WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::int[], $2::int[], $3::timestamptz[], $4::int[], $5::smallint[], $6::text[], $7::numeric[],
                         $8::numeric[]) AS g(campaign, influencer, hour, terms, rule, currency, quantity, amount)
), more AS (
    SELECT g.campaign, g.hour, g.currency, sum(g.amount - coalesce(a.amount, 0)) AS amount
    FROM given g LEFT JOIN accruals a USING (campaign, influencer, hour, terms, rule, currency)
    GROUP BY 1, 2, 3
), written AS (
    INSERT INTO accruals (campaign, influencer, hour, terms, rule, currency, quantity, amount) SELECT * FROM given
    ON CONFLICT (campaign, influencer, hour, terms, rule, currency) DO UPDATE
    SET quantity = excluded.quantity, amount = excluded.amount
)
INSERT INTO accrual_hours AS h (campaign, hour, currency, amount) SELECT * FROM more
ON CONFLICT (campaign, hour, currency) DO UPDATE SET amount = h.amount + excluded.amount";

/// A row: whose, and what.
type Row<'a> = (i32, i32, &'a Accrual);

/// Writes what has changed. What brings nothing any more stays as zeros: it says that there was something.
pub(super) async fn write(connection: &mut PgConnection, settled: &[Settled]) -> Result<(), sqlx::Error> {
    let rows = settled.iter().flat_map(|it| it.accruals.iter().map(move |row| (it.campaign, it.influencer, row)));
    let rows: Vec<Row<'_>> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(WRITE)
        .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| DateTime::<Utc>::from(row.2.hour)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.rule.terms).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.rule.rule).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.currency.code()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.quantity).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.amount).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
