//! Made-up commands with the mix of a real programme, byte for byte the same for the same seed on any machine.
//!
//! A line is a function of the seed and its number: no line depends on the one before. So a repeated line is made
//! again instead of being kept, and the memory used does not depend on how far apart repetitions lie.

mod cast;
mod dice;
mod line;
mod text;

use schemas::Timestamp;

use cast::Cast;
use dice::Dice;
use line::Fault;

/// A repeated line comes at most this many lines after its original.
pub const REPEATED_WITHIN_LINES: u32 = 200_000;
/// Originals that are tried for a repetition: all but one in a million find one among them, where a tenth are repeated.
const ORIGINALS_TRIED: usize = 6;
/// Clocks and queues of producers: almost every event is up to this much older than its place in the file.
const USUAL_DELAY_MILLIS: u32 = 60_000;
/// Phones that were offline: a few events are up to this much older.
const LONG_DELAY_MILLIS: u32 = 2 * 3_600_000;
/// How many are: these in a thousand.
const LONG_DELAYS: u32 = 1;

/// What the lines should be like.
#[derive(Debug, Clone)]
pub struct Mix {
    /// How many lines.
    pub events: u64,
    /// How many campaigns.
    pub campaigns: u32,
    /// How many influencers, each in about three campaigns.
    pub influencers: u32,
    /// Hours of event time that the lines are spread over.
    pub hours: u32,
    /// Event time of the first.
    pub start: Timestamp,
    /// Lines of a hundred that repeat an earlier one.
    pub duplicates: u32,
    /// Lines of a hundred that are faulty.
    pub faults: u32,
    /// Who works for which campaigns, and who is famous; the same number gives the same programme.
    pub programme: u64,
}

/// Makes lines.
#[derive(Debug)]
pub struct Generator {
    mix: Mix,
    cast: Cast,
    dice: Dice,
}

impl Generator {
    /// The lines of `seed` in this mix.
    pub fn new(mix: Mix, seed: u64) -> Self {
        let cast = Cast::new(mix.influencers, mix.campaigns, &mut Dice::for_cast(mix.programme));
        Self { mix, cast, dice: Dice::for_lines(seed) }
    }

    /// Appends line `number`, with its newline. Numbers start at 0 and may come in any order.
    pub fn write(&mut self, number: u64, out: &mut Vec<u8>) {
        let number = self.original_of(number);
        self.goes_first(number);
        let fault = self.dice.chance(self.mix.faults, 100).then(|| self.dice.pick(Fault::ALL));
        let time = self.event_time(number);
        line::write(out, &self.cast, time, fault, &mut self.dice);
    }

    /// Which line a line repeats; itself if it is not a repetition.
    fn original_of(&mut self, number: u64) -> u64 {
        if self.goes_first(number) {
            return number;
        }
        let back = u32::try_from(number).unwrap_or(u32::MAX).min(REPEATED_WITHIN_LINES);
        let tried = [(); ORIGINALS_TRIED].map(|()| number - 1 - u64::from(self.dice.below(back)));
        tried.into_iter().find(|candidate| self.goes_first(*candidate)).unwrap_or(number)
    }

    /// Goes to a line's dice and throws the first: whether the line is one of its own.
    fn goes_first(&mut self, number: u64) -> bool {
        self.dice.go_to(number);
        !self.dice.chance(self.mix.duplicates, 100) || number == 0
    }

