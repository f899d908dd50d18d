//! Numbers in answers that must not pass through a float: money and rates.

use rust_decimal::{Decimal, RoundingStrategy};
use schemas::Currency;
use schemas::money::with_decimals_of;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Decimals of a rate.
const RATE_DECIMALS: u32 = 4;

/// A JSON number, written exactly.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = f64)]
pub(crate) struct Exact(Box<RawValue>);

impl Exact {
    /// An amount, with exactly the decimals of its currency.
    pub(crate) fn amount(amount: Decimal, currency: &str) -> Self {
        Self::number(match currency.parse::<Currency>() {
            Ok(currency) => with_decimals_of(amount, currency),
            Err(()) => amount.to_string(),
        })
    }

    /// Any number, without zeros at its end.
    pub(crate) fn decimal(number: Decimal) -> Self {
        Self::number(number.normalize().to_string())
    }

    /// `part` of `whole` in percent, rounded half to even; 0 of nothing.
    pub(crate) fn percent(part: i64, whole: i64) -> Self {
        let percent = Decimal::from(part).checked_mul(Decimal::ONE_HUNDRED);
        let rate = percent.and_then(|percent| percent.checked_div(Decimal::from(whole))).unwrap_or_default();
        Self::decimal(rate.round_dp_with_strategy(RATE_DECIMALS, RoundingStrategy::MidpointNearestEven))
    }

    /// `part` for each of `whole`, rounded half to even to four decimals; none of nothing.
    pub(crate) fn ratio(part: Decimal, whole: Decimal) -> Option<Self> {
        let ratio = part.checked_div(whole)?;
        Some(Self::decimal(ratio.round_dp_with_strategy(RATE_DECIMALS, RoundingStrategy::MidpointNearestEven)))
    }

    fn number(text: String) -> Self {
        // A decimal's text is a JSON number.
        Self(RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
