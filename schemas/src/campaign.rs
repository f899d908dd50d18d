//! Campaigns as they are known, and what may become of them: edits, states, influencers that belong to them.

use rust_decimal::Decimal;
use smol_str::SmolStr;
use std::time::Duration;

use crate::{
    CampaignCommand, CampaignId, Code, CommandId, Content, Currency, Fault, InfluencerId, Kind, Money, Timestamp,
};

/// Whatever changes what is earned does so at the start of a minute, as windows do, so that a window earns or does not.
pub const CHANGE_ALIGNMENT: Duration = Duration::from_secs(60);

/// A campaign as its creator described it.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The campaign's id, which is also the command's.
    pub id: CommandId,
    /// `nombre`.
    pub name: Option<SmolStr>,
    /// `producto`.
    pub product: Option<SmolStr>,
    /// `marca`.
    pub brand: Option<SmolStr>,
    /// `presupuesto` in `moneda`.
    pub budget: Money,
    /// What happens when the budget runs out.
    pub policy: BudgetPolicy,
    /// When it begins and ends.
    pub dates: Dates,
    /// `influencers_ids`.
    pub influencers: Vec<InfluencerId>,
    /// `conversiones` as sent: recorded, not interpreted.
    pub conversions: SmolStr,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// What the producer said.
    pub content: Content,
}

/// `politica_presupuesto`: what happens when the budget runs out. Everything is counted and earned all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BudgetPolicy {
    /// Somebody is told.
    #[default]
    Alert,
    /// Nothing more is approved for payment.
    Stop,
}

impl BudgetPolicy {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Alert, Self::Stop];

    /// The name on the wire and in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alertar",
            Self::Stop => "detener",
        }
    }
}

/// The span of event time in which a campaign earns, whole minutes both; none: no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dates {
    /// `fecha_inicio`: the first instant.
    pub starts_at: Option<Timestamp>,
    /// `fecha_fin`: the first instant behind it.
    pub ends_at: Option<Timestamp>,
}

impl Dates {
    /// Whether something lies between them.
    pub fn are_sound(self) -> bool {
        self.starts_at.zip(self.ends_at).is_none_or(|(start, end)| start < end)
    }

    /// The first instant that earns under one of the two and not under the other, at the earliest.
    fn first_difference(self, other: Self) -> Option<Timestamp> {
        // What has no beginning begins before every event, for none is older than 1970.
        let starts = [self.starts_at, other.starts_at].map(|start| start.unwrap_or(Timestamp::EPOCH));
        let ends = [self.ends_at, other.ends_at];
        let start = (starts[0] != starts[1]).then(|| starts[0].min(starts[1]));
        let end = (ends[0] != ends[1]).then(|| ends.into_iter().flatten().min()).flatten();
        start.into_iter().chain(end).min()
    }
}

/// What of a campaign is to be different from now on; what is none stays as it is.
#[derive(Debug, Clone)]
pub struct CampaignEdit {
    /// The command's id.
    pub id: CommandId,
    /// The campaign.
    pub campaign: CampaignId,
    /// A name, or none any more.
    pub name: Option<Option<SmolStr>>,
    /// A product, or none any more.
    pub product: Option<Option<SmolStr>>,
    /// A brand, or none any more.
    pub brand: Option<Option<SmolStr>>,
    /// A budget, in the campaign's currency.
    pub budget: Option<Decimal>,
    /// The currency that the sender believes the campaign to have.
    pub currency: Option<Currency>,
    /// What happens when the budget runs out.
    pub policy: Option<BudgetPolicy>,
    /// A beginning, or none any more.
    pub starts_at: Option<Option<Timestamp>>,
    /// An end, or none any more.
    pub ends_at: Option<Option<Timestamp>>,
    /// When it was asked for.
    pub edited_at: Timestamp,
    /// What the producer said.
    pub content: Content,
}

/// What a campaign is. The names are those of the wire and of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignState {
    /// Its events earn.
    Active,
    /// Its events are counted and earn nothing, until it goes on.
    Paused,
    /// Its events are counted and earn nothing, for good.
    Ended,
}

