//! What sends an action to a person besides permissions: the entries of `escalate_when:`.

use super::field::{Money, Reader};
use crate::condition::Condition;
use crate::yaml::{Kind, Node};

/// When a mandate sends an action to a person.
pub(crate) enum Trigger {
    /// A condition holds.
    Condition(Condition),
    /// The action says that its sources disagree.
    Conflicts,
    /// The action's evidence names no source.
    SourcesMissing,
    /// More is at stake than the agent decides alone.
    HighStakes(Stakes),
}

/// What counts as high stakes: any of these.
#[derive(Default)]
pub(crate) struct Stakes {
    /// An amount above this.
    pub(crate) amount: Option<Money>,
    /// A tool of one of these classes, by the catalogue.
    pub(crate) classes: Vec<String>,
    /// A tool of at least this risk, by the catalogue.
    pub(crate) risk: Option<&'static str>,
}

/// Risks, from none to the gravest.
pub(crate) const RISKS: [&str; 5] = ["R0", "R1", "R2", "R3", "R4"];

/// `high_stakes` without more: the risks that nobody approves in a batch either.
const GRAVE: &str = "R3";

impl Trigger {
    pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Trigger> {
        if let Kind::Map(_) = node.kind {
            let mut fields = reader.fields(node, "a trigger")?;
            let stakes = fields
                .need(reader, "high_stakes")
                .and_then(|node| Stakes::read(reader, node));
            fields.finish(reader);
            return stakes.map(Trigger::HighStakes);
        }
        match node.text().unwrap_or_default().trim() {
            "conflicts" => Some(Trigger::Conflicts),
            "sources_missing" => Some(Trigger::SourcesMissing),
            "high_stakes" => Some(Trigger::HighStakes(Stakes {
                risk: Some(GRAVE),
                ..Stakes::default()
            })),
            _ => reader.condition(node).map(Trigger::Condition),
        }
    }

    /// Its condition, where it is one.
    pub(crate) fn condition(&self) -> Option<&Condition> {
        match self {
            Trigger::Condition(condition) => Some(condition),
            Trigger::Conflicts | Trigger::SourcesMissing | Trigger::HighStakes(_) => None,
        }
    }
}

impl Stakes {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Stakes> {
        let mut fields = reader.fields(node, "high_stakes")?;
        let (amount, class, risk) = (fields.get("amount_above"), fields.get("class"), fields.get("risk_from"));
        if amount.or(class).or(risk).is_none() {
            let help = "add `amount_above:`, `class:` or `risk_from:`, or write `high_stakes` alone";
            reader.error("empty", fields.head(), "nothing says what is at stake", help);
        }
        let risks: Vec<_> = RISKS.iter().map(|risk| (*risk, *risk)).collect();
        let stakes = Stakes {
            amount: amount.and_then(|node| reader.money(node)),
            classes: class.and_then(|node| reader.names(node)).unwrap_or_default(),
            risk: risk.and_then(|node| reader.word(node, &risks)),
        };
        fields.finish(reader);
        Some(stakes)
    }
}
