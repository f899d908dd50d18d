//! Commission terms: what is read, what is refused, and in which words.

#![allow(clippy::unwrap_used)]

use schemas::terms::{Basis, Pay, Period, Rule, Scale, TIERS_MAX, Terms, Tier};
use schemas::wire::{Context, Privacy, decode};
use schemas::{CampaignCommand, Command, Content, ConversionKind, Currency, Faults, Kind, Money, Position, Timestamp};
use std::collections::BTreeSet;

fn read(json: &str) -> Result<Terms, Faults> {
    let published_at = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
    let context = Context { source: "test", position: Position::offset(7), published_at, assigned_id: None };
    let record = decode(Some(Kind::DefineCommissions), json.as_bytes())?;
    match record.validate(context, Privacy::AsSent)? {
        Command::Campaign(CampaignCommand::Define(terms)) => Ok(terms),
        other => panic!("not terms: {other:?}"),
    }
}

/// The codes of all faults, in order of judgement.
fn codes(json: &str) -> Vec<&'static str> {
    match read(json) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.code.name()).collect(),
    }
}

#[test]
fn terms_are_read_rule_by_rule() {
    let json = r#"{"id":"t","campaña_id":"c","vigente_desde":"2026-01-01T00:00:00Z",
        "influencer_id":null,"reglas":[{"tipo":"CPM","monto":"500","moneda":"COP"},{"tipo":"CPC","monto":0.5,"moneda":"USD"},
        {"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"7.50"},
        {"tipo":"CPA","tipo_conversion":"REGISTRO","monto":1000}]}"#;
    let terms = read(json).unwrap();
    let percent = Pay::Percent("7.5".parse().unwrap());
    let flat = |amount, currency| Pay::Flat(Money::parse(amount, currency).unwrap());
    assert_eq!(
        terms.rules,
        [
            Rule::plain(Basis::ThousandImpressions, flat("500", Currency::Cop)),
            Rule::plain(Basis::Click, flat("0.5", Currency::Usd)),
            Rule::plain(Basis::Conversion(ConversionKind::Sale), percent),
            Rule::plain(Basis::Conversion(ConversionKind::SignUp), flat("1000", Currency::Cop)),
        ]
    );
    assert_eq!(
        (&*terms.campaign, terms.influencer, terms.valid_from.to_string()),
        ("c", None, "2026-01-01T00:00:00Z".into())
    );
}

#[test]
fn rules_may_have_tiers_a_cap_and_a_minimum() {
    let json = r#"{"id":"t","campaña_id":"c","reglas":[
        {"tipo":"CPM","monto":500,"tope":"1000.50","periodo":"DIA","escalones":[{"desde":"1000","monto":400},
         {"desde":20000,"monto":"0.5"}]},
        {"tipo":"CPC","monto":1,"moneda":"EUR","tope":0,"periodo":"TOTAL"},
        {"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":7,"moneda":"COP"},
        {"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":5,"moneda":"USD","venta_minima":10,"escala":"RETROACTIVA",
         "escalones":[{"desde":"1000.50","porcentaje":"6.1234"}],"periodo":"MES"},
        {"tipo":"CPA","tipo_conversion":"REGISTRO","monto":1000,"venta_minima":0}]}"#;
    let terms = read(json).unwrap();
    let tier = |since: &str, rate: &str| Tier { since: since.parse().unwrap(), rate: rate.parse().unwrap() };
    let flat = |amount, currency| Pay::Flat(Money::parse(amount, currency).unwrap());
    let percent = |percent: i64, currency| {
        let rule = Rule::plain(Basis::Conversion(ConversionKind::Sale), Pay::Percent(percent.into()));
        Rule { currency: Some(currency), ..rule }
    };
    assert_eq!(
        terms.rules,
        [
            Rule {
                cap: Some("1000.5".parse().unwrap()),
                tiers: vec![tier("1000", "400"), tier("20000", "0.5")],
                period: Period::Day,
                ..Rule::plain(Basis::ThousandImpressions, flat("500", Currency::Cop))
            },
            Rule { cap: Some(0.into()), ..Rule::plain(Basis::Click, flat("1", Currency::Eur)) },
            percent(7, Currency::Cop),
            Rule {
                minimum: Some(10.into()),
                tiers: vec![tier("1000.5", "6.1234")],
                scale: Scale::Retroactive,
                period: Period::Month,
                ..percent(5, Currency::Usd)
            },
            Rule {
                minimum: Some(0.into()),
                ..Rule::plain(Basis::Conversion(ConversionKind::SignUp), flat("1000", Currency::Cop))
            },
        ]
    );
}

