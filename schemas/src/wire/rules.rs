//! `reglas`: what earns how much, rule by rule. Whatever might mean other money than was meant is a fault.

use rust_decimal::Decimal;

use super::field::{Amount, Text, Verbatim, note, within};
use super::keys::Keys;
use super::tiers::{Rates, percent, tiers};
use super::tracking::currency;
use crate::terms::{Basis, Pay, Period, Rule, Scale};
use crate::{Code, ConversionKind, Currency, Fault};

const RULES: &str = "reglas";
const KEYS: &str = "tipo, tipo_conversion, monto, moneda, porcentaje, venta_minima, tope, escalones, escala, periodo";

/// The rules of some terms, and everything that is wrong with each.
pub(super) fn rules(sent: &Verbatim, faults: &mut Vec<Fault>) -> Vec<Rule> {
    let mut fault = |code, detail: &str| {
        note(faults, code, RULES, detail);
        Vec::new()
    };
    let Some(written) = sent.0.as_deref().filter(|written| *written != "null") else {
        return fault(Code::MissingField, "falta; dé una lista de reglas, o [] si nada se paga");
    };
    let Ok(written) = serde_json::from_str::<Vec<Keys>>(written) else {
        return fault(Code::Malformed, "debe ser una lista de objetos");
    };
    let mut rules: Vec<Rule> = Vec::new();
    for (number, keys) in (1..).zip(written) {
        let rule_faults = &mut Vec::new();
        let rule = Sent::of(keys, rule_faults).judge(rule_faults);
        if rule.as_ref().is_some_and(|rule| rules.iter().any(|earlier| rule.overlaps(earlier))) {
            let wanted = "ya hay una regla igual antes; deje una sola, o en CPA porcentajes de monedas distintas";
            note(rule_faults, Code::InvalidValue, "tipo", wanted);
        }
        rules.extend(rule);
        faults.extend(within(RULES, &format!("regla {number}"), rule_faults));
    }
    rules
}

/// One rule as it was sent.
struct Sent {
    tipo: Text,
    tipo_conversion: Text,
    monto: Amount,
    moneda: Text,
    porcentaje: Amount,
    venta_minima: Amount,
    tope: Amount,
    escalones: Verbatim,
    escala: Text,
    periodo: Text,
}

impl Sent {
    fn of(mut keys: Keys, faults: &mut Vec<Fault>) -> Self {
        let sent = Self {
            tipo: keys.text("tipo"),
            tipo_conversion: keys.text("tipo_conversion"),
            monto: keys.amount("monto"),
            moneda: keys.text("moneda"),
            porcentaje: keys.amount("porcentaje"),
            venta_minima: keys.amount("venta_minima"),
            tope: keys.amount("tope"),
            escalones: keys.verbatim("escalones"),
            escala: keys.text("escala"),
            periodo: keys.text("periodo"),
        };
        keys.end(KEYS, faults);
        sent
    }

    /// The rule; none where even what it is for cannot be told. Its parts are judged all the same.
    fn judge(&self, faults: &mut Vec<Fault>) -> Option<Rule> {
        let basis = basis(&self.tipo, &self.tipo_conversion, faults);
        let currency = self.currency(faults);
        // In what else but pesos amounts are that have no currency is not known; all currencies have the same decimals.
        let in_currency = currency.flatten().unwrap_or(Currency::Cop);
        let pay = self.pay(basis, in_currency, faults);
        let minimum = self.minimum(basis, in_currency, faults);
        let cap = self.tope.judge("tope", in_currency, faults).map(|sent| sent.money.amount());
        let rates = if self.is_percent() { Rates::Percents(in_currency) } else { Rates::Amounts(in_currency) };
        let tiers = tiers(&self.escalones, rates, faults);
        let scale = self.scale(faults);
        let period = self.period(faults);
        Some(Rule { basis: basis?, pay: pay?, currency: currency?, minimum, tiers, scale, cap, period })
    }

    fn is_percent(&self) -> bool {
        self.monto.is_none() && !self.porcentaje.is_none()
    }

    fn is_tiered(&self) -> bool {
        self.escalones.0.is_some()
    }

    /// Whether it looks at all of a period.
    fn is_periodic(&self) -> bool {
        self.tope != Amount::Absent || self.is_tiered()
    }

    /// The currency of all that is money in it; `Some(None)`: a percentage of conversions in any currency.
    fn currency(&self, faults: &mut Vec<Fault>) -> Option<Option<Currency>> {
        let earlier_faults = faults.len();
        let has_bounds = self.is_periodic() || self.venta_minima != Amount::Absent;
        let currency = match &self.moneda {
            Text::Absent if self.is_percent() && has_bounds => {
                let wanted = "falta; venta_minima, tope y escalones de un porcentaje son importes: dé COP, USD o EUR, y \
                              una regla por moneda";
                note(faults, Code::MissingField, "moneda", wanted);
                None
            }
            Text::Absent if self.is_percent() => None,
            Text::Null if self.is_percent() => {
                let wanted = "es null; omítala (todas las monedas) o dé COP, USD o EUR";
                note(faults, Code::UnknownCurrency, "moneda", wanted);
                None
            }
            sent => Some(currency(sent, faults)),
        };
        (faults.len() == earlier_faults).then_some(currency)
    }

