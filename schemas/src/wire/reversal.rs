//! `registrar-reversion`: a refund or a step of a dispute, as it is sent.

use serde::Deserialize;
use smol_str::SmolStr;

use super::field::{Amount, Sent, Text, note};
use super::tracking::{currency, one_of, sent_time};
use super::{Context, command_id};
use crate::content::ContentBuilder;
use crate::reversal::{REASON_BYTES_MAX, Reversal, ReversalKind};
use crate::{Code, CommandId, Currency, Fault, Faults, Kind, Timestamp};

/// A reversal as it was sent. Unknown keys are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ReversalRecord {
    #[serde(default)]
    pub(super) id: Text,
    #[serde(default)]
    pub(super) conversion_id: Text,
    #[serde(default)]
    pub(super) valor: Amount,
    #[serde(default)]
    pub(super) moneda: Text,
    #[serde(default)]
    pub(super) motivo: Text,
    #[serde(default)]
    pub(super) timestamp: Text,
    #[serde(default)]
    pub(super) tipo: Text,
    #[serde(default)]
    pub(super) disputa_id: Text,
}

impl ReversalRecord {
    pub(super) fn event_time(&self) -> Option<Timestamp> {
        self.timestamp.sound_instant()
    }

    /// Whether it says that it is a step of a dispute.
    pub(super) fn is_dispute(&self) -> bool {
        matches!(&self.tipo, Text::Given(name) if ReversalKind::from_name(name).is_some_and(ReversalKind::is_dispute))
    }

    pub(super) fn validate(self, context: Context<'_>) -> Result<Reversal, Faults> {
        let faults = &mut Vec::new();
        let id = command_id(self.id, context, faults);
        let conversion = self.conversion_id.required_id("conversion_id", faults);
        let kind = kind(&self.tipo, faults);
        let dispute = dispute(self.disputa_id, kind, faults);
        // Without a currency it is the conversion's, which may not be known yet: the amount is judged as COP's.
        let judged_as = currency(&self.moneda, faults);
        let currency = (self.moneda != Text::Absent).then_some(judged_as);
        let sent = amount(&self.valor, judged_as, faults);
        let reason = reason(self.motivo, faults);
        let time = sent_time(&self.timestamp, context, faults);
        if let Some(faults) = Faults::of(std::mem::take(faults)) {
            return Err(faults);
        }
        let content = ContentBuilder::new(Kind::RecordReversal.name())
            .text(Some(&id))
            .text(Some(&conversion))
            .text((self.tipo != Text::Absent).then_some(kind.unwrap_or(ReversalKind::Refund).name()))
            .text(dispute.as_deref())
            .text(sent.as_ref().map(|sent| &*sent.content))
            .text(currency.map(Currency::code))
            .text(reason.as_deref())
            .time(time);
        Ok(Reversal {
            id,
            conversion: CommandId::from(&*conversion),
            kind: kind.unwrap_or(ReversalKind::Refund),
            dispute,
            amount: sent.map(|sent| sent.money.amount()),
            currency,
            reason,
            event_time: time.unwrap_or(context.published_at),
            content: content.build(),
        })
    }
}

/// The kind; none after a fault.
fn kind(sent: &Text, faults: &mut Vec<Fault>) -> Option<ReversalKind> {
    let kind = ReversalKind::from_name(one_of(sent, ReversalKind::Refund.name(), "tipo", faults));
    if kind.is_none() {
        let known = ReversalKind::ALL.map(ReversalKind::name).join(", ");
        note(faults, Code::InvalidValue, "tipo", &format!("debe ser uno de {known}"));
    }
    kind
}

/// A step of a dispute says of which one, and a refund has none.
fn dispute(sent: Text, kind: Option<ReversalKind>, faults: &mut Vec<Fault>) -> Option<SmolStr> {
    if kind.is_some_and(ReversalKind::is_dispute) {
        return Some(sent.required_id("disputa_id", faults));
    }
    let dispute = sent.optional_id("disputa_id", faults);
    if kind.is_some() && dispute.is_some() {
        let steps = ReversalKind::ALL.into_iter().filter(|kind| kind.is_dispute()).map(ReversalKind::name);
        let detail =
            format!("no va con DEVOLUCION; omítalo, o dé como tipo uno de {}", steps.collect::<Vec<_>>().join(", "));
        note(faults, Code::InvalidValue, "disputa_id", &detail);
    }
    dispute
}

/// The amount, which is more than 0: all of the conversion is said by saying none.
fn amount(sent: &Amount, currency: Currency, faults: &mut Vec<Fault>) -> Option<Sent> {
    let found = &mut Vec::new();
    let judged = sent.judge("valor", currency, found);
    if judged.as_ref().is_some_and(|sent| sent.money.amount().is_zero()) {
        note(found, Code::InvalidValue, "valor", "es 0");
    }
    let hint =
        if sent.is_none() { " para revertir una parte" } else { "; dé un importe mayor que 0, u omítalo para todo" };
    faults.extend(found.drain(..).map(|fault| Fault { detail: format!("{}{hint}", fault.detail), ..fault }));
    judged
}

fn reason(sent: Text, faults: &mut Vec<Fault>) -> Option<SmolStr> {
    let reason = sent.optional("motivo", faults)?;
    if reason.len() > REASON_BYTES_MAX {
        note(faults, Code::InvalidValue, "motivo", &format!("tiene más de {REASON_BYTES_MAX} bytes; acórtelo"));
    }
    Some(reason)
}
