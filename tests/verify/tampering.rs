//! An intruder in the ledger: whatever is changed by hand, a comparison notices.

use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use super::{Tampered, money, support};

/// What it takes to change postings at all.
const UNLOCK: &str = "ALTER TABLE postings DISABLE TRIGGER append_only;";

const CHAIN: &str = "ledger: chain";
const STEPS: &str = "ledger: steps";
const SUMS: &str = "ledger: commissions";
const BALANCES: &str = "ledger: balances";
const RUNNING: &str = "ledger: running balances";
const HELD: &str = "ledger: held";
const CONVERSIONS: &str = "commissions of conversions";
const RULES: &str = "commissions of rules";
const ACCRUALS: &str = "accruals";
const HOURS: &str = "accruals: hours";
const SPANS: &str = "campaigns: spans without earning";

/// Every column of a posting in the middle, and something else to be in it.
const COLUMNS: &[(&str, &str, &[&str])] = &[
    ("posting", "1000000", &[CHAIN]),
    ("posted_at", "posted_at - interval '1 microsecond'", &[CHAIN]),
    ("debit, credit", "credit, debit", &[CHAIN, STEPS, SUMS, BALANCES, RUNNING]),
    ("campaign", "campaign + 1", &[CHAIN, SUMS, BALANCES]),
    ("influencer", "influencer + 1", &[CHAIN, SUMS, BALANCES, RUNNING]),
    ("currency", "'EUR'", &[CHAIN, SUMS, BALANCES, RUNNING]),
    ("amount", "amount + 0.01", &[CHAIN, STEPS, SUMS, BALANCES, RUNNING]),
    ("concept", "CASE concept WHEN 'c' THEN 'r' ELSE 'c' END::\"char\"", &[CHAIN, STEPS, SUMS, BALANCES]),
    ("cause", "CASE cause WHEN 'w' THEN 't' ELSE 'w' END::\"char\"", &[CHAIN]),
    ("commission", "commission + 1", &[CHAIN, SUMS]),
    ("terms", "terms + 1", &[CHAIN]),
    ("rule", "rule + 1", &[CHAIN]),
    ("conversion", "'another'", &[CHAIN, SUMS]),
    ("event_from", "event_from - interval '1 microsecond'", &[CHAIN]),
    ("event_to", "event_to + interval '1 microsecond'", &[CHAIN]),
    ("quantity_before", "quantity_before + 1", &[CHAIN]),
    ("quantity_after", "quantity_after + 1", &[CHAIN]),
    ("exact_after", "exact_after + 1", &[CHAIN, STEPS]),
    ("total_before", "total_before + 1", &[CHAIN, STEPS]),
    ("total_after", "total_after + 1", &[CHAIN, STEPS]),
    ("reverses", "1", &[CHAIN, STEPS]),
    ("balance", "balance + 0.01", &[CHAIN, RUNNING]),
    ("hash", "sha256(hash)", &[CHAIN]),
];

/// Changes of the ledger's rows and of its end.
const LEDGER: &[(&str, &[&str])] = &[
    ("DELETE FROM postings WHERE posting = (SELECT max(posting) FROM postings)", &[CHAIN, SUMS, BALANCES]),
    ("DELETE FROM postings WHERE posting = 1", &[CHAIN, SUMS, BALANCES, RUNNING]),
    ("DELETE FROM postings WHERE posting = 7", &[CHAIN, SUMS, BALANCES, RUNNING]),
    ("DELETE FROM held_postings; DELETE FROM postings", &[CHAIN, SUMS, BALANCES]),
    // One more at the end, and one before the first.
    (
        "CREATE TEMP TABLE one AS SELECT * FROM postings WHERE posting = 7;
         UPDATE one SET posting = (SELECT max(posting) + 1 FROM postings); INSERT INTO postings SELECT * FROM one",
        &[CHAIN, SUMS, BALANCES, RUNNING],
    ),
    (
        "CREATE TEMP TABLE one AS SELECT * FROM postings WHERE posting = 7;
         UPDATE one SET posting = 0; INSERT INTO postings SELECT * FROM one",
        &[CHAIN, SUMS, BALANCES],
    ),
    // Two change places.
    (
        "UPDATE postings SET posting = -6 WHERE posting = 6; UPDATE postings SET posting = 6 WHERE posting = 7;
         UPDATE postings SET posting = 7 WHERE posting = -6",
        &[CHAIN],
    ),
    // Cut off without a trace in the chain: what was settled and what is owed say more.
    (
        "DELETE FROM postings WHERE posting = (SELECT max(posting) FROM postings);
         UPDATE ledger_head SET (posting, hash) = (SELECT posting, hash FROM postings ORDER BY posting DESC LIMIT 1)",
        &[SUMS, BALANCES],
    ),
    // Nothing of a conversion is not a conversion without a name.
    ("UPDATE postings SET conversion = '' WHERE conversion IS NULL", &[SUMS]),
    ("UPDATE ledger_head SET posting = posting + 1", &[CHAIN]),
    ("UPDATE ledger_head SET posting = posting - 1", &[CHAIN]),
    ("UPDATE ledger_head SET commission = commission - 1", &[CHAIN]),
    ("UPDATE ledger_head SET posted_at = 'epoch'", &[CHAIN]),
    ("UPDATE ledger_head SET hash = sha256(hash)", &[CHAIN]),
    ("DELETE FROM ledger_head", &[CHAIN]),
];