    fn pay(&self, basis: Option<Basis>, currency: Currency, faults: &mut Vec<Fault>) -> Option<Pay> {
        if self.porcentaje.is_none() {
            if self.monto == Amount::Absent {
                note(faults, Code::MissingField, "monto", "falta; dé un monto, o en CPA un porcentaje");
            }
            return self.monto.judge("monto", currency, faults).map(|sent| Pay::Flat(sent.money));
        }
        if matches!(basis, Some(Basis::ThousandImpressions | Basis::Click)) {
            note(faults, Code::InvalidValue, "porcentaje", "solo vale para CPA; dé un monto");
            return None;
        }
        if !self.monto.is_none() {
            note(faults, Code::InvalidValue, "porcentaje", "no va junto con monto; deje lo uno o lo otro");
            return None;
        }
        percent(&self.porcentaje, faults).map(Pay::Percent)
    }

    fn minimum(&self, basis: Option<Basis>, currency: Currency, faults: &mut Vec<Fault>) -> Option<Decimal> {
        let is_sent = self.venta_minima != Amount::Absent;
        if is_sent && matches!(basis, Some(Basis::ThousandImpressions | Basis::Click)) {
            note(faults, Code::InvalidValue, "venta_minima", "solo vale para CPA; omítala");
            return None;
        }
        self.venta_minima.judge("venta_minima", currency, faults).map(|sent| sent.money.amount())
    }

    fn scale(&self, faults: &mut Vec<Fault>) -> Scale {
        let scale = match &self.escala {
            Text::Absent => return Scale::default(),
            Text::Given(name) => Scale::from_name(name),
            Text::Null | Text::Wrong => None,
        };
        if !self.is_tiered() {
            note(faults, Code::InvalidValue, "escala", "solo vale con escalones; omítala");
        } else if scale.is_none() {
            note(faults, Code::InvalidValue, "escala", "debe ser MARGINAL (la que vale si se omite) o RETROACTIVA");
        }
        scale.unwrap_or_default()
    }

    fn period(&self, faults: &mut Vec<Fault>) -> Period {
        let known = Period::ALL.map(Period::name).join(", ");
        let period = match &self.periodo {
            Text::Absent if self.is_periodic() => {
                let wanted = format!("falta; tope y escalones cuentan por periodo: dé uno de {known}");
                note(faults, Code::MissingField, "periodo", &wanted);
                return Period::default();
            }
            Text::Absent => return Period::default(),
            Text::Given(name) => Period::from_name(name),
            Text::Null | Text::Wrong => None,
        };
        if !self.is_periodic() {
            note(faults, Code::InvalidValue, "periodo", "solo vale con tope o escalones; omítalo");
        } else if period.is_none() {
            note(faults, Code::InvalidValue, "periodo", &format!("debe ser uno de {known}"));
        }
        period.unwrap_or_default()
    }
}

fn basis(tipo: &Text, kind: &Text, faults: &mut Vec<Fault>) -> Option<Basis> {
    let basis = match tipo {
        Text::Given(name) if &**name == "CPM" => Basis::ThousandImpressions,
        Text::Given(name) if &**name == "CPC" => Basis::Click,
        Text::Given(name) if &**name == "CPA" => return conversion(kind, faults).map(Basis::Conversion),
        Text::Absent => {
            note(faults, Code::MissingField, "tipo", "falta; uno de CPM, CPC, CPA");
            return None;
        }
        _ => {
            note(faults, Code::InvalidValue, "tipo", "debe ser uno de CPM, CPC, CPA");
            return None;
        }
    };
    if *kind != Text::Absent {
        note(faults, Code::InvalidValue, "tipo_conversion", "solo vale para CPA; omítalo");
    }
    Some(basis)
}

fn conversion(sent: &Text, faults: &mut Vec<Fault>) -> Option<ConversionKind> {
    let known = || ConversionKind::ALL.map(ConversionKind::name).join(", ");
    let kind = match sent {
        Text::Absent => {
            note(faults, Code::MissingField, "tipo_conversion", &format!("falta; uno de {}", known()));
            return None;
        }
        Text::Given(name) => ConversionKind::from_name(name),
        Text::Null | Text::Wrong => None,
    };
    if kind.is_none() {
        note(faults, Code::InvalidValue, "tipo_conversion", &format!("debe ser uno de {}", known()));
    }
    kind
}
