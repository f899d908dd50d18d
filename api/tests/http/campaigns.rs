//! Campaigns beyond their creation: edited, paused, ended; influencers who belong to them; filtered lists.

use axum::body::Body;
use axum::http::{Method, Request};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::{Answer, Api};

const CAMPAIGNS: &str = "/marketing-influencers/campanas";
const PEOPLE: &str = "/marketing-influencers/influencers";

async fn send(api: &Api, method: Method, path: &str, body: Option<&str>) -> Answer {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    api.send(request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_owned()))).unwrap()).await
}

/// As the campaigns line would have left it: one campaign that is active, one paused, one ended, one that will be paused.
async fn world() -> Api {
    let api = Api::start().await;
    api.sql(
        r#"INSERT INTO campaign_names (tenant, name) VALUES (1, 'active'), (1, 'paused'), (1, 'ended'), (1, 'later');
           INSERT INTO influencer_names (tenant, name) VALUES (1, 'ana'), (1, 'eva'), (1, 'luis');
           INSERT INTO campaigns (campaign, tenant, id, name, product, brand, budget, currency, influencers, conversions,
                                  created_at, starts_at, ends_at, budget_policy) VALUES
               (1, 1, 'active', 'Año nuevo', 'P', 'M', 100, 'COP', '{ana,zoe}', '[]', '2026-01-01T00:00:00Z',
                '2026-01-01T00:00:00Z', NULL, 'detener'),
               (2, 1, 'paused', 'x_%', 'P', 'N', 5, 'USD', '{}', '[]', '2026-01-02T00:00:00Z', NULL, NULL, 'alertar'),
               (3, 1, 'ended', NULL, NULL, 'M', 5, 'USD', '{}', '[]', '2026-01-03T00:00:00Z', NULL, NULL, 'alertar'),
               (4, 1, 'later', NULL, 'Q', NULL, 5, 'EUR', '{eva}', '[]', '2026-01-04T00:00:00Z', NULL, NULL, 'alertar');
           INSERT INTO campaign_states (tenant, id, campaign, valid_from, state, changed_at, reason) VALUES
               (1, 'a', 2, '2026-02-01T00:00:00Z', 'PAUSADA', now(), 'vacaciones'),
               (1, 'b', 3, '2026-02-01T00:00:00Z', 'PAUSADA', now(), NULL),
               (1, 'c', 3, '2026-02-02T00:00:00Z', 'FINALIZADA', now(), NULL),
               (1, 'd', 4, '9000-01-01T00:00:00Z', 'PAUSADA', now(), NULL);
           INSERT INTO memberships (tenant, id, campaign, influencer, valid_from, member, changed_at) VALUES
               (1, 'e', 1, 1, '2025-01-01T00:00:00Z', false, now()),  -- ana, removed before it was created
               (1, 'f', 1, 2, '2026-03-01T00:00:00Z', true, now()),   -- eva, added twice, removed in the far future
               (1, 'g', 1, 2, '2026-03-02T00:00:00Z', true, now()),
               (1, 'h', 1, 2, '9000-01-01T00:00:00Z', false, now()),
               (1, 'i', 1, 3, '2026-03-01T00:00:00Z', true, now()),   -- luis, added, removed, added from the same minute on
               (1, 'j', 1, 3, '2026-03-02T00:00:00Z', false, now()),
               (1, 'k', 1, 3, '2026-03-02T00:00:00Z', true, now()),
               (1, 'l', 4, 2, '2026-03-03T00:00:00Z', false, now());
           INSERT INTO influencers VALUES
               (1, 1, 'ana', 'Ana', 'ana@example.com', '1', '2026-01-01T00:00:00Z', '2026-01-05T00:00:00Z'),
               (2, 1, 'eva', NULL, NULL, NULL, '2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z')"#,
    )
    .await;
    api
}