#[test]
fn terms_say_the_same_however_they_are_written() {
    let said = |rule: &str| {
        let json = format!(r#"{{"id":"t","campaña_id":"c","reglas":[{rule}]}}"#);
        read(&json).unwrap().content
    };
    let sale = |more: &str| said(&format!(r#"{{"tipo":"CPA","tipo_conversion":"VENTA",{more}}}"#));
    assert_eq!(sale(r#""porcentaje":7"#), sale(r#""porcentaje":"7.000""#));
    let tiered = sale(r#""monto":7,"escalones":[{"desde":5,"monto":6}],"periodo":"MES""#);
    let other =
        r#""periodo":"MES","escala":"MARGINAL","escalones":[{"monto":"6.00","desde":"5.0"}],"moneda":"COP","monto":7"#;
    assert_eq!(tiered, sale(other));
    let all = [
        said(""),
        said(r#"{"tipo":"CPC","monto":7}"#),
        said(r#"{"tipo":"CPC","monto":7},{"tipo":"CPM","monto":7}"#),
        sale(r#""porcentaje":7"#),
        sale(r#""porcentaje":8"#),
        sale(r#""porcentaje":7,"moneda":"COP""#),
        sale(r#""porcentaje":7,"moneda":"USD""#),
        sale(r#""monto":7"#),
        sale(r#""monto":7,"venta_minima":5"#),
        sale(r#""monto":7,"tope":5,"periodo":"MES""#),
        sale(r#""monto":7,"tope":5,"periodo":"DIA""#),
        tiered,
        sale(r#""monto":7,"escalones":[{"desde":5,"monto":6}],"periodo":"MES","escala":"RETROACTIVA""#),
        sale(r#""monto":7,"escalones":[{"desde":6,"monto":6}],"periodo":"MES""#),
        sale(r#""monto":7,"escalones":[{"desde":5,"monto":5}],"periodo":"MES""#),
        sale(r#""monto":7,"escalones":[{"desde":5,"monto":6},{"desde":6,"monto":5}],"periodo":"MES""#),
    ];
    assert_eq!(all.map(|content| content.0).iter().collect::<BTreeSet<_>>().len(), all.len());
    // Terms that were stored before rules had more to say are duplicates still.
    let hex = |content: Content| content.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(said(r#"{"tipo":"CPC","monto":7}"#)), "017a634147fbc15fa1651b86cb8a6acf");
    assert_eq!(hex(sale(r#""porcentaje":7"#)), "01b7ffed94b2d3389438d55ab53a990f");
}

#[test]
fn terms_that_might_mean_other_money_are_refused() {
    let terms = |fields: &str, expect: &[&str]| {
        let json = format!(r#"{{"id":"t","campaña_id":"c"{fields}}}"#);
        assert_eq!(codes(&json), expect, "{json}");
    };
    terms("", &["campo_faltante"]);
    terms(r#","reglas":null"#, &["campo_faltante"]);
    terms(r#","reglas":[]"#, &[]);
    terms(r#","reglas":{}"#, &["malformado"]);
    terms(r#","reglas":[1]"#, &["malformado"]);
    for (from, expect) in [
        (r#""2026-01-01T00:00:00-05:00""#, &[][..]),
        (r#""2026-01-01T00:00:30Z""#, &["timestamp_invalido"]),
        (r#""2031-01-01T00:00:00Z""#, &[]),
        (r#""mañana""#, &["timestamp_invalido"]),
        ("null", &["timestamp_invalido"]),
        ("1", &["malformado"]),
    ] {
        terms(&format!(r#","reglas":[],"vigente_desde":{from}"#), expect);
    }
    for (rule, expect) in [
        (r#"{}"#, &["campo_faltante", "campo_faltante"][..]),
        (r#"{"tipo":"CPX","monto":1}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPM"}"#, &["campo_faltante"]),
        (r#"{"tipo":"CPM","monto":-1}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPM","monto":"1.234"}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPM","monto":1,"moneda":"XXX"}"#, &["moneda_desconocida"]),
        (r#"{"tipo":"CPM","porcentaje":1}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPC","monto":1,"tipo_conversion":"VENTA"}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPC","monto":1,"techo":5,"piso":1}"#, &["no_soportado"]),
        (r#"{"tipo":"CPC","monto":1,"monto":2}"#, &["malformado"]),
        (r#"{"tipo":"CPA","monto":1}"#, &["campo_faltante"]),
        (r#"{"tipo":"CPA","tipo_conversion":"NADA","monto":1}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPA","tipo_conversion":"VENTA"}"#, &["campo_faltante"]),
        (r#"{"tipo":"CPA","tipo_conversion":"VENTA","monto":1,"porcentaje":1}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":1,"moneda":"XXX"}"#, &["moneda_desconocida"]),
        (r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":1,"moneda":null}"#, &["moneda_desconocida"]),
        (r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":100.01}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"1.23456"}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":"-1"}"#, &["valor_invalido"]),
        (r#"{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":true}"#, &["malformado"]),
        (r#"{"tipo":"CPM","monto":1},{"tipo":"CPM","monto":2}"#, &["valor_invalido"]),
        (
            r#"{"tipo":"CPA","tipo_conversion":"VENTA","monto":1},{"tipo":"CPA","tipo_conversion":"REGISTRO","monto":1}"#,
            &[],
        ),
    ] {
        terms(&format!(r#","reglas":[{rule}]"#), expect);
    }
    let faults = read(r#"{"campaña_id":"c","reglas":[{"tipo":"CPM","monto":1},{"tipo":"CPC","monto":-1}]}"#);
    assert_eq!(faults.unwrap_err().to_string(), "reglas: regla 2, monto: es negativo");
}

/// Every fault is expected, by code and the beginning of its words.
#[track_caller]
fn check(rules: &str, expect: &[&str]) {
    let Err(faults) = read(&format!(r#"{{"id":"t","campaña_id":"c","reglas":[{rules}]}}"#)) else {
        assert_eq!(expect, [""; 0], "{rules}");
        return;
    };
    assert!(faults.iter().all(|fault| fault.path == "reglas"), "{rules}");
    let said: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.code.name(), fault.detail)).collect();
    let is_told = said.len() == expect.len() && said.iter().zip(expect).all(|(said, part)| said.starts_with(part));
    assert!(is_told, "{rules}\n{said:#?}");
}

#[test]
fn bounds_that_might_mean_other_money_are_refused() {
    for (parts, expect) in [
        // What only goes with something else.
        (r#""periodo":"MES""#, &["valor_invalido regla 1, periodo: solo vale con tope o escalones"][..]),
        (r#""escala":"MARGINAL""#, &["valor_invalido regla 1, escala: solo vale con escalones"]),
        (
            r#""tope":1,"periodo":"MES","escala":"MARGINAL""#,
            &["valor_invalido regla 1, escala: solo vale con escalones"],
        ),
        (r#""tope":1"#, &["campo_faltante regla 1, periodo: falta; tope y escalones cuentan por periodo"]),
        (r#""escalones":[{"desde":1,"monto":1}]"#, &["campo_faltante regla 1, periodo: falta"]),
        (r#""venta_minima":1"#, &["valor_invalido regla 1, venta_minima: solo vale para CPA; omítala"]),
        // Values.
        (r#""tope":-1,"periodo":"MES""#, &["valor_invalido regla 1, tope: es negativo"]),
        (r#""tope":"1.001","periodo":"MES""#, &["valor_invalido regla 1, tope: tiene más decimales"]),
        (r#""tope":null,"periodo":"MES""#, &["valor_invalido regla 1, tope: es null; omítalo"]),
        (r#""tope":[],"periodo":"MES""#, &["malformado regla 1, tope: debe ser un número"]),
        (r#""tope":1,"periodo":"SEMANA""#, &["valor_invalido regla 1, periodo: debe ser uno de DIA, MES, TOTAL"]),
        (r#""tope":1,"periodo":null"#, &["valor_invalido regla 1, periodo: debe ser uno de"]),
        (r#""tope":1,"periodo":1"#, &["valor_invalido regla 1, periodo: debe ser uno de"]),
    ] {
        check(&format!(r#"{{"tipo":"CPC","monto":1,{parts}}}"#), expect);
    }
    check(
        r#"{"tipo":"CPX","monto":-1,"tope":"x","escala":"TODO","techo":1,"piso":1}"#,
        &[
            "campo_faltante regla 1, periodo: falta",
            "valor_invalido regla 1, tipo: debe ser uno de CPM, CPC, CPA",
            "valor_invalido regla 1, monto: es negativo",
            "valor_invalido regla 1, tope: no es un importe",
            "valor_invalido regla 1, escala: solo vale con escalones",
            "no_soportado regla 1, clave: no se conoce piso, techo; use tipo,",
        ],
    );
}

#[test]
fn tiers_that_might_mean_other_money_are_refused() {
    let tier = "regla 1, escalones: escalón";
    for (tiers, expect) in [
        ("null", &["malformado regla 1, escalones: debe ser una lista de objetos con desde y monto".to_owned()][..]),
        ("[1]", &["malformado regla 1, escalones: debe ser una lista".into()]),
        ("[]", &["valor_invalido regla 1, escalones: está vacío; omítalo o dé un escalón".into()]),
        ("[{}]", &[format!("campo_faltante {tier} 1, desde: falta"), format!("campo_faltante {tier} 1, monto: falta")]),
        (r#"[{"desde":null,"monto":1}]"#, &[format!("campo_faltante {tier} 1, desde: falta")]),
        (r#"[{"desde":0,"monto":1}]"#, &[format!("valor_invalido {tier} 1, desde: debe ser mayor que 0")]),
        (r#"[{"desde":-5,"monto":1}]"#, &[format!("valor_invalido {tier} 1, desde: debe ser mayor que 0")]),
        (r#"[{"desde":1.5,"monto":1}]"#, &[format!("valor_invalido {tier} 1, desde: debe ser un número entero")]),
        (r#"[{"desde":"mil","monto":1}]"#, &[format!("valor_invalido {tier} 1, desde: debe ser un número entero")]),
        (r#"[{"desde":{},"monto":1}]"#, &[format!("malformado {tier} 1, desde: debe ser un número")]),
        (r#"[{"desde":1,"monto":-1}]"#, &[format!("valor_invalido {tier} 1, monto: es negativo")]),
        (
            r#"[{"desde":1,"porcentaje":1}]"#,
            &[format!("valor_invalido {tier} 1, porcentaje: la regla no lo usa; dé monto")],
        ),
        (
            r#"[{"desde":1,"monto":1,"hasta":2}]"#,
            &[format!("no_soportado {tier} 1, clave: no se conoce hasta; use desde y monto")],
        ),
        (
            r#"[{"desde":1,"desde":2,"monto":1}]"#,
            &[format!("malformado {tier} 1, clave: se repite desde; deje una sola")],
        ),
        (
            r#"[{"desde":2,"monto":1},{"desde":2,"monto":1},{"desde":1,"monto":"x"}]"#,
            &[
                format!("valor_invalido {tier} 2, desde: debe ser mayor que el anterior"),
                format!("valor_invalido {tier} 3, monto: no es un importe"),
                format!("valor_invalido {tier} 3, desde: debe ser mayor que el anterior"),
            ],
        ),
    ] {
        let expect: Vec<_> = expect.iter().map(String::as_str).collect();
        check(&format!(r#"{{"tipo":"CPM","monto":1,"periodo":"MES","escalones":{tiers}}}"#), &expect);
    }
    let tiers = |count: usize| {
        let tiers: Vec<_> = (1..=count).map(|since| format!(r#"{{"desde":{since},"monto":1}}"#)).collect();
        format!(r#"{{"tipo":"CPM","monto":1,"periodo":"MES","escalones":[{}]}}"#, tiers.join(","))
    };
    check(&tiers(TIERS_MAX), &[]);
    check(&tiers(TIERS_MAX + 1), &["valor_invalido regla 1, escalones: tiene 21; deje 20 a lo sumo"]);
    check(
        &tiers(1).replace(r#""periodo""#, r#""escala":"TODO","periodo""#),
        &["valor_invalido regla 1, escala: debe ser MARGINAL"],
    );
}

#[test]
fn bounds_of_percentages_need_a_currency() {
    let no_currency = "campo_faltante regla 1, moneda: falta; venta_minima, tope y escalones de un porcentaje";
    for (parts, expect) in [
        (r#""venta_minima":1"#, &[no_currency][..]),
        (r#""tope":1,"periodo":"MES""#, &[no_currency]),
        (r#""escalones":[{"desde":1,"porcentaje":1}],"periodo":"MES""#, &[no_currency]),
        (r#""escalones":[{"desde":1.5,"porcentaje":1}],"periodo":"MES","moneda":"USD""#, &[]),
        (
            r#""escalones":[{"desde":"1.005","porcentaje":101}],"periodo":"MES","moneda":"USD""#,
            &[
                "valor_invalido regla 1, escalones: escalón 1, desde: tiene más decimales",
                "valor_invalido regla 1, escalones: escalón 1, porcentaje: debe ser un número de 0 a 100",
            ],
        ),
        (
            r#""escalones":[{"desde":1,"monto":1}],"periodo":"MES","moneda":"USD""#,
            &["valor_invalido regla 1, escalones: escalón 1, monto: la regla no lo usa; dé porcentaje"],
        ),
    ] {
        check(&format!(r#"{{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":1,{parts}}}"#), expect);
    }
}

#[test]
fn only_percentages_of_different_currencies_stand_next_to_each_other() {
    let sales = |one: &str, other: &str| {
        let sale = |more: &str| format!(r#"{{"tipo":"CPA","tipo_conversion":"VENTA",{more}}}"#);
        format!("{},{}", sale(one), sale(other))
    };
    let twice = "valor_invalido regla 2, tipo: ya hay una regla igual antes; deje una sola";
    check(&sales(r#""porcentaje":1,"moneda":"COP""#, r#""porcentaje":1,"moneda":"USD""#), &[]);
    check(&sales(r#""porcentaje":1,"moneda":"COP""#, r#""porcentaje":2,"moneda":"COP""#), &[twice]);
    check(&sales(r#""porcentaje":1,"moneda":"COP""#, r#""porcentaje":2"#), &[twice]);
    check(&sales(r#""porcentaje":1,"moneda":"COP""#, r#""monto":2,"moneda":"USD""#), &[twice]);
    check(&sales(r#""monto":1,"moneda":"COP""#, r#""monto":2,"moneda":"USD""#), &[twice]);
}
