//! Reading fields: every one is asked for by name and type, and what nobody asked for is an error.

use std::ops::Range;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::Place;
use crate::condition::{Condition, Declarations, closest};
use crate::problem::{Problem, Severity};
use crate::yaml::{Kind, Node, Source, decimal};

/// Most people that a rule may ask for.
const MOST_PEOPLE: u32 = 100;

/// Longest name or selector, in bytes.
const MAX_NAME: usize = 256;

/// Reads one document and collects what is wrong with it.
pub(crate) struct Reader<'a> {
    source: &'a Source<'a>,
    file: Arc<str>,
    declarations: Declarations,
    pub(crate) problems: Vec<Problem>,
}

/// The fields of one map.
pub(crate) struct Fields<'n> {
    entries: &'n [(Node, Node)],
    asked: Vec<&'static str>,
    pub(crate) span: Range<usize>,
}

impl<'n> Fields<'n> {
    /// Whether the field was written, without asking for it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&'n (Node, Node)> {
        self.entries.iter().find(|(key, _)| key.text() == Some(name))
    }

    /// The value of a field.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked.push(name);
        self.find(name).map(|(_, value)| value)
    }

    /// The value of a field that must be there.
    pub(crate) fn need(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<&'n Node> {
        let value = self.get(name);
        if value.is_none() {
            let message = format!("`{name}` is missing");
            reader.error("missing_field", self.head(), message, format!("add `{name}:`"));
        }
        value
    }

    /// The first key: where a map that is wrong as a whole is underlined.
    pub(crate) fn head(&self) -> Range<usize> {
        self.entries
            .first()
            .map_or(self.span.clone(), |(key, _)| key.span.clone())
    }

    /// Refuses fields that the language has and this version does not enforce.
    pub(crate) fn refuse(&mut self, reader: &mut Reader<'_>, names: &[&'static str]) {
        for name in names {
            self.asked.push(name);
            if let Some((key, _)) = self.find(name) {
                reader.not_supported(key, name);
            }
        }
    }

    /// Reports what nobody asked for.
    pub(crate) fn finish(self, reader: &mut Reader<'_>) {
        for (key, _) in self.entries {
            let name = key.text().unwrap_or_default();
            if self.asked.contains(&name) {
                continue;
            }
            let help = match closest(name, self.asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let mut known = self.asked.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("known here: {}", known.join(", "))
                }
            };
            reader.error(
                "unknown_field",
                key.span.clone(),
                format!("`{name}` is not a field here"),
                help,
            );
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        let file = Arc::from(source.file);
        Reader {
            source,
            file,
            declarations: Declarations::default(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        let (line, column) = self.source.place(span.start);
        Place {
            file: Arc::clone(&self.file),
            span,
            line,
            column,
        }
    }

    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = Some(help.into());
        self.problems
            .push(self.source.problem(Severity::Error, code, span, message, help));
    }

    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = Some(help.into());
        self.problems
            .push(self.source.problem(Severity::Warning, code, span, message, help));
    }

    pub(crate) fn not_supported(&mut self, node: &Node, name: &str) {
        let message = format!("this version does not enforce `{name}`");
        self.error(
            "not_supported",
            node.span.clone(),
            message,
            "remove it: what is not enforced is not accepted",
        );
    }

    fn wrong_type(&mut self, node: &Node, wanted: &str) {
        let message = format!("expected {wanted}, found {}", node.kind_name());
        let help = if node.is_null() {
            "write a value, or remove the field"
        } else {
            "write it as that"
        };
        self.error("wrong_type", node.span.clone(), message, help);
    }

    pub(crate) fn fields<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        if let Kind::Map(entries) = &node.kind {
            return Some(Fields {
                entries,
                asked: Vec::new(),
                span: node.span.clone(),
            });
        }
        self.wrong_type(node, &format!("{what} (a map)"));
        None
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        if let Kind::Seq(items) = &node.kind {
            return Some(items);
        }
        self.wrong_type(node, "a list");
        None
    }

    /// A list, or one value in place of a list of one.
    pub(crate) fn list_or_one<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::Seq(items) => Some(items),
            Kind::Scalar { .. } if !node.is_null() => Some(std::slice::from_ref(node)),
            _ => {
                self.wrong_type(node, "a list");
                None
            }
        }
    }

    /// Text that is not blank and has no control characters.
    pub(crate) fn text(&mut self, node: &Node) -> Option<String> {
        match node.kind_name() {
            "text" => {}
            _ => {
                self.wrong_type(node, "text");
                return None;
            }
        }
        let text = node.text().unwrap_or_default();
        if text.trim().is_empty() {
            self.error(
                "empty",
                node.span.clone(),
                "the text is blank",
                "write something, or remove the field",
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// A name as it occurs in actions: text without white space around it.
    pub(crate) fn name(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let ok = text.len() <= MAX_NAME && text.trim() == text && !text.chars().any(char::is_control);
        if !ok {
            let help = format!("at most {MAX_NAME} bytes, no space around it, no control characters");
            self.error("invalid_name", node.span.clone(), "this cannot be a name", help);
        }
        ok.then_some(text)
    }

    /// The id of a document.
    pub(crate) fn id(&mut self, node: &Node) -> Option<Arc<str>> {
        let text = match node.kind_name() {
            // An id such as `007` is one, even where YAML sees a number.
            "a number" => node.text().unwrap_or_default().to_owned(),
            _ => self.text(node)?,
        };
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let rest = |c: char| first(c) || matches!(c, '_' | '.' | ':' | '/' | '-');
        let ok = text.len() <= 128 && text.starts_with(first) && text.chars().all(rest);
        if !ok {
            let message = format!("`{}` is not an id", text.escape_debug());
            let help = "lower case letters, digits and `_ . : / -`, at most 128, starting with a letter or a digit";
            self.error("invalid_id", node.span.clone(), message, help);
        }
        ok.then(|| Arc::from(text))
    }

    pub(crate) fn bool(&mut self, node: &Node) -> Option<bool> {
        let truth = node.bool();
        if truth.is_none() {
            self.wrong_type(node, "`true` or `false`");
        }
        truth
    }

    /// A number such as 1, 2, 3.
    pub(crate) fn count(&mut self, node: &Node) -> Option<u32> {
        let count = node
            .text()
            .and_then(|text| text.parse::<u32>().ok())
            .filter(|count| (1..=MOST_PEOPLE).contains(count));
        if count.is_none() {
            self.wrong_type(node, "a whole number from 1 to 100");
        }
        count
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&mut self, node: &Node, least: u32, most: u32) -> Option<u32> {
        let number = node.text().and_then(|text| text.parse::<u32>().ok());
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.wrong_type(node, &format!("a whole number from {least} to {most}"));
        }
        number
    }

    /// The entries of a map whose keys are names of the reader's choice.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Node, Node)]> {
        self.fields(node, what).map(|fields| fields.entries)
    }

    /// An amount: `500` or `500 USD`.
    pub(crate) fn money(&mut self, node: &Node) -> Option<Money> {
        let money = node.text().and_then(Money::parse);
        if money.is_none() {
            self.wrong_type(node, "an amount such as `500` or `500 USD`");
        }
        money
    }

    /// A span such as `15m`, in microseconds.
    pub(crate) fn duration(&mut self, node: &Node) -> Option<i64> {
        let duration = node.text().and_then(parse_duration);
        if duration.is_none() {
            self.wrong_type(node, "a span of time such as `300s`, `15m`, `1h`");
        }
        duration
    }

    pub(crate) fn names(&mut self, node: &Node) -> Option<Vec<String>> {
        let items = self.list_or_one(node)?;
        let names: Vec<_> = items.iter().map(|item| self.name(item)).collect();
        names.into_iter().collect()
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = node.text().unwrap_or_default();
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let help = match closest(text, words.iter().map(|(word, _)| *word)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", all.join(", ")),
            };
            let shown = if node.text().is_some() {
                format!("`{text}`")
            } else {
                node.kind_name().to_owned()
            };
            self.error(
                "unknown_value",
                node.span.clone(),
                format!("{shown} is not known here"),
                help,
            );
        }
        found
    }

    /// A condition; its findings point into the file.
    pub(crate) fn condition(&mut self, node: &Node) -> Option<Condition> {
        let Some(text) = node.text().filter(|text| !node.is_null() && !text.trim().is_empty()) else {
            self.wrong_type(node, "a condition");
            return None;
        };
        let written = self.source.text.get(node.span.clone()).unwrap_or_default();
        // In a quoted scalar with escapes, or a folded one, the places differ: then all of it is underlined.
        let start = written.find(text).map(|at| node.span.start + at);
        let (condition, findings) = match Condition::compile(text, &self.declarations) {
            Ok((condition, warnings)) => (Some(condition), warnings),
            Err(findings) => (None, findings),
        };
        for finding in findings {
            let span = match start {
                Some(start) => start + finding.span.start..start + finding.span.end,
                None => node.span.clone(),
            };
            self.problems.push(self.source.problem(
                finding.severity,
                finding.code,
                span,
                finding.message,
                finding.help,
            ));
        }
        condition
    }
}

/// An amount and its currency, where one is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) amount: Decimal,
    pub(crate) currency: Option<String>,
}

impl Money {
    /// `500`, `500.00 USD`.
    pub(crate) fn parse(text: &str) -> Option<Money> {
        let (amount, currency) = match text.split_once(' ') {
            Some((amount, currency)) if is_currency(currency) => (amount, Some(currency.to_owned())),
            Some(_) => return None,
            None => (text, None),
        };
        let amount = decimal(amount).filter(|amount| !amount.is_sign_negative() || amount.is_zero())?;
        Some(Money { amount, currency })
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.currency {
            Some(currency) => write!(f, "{} {currency}", self.amount),
            None => write!(f, "{}", self.amount),
        }
    }
}

/// Three capital letters (ISO 4217).
pub(crate) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A whole number and a unit (`ms`, `s`, `m`, `h`, `d`), in microseconds; never zero.
pub fn parse_duration(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit: i64 = match unit {
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit).filter(|span| *span > 0)
}
