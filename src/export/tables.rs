//! What can be exported: the columns of each table, whence they come, and their order.
//!
//! Names are sorted by their bytes, whatever the database's language.

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Table {
    /// Counts by window
    Ventanas,
    /// Amounts and commissions by window and currency
    Valores,
    /// The ledger: one posting a row
    Comisiones,
    /// What commissions come to, by campaign, influencer and currency
    Saldos,
    /// Rejects by code, as far as they are not resolved
    Rechazos,
    /// Impressions and clicks, one by one
    Impresiones,
    /// Conversions, one by one
    Conversiones,
    /// Reversals of conversions, one by one
    Reversiones,
    /// Events that came after their window was closed
    Tardios,
    /// Campaigns
    #[value(name = "campañas", alias = "campanas")]
    Campanas,
    /// Rejects, one by one, with their bytes
    RechazosDetalle,
}

/// A column: its name, and the SQL that gives it.
pub(super) enum Column {
    /// A text that somebody outside wrote.
    Text(&'static str, &'static str),
    /// A value that needs no care.
    Exact(&'static str, &'static str),
    /// A sum of money, without trailing zeros.
    Amount(&'static str, &'static str),
    /// An instant on the minute.
    Minute(&'static str, &'static str),
    /// An instant to the microsecond.
    Instant(&'static str, &'static str),
}

impl Column {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Text(name, _)
            | Self::Exact(name, _)
            | Self::Amount(name, _)
            | Self::Minute(name, _)
            | Self::Instant(name, _) => name,
        }
    }
}

/// Columns and rows of a table.
pub(super) struct Source {
    pub(super) columns: &'static [Column],
    pub(super) rows: &'static str,
    pub(super) order: &'static str,
}

use Column::{Amount, Exact, Instant, Minute, Text};

// Nobody has the number 0 and no name: unattributed rows have an empty influencer.

/// Names stand as they were sent, even where they look like formulas: other programs compare them.
const VENTANAS: Source = Source {
    columns: &[
        Exact("campaña_id", "c.name"),
        Exact("influencer_id", "i.name"),
        Minute("ventana", "w.start"),
        Exact("impresiones", "w.impressions"),
        Exact("clics", "w.clicks"),
        Exact("conversiones", "w.conversions"),
    ],
    rows: "windows w JOIN campaign_names c USING (campaign) LEFT JOIN influencer_names i USING (influencer)",
    order: r#"c.name COLLATE "C", i.name COLLATE "C" NULLS FIRST, w.start"#,
};

/// Every currency in which a window has an amount or a commission.
const VALORES: Source = Source {
    columns: &[
        Exact("campaña_id", "c.name"),
        Exact("influencer_id", "i.name"),
        Minute("ventana", "a.start"),
        Exact("moneda", "a.currency"),
        Amount("valor", "a.amount"),
        Amount("comision", "a.commission"),
    ],
    rows: "(SELECT campaign, influencer, start, currency, sum(amount) AS amount, sum(commission) AS commission FROM ( \
                SELECT campaign, influencer, start, currency, amount, 0 AS commission FROM window_amounts \
                UNION ALL \
                SELECT campaign, influencer, start, currency, 0, commission FROM window_commissions) s \
            GROUP BY campaign, influencer, start, currency HAVING sum(amount) <> 0 OR sum(commission) <> 0) a \
           JOIN campaign_names c USING (campaign) LEFT JOIN influencer_names i USING (influencer)",
    order: r#"c.name COLLATE "C", i.name COLLATE "C" NULLS FIRST, a.start, a.currency COLLATE "C""#,
};

