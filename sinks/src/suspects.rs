//! Which keys this line may have written before: a Bloom filter that chooses a path and decides nothing.
//!
//! A key that the filter has never seen is copied in without a look; should it be there all the same, the unique index
//! refuses, and the batch takes the exact path. A key that it may have seen takes the exact path at once.

use schemas::ClaimKey;
use std::marker::PhantomData;

use crate::windows::NumberedKey;

/// The bits of a key lie in one block, a line of the processor's caches, so that each key costs one access to memory.
const BLOCK_WORDS: usize = 8;
/// Blocks per line: 8 MiB. Up to about 7 million keys fewer than one in fifty is suspected wrongly; beyond, more and more
/// are, and are merely looked up, as all would be without the filter.
const BLOCKS: usize = 1 << 17;
/// Bits set per key.
const HASHES: u32 = 4;

/// The keys of one table that a line has written, roughly.
#[derive(Debug)]
pub(crate) struct Suspects<K> {
    blocks: Box<[Block]>,
    keys: PhantomData<fn(&K)>,
}

type Block = [u64; BLOCK_WORDS];

/// A key as two words that differ when the keys do.
pub(crate) trait Words {
    fn words(&self) -> (u64, u64);
}

impl Words for ClaimKey {
    fn words(&self) -> (u64, u64) {
        let (high, low) = self.id.as_u64_pair();
        (high ^ self.kind as u64, low)
    }
}

impl Words for NumberedKey {
    fn words(&self) -> (u64, u64) {
        let (campaign, start, influencer) = self;
        (((*campaign as u64) << 32) | u64::from(*influencer as u32), start.timestamp_micros() as u64)
    }
}

impl<K: Words> Suspects<K> {
    pub(crate) fn new() -> Self {
        Self { blocks: vec![Block::default(); BLOCKS].into_boxed_slice(), keys: PhantomData }
    }

    /// Whether the key may have been noted.
    pub(crate) fn may_hold(&self, key: &K) -> bool {
        let (block, bits) = place(key.words());
        self.blocks[block].iter().zip(bits).all(|(word, bits)| word & bits == bits)
    }

    /// Notes a key.
    pub(crate) fn note(&mut self, key: &K) {
        let (block, bits) = place(key.words());
        self.blocks[block].iter_mut().zip(bits).for_each(|(word, bits)| *word |= bits);
    }
}

/// A key's block, and its bits in it. Half a key may be far from random (a time-ordered UUID, a minute), so both halves are
/// mixed before use.
fn place((high, low): (u64, u64)) -> (usize, Block) {
    let mixed = mixed(high ^ mixed(low).rotate_left(32));
    let mut bits = Block::default();
    for i in 0..HASHES {
        let bit = (mixed >> (9 * i)) as usize % (64 * BLOCK_WORDS);
        bits[bit / 64] |= 1 << (bit % 64);
    }
    ((mixed >> 47) as usize % BLOCKS, bits)
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
