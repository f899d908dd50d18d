//! The same in words.

use rust_decimal::Decimal;
use schemas::commission::Cause;
use schemas::money::with_decimals_of;
use schemas::terms::{Basis, Pay, Period, Rule, Scale};
use schemas::{Currency, ReversalKind, Timestamp};

use super::steps::Band;
use super::{About, Calculation, Facts, Refund};
use crate::routes::postings::Row;

/// What a rule counts in a period.
pub(crate) const fn unit(rule: &Rule) -> &'static str {
    match (rule.basis, rule.pay) {
        (Basis::ThousandImpressions, _) => "impresiones",
        (Basis::Click, _) => "clics",
        (Basis::Conversion(_), _) if rule.is_per_conversion() => "comisiones",
        (Basis::Conversion(_), Pay::Flat(_)) => "conversiones",
        (Basis::Conversion(_), Pay::Percent(_)) => "valor de conversiones",
    }
}

/// One of what a rule counts.
const fn one(rule: &Rule) -> &'static str {
    match rule.basis {
        Basis::ThousandImpressions => "impresión",
        Basis::Click => "clic",
        Basis::Conversion(_) => "conversión",
    }
}

/// A posting in whole sentences.
pub(crate) fn sentences(facts: &Facts, calculation: Option<&Calculation>) -> Vec<String> {
    let mut texts = vec![subject(facts), cause(facts), terms(facts), rule(facts)];
    texts.extend(quantities(facts));
    texts.extend(facts.refunds.iter().map(refund));
    texts.extend(calculation.iter().flat_map(|it| it.steps.iter().map(|step| step.text.clone())));
    texts.push(rounding(facts));
    texts.push(difference(facts));
    texts.push(state(facts));
    texts.extend(later(facts));
    texts.push(now(facts));
    texts
}

impl Facts {
    /// In the commission's currency.
    pub(super) fn money(&self, amount: Decimal) -> String {
        format!("{} {}", with_decimals_of(amount, self.currency), self.currency)
    }

    /// With all decimals that it has.
    pub(super) fn exact(&self, amount: Decimal) -> String {
        match amount.normalize() {
            amount if amount.scale() <= self.currency.exponent() => self.money(amount),
            amount => format!("{amount} {}", self.currency),
        }
    }

    /// In the conversion's currency.
    pub(super) fn price(&self, amount: Decimal) -> String {
        let code = self.conversion.as_ref().map_or(self.currency.code(), |conversion| conversion.currency.as_str());
        match code.parse::<Currency>() {
            Ok(currency) => format!("{} {code}", with_decimals_of(amount, currency)),
            Err(()) => format!("{amount} {code}"),
        }
    }

    /// A quantity of a period, with what it is of.
    fn quantity(&self, quantity: Decimal) -> String {
        let unit = unit(&self.rule);
        match (self.rule.basis, self.rule.pay) {
            _ if self.rule.is_per_conversion() => format!("{} de {unit}", self.money(quantity)),
            (Basis::Conversion(_), Pay::Percent(_)) => format!("{} de {unit}", self.money(quantity)),
            _ if quantity == Decimal::ONE => format!("1 {}", one(&self.rule)),
            _ => format!("{} {unit}", quantity.normalize()),
        }
    }
}

/// `a favor de inf-001` or `en contra de inf-001`.
fn signed(facts: &Facts, amount: Decimal) -> String {
    let side = if amount.is_sign_negative() { "en contra" } else { "a favor" };
    format!("{} {side} de {}", facts.money(amount.abs()), facts.posting.influencer_id)
}

fn subject(facts: &Facts) -> String {
    let Row { posting, campaign_id, in_favour, .. } = &facts.posting;
    let what = match facts.about() {
        About::Conversion | About::NoRule => format!("comisión por {}", conversion(facts)),
        About::Reversal => format!("reversión de la comisión por {}", conversion(facts)),
        About::Period => format!("comisión por {} {}", unit(&facts.rule), span(&facts.posting)),
        About::Cap => format!("ajuste al tope de comisiones por conversiones {}", span(&facts.posting)),
    };
    format!("Asiento {posting}: {}, {what}, en la campaña {campaign_id}.", signed(facts, *in_favour))
}

