//! Amounts of money: exact decimals with a currency; read, added and written without floats.

use rust_decimal::{Decimal, RoundingStrategy};
use std::{fmt, str::FromStr};

/// The most digits that an amount may have before the decimal point: 999,999,999,999 of any currency.
pub const INTEGER_DIGITS_MAX: usize = 12;
/// The least amount with more digits than that.
const AMOUNT_END: Decimal = Decimal::from_parts(0xD4A5_1000, 0xE8, 0, false, 0);
/// The most digits that an amount may be *written* with after the point; more are a producer's mistake, not precision.
pub const WRITTEN_DECIMALS_MAX: usize = 18;

/// A currency of ISO 4217 that Alpes counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Currency {
    /// Colombian peso: the default of the users' system.
    Cop,
    /// US dollar.
    Usd,
    /// Euro.
    Eur,
}

impl Currency {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cop, Self::Usd, Self::Eur];

    /// The ISO 4217 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Cop => "COP",
            Self::Usd => "USD",
            Self::Eur => "EUR",
        }
    }

    /// Decimals of the minor unit, by ISO 4217.
    pub const fn exponent(self) -> u32 {
        match self {
            Self::Cop | Self::Usd | Self::Eur => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = ();

    /// Exactly the ISO code: `usd` is not `USD`, since guessing at money is no service.
    fn from_str(code: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|currency| currency.code() == code).ok_or(())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a text is not an amount. The texts go to the producer, hence Spanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not digits with an optional point and more digits.
    #[error("no es un importe: se espera un número decimal como 150000 o 19.99, sin signo +, separadores ni exponente")]
    Grammar,
    /// Below zero.
    #[error("es negativo")]
    Negative,
    /// More than [`INTEGER_DIGITS_MAX`] digits.
    #[error("tiene más de {INTEGER_DIGITS_MAX} cifras enteras")]
    TooLarge,
    /// More decimals than the currency's minor unit.
    #[error("tiene más decimales que los {0} de su moneda")]
    TooPrecise(u32),
    /// NaN or infinite, as only floats can be.
    #[error("no es un número finito")]
    NotFinite,
}

/// What an f32 was most likely meant to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromFloat {
    /// The amount, in whole minor units.
    pub money: Money,
    /// The shortest decimal that reads back to the same f32, as it would have been written: for content.
    pub written: String,
    /// Whether another amount may have been meant, or this one had to be rounded.
    pub inexact: bool,
}

/// The greatest f32 below which every integer has an f32 of its own, so that an integral amount is what was meant.
const F32_INTEGERS_MAX: Decimal = Decimal::from_parts(16_777_216, 0, 0, false, 0);
/// From here on neighbouring f32 are more than a hundredth apart, so that hundredths cannot be told.
const F32_HUNDREDTHS_MAX: Decimal = Decimal::from_parts(131_072, 0, 0, false, 0);

/// An exact, non-negative amount in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { amount: Decimal::ZERO, currency }
    }

    /// Reads an amount exactly as it was written: `19.99`, `150000.0`. `-0` is 0.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, AmountError> {
        Self::exact(parse_decimal(text)?, currency)
    }

    /// An amount that comes as a decimal already; never rounded.
    pub fn exact(amount: Decimal, currency: Currency) -> Result<Self, AmountError> {
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(AmountError::Negative);
        }
        if amount >= AMOUNT_END {
            return Err(AmountError::TooLarge);
        }
        let amount = amount.abs().normalize();
        if amount.scale() > currency.exponent() {
            return Err(AmountError::TooPrecise(currency.exponent()));
        }
        Ok(Self { amount, currency })
    }

    /// Reads a float as the shortest decimal that reads back to it, rounded to the minor unit. `-0` is 0.
    ///
    /// 19.99 is what a producer meant whose f32 is 19.989999771…; going by f64 would take that at its word.
    pub fn from_f32(float: f32, currency: Currency) -> Result<FromFloat, AmountError> {
        if !float.is_finite() {
            return Err(AmountError::NotFinite);
        }
        // `{}` writes the shortest such decimal, without exponent and without zeros at its end.
        let written = float.abs().to_string();
        if float < 0.0 {
            return Err(AmountError::Negative);
        }
        if written.split('.').next().is_some_and(|integer| integer.len() > INTEGER_DIGITS_MAX) {
            return Err(AmountError::TooLarge);
        }
        // Beyond 28 decimals this rounds; an f32 with as many is far below any minor unit.
        let shortest = written.parse::<Decimal>().map_err(|_| AmountError::Grammar)?;
        let amount = round_at_the_edge(shortest, currency);
        let told = if shortest.is_integer() { shortest <= F32_INTEGERS_MAX } else { shortest < F32_HUNDREDTHS_MAX };
        let inexact = !told || amount != shortest || (shortest.is_zero() && float != 0.0);
        Ok(FromFloat { money: Self::exact(amount, currency)?, written, inexact })
    }

    /// The amount, in units of the currency (not minor units), without trailing zeros.
    pub const fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }
}

