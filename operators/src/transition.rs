//! `Transition`: decides commands about campaigns one by one, in order: by what has been claimed, and by what their
//! campaigns are.
//!
//! A command that is rejected holds no claim, so that it may be sent again when its campaign allows it. Therefore both
//! are decided here, in one pass: whether a command is a duplicate depends on what became of those before it.

use schemas::campaign::{unknown_campaign, unsettles};
use schemas::{
    CampaignChange, CampaignCommand, CampaignStatus, Claim, ClaimKey, Envelope, Fault, Faults, HeldClaim, Reject,
};
use std::collections::HashMap;

use crate::Batch;
use crate::claim::conflict;

/// A batch whose commands are to be decided.
#[derive(Debug)]
pub struct Transition {
    batch: Batch<Envelope<CampaignCommand>>,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Decided {
    /// What its accepted commands claim, sorted by key.
    pub claims: Vec<Claim>,
    /// What its accepted commands change.
    pub batch: Batch<CampaignChange>,
}

impl Transition {
    /// Of a batch.
    pub const fn of(batch: Batch<Envelope<CampaignCommand>>) -> Self {
        Self { batch }
    }

    /// The claims that its commands may ask for, sorted by key.
    pub fn wanted(&self) -> Vec<Claim> {
        let mut wanted: Vec<_> = self.batch.items.iter().map(claim).collect();
        wanted.sort_by_key(|claim| claim.key);
        wanted.dedup_by_key(|claim| claim.key);
        wanted
    }

    /// The campaigns that its commands are about.
    pub fn campaigns(&self) -> Vec<&str> {
        self.batch.items.iter().filter_map(|item| item.body.campaign()).collect()
    }