/// In the order in which they were posted.
const COMISIONES: Source = Source {
    columns: &[
        Exact("asiento", "p.posting"),
        Instant("fecha", "p.posted_at"),
        Text("campaña_id", "c.name"),
        Text("influencer_id", "i.name"),
        Exact("moneda", "p.currency"),
        Exact("concepto", "CASE p.concept WHEN 'r' THEN 'REVERSION' ELSE 'COMISION' END"),
        Exact(
            "causa",
            "CASE p.cause WHEN 'c' THEN 'CONVERSION' WHEN 'w' THEN 'VENTANAS' WHEN 't' THEN 'TERMINOS' ELSE 'REVERSION' END",
        ),
        Amount("monto", "CASE p.credit WHEN 'p' THEN p.amount ELSE -p.amount END"),
        Exact("comision", "p.commission"),
        Text("conversion_id", "p.conversion"),
        Instant("ventana_desde", "p.event_from"),
        Instant("ventana_hasta", "p.event_to"),
        Text("terminos_id", "t.id"),
        Exact("regla", "p.rule"),
        Amount("cantidad_antes", "p.quantity_before"),
        Amount("cantidad_despues", "p.quantity_after"),
        Amount("exacto", "p.exact_after"),
        Amount("total_antes", "p.total_before"),
        Amount("total_despues", "p.total_after"),
        Exact("revierte", "p.reverses"),
        Exact("estado", "CASE WHEN h.posting IS NULL THEN 'APROBADA' ELSE 'PENDIENTE' END"),
        Exact("motivo_retencion", "CASE h.reason WHEN 'b' THEN 'PRESUPUESTO' WHEN 'd' THEN 'DISPUTA' END"),
        Amount("saldo", "p.balance"),
    ],
    rows: "postings p JOIN campaign_names c USING (campaign) JOIN influencer_names i USING (influencer) \
           JOIN terms t ON t.terms = p.terms \
           LEFT JOIN (SELECT posting, max(reason) AS reason FROM (SELECT posting, reason::text FROM held_postings) h \
                      GROUP BY posting) h ON h.posting = p.posting",
    order: "p.posting",
};

const SALDOS: Source = Source {
    columns: &[
        Text("campaña_id", "c.name"),
        Text("influencer_id", "i.name"),
        Exact("moneda", "b.currency"),
        Amount("devengada", "b.earned"),
        Amount("revertida", "b.reversed"),
        Amount("retenida", "b.held"),
        Amount("aprobada", "b.earned - b.reversed - b.held - b.paid"),
        Amount("pagada", "b.paid"),
        Amount("saldo", "b.earned - b.reversed - b.paid"),
    ],
    rows: "balances b JOIN campaign_names c USING (campaign) JOIN influencer_names i USING (influencer)",
    order: r#"c.name COLLATE "C", i.name COLLATE "C", b.currency COLLATE "C""#,
};

const RECHAZOS: Source = Source {
    columns: &[Exact("codigo", "r.code"), Exact("n", "r.n")],
    rows: "(SELECT code, count(*) AS n FROM rejects WHERE resolved_at IS NULL GROUP BY code) r",
    order: r#"r.code COLLATE "C""#,
};

const IMPRESIONES: Source = Source {
    columns: &[
        Text("id", "r.id"),
        Text("campaña_id", "c.name"),
        Text("influencer_id", "i.name"),
        Text("usuario_id", "r.user_id"),
        Exact("tipo_evento", "CASE WHEN r.click THEN 'CLICK' ELSE 'IMPRESION' END"),
        Text("user_agent", "r.user_agent"),
        Text("ip_address", "r.ip_address"),
        Text("referrer", "r.referrer"),
        Instant("timestamp", "r.event_time"),
        Instant("created_at", "r.published_at"),
    ],
    rows: "impressions r JOIN campaign_names c USING (campaign) LEFT JOIN influencer_names i USING (influencer)",
    order: r#"r.event_time, r.id COLLATE "C""#,
};

const CONVERSIONES: Source = Source {
    columns: &[
        Text("id", "r.id"),
        Text("campaña_id", "c.name"),
        Text("influencer_id", "i.name"),
        Text("usuario_id", "r.user_id"),
        Exact(
            "tipo_conversion",
            "(ARRAY['VENTA', 'REGISTRO', 'SUSCRIPCION', 'DESCARGAR', 'CLICK'])[r.kind]", // schemas: ConversionKind
        ),
        Amount("valor", "r.amount"),
        Exact("moneda", "r.currency"),
        Text("user_agent", "r.user_agent"),
        Text("ip_address", "r.ip_address"),
        Text("referrer", "r.referrer"),
        Instant("timestamp", "r.event_time"),
        Instant("created_at", "r.published_at"),
    ],
    rows: "conversions r JOIN campaign_names c USING (campaign) LEFT JOIN influencer_names i USING (influencer)",
    order: r#"r.event_time, r.id COLLATE "C""#,
};

