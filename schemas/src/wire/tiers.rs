//! `escalones` of a rule: from how much on which rate.

use rust_decimal::Decimal;

use super::field::{Amount, Verbatim, decimal_text, note, within};
use super::keys::Keys;
use crate::money::parse_decimal;
use crate::terms::{PERCENT_DECIMALS_MAX, TIERS_MAX, Tier};
use crate::{Code, Currency, Fault};

const TIERS: &str = "escalones";

/// What the rates of a rule are, and so those of its tiers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rates {
    /// In this currency, for so many impressions, clicks or conversions.
    Amounts(Currency),
    /// Of so much money in this currency.
    Percents(Currency),
}

impl Rates {
    /// The key of a rate, and the one that would be of the other kind.
    const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Amounts(_) => ("monto", "porcentaje"),
            Self::Percents(_) => ("porcentaje", "monto"),
        }
    }
}

/// The tiers of a rule, and everything that is wrong with each; none when absent.
pub(super) fn tiers(sent: &Verbatim, rates: Rates, faults: &mut Vec<Fault>) -> Vec<Tier> {
    let Some(written) = sent.0.as_deref() else { return Vec::new() };
    let mut fault = |code, detail: &str| {
        note(faults, code, TIERS, detail);
        Vec::new()
    };
    let (rate, _) = rates.keys();
    let Ok(written) = serde_json::from_str::<Vec<Keys>>(written) else {
        return fault(Code::Malformed, &format!("debe ser una lista de objetos con desde y {rate}"));
    };
    if written.is_empty() {
        return fault(Code::InvalidValue, "está vacío; omítalo o dé un escalón");
    }
    if written.len() > TIERS_MAX {
        return fault(Code::InvalidValue, &format!("tiene {}; deje {TIERS_MAX} a lo sumo", written.len()));
    }
    let mut tiers = Vec::new();
    let mut reached = Decimal::ZERO;
    for (number, keys) in (1..).zip(written) {
        let tier_faults = &mut Vec::new();
        let (since, rate) = tier(keys, rates, tier_faults);
        if since.is_some_and(|since| since <= reached) {
            let wanted = if reached.is_zero() { "debe ser mayor que 0" } else { "debe ser mayor que el anterior" };
            note(tier_faults, Code::InvalidValue, "desde", wanted);
        }
        reached = reached.max(since.unwrap_or_default());
        tiers.extend(since.zip(rate).map(|(since, rate)| Tier { since, rate }));
        faults.extend(within(TIERS, &format!("escalón {number}"), tier_faults));
    }
    tiers
}

fn tier(mut keys: Keys, rates: Rates, faults: &mut Vec<Fault>) -> (Option<Decimal>, Option<Decimal>) {
    let (wanted, other) = rates.keys();
    let (desde, sent_rate, sent_other) = (keys.amount("desde"), keys.amount(wanted), keys.amount(other));
    keys.end(&format!("desde y {wanted}"), faults);
    let since = since(&desde, rates, faults);
    if !sent_other.is_none() {
        note(faults, Code::InvalidValue, other, &format!("la regla no lo usa; dé {wanted}"));
    } else if sent_rate.is_none() {
        note(faults, Code::MissingField, wanted, "falta; dé el que vale desde ahí");
    }
    (since, rate(&sent_rate, rates, faults))
}

fn since(sent: &Amount, rates: Rates, faults: &mut Vec<Fault>) -> Option<Decimal> {
    if sent.is_none() {
        note(faults, Code::MissingField, "desde", "falta; dé cuánto hay que alcanzar");
        return None;
    }
    match rates {
        Rates::Amounts(_) => count(sent, faults),
        Rates::Percents(currency) => sent.judge("desde", currency, faults).map(|sent| sent.money.amount()),
    }
}

fn count(sent: &Amount, faults: &mut Vec<Fault>) -> Option<Decimal> {
    let Amount::Written(written) = sent else { return None };
    let parsed = parse_decimal(&decimal_text(written, "desde", faults)?);
    let count = parsed.ok().map(|count| count.normalize()).filter(Decimal::is_integer);
    if count.is_none() {
        let wanted = "debe ser un número entero: de impresiones, clics o conversiones";
        note(faults, Code::InvalidValue, "desde", wanted);
    }
    count
}

fn rate(sent: &Amount, rates: Rates, faults: &mut Vec<Fault>) -> Option<Decimal> {
    match rates {
        _ if sent.is_none() => None,
        Rates::Amounts(currency) => sent.judge("monto", currency, faults).map(|sent| sent.money.amount()),
        Rates::Percents(_) => percent(sent, faults),
    }
}

/// `porcentaje`, of a rule or a tier.
pub(super) fn percent(sent: &Amount, faults: &mut Vec<Fault>) -> Option<Decimal> {
    let Amount::Written(written) = sent else { return None };
    let parsed = parse_decimal(&decimal_text(written, "porcentaje", faults)?);
    let sound = |percent: &Decimal| {
        !percent.is_sign_negative() && *percent <= Decimal::ONE_HUNDRED && percent.scale() <= PERCENT_DECIMALS_MAX
    };
    let percent = parsed.ok().map(|percent| percent.normalize()).filter(sound);
    if percent.is_none() {
        let wanted = format!("debe ser un número de 0 a 100, con {PERCENT_DECIMALS_MAX} decimales a lo sumo");
        note(faults, Code::InvalidValue, "porcentaje", &wanted);
    }
    percent
}
