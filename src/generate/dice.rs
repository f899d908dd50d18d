//! Chance that is the same everywhere: ChaCha's words, turned into numbers with integers alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Words that one line may draw; it draws about thirty. What ChaCha makes at once, so that no line costs two rounds.
const WORDS_PER_LINE: u128 = 64;
/// The stream of what does not belong to a line.
const CAST_STREAM: u64 = 1;

/// A source of numbers that can be taken to any line at once.
#[derive(Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// For the lines of `seed`.
    pub(super) fn for_lines(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// For all that the lines of a programme share.
    pub(super) fn for_cast(programme: u64) -> Self {
        let mut chacha = ChaCha8Rng::seed_from_u64(programme);
        chacha.set_stream(CAST_STREAM);
        Self(chacha)
    }

    /// Goes to the first word of a line.
    pub(super) fn go_to(&mut self, line: u64) {
        self.0.set_word_pos(u128::from(line) * WORDS_PER_LINE);
    }

    /// 32 random bits.
    pub(super) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(n)) >> 32) as u32
    }

    /// The same for large numbers.
    pub(super) fn below_u64(&mut self, n: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// True `share` times in `of`.
    pub(super) fn chance(&mut self, share: u32, of: u32) -> bool {
        self.below(of) < share
    }

    /// One of some things.
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, things: [T; N]) -> T {
        things[self.below(N as u32) as usize]
    }
}