#[tokio::test]
async fn every_change_is_logged_whole() {
    let api = world().await;
    let mut sent = Vec::new();
    for (method, path, body, kind, logged) in [
        (
            Method::PATCH,
            "/active",
            Some(r#"{"id":"1","nombre":"N"}"#),
            7,
            r#""campaña_id":"active","id":"1","nombre":"N""#,
        ),
        (Method::POST, "/active/pausar", None, 8, r#""campaña_id":"active""#),
        (Method::POST, "/paused/reanudar", Some("{}"), 9, r#""campaña_id":"paused""#),
        (
            Method::POST,
            "/later/finalizar",
            Some(r#"{"desde":"9000-01-01T00:00:00Z","motivo":"m"}"#),
            10,
            r#""campaña_id":"later","desde":"9000-01-01T00:00:00Z","motivo":"m""#,
        ),
        (Method::PUT, "/active/influencers/nobody", None, 12, r#""campaña_id":"active","influencer_id":"nobody""#),
        (
            Method::DELETE,
            "/ended/influencers/ana%20%C3%B1",
            Some(r#"{"id":"2"}"#),
            13,
            r#""campaña_id":"ended","influencer_id":"ana ñ","id":"2""#,
        ),
    ] {
        let answer = send(&api, method, &format!("{CAMPAIGNS}{path}"), body).await;
        assert_eq!(answer.status, 202, "{path}: {}", answer.json());
        assert!(answer.header("location").contains("&posicion=log-4"), "{path}");
        sent.push((
            4,
            Some(kind),
            answer.json()["id"].as_str().is_some_and(|id| id.len() > 2),
            format!("{{{logged}}}"),
        ));
    }
    let answer = send(&api, Method::PUT, &format!("{PEOPLE}/inf-1"), Some(r#"{"nombre":"Ana"}"#)).await;
    assert_eq!(answer.status, 202);
    sent.push((4, Some(11), true, r#"{"influencer_id":"inf-1","nombre":"Ana"}"#.into()));
    assert_eq!(api.log().await, sent);
}

/// In batches nothing is judged by what campaigns are: the line does that, in its turn.
#[tokio::test]
async fn batches_may_hold_every_change() {
    let api = Api::start().await;
    let lines = schemas::Kind::COMMANDS.into_iter().filter(|kind| !kind.is_tracking()).map(|kind| {
        let fields = r#""id":"x","campaña_id":"c","influencer_id":"i","nombre":"N","reglas":[]"#;
        format!(r#"{{"comando":"{}",{fields}}}"#, kind.name())
    });
    let body = lines.collect::<Vec<_>>().join("\n");
    let answer = api.post_with("/tracking/lotes", &[], body).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["aceptados"]), (202, &json!(9)), "{}", answer.json());
    assert!(api.log().await.iter().all(|(partition, ..)| *partition == 4));
}

#[tokio::test]
async fn what_a_campaign_does_not_allow_is_refused_at_once() {
    let api = world().await;
    for (name, method, path, body, status) in [
        ("pause_twice", Method::POST, "/paused/pausar", None, 409),
        ("resume_active", Method::POST, "/active/reanudar", None, 409),
        ("resume_ended", Method::POST, "/ended/reanudar", None, 409),
        ("before_the_last", Method::POST, "/later/reanudar", Some(r#"{"desde":"8999-12-31T23:59:00Z"}"#), 409),
        ("unknown_campaign", Method::POST, "/nope/pausar", None, 404),
        ("other_currency", Method::PATCH, "/active", Some(r#"{"moneda":"USD"}"#), 422),
        ("dates_crossed", Method::PATCH, "/active", Some(r#"{"fecha_fin":"2025-01-01T00:00:00Z"}"#), 422),
        ("edit_of_nothing", Method::PATCH, "/active", Some("{}"), 422),
        ("edit_without_body", Method::PATCH, "/active", Some(""), 422),
        ("campaign_twice", Method::PATCH, "/active", Some(r#"{"campaña_id":"b","nombre":"N"}"#), 422),
        ("half_a_minute", Method::POST, "/active/pausar", Some(r#"{"desde":"2026-01-01T00:00:30Z","motivo":1}"#), 422),
        ("member_twice", Method::PUT, "/active/influencers/ana", Some(r#"{"influencer_id":"eva"}"#), 422),
        ("member_of_nothing", Method::DELETE, "/nope/influencers/ana", None, 404),
        ("body_is_a_list", Method::POST, "/active/pausar", Some("[]"), 422),
    ] {
        let answer = send(&api, method, &format!("{CAMPAIGNS}{path}"), body).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.json());
        assert_json_snapshot!(format!("refused_{name}"), answer.shown());
    }
    let faulty = r#"{"nombre":7,"email":"ana","cedula":"123456789012345678901234567890123"}"#;
    let answer = send(&api, Method::PUT, &format!("{PEOPLE}/inf-1"), Some(faulty)).await;
    assert_json_snapshot!("refused_influencer", answer.shown());
    assert_eq!(api.log().await, []);
}

/// Once it was counted, a command is a duplicate, though its campaign would not allow it any more.
#[tokio::test]
async fn a_command_that_is_sent_again_is_not_judged_again() {
    let api = world().await;
    let key = schemas::ClaimKey::new(schemas::Kind::PauseCampaign, "pause-1").id;
    api.sql(&format!(
        "INSERT INTO claims (tenant, kind, id, content, line, ledger, entry, index, day)
         VALUES (1, 8, '{key}', '{key}', 1, 0, 0, -1, '2026-01-01')"
    ))
    .await;
    let path = format!("{CAMPAIGNS}/paused/pausar");
    assert_eq!(send(&api, Method::POST, &path, Some(r#"{"id":"pause-1"}"#)).await.status, 202);
    assert_eq!(send(&api, Method::POST, &path, Some(r#"{"id":"pause-2"}"#)).await.status, 409);
}

/// The campaign was active when the command was sent, and was not any more when its turn came.
#[tokio::test]
async fn what_the_line_rejects_is_a_conflict_to_whom_waits_for_it() {
    let api = world().await;
    api.sql(
        "INSERT INTO lines (flow, source, live, ledger, entry, index) VALUES ('campaigns', 'log-4', true, 0, 1000, -1);
         INSERT INTO rejects (tenant, line, ledger, entry, index, code, detail, faults, published_at, payload)
         SELECT 1, line, 0, 0, -1, 'estado_invalido', 'campaña_id: la campaña está PAUSADA', '[]', now(), '' FROM lines",
    )
    .await;
    let headers = [("content-type", "application/json"), ("prefer", "wait=5")];
    let answer = api.post_with(&format!("{CAMPAIGNS}/active/pausar"), &headers, r#"{"id":"p"}"#).await;
    assert_json_snapshot!("waited_state", answer.shown());
}

#[tokio::test]
async fn campaigns_tell_what_they_are_and_will_be() {
    let api = world().await;
    assert_json_snapshot!("campaign_dated", api.get(&format!("{CAMPAIGNS}/active")).await.shown());
    let told = async |id: &str| {
        let it = api.get(&format!("{CAMPAIGNS}/{id}")).await.json();
        json!([it["estado"], it["estado_desde"], it["estado_motivo"], it["cambio_previsto"]])
    };
    assert_eq!(told("active").await, json!(["ACTIVA", null, null, null]));
    assert_eq!(told("paused").await, json!(["PAUSADA", "2026-02-01T00:00:00Z", "vacaciones", null]));
    assert_eq!(told("ended").await, json!(["FINALIZADA", "2026-02-02T00:00:00Z", null, null]));
    let next = json!({"estado": "PAUSADA", "desde": "9000-01-01T00:00:00Z"});
    assert_eq!(told("later").await, json!(["ACTIVA", null, null, next]));
}

#[tokio::test]
async fn campaigns_are_filtered() {
    let api = world().await;
    let ids = |page: Value| -> Vec<String> {
        let campaigns = page["campañas"].as_array().unwrap().clone();
        campaigns.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expect) in [
        ("", &["later", "ended", "paused", "active"][..]),
        ("estado=ACTIVA", &["later", "active"]),
        ("estado=FINALIZADA", &["ended"]),
        ("marca=M", &["ended", "active"]),
        ("producto=P&moneda=USD", &["paused"]),
        ("q=A%C3%B1O", &["active"]),
        ("q=ED", &["ended", "paused"]),
        ("q=_%25", &["paused"]),
        ("q=%25", &["paused"]),
        ("desde=2026-01-02T00:00:00Z&hasta=2026-01-04T00:00:00Z", &["ended", "paused"]),
        ("moneda=EUR&estado=PAUSADA", &[]),
    ] {
        let page = api.get(&format!("{CAMPAIGNS}?{query}")).await.json();
        assert_eq!(ids(page), expect, "{query}");
    }
    let first = api.get(&format!("{CAMPAIGNS}?marca=M&limit=1")).await.json();
    let next = first["siguiente"].as_str().unwrap().to_owned();
    assert_eq!(ids(first), ["ended"]);
    assert_eq!(ids(api.get(&format!("{CAMPAIGNS}?marca=M&limit=1&cursor={next}")).await.json()), ["active"]);
    for (name, query) in [
        ("filter_state", "estado=activa"),
        ("filter_currency", "moneda=usd"),
        ("filter_nul", "marca=a%00b"),
        ("filter_time", "desde=ayer"),
    ] {
        assert_json_snapshot!(name, api.get(&format!("{CAMPAIGNS}?{query}")).await.shown());
    }
}

#[tokio::test]
async fn who_belongs_to_a_campaign_is_listed_with_dates() {
    let api = world().await;
    let path = format!("{CAMPAIGNS}/active/influencers");
    assert_json_snapshot!("members", api.get(&path).await.shown());
    let first = api.get(&format!("{path}?limit=3")).await.json();
    let next = first["siguiente"].as_str().unwrap();
    let rest = api.get(&format!("{path}?limit=3&cursor={next}")).await.json();
    assert_eq!((&rest["total"], &rest["influencers"][0]["influencer_id"]), (&json!(1), &json!("zoe")));
    assert_eq!(api.get(&format!("{CAMPAIGNS}/ended/influencers")).await.json()["total"], 0);
    assert_eq!(api.get(&format!("{CAMPAIGNS}/nope/influencers")).await.status, 404);
}

#[tokio::test]
async fn influencers_are_people_with_campaigns() {
    let api = world().await;
    assert_json_snapshot!("influencer", api.get(&format!("{PEOPLE}/ana")).await.shown());
    assert_json_snapshot!("influencer_of_two", api.get(&format!("{PEOPLE}/eva")).await.shown());
    assert_json_snapshot!("influencers", api.get(PEOPLE).await.shown());
    assert_json_snapshot!("influencer_unknown", api.get(&format!("{PEOPLE}/luis")).await.shown());
    let first = api.get(&format!("{PEOPLE}?limit=1")).await.json();
    let next = first["siguiente"].as_str().unwrap();
    let rest = api.get(&format!("{PEOPLE}?limit=1&cursor={next}")).await.json();
    assert_eq!((&first["influencers"][0]["id"], &rest["influencers"][0]["id"]), (&json!("eva"), &json!("ana")));
}
