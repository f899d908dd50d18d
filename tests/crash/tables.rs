//! What came out, and what should have.

use std::collections::BTreeMap;

use super::alpes::Home;
use super::recorder;
use super::sample::{assert_same_lines, data, unpack};

/// The tables by name, each a text of lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tables(BTreeMap<&'static str, String>);

impl Tables {
    /// Those of the whole sample, as an independent program computed them.
    pub(crate) fn expected() -> Self {
        let rechazos = std::fs::read_to_string(data("rechazos.csv")).unwrap();
        Self::new(unpack("ventanas.csv.zst"), &unpack("valores.csv.zst"), rechazos)
    }

    /// Those that `alpes` has.
    pub(crate) fn of(home: &Home) -> Self {
        let [ventanas, valores, rechazos] =
            ["ventanas", "valores", "rechazos"].map(|table| home.run(&format!("export {table}")));
        let is_of_the_sample = |line: &&str| !line.starts_with(recorder::CAMPAIGN);
        let ventanas = ventanas.lines().filter(is_of_the_sample).map(|line| format!("{line}\n")).collect();
        Self::new(ventanas, &valores, rechazos)
    }

    fn new(ventanas: String, valores: &str, rechazos: String) -> Self {
        Self(BTreeMap::from([("ventanas", ventanas), ("valores", amounts(valores)), ("rechazos", rechazos)]))
    }

    /// All but the rejects: a faulty line that is sent again under another name is another reject.
    pub(crate) fn without_rejects(mut self) -> Self {
        self.0.remove("rechazos");
        self
    }

    /// Every table is the same.
    pub(crate) fn assert_same(&self, found: &Self) {
        for (table, expected) in &self.0 {
            assert_same_lines(table, expected, &found.0[table]);
        }
    }
}

/// The amounts that are not 0, without the commissions, which need terms that the sample does not have.
fn amounts(valores: &str) -> String {
    let amount = |line: &str| {
        let (rest, _commission) = line.rsplit_once(',').unwrap();
        (!rest.ends_with(",0")).then(|| format!("{rest}\n"))
    };
    valores.lines().filter_map(amount).collect()
}
