//! The users' names: what a producer may write, read leniently in shape and judged strictly in value.
//!
//! [`decode`] turns bytes into a [`Record`] and fails only on what is not JSON; [`decode_avro`] on what is not Avro.
//! [`Record::validate`] turns a record into a [`Command`], or into *all* of its faults. They are pure: the edge and the
//! line share them.

mod alpes;
mod campaign;
mod datum;
mod edit;
mod field;
mod influencer;
mod keys;
mod membership;
mod reversal;
mod rules;
mod state;
mod terms;
mod tiers;
mod tracking;

use crate::campaign::CHANGE_ALIGNMENT;
use crate::{CampaignCommand, CampaignState, Code, Command, CommandId, Fault, Faults, Kind, Position, Timestamp};
use field::Text;
use std::time::Duration;
use uuid::Uuid;

pub use campaign::CampaignRecord;
pub use datum::{DATUM_BYTES_MAX, decode_avro};
pub use edit::EditRecord;
pub use influencer::InfluencerRecord;
pub use membership::MembershipRecord;
pub use reversal::ReversalRecord;
pub use state::StateRecord;
pub use terms::TermsRecord;
pub use tracking::TrackingRecord;

pub(crate) use alpes::ComandoAlpes;

/// How far an event may lie ahead of its publication: more is a bad clock.
pub const FUTURE_MAX: Duration = Duration::from_secs(5 * 60);

/// What was sent, before it is judged.
#[derive(Debug, Clone)]
pub enum Record {
    /// An impression, a click or a conversion.
    Tracking(Box<TrackingRecord>),
    /// A refund or a step of a dispute.
    Reversal(Box<ReversalRecord>),
    /// A campaign.
    Campaign(Box<CampaignRecord>),
    /// Commission terms.
    Terms(Box<TermsRecord>),
    /// Another description of a campaign.
    Edit(Box<EditRecord>),
    /// A state of a campaign.
    State(CampaignState, Box<StateRecord>),
    /// Data of an influencer.
    Influencer(Box<InfluencerRecord>),
    /// An influencer who belongs to a campaign, or does not any more.
    Membership(bool, Box<MembershipRecord>),
}

/// What is known of a message besides its bytes, for the defaults.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The name of the source partition, for deterministic ids.
    pub source: &'a str,
    /// The place in it.
    pub position: Position,
    /// When it was published.
    pub published_at: Timestamp,
    /// The id that the edge gave.
    pub assigned_id: Option<Uuid>,
}

impl Context<'_> {
    /// The minute that begins after the message was sent: the one that has begun is not taken from anybody.
    fn next_minute(&self) -> Timestamp {
        self.published_at.floor(CHANGE_ALIGNMENT).plus(CHANGE_ALIGNMENT)
    }
}

/// What is kept of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Privacy {
    /// IP and user agent as they were sent.
    #[default]
    AsSent,
    /// IP cut to /24 (IPv4) or /48 (IPv6), user agent to its first word.
    Truncate,
    /// Neither.
    Drop,
}

/// Reads a JSON command. Without a `kind` its `comando` says what it is.
pub fn decode(kind: Option<Kind>, payload: &[u8]) -> Result<Record, Faults> {
    let kind = match kind {
        Some(kind) => kind,
        // Almost every line is a tracking command, so it is read as one at once.
        None => {
            let record: Box<TrackingRecord> = read(payload)?;
            let kind = kind_of(&record.comando)?;
            if kind.is_event() {
                return Ok(Record::tracking(kind, record));
            }
            kind
        }
    };
    Ok(match kind {
        Kind::RecordImpression | Kind::RecordClick | Kind::RecordConversion => Record::tracking(kind, read(payload)?),
        Kind::RecordReversal => Record::Reversal(Box::new(read(payload)?)),
        Kind::CreateCampaign => Record::Campaign(Box::new(read(payload)?)),
        Kind::DefineCommissions => Record::Terms(Box::new(read(payload)?)),
        Kind::EditCampaign => Record::Edit(Box::new(read(payload)?)),
        Kind::PauseCampaign => Record::State(CampaignState::Paused, Box::new(read(payload)?)),
        Kind::ResumeCampaign => Record::State(CampaignState::Active, Box::new(read(payload)?)),
        Kind::EndCampaign => Record::State(CampaignState::Ended, Box::new(read(payload)?)),
        Kind::RegisterInfluencer => Record::Influencer(Box::new(read(payload)?)),
        Kind::AddInfluencer => Record::Membership(true, Box::new(read(payload)?)),
        Kind::RemoveInfluencer => Record::Membership(false, Box::new(read(payload)?)),
        Kind::Tick => return Err(unknown()),
    })
}

