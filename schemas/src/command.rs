//! What a producer asks for, once it is known to be sound. Built only from [`wire`](crate::wire) records.

use crate::campaign::{Campaign, CampaignEdit, Influencer, Membership, StateChange};
use crate::{CampaignId, CommandId, Content, InfluencerId, Money, Reversal, Terms, Timestamp};
use smol_str::SmolStr;

/// The kinds of command. The numbers are stored: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `tick`: time passes in an idle partition. Made by the closer, never by producers.
    Tick = 0,
    /// `registrar-impresion`.
    RecordImpression = 1,
    /// `registrar-conversion`.
    RecordConversion = 2,
    /// `registrar-reversion`.
    RecordReversal = 3,
    /// `crear-campaña`.
    CreateCampaign = 4,
    /// `definir-comisiones`.
    DefineCommissions = 5,
    /// An impression command that came by the way of clicks: its `tipo_evento` is CLICK.
    RecordClick = 6,
    /// `editar-campaña`.
    EditCampaign = 7,
    /// `pausar-campaña`.
    PauseCampaign = 8,
    /// `reanudar-campaña`.
    ResumeCampaign = 9,
    /// `finalizar-campaña`.
    EndCampaign = 10,
    /// `registrar-influencer`.
    RegisterInfluencer = 11,
    /// `agregar-influencer`.
    AddInfluencer = 12,
    /// `retirar-influencer`.
    RemoveInfluencer = 13,
}

impl Kind {
    /// All that producers may send, by their `comando`.
    pub const COMMANDS: [Self; 12] = [
        Self::RecordImpression,
        Self::RecordConversion,
        Self::RecordReversal,
        Self::CreateCampaign,
        Self::DefineCommissions,
        Self::EditCampaign,
        Self::PauseCampaign,
        Self::ResumeCampaign,
        Self::EndCampaign,
        Self::RegisterInfluencer,
        Self::AddInfluencer,
        Self::RemoveInfluencer,
    ];

    /// The `comando` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::RecordImpression | Self::RecordClick => "registrar-impresion",
            Self::RecordConversion => "registrar-conversion",
            Self::RecordReversal => "registrar-reversion",
            Self::CreateCampaign => "crear-campaña",
            Self::DefineCommissions => "definir-comisiones",
            Self::EditCampaign => "editar-campaña",
            Self::PauseCampaign => "pausar-campaña",
            Self::ResumeCampaign => "reanudar-campaña",
            Self::EndCampaign => "finalizar-campaña",
            Self::RegisterInfluencer => "registrar-influencer",
            Self::AddInfluencer => "agregar-influencer",
            Self::RemoveInfluencer => "retirar-influencer",
        }
    }

    /// The kind with this `comando`; `campana` is `campaña`, as in paths.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |kind: &Self| match (kind.name().strip_suffix("campaña"), name.strip_suffix("campana")) {
            (Some(verb), Some(sent)) => verb == sent,
            _ => kind.name() == name,
        };
        Self::COMMANDS.into_iter().find(is)
    }

    /// The number in the tables.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The kind with this number.
    pub fn from_number(number: i16) -> Option<Self> {
        [Self::Tick, Self::RecordClick].into_iter().chain(Self::COMMANDS).find(|kind| kind.number() == number)
    }

    /// Whose ids it shares: a click is an impression command.
    pub const fn claimed_as(self) -> Self {
        match self {
            Self::RecordClick => Self::RecordImpression,
            other => other,
        }
    }

    /// Whether the tracking line handles it (else the campaigns line does).
    pub const fn is_tracking(self) -> bool {
        self.is_event() || matches!(self, Self::Tick | Self::RecordReversal)
    }

    /// Whether it records an event: an impression, a click or a conversion.
    pub const fn is_event(self) -> bool {
        matches!(self, Self::RecordImpression | Self::RecordClick | Self::RecordConversion)
    }
}

/// A sound command.
#[derive(Debug, Clone)]
pub enum Command {
    /// Count this.
    Track(TrackingEvent),
    /// Take this back.
    Reverse(Reversal),
    /// Change what is known of a campaign.
    Campaign(CampaignCommand),
}

/// What the campaigns flow handles.
#[derive(Debug, Clone)]
pub enum CampaignCommand {
    /// Set up this campaign.
    Create(Campaign),
    /// Pay by these terms from when they say.
    Define(Terms),
    /// Describe it otherwise.
    Edit(CampaignEdit),
    /// Pause it, let it go on, or end it.
    Change(StateChange),
    /// Keep these data of an influencer.
    Register(Influencer),
    /// Add an influencer to it, or remove her.
    Belong(Membership),
}