const REVERSIONES: Source = Source {
    columns: &[
        Text("id", "r.id"),
        Text("conversion_id", "r.conversion_id"),
        Exact(
            "tipo",
            // schemas: ReversalKind
            "(ARRAY['DEVOLUCION', 'DISPUTA_ABIERTA', 'DISPUTA_GANADA', 'DISPUTA_PERDIDA'])[r.kind]",
        ),
        Text("disputa_id", "r.dispute_id"),
        Amount("valor", "r.amount"),
        Exact("moneda", "r.currency"),
        Text("motivo", "r.reason"),
        Instant("timestamp", "r.event_time"),
        Instant("created_at", "r.published_at"),
    ],
    rows: "reversals r",
    order: r#"r.event_time, r.id COLLATE "C""#,
};

const TARDIOS: Source = Source {
    columns: &[
        Text("campaña_id", "c.name"),
        Text("influencer_id", "i.name"),
        Minute("ventana", "e.start"),
        Instant("timestamp", "e.event_time"),
        Instant("created_at", "e.published_at"),
        Exact("posicion", "format('%s/%s:%s:%s', l.source, e.ledger, e.entry, e.index)"),
    ],
    rows: "late_events e JOIN lines l USING (line) JOIN campaign_names c USING (campaign) \
           LEFT JOIN influencer_names i USING (influencer)",
    order: r#"e.event_time, l.source COLLATE "C", e.ledger, e.entry, e.index"#,
};

const CAMPANAS: Source = Source {
    columns: &[
        Text("id", "k.id"),
        Text("nombre", "k.name"),
        Text("producto", "k.product"),
        Text("marca", "k.brand"),
        Amount("presupuesto", "k.budget"),
        Exact("moneda", "k.currency"),
        Exact("influencers_ids", "to_json(k.influencers)"),
        Exact("conversiones", "k.conversions"),
        Exact("estado", "s.state"),
        Instant("fecha_creacion", "k.created_at"),
    ],
    rows: "campaigns k JOIN current_states s USING (campaign)",
    order: r#"k.id COLLATE "C""#,
};

/// The bytes as text, where they are text (UTF-8, without the null character, by their hexadecimal digits); else with
/// `\303` for what is not ASCII and `\\` for a backslash.
const PAYLOAD_TEXT: &str = "CASE WHEN encode(r.payload, 'hex') ~ '^(0[1-9a-f]|[1-7].|(c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].\
    |(e[1-9a-cef]|ed(?=[89]))[89ab].[89ab].|f0[9ab].([89ab].){2}|f[1-3]([89ab].){3}|f48.([89ab].){2})*$' \
    THEN convert_from(r.payload, 'UTF8') ELSE encode(r.payload, 'escape') END";

const RECHAZOS_DETALLE: Source = Source {
    columns: &[
        Exact("id", "r.reject"),
        Exact("codigo", "r.code"),
        Text("detalle", "r.detail"),
        Instant("timestamp", "r.event_time"),
        Instant("created_at", "r.published_at"),
        Instant("rechazado", "r.rejected_at"),
        Exact("posicion", "format('%s/%s:%s:%s', l.source, r.ledger, r.entry, r.index)"),
        Exact("intentos", "r.replays"),
        Instant("resuelto", "r.resolved_at"),
        Text("cuerpo", PAYLOAD_TEXT),
    ],
    rows: "rejects r JOIN lines l USING (line)",
    order: "r.reject",
};

impl Table {
    pub(super) const fn source(self) -> Source {
        match self {
            Self::Ventanas => VENTANAS,
            Self::Valores => VALORES,
            Self::Comisiones => COMISIONES,
            Self::Saldos => SALDOS,
            Self::Rechazos => RECHAZOS,
            Self::Impresiones => IMPRESIONES,
            Self::Conversiones => CONVERSIONES,
            Self::Reversiones => REVERSIONES,
            Self::Tardios => TARDIOS,
            Self::Campanas => CAMPANAS,
            Self::RechazosDetalle => RECHAZOS_DETALLE,
        }
    }
}
