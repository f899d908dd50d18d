//! Amounts of money: exact decimals with a currency; read, added and written without floats.

use rust_decimal::{Decimal, RoundingStrategy};
use std::{fmt, str::FromStr};

/// The most digits that an amount may have before the decimal point: 999,999,999,999 of any currency.
pub const INTEGER_DIGITS_MAX: usize = 12;
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
}

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
        let amount = parse_decimal(text)?;
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(AmountError::Negative);
        }
        let amount = amount.abs().normalize();
        if amount.scale() > currency.exponent() {
            return Err(AmountError::TooPrecise(currency.exponent()));
        }
        Ok(Self { amount, currency })
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
fn parse_decimal(text: &str) -> Result<Decimal, AmountError> {
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

    proptest! {
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
