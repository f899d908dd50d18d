//! Numbers in answers that must not pass through a float: money and rates.

use rust_decimal::{Decimal, RoundingStrategy};
use schemas::Currency;
use schemas::money::with_decimals_of;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::cmp::Ordering;
use utoipa::ToSchema;

/// Decimals of a rate.
const RATE_DECIMALS: u32 = 4;
/// The least part of a rate is one of so many.
const RATE_PARTS: i128 = 10_i128.pow(RATE_DECIMALS);

/// A JSON number, written exactly: its text.
#[derive(Debug, Clone, ToSchema)]
#[schema(value_type = f64)]
pub(crate) struct Exact(String);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A decimal's text is a JSON number.
        serde_json::from_str::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl Exact {
    /// An amount, with exactly the decimals of its currency.
    pub(crate) fn amount(amount: Decimal, currency: &str) -> Self {
        Self(match currency.parse::<Currency>() {
            Ok(currency) => with_decimals_of(amount, currency),
            Err(()) => amount.to_string(),
        })
    }

    /// Any number, without zeros at its end.
    pub(crate) fn decimal(number: Decimal) -> Self {
        Self(number.normalize().to_string())
    }

    /// `part` of `whole` in percent, rounded half to even; 0 of nothing.
    pub(crate) fn percent(part: i64, whole: i64) -> Self {
        Self::decimal(rate(i128::from(part) * 100, whole.into()).unwrap_or_default())
    }

    /// `part` for each of `whole`, rounded half to even to four decimals; none of nothing.
    pub(crate) fn ratio(part: Decimal, whole: Decimal) -> Option<Self> {
        whole_rate(part, whole).or_else(|| long_rate(part, whole)).map(Self::decimal)
    }
}

/// `part / whole`, rounded half to even to [`RATE_DECIMALS`]; none of nothing, and where it takes too many digits.
fn rate(part: i128, whole: i128) -> Option<Decimal> {
    let parts = part.checked_mul(RATE_PARTS)?;
    let (floor, rest) = (parts.checked_div_euclid(whole)?, parts.checked_rem_euclid(whole)?.unsigned_abs());
    let up = match rest.cmp(&(whole.unsigned_abs() - rest)) {
        Ordering::Less => false,
        Ordering::Equal => floor & 1 == 1,
        Ordering::Greater => true,
    };
    // Divided by less than nothing, what is left is to be added on the other side.
    let rounded = if up { floor + whole.signum() } else { floor };
    Decimal::try_from_i128_with_scale(rounded, RATE_DECIMALS).ok()
}

/// The same of decimals, as integers of one scale: many times quicker than dividing to 28 digits and rounding those.
fn whole_rate(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let scale = part.scale().max(whole.scale());
    let integer = |number: Decimal| number.mantissa().checked_mul(10_i128.checked_pow(scale - number.scale())?);
    rate(integer(part)?, integer(whole)?)
}

/// The same of decimals of any length.
fn long_rate(part: Decimal, whole: Decimal) -> Option<Decimal> {
    Some(part.checked_div(whole)?.round_dp_with_strategy(RATE_DECIMALS, RoundingStrategy::MidpointNearestEven))
}

/// Something for each currency, by the currency's code; there are few, so looking at one after the other is quickest.
#[derive(Debug, Clone)]
pub(crate) struct ByCurrency<T>(Vec<(String, T)>);

impl<T> ByCurrency<T> {
    /// Adds a currency that it does not have.
    pub(crate) fn push(&mut self, currency: String, it: T) {
        let place = self.0.partition_point(|(code, _)| *code < currency);
        self.0.insert(place, (currency, it));
    }

    /// What it has for a currency.
    pub(crate) fn get(&self, currency: &str) -> Option<&T> {
        self.0.iter().find(|(code, _)| code == currency).map(|(_, it)| it)
    }

    /// All of it, by code.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(code, it)| (code.as_str(), it))
    }
}

impl<T> Default for ByCurrency<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromIterator<(String, T)> for ByCurrency<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(all: I) -> Self {
        let mut by_currency = Self::default();
        for (currency, it) in all {
            by_currency.push(currency, it);
        }
        by_currency
    }
}

impl<T: Serialize> Serialize for ByCurrency<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn money_has_its_decimals_and_rates_have_up_to_four() {
        let written = |number: Exact| serde_json::to_string(&number).unwrap();
        assert_eq!(written(Exact::amount("150000".parse().unwrap(), "COP")), "150000.00");
        assert_eq!(written(Exact::amount("99999999999.99".parse().unwrap(), "USD")), "99999999999.99");
        assert_eq!(written(Exact::amount(Decimal::ZERO, "EUR")), "0.00");
        assert_eq!(written(Exact::percent(1, 3)), "33.3333");
        assert_eq!(written(Exact::percent(1, 2)), "50");
        assert_eq!(written(Exact::percent(7, 0)), "0");
        let ratio = |part: &str, whole: i64| Exact::ratio(part.parse().unwrap(), whole.into()).map(written);
        assert_eq!(ratio("10500.50", 3), Some("3500.1667".into()));
        assert_eq!(ratio("1", 0), None);
        assert_eq!(written(Exact::percent(i64::MAX, 1)), "922337203685477580700");
    }

    #[test]
    fn currencies_are_in_the_order_of_their_codes() {
        let counts: ByCurrency<i32> = [("USD".into(), 1), ("COP".into(), 2), ("EUR".into(), 3)].into_iter().collect();
        assert_eq!(serde_json::to_string(&counts).unwrap(), r#"{"COP":2,"EUR":3,"USD":1}"#);
        assert_eq!((counts.get("EUR"), counts.get("XXX")), (Some(&3), None));
    }

    proptest! {
        #[test]
        fn rates_of_integers_are_those_of_decimals(
            part in -10_i64.pow(15)..10_i64.pow(15), whole in -5_000_i64..5_000, scales in (0_u32..7, 0_u32..7),
        ) {
            let (part, whole) = (Decimal::new(part, scales.0), Decimal::new(whole, scales.1));
            prop_assert_eq!(whole_rate(part, whole), long_rate(part, whole));
        }

        #[test]
        fn ties_of_rates_go_to_the_even_side(tenths in -100_000_i64..100_000) {
            let (part, whole) = (Decimal::new(tenths * 10 + 5, 0), Decimal::new(100_000, 0));
            prop_assert_eq!(whole_rate(part, whole), long_rate(part, whole));
            prop_assert_eq!(whole_rate(-part, -whole), long_rate(part, whole));
            prop_assert_eq!(whole_rate(part, -whole), long_rate(-part, whole));
        }
    }
}