/// With exactly the decimals of its currency: `150000.00 COP`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", with_decimals_of(self.amount, self.currency), self.currency)
    }
}

// Every rounding of money is one of these, and half to even:
// - at the edge: a float from an old producer, to the minor unit of its currency;
// - a commission: of a conversion, or of a rule in one of its periods;
// - a refund: the part of a commission that goes back with a part of its conversion.

/// What is posted of a commission.
pub fn round_commission(exact: Decimal, currency: Currency) -> Decimal {
    round_half_even(exact, currency)
}

/// What goes back of a commission.
pub fn round_refund(exact: Decimal, currency: Currency) -> Decimal {
    round_half_even(exact, currency)
}

fn round_half_even(exact: Decimal, currency: Currency) -> Decimal {
    exact.round_dp_with_strategy(currency.exponent(), RoundingStrategy::MidpointNearestEven).normalize()
}

fn round_at_the_edge(shortest: Decimal, currency: Currency) -> Decimal {
    round_half_even(shortest, currency)
}

/// `amount` written with exactly the decimals of `currency`; it must not have more.
pub fn with_decimals_of(amount: Decimal, currency: Currency) -> String {
    let mut shown = amount;
    if shown.scale() < currency.exponent() {
        shown.rescale(currency.exponent());
    } else {
        shown = shown.round_dp_with_strategy(currency.exponent(), RoundingStrategy::MidpointNearestEven);
    }
    shown.to_string()
}

/// The money grammar, stricter than any library's: `-?\d{1,12}(\.\d{1,18})?`, ASCII only.
pub(crate) fn parse_decimal(text: &str) -> Result<Decimal, AmountError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (integer, decimals) = digits.split_once('.').map_or((digits, None), |(i, d)| (i, Some(d)));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(integer) || decimals.is_some_and(|d| !all_digits(d) || d.len() > WRITTEN_DECIMALS_MAX) {
        return Err(AmountError::Grammar);
    }
    if integer.len() > INTEGER_DIGITS_MAX {
        return Err(AmountError::TooLarge);
    }
    // Up to 12 + 18 digits: beyond Decimal's 28 only where trailing decimals are given, which must then be zeros.
    Decimal::from_str_exact(text.trim_end_matches_zeros()).map_err(|_| AmountError::TooPrecise(0))
}

trait TrimZeros {
    fn trim_end_matches_zeros(&self) -> &str;
}

impl TrimZeros for str {
    /// Drops zeros at the end of the decimals, and a point that is left alone.
    fn trim_end_matches_zeros(&self) -> &str {
        if self.contains('.') { self.trim_end_matches('0').trim_end_matches('.') } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: Result<&str, AmountError>) {
        let read = Money::parse(text, Currency::Usd).map(|m| m.to_string());
        assert_eq!(read.as_deref().map_err(|e| *e), expect, "{text}");
    }

    #[test]
    fn reads_amounts_exactly_as_written() {
        check("0", Ok("0.00 USD"));
        check("-0", Ok("0.00 USD"));
        check("-0.00", Ok("0.00 USD"));
        check("150000.0", Ok("150000.00 USD"));
        check("19.99", Ok("19.99 USD"));
        check("19.990000000000000000", Ok("19.99 USD"));
        check("999999999999.99", Ok("999999999999.99 USD"));
        check("007", Ok("7.00 USD"));
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in [
            "", " ", "1_000", "+5", ".5", "1.", "1,50", "１２", "1e5", "1E5", "NaN", "Infinity", "0x10", "--1",
            "1.2.3", " 1", "1 ", "-",
        ] {
            check(text, Err(AmountError::Grammar));
        }
        check("-1", Err(AmountError::Negative));
        check("-0.01", Err(AmountError::Negative));
        check("1000000000000", Err(AmountError::TooLarge));
        check("0.005", Err(AmountError::TooPrecise(2)));
        check("19.999", Err(AmountError::TooPrecise(2)));
        check("999999999999.123456789012345678", Err(AmountError::TooPrecise(0)));
    }

