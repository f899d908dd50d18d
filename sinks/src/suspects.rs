//! Which keys this line may have claimed before: a Bloom filter that chooses a path and decides nothing.
//!
//! A key that the filter has never seen is inserted without a look; should somebody else hold it, the unique index
//! refuses, and the batch takes the exact path. A key that it may have seen is looked up first.

use schemas::ClaimKey;

/// Bits per line: 8 MiB. Up to about 7 million keys fewer than one in a hundred is suspected wrongly; beyond, more and
/// more are, and are merely looked up, as all would be without the filter.
const BITS: u64 = 1 << 26;
/// Bits set per key.
const HASHES: u64 = 4;

/// The keys of a line, roughly.
#[derive(Debug)]
pub(crate) struct Suspects(Box<[u64]>);

impl Suspects {
    pub(crate) fn new() -> Self {
        Self(vec![0; (BITS / 64) as usize].into_boxed_slice())
    }

    /// Whether the key may have been noted.
    pub(crate) fn may_hold(&self, key: &ClaimKey) -> bool {
        bits(key).all(|bit| self.0[(bit / 64) as usize] & (1 << (bit % 64)) != 0)
    }

    /// Notes a key.
    pub(crate) fn note(&mut self, key: &ClaimKey) {
        for bit in bits(key) {
            self.0[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }
}

/// Ids are hashes or UUIDs, but a time-ordered UUID is random only in part: both halves are mixed before use.
fn bits(key: &ClaimKey) -> impl Iterator<Item = u64> {
    let (high, low) = key.id.as_u64_pair();
    let step = mixed(low ^ (key.kind as u64)) | 1;
    let start = mixed(high ^ step);
    (0..HASHES).map(move |i| start.wrapping_add(step.wrapping_mul(i)) % BITS)
}

const fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Kind;

    #[test]
    fn what_was_noted_is_suspected_and_little_else() {
        let key = |i: u32| ClaimKey::new(Kind::RecordImpression, &format!("imp-{i}"));
        let mut suspects = Suspects::new();
        (0..100_000).for_each(|i| suspects.note(&key(i)));
        assert!((0..100_000).all(|i| suspects.may_hold(&key(i))));
        let wrongly = (100_000..200_000).filter(|i| suspects.may_hold(&key(*i))).count();
        assert!(wrongly < 100, "{wrongly} of 100,000");
    }
}
