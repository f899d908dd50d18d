//! Statements to keep and to print: what a statement says, as CSV and as one page of HTML.

mod csv;
mod html;

use rust_decimal::Decimal;
use schemas::{Currency, Timestamp};
use std::collections::BTreeMap;

use crate::balances::Owed;
use crate::routes::postings::Row;

pub(crate) use csv::csv;
pub(crate) use html::html;

/// All lines of an influencer between two instants, currency by currency.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) influencer_id: String,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    pub(crate) sections: Vec<Section>,
    /// Where there are more lines than a statement holds: from when on they are missing.
    pub(crate) cut_at: Option<Timestamp>,
}

/// One currency: what was owed before, line by line to what is owed after it.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) currency: String,
    pub(crate) opening: Decimal,
    pub(crate) lines: Vec<Row>,
    pub(crate) closing: Decimal,
}

/// Lines by currency, between what was owed before them and after them.
pub(crate) fn sections(opening: Vec<Owed>, lines: Vec<Row>, closing: Vec<Owed>, is_cut: bool) -> Vec<Section> {
    let opening: BTreeMap<String, Decimal> = opening.into_iter().map(|it| (it.currency, it.amount)).collect();
    let mut by_currency: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for line in lines {
        by_currency.entry(line.currency.clone()).or_default().push(line);
    }
    let section = |Owed { currency, amount }: Owed| {
        let opening = opening.get(&currency).copied().unwrap_or_default();
        let lines = by_currency.remove(&currency).unwrap_or_default();
        // A statement that is cut closes with the last line that it has.
        let last = lines.last().map_or(opening, |line| line.balance);
        Section { opening, lines, closing: if is_cut { last } else { amount }, currency }
    };
    closing.into_iter().map(section).collect()
}

impl Statement {
    /// What whoever reads a statement that is cut must know.
    fn note(&self) -> Option<String> {
        let lines: usize = self.sections.iter().map(|section| section.lines.len()).sum();
        self.cut_at.map(|at| {
            format!(
                "Solo se muestran las primeras {lines} líneas: los saldos finales son los de la última que se muestra. \
                 Las siguientes se asentaron desde {at}; acorte el rango con hasta, pida otro con desde={at} (que repite \
                 las de ese instante) o use formato=json, que las da todas por páginas."
            )
        })
    }
}

/// An amount with the decimals of its currency.
fn shown(amount: Decimal, currency: &str) -> String {
    match currency.parse::<Currency>() {
        Ok(currency) => schemas::money::with_decimals_of(amount, currency),
        Err(()) => amount.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_lines_closes_as_it_opens() {
        let owed = |amount: i64| vec![Owed { currency: "COP".into(), amount: amount.into() }];
        let closing = |is_cut| sections(owed(5), Vec::new(), owed(7), is_cut)[0].closing;
        assert_eq!((closing(false), closing(true)), (7.into(), 5.into()));
        assert!(sections(owed(5), Vec::new(), Vec::new(), false).is_empty());
    }
}