fn read<'a, T: serde::Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Faults> {
    let malformed = |what: String| Faults::one(Code::Malformed, "", what);
    match payload.trim_ascii_start().first() {
        None => Err(malformed("el cuerpo está vacío".into())),
        // serde would read an array as a record, too, key by key.
        Some(b'{') => {
            // All of it is looked at for UTF-8 at once, which is cheaper than text by text.
            let read =
                std::str::from_utf8(payload).map_or_else(|_| serde_json::from_slice(payload), serde_json::from_str);
            read.map_err(|error| malformed(format!("no es JSON válido: {error}")))
        }
        Some(_) => Err(malformed("debe ser un objeto JSON".into())),
    }
}

fn known() -> String {
    Kind::COMMANDS.map(Kind::name).join(", ")
}

fn unknown() -> Faults {
    Faults::one(Code::UnknownCommand, "comando", format!("no se conoce; uno de {}", known()))
}

fn kind_of(comando: &Text) -> Result<Kind, Faults> {
    match comando {
        Text::Absent | Text::Null => {
            Err(Faults::one(Code::MissingField, "comando", format!("falta; uno de {}", known())))
        }
        Text::Wrong => Err(Faults::one(Code::Malformed, "comando", "debe ser un texto")),
        Text::Given(name) if name.is_empty() => {
            Err(Faults::one(Code::MissingField, "comando", format!("está vacío; uno de {}", known())))
        }
        Text::Given(name) => Kind::from_name(name).ok_or_else(unknown),
    }
}

impl Record {
    /// What was sent as a command of this kind.
    fn tracking(kind: Kind, mut record: Box<TrackingRecord>) -> Self {
        record.kind = kind;
        Self::Tracking(record)
    }

    /// The kind of command, as far as it can be told.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Tracking(record) => record.kind,
            Self::Reversal(_) => Kind::RecordReversal,
            Self::Campaign(_) => Kind::CreateCampaign,
            Self::Terms(_) => Kind::DefineCommissions,
            Self::Edit(_) => Kind::EditCampaign,
            Self::State(state, _) => state.command(),
            Self::Influencer(_) => Kind::RegisterInfluencer,
            Self::Membership(true, _) => Kind::AddInfluencer,
            Self::Membership(false, _) => Kind::RemoveInfluencer,
        }
    }

    /// The event time that it names, if it names a sound one: for judging rejects.
    pub fn event_time(&self) -> Option<Timestamp> {
        match self {
            Self::Tracking(record) => record.event_time(),
            Self::Reversal(record) => record.event_time(),
            Self::Campaign(_)
            | Self::Terms(_)
            | Self::Edit(_)
            | Self::State(..)
            | Self::Influencer(_)
            | Self::Membership(..) => None,
        }
    }

    /// When its replay counts as published, where it was `first` published at another time: what happened without saying
    /// when happened then. What names a time is judged as of now, for what was in the future may have come to pass; and
    /// what would take earnings away takes none of the time in between.
    pub fn replayed_at(&self, first: Timestamp, now: Timestamp) -> Timestamp {
        let holds_from_now = matches!(self, Self::State(..) | Self::Membership(..));
        if holds_from_now || self.event_time().is_some() { now } else { first }
    }

    /// The same without the id that was sent, for a source whose producers' ids cannot be trusted.
    pub fn forget_id(&mut self) {
        match self {
            Self::Tracking(record) => record.id = Text::Absent,
            Self::Reversal(record) => record.id = Text::Absent,
            Self::Campaign(record) => record.id = Text::Absent,
            Self::Terms(record) => record.id = Text::Absent,
            Self::Edit(record) => record.id = Text::Absent,
            Self::State(_, record) => record.id = Text::Absent,
            Self::Influencer(record) => record.id = Text::Absent,
            Self::Membership(_, record) => record.id = Text::Absent,
        }
    }

    /// The command that it means, or all that is wrong with it.
    pub fn validate(self, context: Context<'_>, privacy: Privacy) -> Result<Command, Faults> {
        let command = match self {
            Self::Tracking(record) => return record.validate(context, privacy).map(Command::Track),
            Self::Reversal(record) => return record.validate(context).map(Command::Reverse),
            Self::Campaign(record) => CampaignCommand::Create(record.validate(context)?),
            Self::Terms(record) => CampaignCommand::Define(record.validate(context)?),
            Self::Edit(record) => CampaignCommand::Edit(record.validate(context)?),
            Self::State(state, record) => CampaignCommand::Change(record.validate(state, context)?),
            Self::Influencer(record) => CampaignCommand::Register(record.validate(context)?),
            Self::Membership(member, record) => CampaignCommand::Belong(record.validate(member, context)?),
        };
        Ok(Command::Campaign(command))
    }
}

/// The id that was sent, else the edge's, else one made from the position. Notes what is wrong with it.
fn command_id(sent: Text, context: Context<'_>, faults: &mut Vec<Fault>) -> CommandId {
    match sent {
        Text::Absent => match context.assigned_id {
            Some(id) => CommandId::from(id.to_string().as_str()),
            None => CommandId::from_position(context.source, context.position),
        },
        sent => CommandId::from(sent.required_id("id", faults)),
    }
}
