//! A statement as one page of HTML that prints well: no scripts, nothing to load, every text escaped.

use rust_decimal::Decimal;
use schemas::Timestamp;

use super::{Section, Statement, shown};
use crate::routes::postings::{Line, Row};

const STYLE: &str = "
body { font: 13px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 72em; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em; margin-bottom: 0 }
h2 { font-size: 1.15em; margin: 2em 0 .4em }
table { border-collapse: collapse; width: 100% }
th, td { padding: .25em .6em; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }
thead th { border-bottom: 2px solid #444 }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.b td { font-weight: 600; background: #f4f4f4 }
.note { border-left: 3px solid #b60; padding-left: .8em }
@media print {
  body { margin: 0; max-width: none; font-size: 10px }
  thead { display: table-header-group }
  tr { break-inside: avoid }
  h2 { break-after: avoid }
  @page { size: A4 landscape; margin: 15mm }
}";

const HEAD: &str = "<thead><tr><th class=\"n\">Asiento</th><th>Fecha</th><th>Campaña</th><th>Concepto</th><th>Detalle</th>\
                    <th>Términos</th><th>Estado</th><th class=\"n\">Monto</th><th class=\"n\">Saldo</th></tr></thead>";

/// The whole page.
pub(crate) fn html(statement: &Statement) -> String {
    let influencer = escaped(&statement.influencer_id);
    let sections: String = statement.sections.iter().map(|it| section(statement, it)).collect();
    let note = statement.note().map(|note| format!("<p class=\"note\">{}</p>", escaped(&note)));
    let nothing = "<p>No hay movimientos.</p>".to_owned();
    let body = if statement.sections.is_empty() { nothing } else { sections };
    format!(
        "<!DOCTYPE html>\n<html lang=\"es\"><head><meta charset=\"utf-8\">\
         <title>Estado de cuenta de {influencer}</title><style>{STYLE}\n</style></head>\n<body>\
         <h1>Estado de cuenta</h1>\n<p>Influencer <strong>{influencer}</strong>, {range}. Instantes en UTC; montos a favor \
         del influencer, en contra con signo menos.</p>\n{note}{body}</body></html>\n",
        range = range(statement),
        note = note.unwrap_or_default(),
    )
}

fn range(statement: &Statement) -> String {
    let from = statement.from.map_or("desde el principio".into(), |from| format!("desde {}", moment(from)));
    let to = statement.to.map_or("hasta el último asiento".into(), |to| format!("hasta antes de {}", moment(to)));
    format!("{from} {to}")
}

fn section(statement: &Statement, section: &Section) -> String {
    let currency = escaped(&section.currency);
    let lines: String = section.lines.iter().map(line).collect();
    let opening = balance(section, "Saldo inicial", statement.from, section.opening);
    let closing = balance(section, "Saldo final", statement.to, section.closing);
    format!("<h2>{currency}</h2>\n<table>{HEAD}\n<tbody>\n{opening}{lines}{closing}</tbody></table>\n")
}

fn balance(section: &Section, what: &str, at: Option<Timestamp>, amount: Decimal) -> String {
    let (at, amount) = (at.map(moment).unwrap_or_default(), shown(amount, &section.currency));
    format!(
        "<tr class=\"b\"><td></td><td>{at}</td><td></td><td>{what}</td><td></td><td></td><td></td><td></td>\
         <td class=\"n\">{amount}</td></tr>\n"
    )
}

fn line(row: &Row) -> String {
    let line = Line::from(row.clone());
    format!(
        "<tr><td class=\"n\">{id}</td><td>{posted_at}</td><td>{campaign}</td><td>{concept}</td><td>{detail}</td>\
         <td>{terms}, regla {rule}</td><td>{state}</td><td class=\"n\">{amount}</td><td class=\"n\">{balance}</td></tr>\n",
        id = line.id,
        posted_at = moment(row.posted_at.into()),
        campaign = escaped(&line.campaign_id),
        concept = concept(&line),
        detail = escaped(&detail(row)),
        terms = escaped(&line.terms_id),
        rule = line.rule,
        state = state(&line),
        amount = shown(row.in_favour, &row.currency),
        balance = shown(row.balance, &row.currency),
    )
}

fn concept(line: &Line) -> &'static str {
    match (line.concept, line.cause) {
        ("REVERSION", _) => "Reversión",
        (_, "TERMINOS") => "Comisión, por otros términos",
        (_, "REVERSION") => "Comisión, por una reversión",
        _ => "Comisión",
    }
}

fn state(line: &Line) -> String {
    let reason = match line.held_for {
        Some("DISPUTA") => " (disputa)",
        Some(_) => " (presupuesto)",
        None => "",
    };
    format!("{}{reason}", line.state.name().to_lowercase())
}

fn detail(row: &Row) -> String {
    let (from, to) = (moment(row.event_from.into()), moment(row.event_to.into()));
    match &row.conversion {
        Some(id) => format!("Conversión {id} del {from}"),
        None => format!("Eventos de {from} a {to}"),
    }
}

/// `2026-01-03 10:00:00`: shorter than in answers, for people.
fn moment(time: Timestamp) -> String {
    time.to_string().replace('T', " ").trim_end_matches('Z').into()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(escaped("<b onclick=\"x\">'&amp;ñ"), "&lt;b onclick=&quot;x&quot;&gt;&#39;&amp;amp;ñ");
    }
}
