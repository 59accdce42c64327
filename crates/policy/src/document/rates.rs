//! Exchange rates: what amounts in one currency come to in another.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::RuleId;
use super::budget::MOST;
use super::field::{Fields, Reader, is_currency};
use crate::yaml::decimal;

/// What one unit of each currency is worth in another, on a date.
pub struct Rates {
    pub(crate) id: RuleId,
    date: String,
    to: String,
    of: BTreeMap<String, Decimal>,
}

impl Rates {
    /// When they held, `YYYY-MM-DD`.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// What an amount comes to in another currency, rounded up to nine digits after the point; `None` without a rate.
    pub fn convert(&self, amount: Decimal, from: &str, to: &str) -> Option<Decimal> {
        let rate = |code: &str| match code == self.to {
            true => Some(Decimal::ONE),
            false => self.of.get(code).copied(),
        };
        let worth = amount.checked_mul(rate(from)?)?.checked_div(rate(to)?)?;
        Some(worth.round_dp_with_strategy(9, rust_decimal::RoundingStrategy::AwayFromZero))
    }
}

/// Reads `rates:`.
pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Rates> {
    let head = fields.head();
    let node = fields.get("rates")?;
    fields.finish(reader);
    let place = reader.place(head);
    let (mut date, mut to, mut of) = (None, None, BTreeMap::new());
    for (key, node) in reader.entries(node, "rates")? {
        match key.text().unwrap_or_default() {
            "date" => {
                let text = node.text().filter(|text| text.parse::<jiff::civil::Date>().is_ok());
                date = text.map(str::to_owned);
            }
            "to" => to = node.text().filter(|text| is_currency(text)).map(str::to_owned),
            code if is_currency(code) => {
                let fine = |rate: &Decimal| *rate > Decimal::ZERO && *rate < Decimal::from(MOST) && rate.scale() <= 9;
                match node.text().and_then(decimal).filter(fine) {
                    Some(rate) => drop(of.insert(code.to_owned(), rate)),
                    None => {
                        let help = "write what one unit of it is worth, such as `EUR: 1.085`";
                        reader.error("invalid_value", node.span.clone(), "this is no rate", help);
                    }
                }
            }
            other => {
                let message = format!("`{}` is no currency", other.escape_debug());
                reader.error("unknown_field", key.span.clone(), message, "write a code such as `EUR`");
            }
        }
    }
    for (name, there, help) in [
        (
            "date",
            date.is_some(),
            "add the day on which they held: `date: 2026-11-01`",
        ),
        ("to", to.is_some(), "add the currency that they lead to: `to: USD`"),
    ] {
        if !there {
            let message = format!("the rates have no `{name}`");
            reader.error("missing_field", node.span.clone(), message, help);
        }
    }
    let id = RuleId {
        document: Arc::from("rates"),
        rule: Arc::from("rates"),
        place,
    };
    Some(Rates {
        id,
        date: date?,
        to: to?,
        of,
    })
}