/// Changes of the rules, of what was counted under them, and of what was made of it.
const WORTH: &[(&str, &[&str])] = &[
    ("UPDATE commission_rules SET percent = percent + 0.5 WHERE percent = 5", &[CONVERSIONS, ACCRUALS]),
    ("UPDATE commission_rules SET percent = percent + 0.5 WHERE percent = 3", &[ACCRUALS]), // a tier hides it
    ("UPDATE commission_rules SET amount = amount + 0.5 WHERE amount = 10.01", &[CONVERSIONS, RULES, ACCRUALS]),
    ("UPDATE commission_rules SET amount = amount + 900 WHERE basis = 1", &[RULES, ACCRUALS]),
    ("UPDATE commission_rules SET amount = amount + 0.5 WHERE amount = 0.37", &[ACCRUALS]), // the cap hides it
    ("UPDATE commission_rules SET amount = amount + 0.5 WHERE amount = 2", &[RULES, ACCRUALS]),
    ("UPDATE commission_rules SET cap = cap + 1 WHERE basis = 2", &[RULES]),
    ("UPDATE commission_rules SET cap = NULL WHERE amount = 10.01", &[RULES]),
    ("UPDATE commission_rules SET minimum = 10 WHERE minimum = 50", &[CONVERSIONS, ACCRUALS]),
    ("UPDATE commission_rules SET tier_rates = ARRAY[0.55, 0.98] WHERE amount = 1.11", &[RULES]),
    ("UPDATE commission_rules SET tier_since = ARRAY[3, 4] WHERE amount = 1.11", &[RULES]),
    ("UPDATE commission_rules SET retroactive = false WHERE retroactive", &[RULES]),
    ("UPDATE commission_rules SET period = 't' WHERE cap = 25", &[RULES]),
    ("DELETE FROM commission_rules WHERE percent = 5", &[CONVERSIONS, ACCRUALS]),
    ("UPDATE terms SET valid_from = valid_from - interval '10 minutes' WHERE id = 't-3'", &[CONVERSIONS, ACCRUALS]),
    ("DELETE FROM commission_rules WHERE terms = 3; DELETE FROM terms WHERE terms = 3", &[CONVERSIONS, RULES, ACCRUALS]),
    ("UPDATE windows SET clicks = clicks + 1 WHERE clicks > 0", &[RULES, ACCRUALS]),
    ("UPDATE conversions SET amount = amount + 1 WHERE id = 's-cmp-a-inf-1-2'", &[CONVERSIONS, ACCRUALS]),
    ("UPDATE conversions SET amount = amount + 1 WHERE id = 's-cmp-b-inf-1-1'", &[RULES, ACCRUALS]),
    ("UPDATE reversals SET amount = amount + 1 WHERE id = 'v-2'", &[CONVERSIONS]),
    ("UPDATE reversals SET amount = amount + 1 WHERE id = 'v-4'", &[RULES, ACCRUALS]),
    ("UPDATE reversals SET currency = 'USD' WHERE id = 'v-5'", &[CONVERSIONS, RULES, ACCRUALS]),
    ("UPDATE reversals SET kind = 3 WHERE id = 'v-8'", &[CONVERSIONS]),
    ("UPDATE reversals SET kind = 2 WHERE id = 'v-10'", &[]), // open again: nothing is taken back, as if it was won
    ("DELETE FROM reversals WHERE id = 'v-1'", &[CONVERSIONS]),
    ("UPDATE commissions SET earned = earned + 0.01 WHERE conversion = 's-cmp-a-inf-1-0'", &[CONVERSIONS, SUMS]),
    ("UPDATE commissions SET reversed = 0 WHERE conversion = 's-cmp-a-inf-1-0'", &[CONVERSIONS, SUMS]),
    ("UPDATE commissions SET refunded = refunded - 1 WHERE conversion = 's-cmp-a-inf-1-1'", &[CONVERSIONS]),
    ("UPDATE commissions SET quantity = quantity + 1 WHERE conversion = 's-cmp-a-inf-1-1'", &[CONVERSIONS]),
    ("UPDATE commissions SET rule = rule + 1 WHERE conversion = 's-cmp-a-inf-1-1'", &[CONVERSIONS]),
    ("UPDATE commissions SET start = start + interval '1 second' WHERE conversion = 's-cmp-a-inf-1-1'", &[CONVERSIONS]),
    ("UPDATE commissions SET conversion = 'another' WHERE conversion = 's-cmp-a-inf-1-1'", &[CONVERSIONS, SUMS]),
    ("UPDATE commissions SET quantity = quantity + 1 WHERE conversion IS NULL", &[RULES]),
    ("UPDATE commissions SET earned = earned + 0.01 WHERE conversion IS NULL", &[RULES, SUMS]),
    ("UPDATE commissions SET rule = rule + 10 WHERE conversion IS NULL", &[RULES]),
    ("DELETE FROM commissions WHERE conversion = 's-cmp-a-inf-1-0'", &[CONVERSIONS, SUMS]),
    ("UPDATE commissions SET commission = commission + 1000", &[SUMS, CHAIN]),
    (
        "INSERT INTO commissions SELECT commission + 1000, campaign, influencer, start, 'more', terms, rule, currency, 1, 1, 0, 0
         FROM commissions LIMIT 1",
        &[CONVERSIONS, SUMS, CHAIN],
    ),
    ("UPDATE accruals SET amount = amount + 0.000001", &[ACCRUALS, HOURS]),
    ("UPDATE accruals SET quantity = quantity + 1", &[ACCRUALS]),
    ("DELETE FROM accruals WHERE amount > 0", &[ACCRUALS, HOURS]),
    ("UPDATE accrual_hours SET amount = amount + 0.000001", &[HOURS]),
    ("UPDATE accrual_hours SET hour = hour + interval '1 year'", &[HOURS]),
    ("DELETE FROM accrual_hours WHERE amount > 0", &[HOURS]),
    ("UPDATE accruals SET rule = rule + 10", &[ACCRUALS]),
    ("UPDATE balances SET earned = earned + 0.01", &[BALANCES]),
    ("UPDATE balances SET reversed = reversed + 0.01", &[BALANCES]),
    ("DELETE FROM balances", &[BALANCES]),
    ("INSERT INTO balances VALUES (1, 1, 'EUR', 1, 0)", &[BALANCES]),
    ("UPDATE balances SET held = held + 1", &[HELD]),
    ("DELETE FROM held_postings", &[HELD]),
    ("INSERT INTO held_postings SELECT posting, 'b', campaign, event_from FROM postings WHERE posting = 1", &[HELD]),
    ("DELETE FROM not_earning", &[SPANS]),
    ("UPDATE not_earning SET until = until + interval '1 minute' WHERE until < 'infinity'", &[SPANS]),
    ("INSERT INTO not_earning SELECT * FROM not_earning LIMIT 1", &[SPANS]),
    ("UPDATE campaign_states SET state = 'ACTIVA'", &[SPANS, CONVERSIONS, ACCRUALS]),
    ("DELETE FROM memberships", &[SPANS, CONVERSIONS, ACCRUALS]),
    ("UPDATE campaigns SET starts_at = NULL", &[SPANS, RULES, ACCRUALS]),
    ("UPDATE campaigns SET ends_at = NULL", &[SPANS, RULES, ACCRUALS]),
    // What waits is right once it is settled; without a mark it would never be.
    ("DELETE FROM unsettled", &[CONVERSIONS, ACCRUALS]),
    ("DELETE FROM unsettled_conversions", &[CONVERSIONS]),
];