impl CampaignState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Paused, Self::Ended];

    /// The name on the wire and in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVA",
            Self::Paused => "PAUSADA",
            Self::Ended => "FINALIZADA",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a campaign may go from this state to that one.
    pub const fn may_become(self, next: Self) -> bool {
        matches!((self, next), (Self::Active, Self::Paused | Self::Ended) | (Self::Paused, Self::Active | Self::Ended))
    }

    /// The kind of command that leads to it.
    pub const fn command(self) -> Kind {
        match self {
            Self::Active => Kind::ResumeCampaign,
            Self::Paused => Kind::PauseCampaign,
            Self::Ended => Kind::EndCampaign,
        }
    }
}

/// From `valid_from` on a campaign is in this state.
#[derive(Debug, Clone)]
pub struct StateChange {
    /// The command's id.
    pub id: CommandId,
    /// The campaign.
    pub campaign: CampaignId,
    /// What it becomes.
    pub state: CampaignState,
    /// The first event time that it holds for: a whole minute.
    pub valid_from: Timestamp,
    /// `motivo`.
    pub reason: Option<SmolStr>,
    /// When it was asked for.
    pub changed_at: Timestamp,
    /// What the producer said.
    pub content: Content,
}

/// Somebody, as last described: personal data.
#[derive(Debug, Clone)]
pub struct Influencer {
    /// The command's id.
    pub id: CommandId,
    /// Who.
    pub influencer: InfluencerId,
    /// `nombre`.
    pub name: Option<SmolStr>,
    /// `email`.
    pub email: Option<SmolStr>,
    /// `cedula`.
    pub identity_card: Option<SmolStr>,
    /// When it was asked for.
    pub registered_at: Timestamp,
    /// What the producer said.
    pub content: Content,
}

/// From `valid_from` on an influencer belongs to a campaign, or does not any more.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The command's id.
    pub id: CommandId,
    /// The campaign.
    pub campaign: CampaignId,
    /// Who.
    pub influencer: InfluencerId,
    /// Whether she belongs to it. Whoever was never removed earns, on the list or not.
    pub member: bool,
    /// The first event time that it holds for: a whole minute.
    pub valid_from: Timestamp,
    /// When it was asked for.
    pub changed_at: Timestamp,
    /// What the producer said.
    pub content: Content,
}

/// What a command about a campaign is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CampaignStatus {
    /// Of its budget; it never changes.
    pub currency: Currency,
    /// When it begins and ends.
    pub dates: Dates,
    /// What it was last told to be.
    pub state: CampaignState,
    /// From when on; none: since it was created.
    pub since: Option<Timestamp>,
}

/// A command that holds, and the first event time that may earn something else by it.
#[derive(Debug, Clone)]
pub struct CampaignChange {
    /// What is asked for.
    pub command: CampaignCommand,
    /// None: what is earned stays as it is.
    pub unsettles: Option<Timestamp>,
}

impl CampaignStatus {
    /// A campaign that has just been created.
    pub const fn of(campaign: &Campaign) -> Self {
        let (currency, dates) = (campaign.budget.currency(), campaign.dates);
        Self { currency, dates, state: CampaignState::Active, since: None }
    }

    /// What it is after `command`, or why that may not be.
    pub fn after(self, command: &CampaignCommand) -> Result<Self, Fault> {
        match command {
            CampaignCommand::Edit(edit) => self.edited(edit),
            CampaignCommand::Change(change) => self.changed(change),
            CampaignCommand::Create(_)
            | CampaignCommand::Define(_)
            | CampaignCommand::Register(_)
            | CampaignCommand::Belong(_) => Ok(self),
        }
    }

    fn edited(self, edit: &CampaignEdit) -> Result<Self, Fault> {
        if edit.currency.is_some_and(|currency| currency != self.currency) {
            let detail = format!(
                "la campaña está en {}, y su moneda no cambia: omítala, o cree otra campaña",
                self.currency.code()
            );
            return Err(Fault { code: Code::InvalidValue, path: "moneda", detail });
        }
        let dates = Dates {
            starts_at: edit.starts_at.unwrap_or(self.dates.starts_at),
            ends_at: edit.ends_at.unwrap_or(self.dates.ends_at),
        };
        if dates.are_sound() { Ok(Self { dates, ..self }) } else { Err(dates_fault(dates)) }
    }