    /// Decides, once it is known which claims are held and what the campaigns are that somebody has created.
    pub fn decide(self, mut held: HeldClaim, mut campaigns: HashMap<Box<str>, CampaignStatus>) -> Decided {
        let mut batch = self.batch;
        let (mut claims, mut changes) = (Vec::new(), Vec::new());
        for item in batch.take_items() {
            let claim = claim(&item);
            match held.get(&claim.key) {
                Some(content) if *content == claim.content => {
                    batch.resolved.extend(item.origin.replay_of);
                    batch.duplicates += 1;
                    continue;
                }
                Some(_) => {
                    let (kind, id) = (item.body.kind(), item.body.id().clone());
                    batch.rejects.push(conflict(item.origin, kind, &id, None));
                    continue;
                }
                None => {}
            }
            match accept(item.body, &mut campaigns) {
                Ok(change) => {
                    batch.resolved.extend(item.origin.replay_of);
                    held.insert(claim.key, claim.content);
                    claims.push(claim);
                    changes.push(change);
                }
                Err(fault) => {
                    let faults = Faults::one(fault.code, fault.path, fault.detail);
                    batch.rejects.push(Reject::new(item.origin, Some(claim.key.kind), None, faults));
                }
            }
        }
        claims.sort_unstable_by_key(|claim| claim.key);
        Decided { claims, batch: batch.with(changes) }
    }
}

fn claim(item: &Envelope<CampaignCommand>) -> Claim {
    let key = ClaimKey::new(item.body.kind(), item.body.id());
    Claim { key, content: item.body.content(), position: item.origin.position }
}

/// What `command` changes, with its campaign moved on; or why it may not be.
fn accept(
    command: CampaignCommand,
    campaigns: &mut HashMap<Box<str>, CampaignStatus>,
) -> Result<CampaignChange, Fault> {
    let Some(name) = command.campaign().map(Box::<str>::from) else {
        return Ok(CampaignChange { command, unsettles: None });
    };
    let before = campaigns.get(&name).copied();
    let after = match (&command, before) {
        (CampaignCommand::Create(campaign), _) => Some(CampaignStatus::of(campaign)),
        (_, Some(before)) => Some(before.after(&command)?),
        (_, None) if command.needs_campaign() => return Err(unknown_campaign(&name)),
        (_, None) => None,
    };
    let unsettles = unsettles(&command, before, after);
    campaigns.extend(after.map(|after| (name, after)));
    Ok(CampaignChange { command, unsettles })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use bytes::Bytes;
    use schemas::message::{Encoding, Origin};
    use schemas::wire::{Context, Privacy, decode};
    use schemas::{Command, Position, Span, Timestamp};

    const SPAN: Span = Span { after: Position::START, through: Position::START, messages: 0 };

    fn commands(lines: &[&str]) -> Batch<Envelope<CampaignCommand>> {
        let published_at = Timestamp::parse("2026-06-01T12:00:30Z").unwrap();
        let command = |(offset, line): (usize, &&str)| {
            let position = Position::offset(offset as i64);
            let context = Context { source: "t", position, published_at, assigned_id: None };
            let command = decode(None, line.as_bytes()).unwrap().validate(context, Privacy::AsSent).unwrap();
            let Command::Campaign(body) = command else { panic!("{line}") };
            let (payload, encoding) = (Bytes::new(), Encoding::Json);
            let origin = Origin { position, published_at, assigned_id: None, replay_of: None, payload, encoding };
            Envelope { origin, body }
        };
        Batch::new(lines.iter().enumerate().map(command).collect(), SPAN)
    }

    /// What becomes of the lines in one batch, or in batches of one: accepted positions, duplicates, codes of rejects.
    fn decided(lines: &[&str], whole: bool) -> (Vec<i64>, u64, Vec<&'static str>) {
        let (mut held, mut campaigns) = (HeldClaim::default(), HashMap::new());
        let (mut accepted, mut duplicates, mut codes) = (Vec::new(), 0, Vec::new());
        let items = commands(lines).items;
        let cuts = if whole { vec![items] } else { items.into_iter().map(|item| vec![item]).collect() };
        for items in cuts {
            let decided = Transition::of(Batch::new(items, SPAN)).decide(held.clone(), campaigns.clone());
            // As the tables would hold it.
            held.extend(decided.claims.iter().map(|claim| (claim.key, claim.content)));
            for change in &decided.batch.items {
                accept(change.command.clone(), &mut campaigns).unwrap();
            }
            accepted.extend(decided.claims.iter().map(|claim| claim.position.entry));
            duplicates += decided.batch.duplicates;
            codes.extend(decided.batch.rejects.iter().map(|reject| reject.faults.code().name()));
        }
        accepted.sort_unstable();
        (accepted, duplicates, codes)
    }

    #[test]
    fn what_is_rejected_claims_nothing_however_batches_are_cut() {
        let lines = [
            r#"{"comando":"pausar-campaña","id":"p","campaña_id":"c"}"#, // nobody has created it
            r#"{"comando":"crear-campaña","id":"c"}"#,
            r#"{"comando":"reanudar-campaña","id":"r","campaña_id":"c"}"#, // it is active
            r#"{"comando":"pausar-campaña","id":"p","campaña_id":"c"}"#,   // the same again, and now it may be
            r#"{"comando":"pausar-campaña","id":"p","campaña_id":"c"}"#,   // a duplicate
            r#"{"comando":"pausar-campaña","id":"p","campaña_id":"c","motivo":"x"}"#, // a conflict
            r#"{"comando":"reanudar-campaña","id":"r","campaña_id":"c","motivo":"x"}"#, // r is still free
            r#"{"comando":"definir-comisiones","id":"t","campaña_id":"unknown","reglas":[]}"#,
            r#"{"comando":"registrar-influencer","id":"i","influencer_id":"ana"}"#,
            r#"{"comando":"agregar-influencer","id":"a","campaña_id":"unknown","influencer_id":"ana"}"#,
            r#"{"comando":"editar-campaña","id":"e","campaña_id":"c","moneda":"EUR"}"#,
        ];
        let expect = (
            vec![1, 3, 6, 7, 8],
            1,
            vec!["estado_invalido", "estado_invalido", "conflicto_de_id", "estado_invalido", "valor_invalido"],
        );
        assert_eq!(decided(&lines, true), expect);
        assert_eq!(decided(&lines, false), expect);
    }
}