    fn event_time(&mut self, number: u64) -> i64 {
        let span = u128::from(self.mix.hours) * 3_600_000;
        let place = span * u128::from(number) / u128::from(self.mix.events.max(1));
        let delay = if self.dice.chance(LONG_DELAYS, 1_000) { LONG_DELAY_MILLIS } else { USUAL_DELAY_MILLIS };
        self.mix.start.micros() / 1_000 + place as i64 - i64::from(self.dice.below(delay + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::wire::{self, Context, Privacy};
    use schemas::{Code, Command, EventKind, Position};
    use std::collections::{BTreeMap, HashMap, HashSet};
    use std::sync::LazyLock;

    const EVENTS: u64 = 20_000;
    static LINES: LazyLock<Vec<String>> = LazyLock::new(|| lines(7));

    fn mix() -> Mix {
        Mix {
            events: EVENTS,
            campaigns: 1_000,
            influencers: 5_000,
            hours: 6,
            start: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
            duplicates: 10,
            faults: 1,
            programme: 7,
        }
    }

    fn lines(seed: u64) -> Vec<String> {
        lines_of(&mut Generator::new(mix(), seed))
    }

    fn lines_of(generator: &mut Generator) -> Vec<String> {
        let line = |number| {
            let mut out = Vec::new();
            generator.write(number, &mut out);
            String::from_utf8(out).unwrap()
        };
        (0..EVENTS).map(line).collect()
    }

    fn judge(line: &str) -> Result<Command, Code> {
        let published_at = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
        let context = Context { source: "file", position: Position::offset(0), published_at, assigned_id: None };
        let record = wire::decode(None, line.as_bytes()).map_err(|faults| faults.code())?;
        record.validate(context, Privacy::AsSent).map_err(|faults| faults.code())
    }

    fn near(n: usize, expect: usize) -> bool {
        n.abs_diff(expect) * 10 < expect // a tenth off
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_everywhere() {
        let digest = blake3::hash(LINES.concat().as_bytes()).to_hex();
        assert_eq!(digest.as_str(), "279105ccbdd9b73f3c3dedafb5b71b338b9e8e51f321304c1ddbaba60948939c");
        assert_ne!(*LINES, lines(8));
    }

    #[test]
    fn files_of_a_programme_have_other_events_of_the_same_people() {
        let pairs = |lines: &[String]| -> HashSet<_> {
            let tracked = lines.iter().filter_map(|line| match judge(line) {
                Ok(Command::Track(event)) => Some((event.campaign, event.influencer)),
                _ => None,
            });
            tracked.collect()
        };
        let other_programme = lines_of(&mut Generator::new(Mix { programme: 8, ..mix() }, 7));
        let (these, others, strangers) = (pairs(&LINES), pairs(&lines(8)), pairs(&other_programme));
        let shared = |with: &HashSet<_>| these.intersection(with).count();
        let (people, chance) = (shared(&others), shared(&strangers));
        assert!(people > 10 * chance, "{people} and {chance} of {}", these.len());
    }

    #[test]
    fn lines_do_not_depend_on_one_another() {
        let mut generator = Generator::new(mix(), 7);
        for number in [EVENTS - 1, 0, 1, 4_711, 13_415] {
            let mut out = Vec::new();
            generator.write(number, &mut out);
            assert_eq!(LINES[number as usize].as_bytes(), out);
        }
    }

    #[test]
    fn one_line_in_ten_repeats_an_earlier_one() {
        let distinct: HashSet<&String> = LINES.iter().collect();
        assert!(near(LINES.len() - distinct.len(), LINES.len() / 10));
    }

    #[test]
    fn one_line_in_a_hundred_has_one_fault() {
        let mut codes: BTreeMap<Code, usize> = BTreeMap::new();
        for code in LINES.iter().filter_map(|line| judge(line).err()) {
            *codes.entry(code).or_default() += 1;
        }
        let expected =
            [Code::Malformed, Code::MissingField, Code::InvalidTimestamp, Code::UnknownCurrency, Code::InvalidValue];
        assert!(codes.keys().eq(expected.iter()), "{codes:?}");
        assert!(codes.values().all(|n| n.abs_diff(40) < 25), "{codes:?}");
    }

    #[test]
    fn the_mix_is_that_of_a_programme() {
        let (mut impressions, mut clicks, mut conversions, mut pairs) = (0, 0, 0, HashMap::new());
        for command in LINES.iter().filter_map(|line| judge(line).ok()) {
            let Command::Track(event) = command else { continue };
            match event.kind {
                EventKind::Impression => impressions += 1,
                EventKind::Click => clicks += 1,
                EventKind::Conversion { .. } => conversions += 1,
            }
            *pairs.entry((event.campaign, event.influencer)).or_insert(0) += 1;
            let (from, to) = ("2025-12-31T22:00:00Z", "2026-01-01T06:00:00Z");
            assert!(event.event_time >= Timestamp::parse(from).unwrap());
            assert!(event.event_time < Timestamp::parse(to).unwrap());
        }
        let sound = EVENTS as usize * 99 / 100;
        assert!(near(impressions, sound * 80 / 100), "{impressions}");
        assert!(near(clicks, sound * 15 / 100), "{clicks}");
        assert!(near(conversions, sound * 5 / 100), "{conversions}");
        let most = pairs.values().max().copied().unwrap_or_default();
        assert!(pairs.len() > 3_000 && most > 500, "few famous, many others: {} {most}", pairs.len());
    }
}