    #[test]
    fn currencies_are_exact_codes() {
        assert_eq!("COP".parse(), Ok(Currency::Cop));
        for code in ["usd", "US", "XXX", "", "USD "] {
            assert!(code.parse::<Currency>().is_err(), "{code}");
        }
    }

    #[test]
    fn floats_are_what_was_meant_or_say_that_they_are_not() {
        let check = |float: f32, money: &str, written: &str, inexact: bool| {
            let read = Money::from_f32(float, Currency::Usd).unwrap();
            assert_eq!((read.money.to_string().as_str(), &*read.written, read.inexact), (money, written, inexact));
        };
        check(19.99, "19.99 USD", "19.99", false);
        check(100.1, "100.10 USD", "100.1", false);
        check(-0.0, "0.00 USD", "0", false);
        check(150_000.0, "150000.00 USD", "150000", false);
        check(131_071.99, "131071.99 USD", "131071.99", false);
        check(131_072.02, "131072.02 USD", "131072.02", true);
        check(131_072.01, "131072.02 USD", "131072.02", true);
        check(16_777_216.0, "16777216.00 USD", "16777216", false);
        check(16_777_218.0, "16777218.00 USD", "16777218", true);
        check(99_999_997_952.0, "100000000000.00 USD", "100000000000", true);
        check(0.005, "0.00 USD", "0.005", true);
        check(0.015, "0.02 USD", "0.015", true);
        check(19.999, "20.00 USD", "19.999", true);
        check(f32::MIN_POSITIVE, "0.00 USD", &f32::MIN_POSITIVE.to_string(), true);
        for (float, error) in [
            (f32::NAN, AmountError::NotFinite),
            (f32::INFINITY, AmountError::NotFinite),
            (f32::NEG_INFINITY, AmountError::NotFinite),
            (-0.01, AmountError::Negative),
            (-f32::MIN_POSITIVE, AmountError::Negative),
            (1e12, AmountError::TooLarge),
            (f32::MAX, AmountError::TooLarge),
        ] {
            assert_eq!(Money::from_f32(float, Currency::Usd), Err(error), "{float}");
        }
    }

    #[test]
    fn decimals_have_the_bounds_of_texts() {
        let exact = |text: &str| Money::exact(text.parse().unwrap(), Currency::Eur).map(|money| money.to_string());
        assert_eq!(exact("999999999999.9900").as_deref(), Ok("999999999999.99 EUR"));
        assert_eq!(exact("-0.0").as_deref(), Ok("0.00 EUR"));
        assert_eq!(exact("1000000000000"), Err(AmountError::TooLarge));
        assert_eq!(exact("-1"), Err(AmountError::Negative));
        assert_eq!(exact("0.001"), Err(AmountError::TooPrecise(2)));
    }

    proptest! {
        #[test]
        fn every_amount_below_131072_survives_f32(minor in 0u32..13_107_200) {
            let text = format!("{}.{:02}", minor / 100, minor % 100);
            let read = Money::from_f32(text.parse().unwrap(), Currency::Cop).unwrap();
            prop_assert_eq!(with_decimals_of(read.money.amount(), Currency::Cop), text);
            prop_assert!(!read.inexact);
        }

        #[test]
        fn a_float_is_written_as_the_same_amount_in_text(minor in 0u32..13_107_200) {
            let money = Money::parse(&format!("{}.{:02}", minor / 100, minor % 100), Currency::Cop).unwrap();
            let read = Money::from_f32(money.amount().to_string().parse().unwrap(), Currency::Cop).unwrap();
            prop_assert_eq!(read.written, money.amount().to_string());
        }

        #[test]
        fn no_float_panics(bits: u32) {
            let _ = Money::from_f32(f32::from_bits(bits), Currency::Cop);
        }

        #[test]
        fn what_is_written_is_what_is_read(minor in 0u64..100_000_000_000_000) {
            let text = format!("{}.{:02}", minor / 100, minor % 100);
            let money = Money::parse(&text, Currency::Cop).unwrap();
            prop_assert_eq!(with_decimals_of(money.amount(), Currency::Cop), text);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Money::parse(&text, Currency::Cop);
        }
    }
}