fn conversion(facts: &Facts) -> String {
    let id = facts.posting.conversion.as_deref().unwrap_or_default();
    match &facts.conversion {
        Some(it) => {
            let (kind, price) = (it.kind.name(), facts.price(it.amount));
            format!("la conversión {id} ({kind} de {price}, del {})", moment(it.event_time))
        }
        None => format!("la conversión {id} del {}", moment(facts.inputs.start)),
    }
}

fn span(posting: &Row) -> String {
    format!("del {} al {}", moment(posting.event_from.into()), moment(posting.event_to.into()))
}

fn cause(facts: &Facts) -> String {
    let of_windows = facts.rule.basis.conversion().is_none();
    // The table holds no other letters.
    let why = match Cause::from_letter(&facts.posting.cause).unwrap_or(Cause::Windows) {
        Cause::Conversion if !of_windows => "llegó una conversión",
        // An hour that had a conversion, too, is settled for both.
        Cause::Conversion | Cause::Windows => "se cerraron o se corrigieron ventanas de esas horas",
        Cause::Terms => {
            "cambió lo que regía (términos, fechas, estado o miembros de la campaña) para lo que ya había ocurrido"
        }
        Cause::Reversal => "se devolvió una conversión, o cambió lo devuelto",
    };
    format!("Se asentó el {} porque {why}.", moment(facts.posting.posted_at.into()))
}

fn terms(facts: &Facts) -> String {
    let (it, Row { rule, terms_id, .. }) = (&facts.terms, &facts.posting);
    let whose = it.influencer.as_ref().map_or("generales".into(), |name| format!("propios de {name}"));
    let until =
        it.valid_until.map_or("sin otros que los releven".into(), |until| format!("hasta el {}", moment(until)));
    let version = it.version;
    format!(
        "Se aplicó la regla {rule} de los términos {terms_id} (versión {version}, {whose}), vigentes desde el {}, {until}.",
        moment(it.valid_from)
    )
}

/// All parts of the rule.
fn rule(facts: &Facts) -> String {
    let it = &facts.rule;
    let mut parts = vec![format!("La regla: {}", pays(facts))];
    parts.extend(it.minimum.map(|minimum| format!("venta mínima de {}", facts.money(minimum))));
    let scale = match it.scale {
        Scale::Marginal => "para lo que pasa de ahí",
        Scale::Retroactive => "para todo el periodo",
    };
    parts.extend(
        it.tiers.iter().map(|tier| format!("desde {}, {} {scale}", facts.quantity(tier.since), rate(facts, tier.rate))),
    );
    parts.extend(it.cap.map(|cap| format!("tope de {} por periodo", facts.money(cap))));
    parts.extend(it.is_periodic().then(|| format!("periodo: {}", period(facts))));
    format!("{}.", parts.join("; "))
}

fn pays(facts: &Facts) -> String {
    let base = match facts.rule.pay {
        Pay::Flat(flat) => flat.amount(),
        Pay::Percent(percent) => percent,
    };
    let what = match facts.rule.basis {
        Basis::ThousandImpressions | Basis::Click => String::new(),
        Basis::Conversion(kind) => format!(" {}", kind.name()),
    };
    format!("{}{what}, {}", facts.rule.basis.name(), rate(facts, base))
}

fn rate(facts: &Facts, rate: Decimal) -> String {
    match (facts.rule.basis, facts.rule.pay) {
        (_, Pay::Percent(_)) => format!("{} % del valor", rate.normalize()),
        (Basis::ThousandImpressions, _) => format!("{} por mil impresiones", facts.money(rate)),
        (Basis::Click, _) => format!("{} por clic", facts.money(rate)),
        (Basis::Conversion(_), _) => format!("{} por conversión", facts.money(rate)),
    }
}

fn period(facts: &Facts) -> String {
    let start = facts.inputs.start;
    match facts.rule.period {
        Period::Whole => "desde siempre".into(),
        // A conversion's commission has the conversion's time instead.
        Period::Day | Period::Month if facts.posting.conversion.is_some() => {
            if facts.rule.period == Period::Day {
                "cada día".into()
            } else {
                "cada mes".into()
            }
        }
        Period::Day => format!("el día {}", &start.to_string()[..10]),
        Period::Month => format!("el mes {}", &start.to_string()[..7]),
    }
}

