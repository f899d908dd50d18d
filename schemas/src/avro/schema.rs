//! The schemas that messages are written with: those known for ever, and later versions that are safe to read.

use serde_avro_fast::Schema;
use std::fmt;
use std::sync::{Arc, LazyLock};

use super::{AvroError, evolve};
use crate::Kind;

/// The longest schema text accepted: many times the longest of ours.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;

const IMPRESSION: &str = include_str!("../../avro/comando-registrar-impresion.avsc");
const CONVERSION: &str = include_str!("../../avro/comando-registrar-conversion.avsc");
const CAMPAIGN: &str = include_str!("../../avro/comandos-campana.avsc");
const ALPES: &str = include_str!("../../avro/alpes-comandos.avsc");

/// The text of the schema of a topic (its bare name), as it is registered: for producers and for tests.
pub fn schema_text(topic: &str) -> Option<&'static str> {
    Some(match topic {
        "comando-registrar-impresion" => IMPRESSION,
        "comando-registrar-conversion" => CONVERSION,
        "comandos-campana" | "crear-campaña" => CAMPAIGN,
        "alpes-comandos" => ALPES,
        "evento-impresion-registrada" => include_str!("../../avro/evento-impresion-registrada.avsc"),
        "evento-conversion-registrada" => include_str!("../../avro/evento-conversion-registrada.avsc"),
        "eventos-campana" | "campana-creada" => include_str!("../../avro/eventos-campana.avsc"),
        "alpes-eventos" => include_str!("../../avro/alpes-eventos.avsc"),
        "comision-calculada" => include_str!("../../avro/comision-calculada.avsc"),
        _ => return None,
    })
}

/// Which record a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Impression,
    Conversion,
    Campaign,
    Alpes,
}

impl Layout {
    const ALL: [Self; 4] = [Self::Impression, Self::Conversion, Self::Campaign, Self::Alpes];

    fn of_topic(topic: &str) -> Option<Self> {
        Some(match topic {
            "comando-registrar-impresion" => Self::Impression,
            "comando-registrar-conversion" => Self::Conversion,
            "comandos-campana" | "crear-campaña" => Self::Campaign,
            "alpes-comandos" => Self::Alpes,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Impression => "ComandoRegistrarImpresion",
            Self::Conversion => "ComandoRegistrarConversion",
            Self::Campaign => "ComandoCrearCampaña",
            Self::Alpes => "ComandoAlpes",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Impression => IMPRESSION,
            Self::Conversion => CONVERSION,
            Self::Campaign => CAMPAIGN,
            Self::Alpes => ALPES,
        }
    }
}

/// The schema that a message was written with, and which record that is. Cheap to clone.
#[derive(Clone)]
pub struct WriterSchema(Arc<Written>);

struct Written {
    layout: Layout,
    name: Box<str>,
    schema: Schema,
}

/// In the order of [`Layout::ALL`]. A test parses them all, so what is missing here is missing in no release.
static PINNED: LazyLock<[Option<WriterSchema>; 4]> = LazyLock::new(|| {
    Layout::ALL.map(|layout| {
        let schema = layout.text().parse().ok()?;
        Some(WriterSchema(Arc::new(Written { layout, name: layout.name().into(), schema })))
    })
});

impl WriterSchema {
    /// The schema that is known for a topic, given by its bare name.
    pub fn pinned(topic: &str) -> Option<Self> {
        Self::of_layout(Layout::of_topic(topic)?)
    }

    /// The known schema with this [`name`](Self::name).
    pub fn named(name: &str) -> Option<Self> {
        Self::of_layout(Layout::ALL.into_iter().find(|layout| layout.name() == name)?)
    }

    /// A later version that was registered on a topic. It may lack fields, order them anew and have more, if those are
    /// nullable; all else is refused, so that no text that somebody registers can misread or stop the line.
    pub fn evolved(topic: &str, text: &str) -> Result<Self, AvroError> {
        let layout =
            Layout::of_topic(topic).ok_or_else(|| AvroError::Schema(format!("no command travels on {topic}")))?;
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(AvroError::Schema(format!("longer than {SCHEMA_BYTES_MAX} bytes")));
        }
        let judged = evolve::judge(layout.text(), text).map_err(AvroError::Schema)?;
        let schema = judged.parse().map_err(|error| AvroError::Schema(format!("{error}")))?;
        // Not Avro's own fingerprint: that one can be forged, and what is stored under this name must not be misread.
        let name = format!("{}#{}", layout.name(), &blake3::hash(judged.as_bytes()).to_hex()[..16]);
        Ok(Self(Arc::new(Written { layout, name: name.into(), schema })))
    }

    pub(crate) fn of_layout(layout: Layout) -> Option<Self> {
        PINNED.iter().flatten().find(|schema| schema.0.layout == layout).cloned()
    }

    /// A stable name to store beside raw bytes: the record's for a known schema, else with a fingerprint.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The kind that the topic implies; none where the record says it itself.
    pub fn kind(&self) -> Option<Kind> {
        match self.0.layout {
            Layout::Impression => Some(Kind::RecordImpression),
            Layout::Conversion => Some(Kind::RecordConversion),
            Layout::Campaign => Some(Kind::CreateCampaign),
            Layout::Alpes => None,
        }
    }

    pub(crate) fn layout(&self) -> Layout {
        self.0.layout
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.0.schema
    }
}

impl fmt::Debug for WriterSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriterSchema").field(&self.0.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_schema_parses_and_is_found_again() {
        for layout in Layout::ALL {
            let schema = WriterSchema::of_layout(layout).unwrap();
            assert_eq!(WriterSchema::named(schema.name()).unwrap().layout(), layout);
        }
        let topics =
            ["comando-registrar-impresion", "comando-registrar-conversion", "comandos-campana", "crear-campaña"];
        for (topic, kind) in topics.into_iter().zip([
            Kind::RecordImpression,
            Kind::RecordConversion,
            Kind::CreateCampaign,
            Kind::CreateCampaign,
        ]) {
            assert_eq!(WriterSchema::pinned(topic).unwrap().kind(), Some(kind), "{topic}");
        }
        assert_eq!(WriterSchema::pinned("alpes-comandos").unwrap().kind(), None);
        assert!(WriterSchema::pinned("eventos-campana").is_none() && WriterSchema::named("Otro").is_none());
    }
}