#[tokio::test]
async fn every_change_of_money_is_noticed() {
    let mut tampered = Tampered::new(money::sound().await);
    for (column, value, noticed_by) in COLUMNS {
        let change = format!("{UNLOCK} UPDATE postings SET ({column}) = ROW({value}) WHERE posting = 7");
        tampered.change(&change, noticed_by).await;
    }
    for (change, noticed_by) in LEDGER {
        tampered.change(&format!("{UNLOCK} {change}"), noticed_by).await;
    }
    for (change, noticed_by) in WORTH {
        tampered.change(change, noticed_by).await;
    }
    tampered.assert_all_noticed(true).await;
}

#[tokio::test]
async fn no_column_of_a_posting_was_forgotten() {
    let mut connection = support::database().await.connect().await.unwrap();
    let select = "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'postings'";
    let columns: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut connection).await.unwrap();
    let tampered: Vec<&str> = COLUMNS.iter().flat_map(|(columns, ..)| columns.split(", ")).collect();
    let forgotten: Vec<_> = columns.iter().filter(|column| !tampered.contains(&column.as_str())).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

/// Why PostgreSQL does not run this; it must not.
async fn refusal(connection: &mut PgConnection, statement: &str) -> String {
    let refused = sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await;
    refused.expect_err(statement).to_string()
}

#[tokio::test]
async fn postings_are_only_ever_added() {
    let options = money::sound().await;
    let mut connection = options.connect().await.unwrap();
    for statement in [
        "UPDATE postings SET amount = amount + 1 WHERE posting = 1",
        "UPDATE postings SET amount = amount WHERE false",
        "DELETE FROM postings WHERE posting = 1",
        "TRUNCATE postings CASCADE",
    ] {
        let refusal = refusal(&mut connection, statement).await;
        assert!(refusal.contains("append-only: correct a posting by another one"), "{statement}: {refusal}");
    }
}
