//! The chain: every posting's hash holds the hash before it, so that no posting can be changed, taken out or put in
//! without all that follow it.

use rust_decimal::Decimal;

use super::postings::Row;

/// The length of a hash in bytes.
pub const HASH_BYTES: usize = 32;

/// BLAKE3 over the hash before it and all fields as text, each with its length before it.
pub(super) fn of(before: &[u8], row: &Row) -> [u8; HASH_BYTES] {
    let number = |value: Decimal| value.normalize().to_string();
    let fields = [
        row.posting.to_string(),
        row.posted_at.timestamp_micros().to_string(),
        row.debit.into(),
        row.credit.into(),
        row.campaign.to_string(),
        row.influencer.to_string(),
        row.currency.into(),
        number(row.amount),
        row.concept.letter().into(),
        row.cause.letter().into(),
        row.commission.to_string(),
        row.terms.to_string(),
        row.rule.to_string(),
        row.conversion.clone().unwrap_or_default(),
        row.event_from.timestamp_micros().to_string(),
        row.event_to.timestamp_micros().to_string(),
        number(row.quantity_before),
        number(row.quantity_after),
        number(row.exact_after),
        number(row.total_before),
        number(row.total_after),
        row.reverses.map(|posting| posting.to_string()).unwrap_or_default(),
        number(row.balance),
    ];
    let mut hasher = blake3::Hasher::new();
    hasher.update(before);
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
    *hasher.finalize().as_bytes()
}
