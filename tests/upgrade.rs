//! A database that an older Alpes has counted in is brought up to date, and owes what it should.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use alpes::verify::verify;
use pipeline::poster;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

/// The last migration before there was a ledger.
const WITHOUT_LEDGER: i64 = 3;

/// A campaign with terms, a closed window of two clicks, and a sale: rows as that version wrote them.
const COUNTED: &str = "
INSERT INTO campaign_names (tenant, name) VALUES (1, 'cmp');
INSERT INTO influencer_names (tenant, name) VALUES (1, 'inf');
INSERT INTO lines (flow, source, live, ledger, entry, accepted, messages, watermark) VALUES
    ('tracking', 'log-0', true, 0, 2, 3, 3, '2026-01-01T01:00Z'), ('campaigns', 'log-4', false, 0, 0, 1, 1, NULL);
CREATE TABLE impressions_20260101 PARTITION OF impressions FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
CREATE TABLE conversions_20260101 PARTITION OF conversions FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
INSERT INTO claims VALUES
    (1, 1, '00000000-0000-4000-8000-000000000001', gen_random_uuid(), 1, 0, 0, -1, '2026-01-01'),
    (1, 1, '00000000-0000-4000-8000-000000000002', gen_random_uuid(), 1, 0, 1, -1, '2026-01-01'),
    (1, 2, '00000000-0000-4000-8000-000000000003', gen_random_uuid(), 1, 0, 2, -1, '2026-01-01'),
    (1, 5, '00000000-0000-4000-8000-000000000004', gen_random_uuid(), 2, 0, 0, -1, '2026-01-01');
INSERT INTO impressions (campaign, influencer, event_time, day, click, line, ledger, entry, index, published_at, id)
SELECT 1, 1, '2026-01-01T00:00:10Z', '2026-01-01', true, 1, 0, n, -1, '2026-01-01T00:00:11Z',
       '00000000-0000-4000-8000-00000000000' || n + 1 FROM generate_series(0, 1) AS n;
INSERT INTO conversions (campaign, influencer, event_time, day, kind, amount, currency, line, ledger, entry, index,
                         published_at, id)
VALUES (1, 1, '2026-01-01T00:00:20Z', '2026-01-01', 1, 150.50, 'COP', 1, 0, 2, -1, '2026-01-01T00:00:21Z',
        '00000000-0000-4000-8000-000000000003');
INSERT INTO raw_days VALUES ('2026-01-01', 1, '2026-01-01T00:00:10Z', '2026-01-01T00:00:20Z');
INSERT INTO windows VALUES (1, '2026-01-01T00:00Z', 1, 0, 2, 1);
INSERT INTO window_amounts VALUES (1, '2026-01-01T00:00Z', 1, 'COP', 150.50);
INSERT INTO campaign_totals VALUES (1, 1, 0, 2, 1);
INSERT INTO campaign_total_amounts VALUES (1, 1, 'COP', 150.50);
INSERT INTO rollups SELECT 1, i, g.grain, g.start::timestamptz, 0, 2, 1
FROM (VALUES (1), (-1)) AS i(i), (VALUES ('h'::\"char\", '2026-01-01Z'), ('d', '2026-01-01Z'), ('t', '1970-01-01Z')) AS g(grain, start);
INSERT INTO rollup_amounts SELECT campaign, influencer, grain, start, 'COP', 150.50 FROM rollups;
UPDATE facts SET closed_through = '2026-01-01T00:50Z';
INSERT INTO terms (tenant, id, campaign, valid_from, defined_at)
VALUES (1, '00000000-0000-4000-8000-000000000004', 1, '2025-12-01Z', now());
INSERT INTO commission_rules VALUES (1, 2, 0, 100, 'COP', NULL), (1, 3, 1, NULL, NULL, 7);";

/// The last migration with totals of their own for each file.
const TOTALS_OF_FILES: i64 = 8;

/// Two files in two partitions each, and a line that lives.
const TOTALS: &str = "
INSERT INTO lines (flow, source, live) VALUES
    ('tracking', 'log-0', true), ('tracking', 'file-a-0', false), ('tracking', 'file-a-1', false),
    ('tracking', 'file-b-0', false), ('tracking', 'file-b-1', false);
INSERT INTO campaign_totals SELECT 1, n, n, 10 * n, 100 * n FROM generate_series(1, 5) AS n;
INSERT INTO campaign_total_amounts SELECT 1, n, 'COP', n FROM generate_series(1, 5) AS n;";

/// A database as one migration left it, with rows of that time.
async fn as_of(migration: i64, rows: &str) -> (PgConnectOptions, PgConnection) {
    let options = support::empty_database().await;
    let mut connection = options.connect().await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sinks/migrations");
    let mut old = Migrator::new(folder).await.unwrap();
    old.migrations.to_mut().retain(|it| it.version <= migration);
    old.run_direct(None, &mut connection, false).await.unwrap();
    sqlx::raw_sql("SET timezone = 'UTC'").execute(&mut connection).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut connection).await.unwrap();
    (options, connection)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_before_there_was_a_ledger_is_posted() {
    let (options, mut connection) = as_of(WITHOUT_LEDGER, COUNTED).await;
    sinks::migrate(&options).await.unwrap();
    poster::drain(&options).await.unwrap();
    let owed: String =
        sqlx::query_scalar("SELECT trim_scale(earned)::text FROM balances").fetch_one(&mut connection).await.unwrap();
    // 2 clicks at 100, and 7 % of 150.50, half to even.
    assert_eq!(owed, "210.54");
    for outcome in verify(&options, |_| ()).await.unwrap() {
        assert_eq!(outcome.different, 0, "{}: {:?}", outcome.name, outcome.examples);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_of_files_are_added_up_by_partition() {
    let (options, mut connection) = as_of(TOTALS_OF_FILES, TOTALS).await;
    sinks::migrate(&options).await.unwrap();
    let totals = "SELECT summand, impressions, clicks, conversions, amount::bigint
                  FROM campaign_totals JOIN campaign_total_amounts USING (campaign, summand) ORDER BY summand";
    let totals: Vec<(i32, i64, i64, i64, i64)> = sqlx::query_as(totals).fetch_all(&mut connection).await.unwrap();
    assert_eq!(totals, [(-2, 8, 80, 800, 8), (-1, 6, 60, 600, 6), (1, 1, 10, 100, 1)]);
}
