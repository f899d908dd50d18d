//! What may be paid: a budget that stops approval, in the order of event time; disputes that hold a commission until the
//! verdict. Earning goes on.

#![allow(clippy::unwrap_used)]

mod support;

use alpes::verify::verify;
use bytes::Bytes;
use pipeline::memory::MemorySource;
use pipeline::poster;
use pipeline::run::{Keep, run};
use schemas::message::{Encoding, Origin};
use schemas::{Position, RawMessage, Timestamp};
use sinks::line::LineSpec;
use sinks::{Flow, Line};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// Two lines with their logs.
struct World {
    options: PgConnectOptions,
    tracking: Vec<RawMessage>,
    campaigns: Vec<RawMessage>,
}

impl World {
    /// A campaign of 100 COP that pays a tenth of every sale; its policy is `detener`.
    async fn new() -> Self {
        let mut world = Self { options: support::database().await, tracking: Vec::new(), campaigns: Vec::new() };
        world.tell(r#"{"comando":"crear-campaña","id":"cmp","presupuesto":100,"politica_presupuesto":"detener"}"#);
        world.tell(
            r#"{"comando":"definir-comisiones","id":"t","campaña_id":"cmp","vigente_desde":"2026-01-01T00:00:00Z",
                "reglas":[{"tipo":"CPA","tipo_conversion":"VENTA","porcentaje":10}]}"#,
        );
        world
    }

    fn tell(&mut self, json: &str) {
        let message = message(self.campaigns.len(), json);
        self.campaigns.push(message);
    }

    fn track(&mut self, json: &str) {
        let message = message(self.tracking.len(), json);
        self.tracking.push(message);
    }

    fn sale(&mut self, id: &str, minute: u8, amount: &str, currency: &str) {
        self.track(&format!(
            r#"{{"comando":"registrar-conversion","id":"{id}","campaña_id":"cmp","influencer_id":"inf","valor":"{amount}",
                "moneda":"{currency}","timestamp":"2026-01-01T12:{minute:02}:00Z"}}"#
        ));
    }

    /// Counts and posts everything; what is held then, by conversion, in the order of the postings.
    async fn held(&self) -> Vec<String> {
        self.count(Flow::Campaigns, "log-4", &self.campaigns).await;
        self.count(Flow::Tracking, "log-0", &self.tracking).await;
        poster::drain(&self.options).await.unwrap();
        for outcome in verify(&self.options, |_| ()).await.unwrap() {
            assert_eq!(outcome.different, 0, "{}: {:?}", outcome.name, outcome.examples);
        }
        let held = "SELECT concat_ws(' ', p.conversion, h.reason) FROM held_postings h JOIN postings p USING (posting)
                    ORDER BY p.posting, h.reason";
        sqlx::query_scalar(held).fetch_all(&mut self.options.connect().await.unwrap()).await.unwrap()
    }

    async fn count(&self, flow: Flow, name: &str, messages: &[RawMessage]) {
        let spec = LineSpec { flow, source: name, live: true, exclusive: false };
        let line = Line::take(&self.options, spec).await.unwrap();
        let source = MemorySource::new(name, messages, line.position(), &[]);
        run(flow, source, line, Keep::default(), |_| ()).await.unwrap();
    }
}

fn message(offset: usize, json: &str) -> RawMessage {
    let origin = Origin {
        position: Position::offset(offset as i64),
        published_at: Timestamp::parse("2026-01-02T00:00:00Z").unwrap(),
        assigned_id: None,
        replay_of: None,
        payload: Bytes::from(json.to_owned()),
        encoding: Encoding::Json,
    };
    RawMessage { origin, kind: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_stops_approval_in_the_order_of_event_time() {
    let mut world = World::new().await;
    world.sale("a", 10, "400", "COP");
    world.sale("b", 20, "500", "COP");
    world.sale("dollars", 5, "9000", "USD");
    assert_eq!(world.held().await, [""; 0], "40 and 50 of 100; dollars are another matter");
    world.sale("d", 40, "10", "COP");
    world.sale("c", 30, "200", "COP");
    assert_eq!(world.held().await, ["c b", "d b"], "20 more do not fit, and what comes later waits behind");
    world.track(r#"{"comando":"registrar-reversion","id":"r","conversion_id":"a","valor":"50"}"#);
    assert_eq!(world.held().await, ["c b", "d b"], "85 and 20 are too much");
    world.track(r#"{"comando":"registrar-reversion","id":"s","conversion_id":"a","valor":"50"}"#);
    assert_eq!(world.held().await, ["d b"], "80 and 20 are not");
    world.tell(r#"{"comando":"editar-campaña","id":"e","campaña_id":"cmp","presupuesto":"100.99"}"#);
    assert_eq!(world.held().await, ["d b"]);
    world.tell(r#"{"comando":"editar-campaña","id":"f","campaña_id":"cmp","presupuesto":"101"}"#);
    assert_eq!(world.held().await, [""; 0]);
    world.sale("f", 50, "1000", "COP");
    assert_eq!(world.held().await, ["f b"]);
    world.tell(r#"{"comando":"editar-campaña","id":"g","campaña_id":"cmp","politica_presupuesto":"alertar"}"#);
    assert_eq!(world.held().await, [""; 0], "nothing stops any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_holds_a_commission_until_the_verdict() {
    let mut world = World::new().await;
    let dispute = |id: &str, verdict: &str, minute: u8| {
        format!(
            r#"{{"comando":"registrar-reversion","id":"{id}","conversion_id":"a","tipo":"{verdict}","disputa_id":"d",
                "timestamp":"2026-01-01T13:{minute:02}:00Z"}}"#
        )
    };
    world.track(&dispute("opened", "DISPUTA_ABIERTA", 0));
    world.sale("a", 10, "400", "COP");
    world.sale("b", 20, "500", "COP");
    assert_eq!(world.held().await, ["a d"], "opened before its conversion came");
    world.track(&dispute("won", "DISPUTA_GANADA", 1));
    assert_eq!(world.held().await, [""; 0]);
    world.track(&dispute("lost", "DISPUTA_PERDIDA", 2));
    assert_eq!(world.held().await, [""; 0], "taken back instead");
    let owed: String = sqlx::query_scalar("SELECT trim_scale(earned - reversed)::text FROM balances")
        .fetch_one(&mut world.options.connect().await.unwrap())
        .await
        .unwrap();
    assert_eq!(owed, "50");
}