impl CampaignCommand {
    /// The kind of command.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Create(_) => Kind::CreateCampaign,
            Self::Define(_) => Kind::DefineCommissions,
            Self::Edit(_) => Kind::EditCampaign,
            Self::Change(change) => change.state.command(),
            Self::Register(_) => Kind::RegisterInfluencer,
            Self::Belong(Membership { member: true, .. }) => Kind::AddInfluencer,
            Self::Belong(_) => Kind::RemoveInfluencer,
        }
    }

    /// The command's id.
    pub const fn id(&self) -> &CommandId {
        match self {
            Self::Create(campaign) => &campaign.id,
            Self::Define(terms) => &terms.id,
            Self::Edit(edit) => &edit.id,
            Self::Change(change) => &change.id,
            Self::Register(influencer) => &influencer.id,
            Self::Belong(membership) => &membership.id,
        }
    }

    /// What the producer said.
    pub const fn content(&self) -> Content {
        match self {
            Self::Create(campaign) => campaign.content,
            Self::Define(terms) => terms.content,
            Self::Edit(edit) => edit.content,
            Self::Change(change) => change.content,
            Self::Register(influencer) => influencer.content,
            Self::Belong(membership) => membership.content,
        }
    }

    /// The campaign that it is about, if it is about one.
    pub fn campaign(&self) -> Option<&str> {
        match self {
            Self::Create(campaign) => Some(&campaign.id),
            Self::Define(terms) => Some(&terms.campaign),
            Self::Edit(edit) => Some(&edit.campaign),
            Self::Change(change) => Some(&change.campaign),
            Self::Register(_) => None,
            Self::Belong(membership) => Some(&membership.campaign),
        }
    }

    /// Whom it names.
    pub fn influencer(&self) -> Option<&str> {
        match self {
            Self::Create(_) | Self::Edit(_) | Self::Change(_) => None,
            Self::Define(terms) => terms.influencer.as_deref(),
            Self::Register(influencer) => Some(&influencer.influencer),
            Self::Belong(membership) => Some(&membership.influencer),
        }
    }

    /// Whether somebody must have created its campaign. Terms may come before it.
    pub const fn needs_campaign(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Change(_) | Self::Belong(_))
    }

    /// Whether something else may be earned by it.
    pub const fn changes_earnings(&self) -> bool {
        match self {
            Self::Create(campaign) => campaign.dates.starts_at.is_some() || campaign.dates.ends_at.is_some(),
            Self::Edit(edit) => edit.starts_at.is_some() || edit.ends_at.is_some(),
            Self::Define(_) | Self::Change(_) | Self::Belong(_) => true,
            Self::Register(_) => false,
        }
    }
}

/// Somebody saw, clicked or did something thanks to a campaign.
#[derive(Debug, Clone)]
pub struct TrackingEvent {
    /// Unique per kind of command.
    pub id: CommandId,
    /// The campaign, known or not.
    pub campaign: CampaignId,
    /// Who brought it; none counts for the campaign alone.
    pub influencer: Option<InfluencerId>,
    /// `usuario_id`: personal data, like the next three.
    pub user: Option<SmolStr>,
    /// The browser.
    pub user_agent: Option<SmolStr>,
    /// The network address.
    pub ip_address: Option<SmolStr>,
    /// The page before.
    pub referrer: Option<SmolStr>,
    /// When it happened.
    pub event_time: Timestamp,
    /// What it was.
    pub kind: EventKind,
    /// What the producer said, for telling duplicates from conflicts.
    pub content: Content,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Seen.
    Impression,
    /// Clicked.
    Click,
    /// Done, worth `amount`.
    Conversion {
        /// What was done.
        kind: ConversionKind,
        /// What it is worth.
        amount: Money,
        /// Whether it came as a float that may have meant another amount.
        inexact: bool,
    },
}

impl EventKind {
    /// The kind of command that records it.
    pub const fn command(self) -> Kind {
        match self {
            Self::Impression | Self::Click => Kind::RecordImpression,
            Self::Conversion { .. } => Kind::RecordConversion,
        }
    }
}

/// `tipo_conversion`. The numbers are stored: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConversionKind {
    /// VENTA.
    Sale = 1,
    /// REGISTRO.
    SignUp = 2,
    /// SUSCRIPCION.
    Subscription = 3,
    /// DESCARGAR.
    Download = 4,
    /// CLICK.
    Click = 5,
}

impl ConversionKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sale, Self::SignUp, Self::Subscription, Self::Download, Self::Click];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sale => "VENTA",
            Self::SignUp => "REGISTRO",
            Self::Subscription => "SUSCRIPCION",
            Self::Download => "DESCARGAR",
            Self::Click => "CLICK",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The number in the tables.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The kind with this number.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl Command {
    /// The kind of command.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Track(event) => event.kind.command(),
            Self::Reverse(_) => Kind::RecordReversal,
            Self::Campaign(command) => command.kind(),
        }
    }

    /// The command's id.
    pub const fn id(&self) -> &CommandId {
        match self {
            Self::Track(event) => &event.id,
            Self::Reverse(reversal) => &reversal.id,
            Self::Campaign(command) => command.id(),
        }
    }

    /// What the producer said.
    pub const fn content(&self) -> Content {
        match self {
            Self::Track(event) => event.content,
            Self::Reverse(reversal) => reversal.content,
            Self::Campaign(command) => command.content(),
        }
    }

    /// When it happened, for commands that count in event time.
    pub const fn event_time(&self) -> Option<Timestamp> {
        match self {
            Self::Track(event) => Some(event.event_time),
            Self::Reverse(reversal) => Some(reversal.event_time),
            Self::Campaign(_) => None,
        }
    }
}
