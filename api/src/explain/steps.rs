//! The computation, step by step: quantities, rates, tiers, cap.

use rust_decimal::Decimal;
use schemas::terms::{Pay, Rule, Scale};

use super::words::band;
use super::{About, Facts};

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// In words.
    pub(crate) text: String,
    pub(crate) quantity: Option<Decimal>,
    /// An amount, or hundredths.
    pub(crate) rate: Option<Decimal>,
    /// What it brings, or takes away: the steps sum up to the exact value.
    pub(crate) amount: Decimal,
}

/// A part of a quantity that has one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    /// Where it begins.
    pub(super) since: Decimal,
    pub(super) quantity: Decimal,
    pub(super) rate: Decimal,
}

/// The steps, and the exact value that they lead to.
pub(super) fn steps(facts: &Facts) -> Option<(Vec<Step>, Decimal)> {
    let quantity = facts.inputs.quantity_after;
    match facts.about() {
        About::NoRule => Some((vec![no_rule(facts)], Decimal::ZERO)),
        About::Reversal => reversal(facts),
        About::Conversion => {
            let exact = facts.rule.of_conversion(quantity)?;
            Some((vec![of_conversion(facts, exact)], exact))
        }
        About::Period => {
            let bands = bands(&facts.rule, quantity)?;
            let mut steps = bands.iter().map(|it| of_band(facts, *it)).collect::<Option<Vec<_>>>()?;
            let accrued = facts.rule.accrued(quantity)?;
            steps.extend(cap(facts, accrued)?);
            Some((steps, facts.rule.capped(accrued)))
        }
        About::Cap => {
            let text =
                format!("Las comisiones del periodo, conversión por conversión, suman {}.", facts.money(quantity));
            let posted = Step { text, quantity: Some(quantity), rate: None, amount: quantity };
            let text =
                format!("Ya están asentadas por separado, así que aquí se descuentan: {}.", facts.money(-quantity));
            let elsewhere = Step { text, quantity: None, rate: None, amount: -quantity };
            let steps = [vec![posted], cap(facts, quantity)?, vec![elsewhere]].concat();
            Some((steps, facts.rule.capped(quantity).checked_sub(quantity)?))
        }
    }
}

/// Whether the rule pays nothing for the conversion, being one that pays nothing.
pub(super) fn pays_nothing(facts: &Facts) -> bool {
    facts.rule.of_conversion(facts.inputs.quantity_after).is_some_and(|exact| exact.is_zero())
}

fn of_conversion(facts: &Facts, exact: Decimal) -> Step {
    let (quantity, rate, text) = match facts.rule.pay {
        Pay::Flat(flat) => {
            let text = format!("La regla paga {} por cada conversión.", facts.money(flat.amount()));
            (Decimal::ONE, flat.amount(), text)
        }
        Pay::Percent(percent) => {
            let (amount, exact) = (facts.money(facts.inputs.quantity_after), facts.exact(exact));
            let text = format!("El {} % de {amount} son {exact}.", percent.normalize());
            (facts.inputs.quantity_after, percent, text)
        }
    };
    Step { text, quantity: Some(quantity), rate: Some(rate), amount: exact }
}

fn no_rule(facts: &Facts) -> Step {
    let text = format!(
        "Ninguna regla en vigor en el momento de la conversión la paga ya (o no se gana en ese momento): vale {}.",
        facts.money(Decimal::ZERO)
    );
    Step { text, quantity: None, rate: None, amount: Decimal::ZERO }
}

/// The parts of a quantity that have one rate each.
pub(super) fn bands(rule: &Rule, quantity: Decimal) -> Option<Vec<Band>> {
    let base = match rule.pay {
        Pay::Flat(flat) => flat.amount(),
        Pay::Percent(percent) => percent,
    };
    if rule.scale == Scale::Retroactive {
        let reached = rule.tiers.iter().rev().find(|tier| tier.since <= quantity);
        let (since, rate) = reached.map_or((Decimal::ZERO, base), |tier| (tier.since, tier.rate));
        return Some(vec![Band { since, quantity, rate }]);
    }
    let (mut bands, mut since, mut rate) = (Vec::new(), Decimal::ZERO, base);
    for tier in rule.tiers.iter().take_while(|tier| tier.since < quantity) {
        bands.push(Band { since, quantity: tier.since.checked_sub(since)?, rate });
        (since, rate) = (tier.since, tier.rate);
    }
    bands.push(Band { since, quantity: quantity.checked_sub(since)?, rate });
    Some(bands)
}

fn of_band(facts: &Facts, it: Band) -> Option<Step> {
    let amount = it.quantity.checked_mul(it.rate)?.checked_mul(facts.rule.unit())?;
    let text = band(facts, it, amount);
    Some(Step { text, quantity: Some(it.quantity), rate: Some(it.rate), amount })
}

/// What the cap takes away, where it does.
fn cap(facts: &Facts, accrued: Decimal) -> Option<Vec<Step>> {
    let Some(cap) = facts.rule.cap.filter(|cap| *cap < accrued) else { return Some(Vec::new()) };
    let amount = cap.checked_sub(accrued)?;
    let text = format!("El tope del periodo es de {}: {}.", facts.money(cap), facts.exact(amount));
    Some(vec![Step { text, quantity: None, rate: None, amount }])
}

fn reversal(facts: &Facts) -> Option<(Vec<Step>, Decimal)> {
    let (refunded, amount) = (facts.inputs.quantity_after, facts.inputs.quantity_now);
    let (earned, shown) = (facts.inputs.earned_then, facts.money(facts.inputs.earned_then));
    let (exact, text) = if amount.is_zero() {
        // Nothing to be in proportion to: all of it or nothing.
        let exact = if facts.inputs.exact_after.is_zero() { Decimal::ZERO } else { earned };
        (exact, format!("La conversión no tiene valor; de su comisión de {shown} se revierten {}.", facts.money(exact)))
    } else {
        let exact = earned.checked_mul(refunded)?.checked_div(amount)?;
        let (of, from, to) = (facts.exact(exact), facts.price(refunded), facts.price(amount));
        (exact, format!("De la comisión de {shown} se revierte la parte de lo devuelto, {from} de {to}: {of}."))
    };
    Some((vec![Step { text, quantity: Some(refunded), rate: None, amount: exact }], exact))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::terms::{Basis, Tier};
    use schemas::{Currency, Money};

    proptest! {
        /// The bands of a quantity are all of it, and bring what the rule says.
        #[test]
        fn bands_bring_what_the_rule_brings(
            quantity in 0..200_i64, first in 1..50_i64, further in 1..50_i64, rates in [0..500_i64, 0..500, 0..500],
            is_retroactive: bool,
        ) {
            let money = Money::exact(rates[0].into(), Currency::Cop).unwrap();
            let tier = |since: i64, rate: i64| Tier { since: since.into(), rate: rate.into() };
            let rule = Rule {
                tiers: vec![tier(first, rates[1]), tier(first + further, rates[2])],
                scale: if is_retroactive { Scale::Retroactive } else { Scale::Marginal },
                ..Rule::plain(Basis::ThousandImpressions, Pay::Flat(money))
            };
            let bands = bands(&rule, quantity.into()).unwrap();
            prop_assert_eq!(bands.iter().map(|band| band.quantity).sum::<Decimal>(), Decimal::from(quantity));
            let worth: Decimal = bands.iter().map(|band| band.quantity * band.rate * rule.unit()).sum();
            prop_assert_eq!(Some(worth), rule.accrued(quantity.into()));
        }
    }
}
