//! A statement as CSV: one line a posting, between the balances before and after it, currency by currency.

use rust_decimal::Decimal;
use schemas::Timestamp;

use super::{Section, Statement};
use crate::routes::postings::{Line, Row};

const HEADER: &str = "moneda,asiento,fecha,campaña_id,concepto,causa,conversion_id,ventana_desde,ventana_hasta,\
                      terminos_id,regla,estado,motivo_retencion,revierte,monto,saldo,nota\n";
const OPENING: &str = "SALDO_INICIAL";
const CLOSING: &str = "SALDO_FINAL";
const NOTE: &str = "NOTA";

/// The whole file.
pub(crate) fn csv(statement: &Statement) -> String {
    let mut file = HEADER.to_owned();
    for section in &statement.sections {
        file.push_str(&balance(section, OPENING, statement.from, section.opening));
        section.lines.iter().for_each(|row| file.push_str(&line(row)));
        file.push_str(&balance(section, CLOSING, statement.to, section.closing));
    }
    if let Some(note) = statement.note() {
        file.push_str(&format!(",,,,{NOTE},,,,,,,,,,,,{}\n", text(&note)));
    }
    file
}

fn balance(section: &Section, concept: &str, at: Option<Timestamp>, amount: Decimal) -> String {
    let at = at.map(|at| at.to_string()).unwrap_or_default();
    format!("{},,{at},,{concept},,,,,,,,,,,{},\n", section.currency, amount.normalize())
}

fn line(row: &Row) -> String {
    let line = Line::from(row.clone());
    let conversion = line.conversion_id.as_deref().map(text).unwrap_or_default();
    let reverses = line.reverses.map(|posting| posting.to_string()).unwrap_or_default();
    let time = |time| Timestamp::from(time).to_string();
    [
        line.currency.as_str(),
        &line.id.to_string(),
        &time(line.posted_at),
        &text(&line.campaign_id),
        line.concept,
        line.cause,
        &conversion,
        &time(line.event_from),
        &time(line.event_to),
        &text(&line.terms_id),
        &line.rule.to_string(),
        line.state.name(),
        line.held_for.unwrap_or_default(),
        &reverses,
        &row.in_favour.normalize().to_string(),
        &row.balance.normalize().to_string(),
        "\n",
    ]
    .join(",")
}

/// Spreadsheets run what looks like a formula, even out of CSV: an apostrophe in front makes it a text.
fn text(text: &str) -> String {
    let shield = if text.starts_with(['-', '=', '+', '@', '\t', '\r']) { "'" } else { "" };
    let field = format!("{shield}{text}");
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_never_formulas() {
        for (field, expect) in [
            ("cmp-1", "cmp-1"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("@a,b", "\"'@a,b\""),
            ("-5", "'-5"),
            ("a\"b\nc", "\"a\"\"b\nc\""),
            ("\tx", "'\tx"),
        ] {
            assert_eq!(text(field), expect, "{field:?}");
        }
    }
}
