//! The chain of the ledger: numbers without gaps, times that never go back, and every hash made again from the one
//! before it.

use std::time::Instant;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use super::{Difference, EXAMPLES_MAX, Outcome};

/// Postings looked at in one query: a few megabytes of text.
const POSTINGS_AT_ONCE: i64 = 10_000;

/// Every field as the text that is hashed, in the order of hashing.
const PAGE: &str = r#"
SELECT posting, posted_at, hash, ARRAY[
    posting::text, (extract(epoch FROM posted_at) * 1000000)::bigint::text, debit::text, credit::text, campaign::text,
    influencer::text, currency, trim_scale(amount)::text, concept::text, cause::text, commission::text, terms::text,
    rule::text, coalesce(conversion, ''), (extract(epoch FROM event_from) * 1000000)::bigint::text,
    (extract(epoch FROM event_to) * 1000000)::bigint::text, trim_scale(quantity_before)::text,
    trim_scale(quantity_after)::text, trim_scale(exact_after)::text, trim_scale(total_before)::text,
    trim_scale(total_after)::text, coalesce(reverses::text, ''), trim_scale(balance)::text] AS fields
FROM postings WHERE posting > $1 ORDER BY posting LIMIT $2"#;

/// What the ledger remembers of its end: numbers of commissions go on from there, times never go back.
const HEAD: &str = "
SELECT posting, hash, posted_at >= $1, commission = (SELECT coalesce(max(commission), 0) FROM commissions) FROM ledger_head";

/// A posting, as far as the chain is concerned; before the first one, nothing.
#[derive(Debug, Default, FromRow)]
struct Link {
    posting: i64,
    posted_at: DateTime<Utc>,
    hash: Vec<u8>,
    fields: Vec<String>,
}

/// Follows the chain from its beginning to the end that the ledger remembers.
pub(super) async fn unbroken(snapshot: &mut PgConnection) -> Result<Outcome, sqlx::Error> {
    let started = Instant::now();
    let (mut last, mut different, mut examples) = (Link::default(), 0, Vec::new());
    // Nothing may lie before the first posting, either.
    let mut after = i64::MIN;
    loop {
        let page: Vec<Link> = sqlx::query_as(PAGE).bind(after).bind(POSTINGS_AT_ONCE).fetch_all(&mut *snapshot).await?;
        if page.is_empty() {
            break;
        }
        for link in page {
            let expected = chained(&last.hash, &link.fields);
            if link.posting != last.posting + 1 || link.hash != expected || link.posted_at < last.posted_at {
                different += 1;
                examples.push(broken(last.posting, link.posting, &expected, &link.hash));
                examples.truncate(EXAMPLES_MAX as usize);
            }
            // Goes on from what is stored, so that one change is one difference.
            (after, last) = (link.posting, link);
        }
    }
    let head: Option<(i64, Vec<u8>, bool, bool)> =
        sqlx::query_as(HEAD).bind(last.posted_at).fetch_optional(snapshot).await?;
    let (posting, hash, is_later, numbers_all) = head.unwrap_or_default();
    if (posting, &hash) != (last.posting, &last.hash) || !is_later || !numbers_all {
        different += 1;
        examples.push(not_the_end(posting, &hash, is_later, numbers_all, &last));
        examples.truncate(EXAMPLES_MAX as usize);
    }
    // Whoever keeps this elsewhere will notice if the whole chain is made anew.
    let note = (last.posting > 0).then(|| format!("posting {} is {}", last.posting, hex(&last.hash)));
    let (compared, elapsed) = (last.posting, started.elapsed());
    Ok(Outcome { name: "ledger: chain", compared, different, elapsed, examples, note })
}

fn chained(before: &[u8], fields: &[String]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before);
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes()).update(field.as_bytes());
    }
    hasher.finalize().as_bytes().to_vec()
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn not_the_end(posting: i64, hash: &[u8], is_later: bool, numbers_all: bool, last: &Link) -> Difference {
    let expected =
        format!("posting {} {}, no earlier, with the last commission's number", last.posting, hex(&last.hash));
    let yes_or_no = |is_so: bool| if is_so { "" } else { "not " };
    let found = format!(
        "posting {posting} {}, {}no earlier, {}with the last commission's number",
        hex(hash),
        yes_or_no(is_later),
        yes_or_no(numbers_all)
    );
    Difference { key: "the end".into(), expected: Some(expected), found: Some(found) }
}

fn broken(after: i64, posting: i64, expected: &[u8], found: &[u8]) -> Difference {
    let key = format!("posting {posting}, after {after}");
    Difference { key, expected: Some(hex(expected)), found: Some(hex(found)) }
}
