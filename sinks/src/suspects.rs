//! Which keys this line may have written before: a Bloom filter that chooses a path and decides nothing.
//!
//! A key that the filter does not hold is copied in without a look; should it be there all the same, the unique index
//! refuses, and the batch takes the exact path. A key that it may hold takes the exact path at once.
//!
//! A filter that is never emptied ends by holding every key. So there are two generations, the older of which is forgotten
//! when the younger is full: a line that has run for a year is as quick as a new one.

use schemas::ClaimKey;
use std::marker::PhantomData;

use crate::windows::NumberedKey;

/// The bits of a key lie in one block, a line of the processor's caches, so that each key costs one access to memory.
const BLOCK_WORDS: usize = 8;
/// Bits set per key.
const HASHES: u32 = 4;
/// Keys in a full block: then fewer than one key in fifty is held wrongly.
const BLOCK_KEYS: usize = 53;

/// Blocks in a generation, for claims: the latest 3.5 million keys are held, in 8 MiB.
pub(crate) const CLAIM_BLOCKS: usize = 1 << 16;
/// For windows, of which there are a third as many as events, or fewer: the latest 860,000, in 2 MiB.
pub(crate) const WINDOW_BLOCKS: usize = 1 << 14;

/// The keys of one table that a line has written lately, roughly.
#[derive(Debug)]
pub(crate) struct Suspects<K> {
    blocks: Box<[Generations]>,
    /// Keys in the younger generation.
    noted: usize,
    keys: PhantomData<fn(&K)>,
}

/// What the younger and the older generation have at one place, side by side. An array, since memory for arrays of zeros is
/// taken from the system only where it is written to.
type Generations = [Block; 2];

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
    /// None yet; with so many blocks, a power of two.
    pub(crate) fn new(blocks: usize) -> Self {
        Self { blocks: vec![Generations::default(); blocks].into_boxed_slice(), noted: 0, keys: PhantomData }
    }

    /// Notes a key that is about to be written. Whether it may have been noted lately: both by one access to memory.
    pub(crate) fn note(&mut self, key: &K) -> bool {
        if self.noted == self.blocks.len() * BLOCK_KEYS {
            self.forget_the_old();
        }
        let (at, bits) = self.place(key);
        let before = self.hold(at, &bits);
        let [young, _] = &mut self.blocks[at];
        young.iter_mut().zip(bits).for_each(|(word, bits)| *word |= bits);
        self.noted += 1;
        before
    }

    fn hold(&self, at: usize, bits: &Block) -> bool {
        self.blocks[at].iter().any(|block| has(block, bits))
    }

    fn forget_the_old(&mut self) {
        for [young, old] in &mut self.blocks {
            *old = std::mem::take(young);
        }
        self.noted = 0;
    }

    /// A key's block, and its bits in it. Half a key may be far from random (a time-ordered UUID, a minute), so both halves
    /// are mixed before use.
    fn place(&self, key: &K) -> (usize, Block) {
        let (high, low) = key.words();
        let mixed = mixed(high ^ mixed(low).rotate_left(32));
        let mut bits = Block::default();
        for i in 0..HASHES {
            let bit = (mixed >> (9 * i)) as usize % (64 * BLOCK_WORDS);
            bits[bit / 64] |= 1 << (bit % 64);
        }
        ((mixed >> 47) as usize & (self.blocks.len() - 1), bits)
    }
}

fn has(block: &Block, bits: &Block) -> bool {
    block.iter().zip(bits).all(|(word, bits)| word & bits == *bits)
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

    /// Few, so that generations are full soon.
    const BLOCKS: usize = 1 << 10;
    const GENERATION: usize = BLOCKS * BLOCK_KEYS;

    fn key(i: usize) -> ClaimKey {
        ClaimKey::new(Kind::RecordImpression, &format!("imp-{i}"))
    }

    fn held(suspects: &Suspects<ClaimKey>, keys: std::ops::Range<usize>) -> usize {
        let held = |i: &usize| {
            let (at, bits) = suspects.place(&key(*i));
            suspects.hold(at, &bits)
        };
        keys.filter(held).count()
    }

    #[test]
    fn what_was_noted_lately_is_suspected_and_little_else_however_long_it_goes_on() {
        let mut suspects = Suspects::new(BLOCKS);
        let mut noted = 0;
        for until in [1_000, GENERATION, GENERATION + 1, 2 * GENERATION, 7 * GENERATION + 5] {
            let suspected = (noted..until).filter(|i| suspects.note(&key(*i))).count();
            assert!(suspected <= (until - noted) / 20, "{suspected} of {noted}..{until} before they were noted");
            noted = until;
            assert_eq!(held(&suspects, until.saturating_sub(GENERATION)..until), until.min(GENERATION));
            let wrongly = held(&suspects, 10 * GENERATION..11 * GENERATION);
            assert!(wrongly < GENERATION / 20, "{wrongly} of {GENERATION} after {until}");
        }
        // Two generations ago is long ago.
        let still = held(&suspects, 0..GENERATION);
        assert!(still < GENERATION / 20, "{still} of {GENERATION}");
    }
}