    fn changed(self, change: &StateChange) -> Result<Self, Fault> {
        let since = self.since.map_or_else(String::new, |since| format!(" desde {since}"));
        let is = format!("{}{since}", self.state.name());
        if !self.state.may_become(change.state) {
            let next = change.state.name();
            let detail = format!("la campaña está {is} y no puede pasar a {next}; {}", self.may_become());
            return Err(Fault { code: Code::InvalidState, path: "campaña_id", detail });
        }
        if let Some(since) = self.since.filter(|since| change.valid_from < *since) {
            let from = change.valid_from;
            let detail = format!("{from} es anterior al último cambio ({is}); dé {since} o un minuto posterior");
            return Err(Fault { code: Code::InvalidState, path: "desde", detail });
        }
        Ok(Self { state: change.state, since: Some(change.valid_from), ..self })
    }

    fn may_become(self) -> String {
        let commands: Vec<_> = CampaignState::ALL
            .into_iter()
            .filter(|next| self.state.may_become(*next))
            .map(|next| next.command().name())
            .collect();
        if commands.is_empty() { "es definitivo".into() } else { format!("admite {}", commands.join(", ")) }
    }
}

/// Dates between which there is nothing.
pub(crate) fn dates_fault(dates: Dates) -> Fault {
    let shown = |date: Option<Timestamp>| date.map_or_else(String::new, |date| date.to_string());
    let detail = format!(
        "{} no es posterior a fecha_inicio ({}); dé una fecha posterior, o null para no poner fin",
        shown(dates.ends_at),
        shown(dates.starts_at)
    );
    Fault { code: Code::InvalidValue, path: "fecha_fin", detail }
}

/// A command about a campaign that nobody has created.
pub fn unknown_campaign(campaign: &str) -> Fault {
    let detail = format!("{campaign} no existe; créela antes con crear-campaña");
    Fault { code: Code::InvalidState, path: "campaña_id", detail }
}

/// The first event time that may earn something else by `command`, which has turned `before` into `after`.
pub fn unsettles(
    command: &CampaignCommand,
    before: Option<CampaignStatus>,
    after: Option<CampaignStatus>,
) -> Option<Timestamp> {
    match command {
        CampaignCommand::Create(_) | CampaignCommand::Edit(_) => {
            let dates = |status: Option<CampaignStatus>| status.map_or(Dates::default(), |status| status.dates);
            dates(before).first_difference(dates(after))
        }
        CampaignCommand::Define(terms) => Some(terms.valid_from),
        CampaignCommand::Change(change) => Some(change.valid_from),
        CampaignCommand::Belong(membership) => Some(membership.valid_from),
        CampaignCommand::Register(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_stays_so() {
        use CampaignState::{Active, Ended, Paused};
        let legal = [(Active, Paused), (Active, Ended), (Paused, Active), (Paused, Ended)];
        for from in CampaignState::ALL {
            for to in CampaignState::ALL {
                assert_eq!(from.may_become(to), legal.contains(&(from, to)), "{from:?} {to:?}");
            }
        }
    }

    #[test]
    fn what_lies_between_old_and_new_dates_is_unsettled() {
        let dates = |starts_at: Option<i64>, ends_at: Option<i64>| Dates {
            starts_at: starts_at.map(Timestamp::from_micros),
            ends_at: ends_at.map(Timestamp::from_micros),
        };
        for (before, after, expect) in [
            (dates(None, None), dates(None, None), None),
            (dates(Some(5), Some(9)), dates(Some(5), Some(9)), None),
            (dates(None, None), dates(Some(5), None), Some(0)),
            (dates(Some(7), None), dates(Some(5), None), Some(5)),
            (dates(None, None), dates(None, Some(9)), Some(9)),
            (dates(None, Some(8)), dates(None, Some(9)), Some(8)),
            (dates(Some(7), Some(8)), dates(Some(6), Some(9)), Some(6)),
        ] {
            let expect = expect.map(Timestamp::from_micros);
            assert_eq!(before.first_difference(after), expect, "{before:?} {after:?}");
            assert_eq!(after.first_difference(before), expect, "{after:?} {before:?}");
        }
    }
}
