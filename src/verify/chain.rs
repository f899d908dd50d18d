//! The chain of the ledger: numbers without gaps, and every hash made again from the one before it.

use std::time::Instant;

use sqlx::PgConnection;

use super::{Difference, EXAMPLES_MAX, Outcome};

/// Postings looked at in one query: a few megabytes of text.
const POSTINGS_AT_ONCE: i64 = 10_000;

/// Every field as the text that is hashed, in the order of hashing.
const PAGE: &str = r#"
SELECT posting, hash, ARRAY[
    posting::text, (extract(epoch FROM posted_at) * 1000000)::bigint::text, debit::text, credit::text, campaign::text,
    influencer::text, currency, trim_scale(amount)::text, concept::text, cause::text, commission::text, terms::text,
    rule::text, coalesce(conversion, ''), (extract(epoch FROM event_from) * 1000000)::bigint::text,
    (extract(epoch FROM event_to) * 1000000)::bigint::text, trim_scale(quantity_before)::text,
    trim_scale(quantity_after)::text, trim_scale(exact_after)::text, trim_scale(total_before)::text,
    trim_scale(total_after)::text, coalesce(reverses::text, ''), trim_scale(balance)::text]
FROM postings WHERE posting > $1 ORDER BY posting LIMIT $2"#;

/// Follows the chain from its beginning to the end that the ledger remembers.
pub(super) async fn unbroken(snapshot: &mut PgConnection) -> Result<Outcome, sqlx::Error> {
    let started = Instant::now();
    let (mut last, mut hash, mut different, mut examples) = (0, Vec::new(), 0, Vec::new());
    loop {
        let page: Vec<(i64, Vec<u8>, Vec<String>)> =
            sqlx::query_as(PAGE).bind(last).bind(POSTINGS_AT_ONCE).fetch_all(&mut *snapshot).await?;
        if page.is_empty() {
            break;
        }
        for (posting, found, fields) in page {
            let expected = chained(&hash, &fields);
            if posting != last + 1 || found != expected {
                different += 1;
                examples
                    .extend((examples.len() < EXAMPLES_MAX as usize).then(|| broken(last, posting, &expected, &found)));
            }
            // Goes on from what is stored, so that one change is one difference.
            (last, hash) = (posting, found);
        }
    }
    let (head, head_hash): (i64, Vec<u8>) =
        sqlx::query_as("SELECT posting, hash FROM ledger_head").fetch_one(snapshot).await?;
    if (head, &head_hash) != (last, &hash) {
        different += 1;
        examples.push(broken(head, last, &head_hash, &hash));
    }
    // Whoever keeps this elsewhere will notice if the whole chain is made anew.
    let note = (last > 0).then(|| format!("posting {last} is {}", hex(&hash)));
    Ok(Outcome { name: "ledger: chain", compared: last, different, elapsed: started.elapsed(), examples, note })
}

fn chained(before: &[u8], fields: &[String]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before);
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes()).update(field.as_bytes());
    }
    hasher.finalize().as_bytes().to_vec()
}

fn broken(after: i64, posting: i64, expected: &[u8], found: &[u8]) -> Difference {
    let key = format!("posting {posting}, after {after}");
    Difference { key, expected: Some(hex(expected)), found: Some(hex(found)) }
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
