//! Who takes part: influencers of very unequal fame, each in a few campaigns.

use super::dice::Dice;

/// Campaigns that one influencer works for.
const CAMPAIGNS_EACH: usize = 3;
/// The weight of the most famous one: large enough that the last of a million still has one.
const FIRST_WEIGHT: u64 = 1 << 40;

/// Influencers by fame, with their campaigns.
#[derive(Debug)]
pub(super) struct Cast {
    /// Running sums of the weights, by rank.
    fame: Vec<u64>,
    /// The number and the campaigns of each rank.
    members: Vec<(u32, [u32; CAMPAIGNS_EACH])>,
}

impl Cast {
    /// Chooses everybody's fame and campaigns; numbers start at 1.
    pub(super) fn new(influencers: u32, campaigns: u32, dice: &mut Dice) -> Self {
        let mut numbers: Vec<u32> = (1..=influencers).collect();
        for last in (1..influencers).rev() {
            numbers.swap(last as usize, dice.below(last + 1) as usize);
        }
        let members =
            numbers.into_iter().map(|number| (number, [(); CAMPAIGNS_EACH].map(|()| 1 + dice.below(campaigns))));
        let members = members.collect();
        let sum = |sum: &mut u64, rank| {
            *sum += weight(rank);
            Some(*sum)
        };
        Self { fame: (1..=u64::from(influencers)).scan(0, sum).collect(), members }
    }

    /// An influencer, the more famous the more often, and one of the campaigns.
    pub(super) fn draw(&self, dice: &mut Dice) -> (u32, u32) {
        let at = dice.below_u64(self.fame.last().copied().unwrap_or_default());
        let rank = self.fame.partition_point(|sum| *sum <= at);
        let (influencer, campaigns) = self.members[rank];
        (influencer, dice.pick(campaigns))
    }
}

/// Zipf's law with the exponent 9/8, `1 / (rank × rank^⅛)`, by whole square roots: floats differ between machines.
fn weight(rank: u64) -> u64 {
    const SCALE: u32 = 64;
    let eighth_root = (u128::from(rank) << SCALE).isqrt().isqrt().isqrt() as u64; // times 2^(SCALE / 8)
    (FIRST_WEIGHT << (SCALE / 8)) / (rank * eighth_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fame_follows_zipf() {
        assert_eq!(weight(1), FIRST_WEIGHT);
        assert_eq!(weight(256), FIRST_WEIGHT / 512);
        assert!((1..1_000).all(|rank| weight(rank) > weight(rank + 1)));
        assert!(weight(u64::from(u32::MAX)) > 0);
    }
}