fn quantities(facts: &Facts) -> Option<String> {
    let inputs = &facts.inputs;
    let (before, after) = (inputs.quantity_before, inputs.quantity_after);
    match facts.about() {
        About::Conversion | About::NoRule => None,
        About::Period | About::Cap => {
            let (before, after) = (facts.quantity(before), facts.quantity(after));
            Some(format!("El periodo llevaba {before} antes de este asiento y lleva {after} con él."))
        }
        About::Reversal if after.is_zero() => Some("No queda nada que revertir: lo revertido antes se repone.".into()),
        About::Reversal => {
            let (before, after) = (facts.price(before), facts.price(after));
            Some(format!("De la conversión se habían devuelto {before} antes de este asiento; con él, {after}."))
        }
    }
}

fn refund(it: &Refund) -> String {
    let amount = match (it.amount, it.currency.as_deref()) {
        (Some(amount), Some(currency)) => format!("{} {currency}", amount.normalize()),
        (Some(amount), None) => amount.normalize().to_string(),
        (None, _) => "toda la conversión".into(),
    };
    let dispute = it.dispute.as_ref().map(|dispute| format!(" (disputa {dispute})")).unwrap_or_default();
    let reason = it.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let kind = match it.kind {
        ReversalKind::Refund => "Devolución",
        ReversalKind::DisputeOpened => "Disputa abierta",
        ReversalKind::DisputeWon => "Disputa ganada",
        ReversalKind::DisputeLost => "Disputa perdida",
    };
    format!("{kind} {}{dispute} del {} por {amount}{reason}.", it.id, moment(it.event_time))
}

/// One part of a quantity, at its rate.
pub(super) fn band(facts: &Facts, band: Band, amount: Decimal) -> String {
    let tier = match facts.rule.tiers.is_empty() {
        true => String::new(),
        false if band.since.is_zero() => "Hasta el primer escalón: ".into(),
        false => format!("Escalón desde {}: ", facts.quantity(band.since)),
    };
    let (quantity, amount) = (facts.quantity(band.quantity), facts.exact(amount));
    format!("{tier}{quantity}, a {}: {amount}.", rate(facts, band.rate))
}

fn rounding(facts: &Facts) -> String {
    let (exact, rounded) = (facts.inputs.exact_after, facts.inputs.total_after);
    match exact == rounded {
        true => format!("El valor es {}; no hay nada que redondear.", facts.money(rounded)),
        false => format!(
            "El valor exacto es {}; redondeado a {} decimales (la mitad, al par) queda en {}.",
            facts.exact(exact),
            facts.currency.exponent(),
            facts.money(rounded)
        ),
    }
}

fn difference(facts: &Facts) -> String {
    let (before, after) = (facts.money(facts.inputs.total_before), facts.money(facts.inputs.total_after));
    let posted = signed(facts, facts.posting.in_favour);
    let what = if facts.about() == About::Reversal { "Ya se habían revertido" } else { "Ya se habían asentado" };
    format!("{what} {before}; hasta {after} falta este asiento: {posted}.")
}

fn state(facts: &Facts) -> String {
    let Row { influencer_id, balance, held, .. } = &facts.posting;
    let state = match held.as_deref() {
        Some("d") => "Está pendiente: la conversión está en disputa",
        Some(_) => "Está pendiente: no cabe en el presupuesto de la campaña",
        None => "Está aprobado",
    };
    format!("{state}. El saldo de {influencer_id} tras él es de {}.", facts.money(*balance))
}

fn later(facts: &Facts) -> Vec<String> {
    let mut texts: Vec<String> = facts
        .later
        .iter()
        .map(|it| {
            let (posted_at, amount) = (moment(it.posted_at.into()), signed(facts, it.in_favour));
            format!("Después, el asiento {} del {posted_at} cambió la misma comisión: {amount}.", it.posting)
        })
        .collect();
    if facts.has_more {
        texts.push("Hay más asientos posteriores de la misma comisión.".into());
    }
    if texts.is_empty() {
        texts.push("No hay asientos posteriores de la misma comisión.".into());
    }
    texts
}

fn now(facts: &Facts) -> String {
    let (earned, reversed) = (facts.inputs.earned_now, facts.inputs.reversed_now);
    let net = facts.money(earned.saturating_sub(reversed));
    match reversed.is_zero() {
        true => format!("Hoy la comisión vale {net}."),
        false => {
            format!("Hoy la comisión vale {net}: {} menos {} revertidos.", facts.money(earned), facts.money(reversed))
        }
    }
}

/// `2026-01-03 10:00:00 UTC`: for people.
fn moment(time: Timestamp) -> String {
    time.to_string().replace('T', " ").replace('Z', " UTC")
}
