//! What changes campaigns and who belongs to them: what is read, what is refused, and in which words.

#![allow(clippy::unwrap_used)]

use schemas::wire::{Context, Privacy, decode};
use schemas::{
    BudgetPolicy, CampaignCommand, CampaignState, CampaignStatus, Code, Command, Currency, Dates, Faults, Position,
    Timestamp,
};

fn read(json: &str) -> Result<CampaignCommand, Faults> {
    let context = Context {
        source: "test",
        position: Position::offset(7),
        published_at: Timestamp::parse("2026-06-01T12:00:30Z").unwrap(),
        assigned_id: None,
    };
    match decode(None, json.as_bytes())?.validate(context, Privacy::AsSent)? {
        Command::Campaign(command) => Ok(command),
        Command::Track(_) | Command::Reverse(_) => panic!("not the campaigns flow's: {json}"),
    }
}

#[track_caller]
fn check(comando: &str, fields: &str, expect: &[(&str, &str)]) {
    let json = format!(r#"{{"comando":"{comando}","id":"x"{fields}}}"#);
    let faults: Vec<_> = match read(&json) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| (fault.path, fault.code.name())).collect(),
    };
    assert_eq!(faults, expect, "{json}");
}

fn sound(comando: &str, fields: &str) -> CampaignCommand {
    read(&format!(r#"{{"comando":"{comando}","id":"x","campaña_id":"c"{fields}}}"#)).unwrap()
}

#[test]
fn an_edit_says_what_changes_and_nothing_else() {
    let edit = |fields: &str| match sound("editar-campaña", fields) {
        CampaignCommand::Edit(edit) => edit,
        other => panic!("{other:?}"),
    };
    let it =
        edit(r#","nombre":"N","marca":null,"presupuesto":"12.50","politica_presupuesto":"detener","fecha_fin":null"#);
    assert_eq!((it.name, it.product, it.brand), (Some(Some("N".into())), None, Some(None)));
    assert_eq!((it.budget, it.currency, it.policy), (Some("12.5".parse().unwrap()), None, Some(BudgetPolicy::Stop)));
    assert_eq!((it.starts_at, it.ends_at), (None, Some(None)));
    // Left out, null and empty are two things here, and a key by another name is not the same value.
    let contents = [r#","nombre":"N""#, r#","nombre":null"#, r#","producto":"N""#, r#","nombre":"N","marca":null"#];
    let contents = contents.map(|fields| edit(fields).content);
    assert!((0..4).all(|one| (0..one).all(|other| contents[one] != contents[other])));
    assert_eq!(contents[1], edit(r#","nombre":"","extra":1"#).content);

    let edit = |fields: &str, expect: &[(&str, &str)]| {
        check("editar-campaña", &format!(r#","campaña_id":"c"{fields}"#), expect);
    };
    edit("", &[("", "campo_faltante")]);
    edit(r#","nombres":"N""#, &[("", "campo_faltante")]);
    edit(r#","nombre":7"#, &[("nombre", "malformado")]);
    edit(r#","presupuesto":null"#, &[("presupuesto", "valor_invalido")]);
    edit(r#","presupuesto":-1"#, &[("presupuesto", "valor_invalido")]);
    edit(r#","presupuesto":"1.005""#, &[("presupuesto", "valor_invalido")]);
    edit(r#","moneda":"usd""#, &[("moneda", "moneda_desconocida")]);
    edit(r#","moneda":null"#, &[("moneda", "moneda_desconocida")]);
    edit(r#","politica_presupuesto":null"#, &[("politica_presupuesto", "valor_invalido")]);
    edit(r#","politica_presupuesto":"parar""#, &[("politica_presupuesto", "valor_invalido")]);
    edit(r#","fecha_inicio":"2026-01-01""#, &[("fecha_inicio", "timestamp_invalido")]);
    edit(r#","fecha_fin":"2026-01-01T00:00:30Z""#, &[("fecha_fin", "timestamp_invalido")]);
    edit(r#","fecha_fin":1"#, &[("fecha_fin", "malformado")]);
    check("editar-campaña", r#","nombre":"N""#, &[("campaña_id", "campo_faltante")]);
    // An edit's budget is judged without its campaign, which may be in any currency.
    assert!(Currency::ALL.iter().all(|currency| currency.exponent() == Currency::Cop.exponent()));
}

#[test]
fn a_change_of_state_takes_no_minute_that_began() {
    for (comando, state) in [
        ("pausar-campaña", CampaignState::Paused),
        ("reanudar-campana", CampaignState::Active),
        ("finalizar-campa\\u00f1a", CampaignState::Ended),
    ] {
        let CampaignCommand::Change(change) = sound(comando, r#","motivo":"m""#) else { panic!("{comando}") };
        assert_eq!((change.state, change.reason.as_deref()), (state, Some("m")));
        assert_eq!(change.valid_from.to_string(), "2026-06-01T12:01:00Z");
        let CampaignCommand::Change(change) = sound(comando, r#","desde":"2026-06-01T12:00:00""#) else { panic!() };
        assert_eq!(change.valid_from.to_string(), "2026-06-01T12:00:00Z");
    }
    let pause = |fields: &str, expect: &[(&str, &str)]| {
        check("pausar-campaña", &format!(r#","campaña_id":"c"{fields}"#), expect);
    };
    pause(r#","desde":"2026-06-01T12:00:01Z""#, &[("desde", "timestamp_invalido")]);
    pause(r#","desde":null"#, &[("desde", "timestamp_invalido")]);
    pause(r#","desde":"mañana","motivo":[]"#, &[("motivo", "malformado"), ("desde", "timestamp_invalido")]);
    pause(&format!(r#","motivo":"{}""#, "x".repeat(1_001)), &[("motivo", "valor_invalido")]);
    pause(r#","motivo":null"#, &[]);
    check("pausar-campaña", "", &[("campaña_id", "campo_faltante")]);
}

#[test]
fn an_influencer_is_a_person_within_bounds() {
    let register = |fields: &str, expect: &[(&str, &str)]| {
        check("registrar-influencer", &format!(r#","influencer_id":"i"{fields}"#), expect);
    };
    register("", &[]);
    register(r#","nombre":"Ana Ñ.","email":"ana+x@correo.example","cedula":"1.020.304-5""#, &[]);
    register(r#","nombre":null,"email":"","cedula":null"#, &[]);
    for email in ["ana", "@x", "ana@", "a na@x", "ana@x\\n", "ana@\\u0007x"] {
        register(&format!(r#","email":"{email}""#), &[("email", "valor_invalido")]);
    }
    register(&format!(r#","email":"{}@x.example""#, "a".repeat(250)), &[("email", "valor_invalido")]);
    register(&format!(r#","nombre":"{}""#, "a".repeat(256)), &[("nombre", "valor_invalido")]);
    register(&format!(r#","cedula":"{}""#, "1".repeat(33)), &[("cedula", "valor_invalido")]);
    register(r#","cedula":1020304"#, &[("cedula", "malformado")]);
    check("registrar-influencer", "", &[("influencer_id", "campo_faltante")]);
    check("registrar-influencer", r#","influencer_id":" i""#, &[("influencer_id", "valor_invalido")]);
}

#[test]
fn who_is_added_belongs_at_once_and_who_is_removed_earns_the_minute() {
    for (comando, member, from) in
        [("agregar-influencer", true, "2026-06-01T12:00:00Z"), ("retirar-influencer", false, "2026-06-01T12:01:00Z")]
    {
        let CampaignCommand::Belong(it) = sound(comando, r#","influencer_id":"i""#) else { panic!("{comando}") };
        assert_eq!((it.member, it.valid_from.to_string()), (member, from.to_owned()));
        check(comando, r#","campaña_id":"c""#, &[("influencer_id", "campo_faltante")]);
        let fields = r#","campaña_id":"c","influencer_id":"i","desde":"2026-06-01T12:00:00.5Z""#;
        check(comando, fields, &[("desde", "timestamp_invalido")]);
    }
}

#[test]
fn what_a_campaign_is_decides_what_it_may_become() {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let new = CampaignStatus {
        currency: Currency::Cop,
        dates: Dates { starts_at: Some(at("2026-01-01T00:00:00Z")), ends_at: None },
        state: CampaignState::Active,
        since: None,
    };
    let fault = |status: CampaignStatus, command: &CampaignCommand| {
        let fault = status.after(command).unwrap_err();
        (fault.code, fault.path, fault.detail)
    };
    let noon = r#","desde":"2026-06-01T12:00:00Z""#;
    let paused = new.after(&sound("pausar-campaña", noon)).unwrap();
    assert_eq!((paused.state, paused.since), (CampaignState::Paused, Some(at("2026-06-01T12:00:00Z"))));
    let again = "la campaña está PAUSADA desde 2026-06-01T12:00:00Z y no puede pasar a PAUSADA; admite reanudar-campaña, finalizar-campaña";
    assert_eq!(fault(paused, &sound("pausar-campaña", "")), (Code::InvalidState, "campaña_id", again.into()));
    let (code, path, detail) = fault(paused, &sound("reanudar-campaña", r#","desde":"2026-06-01T11:59:00Z""#));
    assert_eq!((code, path), (Code::InvalidState, "desde"));
    assert!(detail.ends_with("(PAUSADA desde 2026-06-01T12:00:00Z); dé 2026-06-01T12:00:00Z o un minuto posterior"));
    // From the same minute on is no step back: the pause then never was.
    let ended = paused.after(&sound("reanudar-campaña", noon)).unwrap().after(&sound("finalizar-campaña", "")).unwrap();
    let (_, _, detail) = fault(ended, &sound("reanudar-campaña", ""));
    assert!(detail.ends_with("y no puede pasar a ACTIVA; es definitivo"), "{detail}");

    let edit = |fields: &str| sound("editar-campaña", fields);
    let (code, path, detail) = fault(new, &edit(r#","moneda":"USD""#));
    assert_eq!((code, path), (Code::InvalidValue, "moneda"));
    assert_eq!(detail, "la campaña está en COP, y su moneda no cambia: omítala, o cree otra campaña");
    assert_eq!(new.after(&edit(r#","moneda":"COP""#)).unwrap(), new);
    let (code, path, _) = fault(new, &edit(r#","fecha_fin":"2025-12-31T00:00:00Z""#));
    assert_eq!((code, path), (Code::InvalidValue, "fecha_fin"));
    let moved = edit(r#","fecha_inicio":null,"fecha_fin":"2025-12-31T00:00:00Z""#);
    assert_eq!(new.after(&moved).unwrap().dates.ends_at, Some(at("2025-12-31T00:00:00Z")));
}

#[test]
fn a_replay_takes_nothing_of_the_time_in_between() {
    let (first, now) = (Timestamp::EPOCH, Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
    let replayed = |json: &str| decode(None, json.as_bytes()).unwrap().replayed_at(first, now);
    assert_eq!(replayed(r#"{"comando":"pausar-campaña"}"#), now);
    assert_eq!(replayed(r#"{"comando":"retirar-influencer"}"#), now);
    assert_eq!(replayed(r#"{"comando":"crear-campaña"}"#), first);
    assert_eq!(replayed(r#"{"comando":"registrar-impresion"}"#), first);
    assert_eq!(replayed(r#"{"comando":"registrar-impresion","timestamp":"2025-01-01T00:00:00Z"}"#), now);
}
