//! The configuration file: a YAML map of settings, read with the place of each.

use std::collections::BTreeSet;
use std::ops::Range;

use countersign_policy::{Problem, Severity};
use saphyr_parser::{Event, Parser, Span, StrInput};

use super::{Config, NAMES, suggestion};

/// Something in the file, and which bytes of it.
type Spanned = (String, Range<usize>);

struct Text<'a> {
    path: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

/// Reads a file into `config`. Returns everything that is wrong with it.
pub(super) fn read(config: &mut Config, path: &str, text: &str) -> Vec<Problem> {
    let mut file = Text {
        path,
        text,
        problems: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let mut last = 0..0;
    for ((name, place), values) in file.entries() {
        last = place.clone();
        if !NAMES.contains(&name.as_str()) {
            file.wrong(
                "unknown_setting",
                place,
                format!("there is no setting `{name}`"),
                suggestion(&name),
            );
            continue;
        }
        if !seen.insert(name.clone()) {
            file.wrong(
                "duplicate_setting",
                place,
                format!("`{name}` is set twice"),
                "keep one of them".to_owned(),
            );
            continue;
        }
        let at = values.first().map_or(place, |(_, place)| place.clone());
        let values: Vec<String> = values.into_iter().map(|(value, _)| value).collect();
        if let Err((what, help)) = config.set(&name, &values) {
            file.wrong("invalid_value", at, what, help);
        }
    }
    if file.problems.is_empty()
        && let Some((what, help)) = config.fault()
    {
        file.wrong("contradiction", last, what, help);
    }
    file.problems.sort_by_key(|problem| problem.span.start);
    file.problems
}

impl Text<'_> {
    fn wrong(&mut self, code: &'static str, span: Range<usize>, message: String, help: String) {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.problems.push(Problem {
            severity: Severity::Error,
            code,
            file: self.path.to_owned(),
            span,
            line: number(line),
            column: number(column),
            message,
            help: Some(help),
        });
    }

    /// The bytes of a span; the parser counts characters.
    fn bytes(&self, span: Span) -> Range<usize> {
        let offset = |index: usize| {
            self.text
                .char_indices()
                .nth(index)
                .map_or(self.text.len(), |(at, _)| at)
        };
        let (start, end) = (offset(span.start.index()), offset(span.end.index()));
        let written = self.text.get(start..end).unwrap_or_default().trim_end().len();
        start..start + written
    }

    /// Names and values: one value, or the members of a list.
    fn entries(&mut self) -> Vec<(Spanned, Vec<Spanned>)> {
        let mut entries = Vec::new();
        let mut name: Option<Spanned> = None;
        let mut list: Option<Vec<Spanned>> = None;
        let mut depth = 0_usize;
        let text = self.text;
        for event in Parser::new(StrInput::new(text)) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    let at = text
                        .char_indices()
                        .nth(error.marker().index())
                        .map_or(text.len(), |(at, _)| at);
                    let help = "settings are lines `name: value`".to_owned();
                    self.wrong("invalid_yaml", at..at, error.info().to_owned(), help);
                    return Vec::new();
                }
            };
            let place = self.bytes(span);
            match event {
                Event::MappingStart(..) if depth == 0 => depth = 1,
                Event::MappingEnd => depth = depth.saturating_sub(1),
                Event::SequenceStart(..) if depth == 1 && name.is_some() && list.is_none() => list = Some(Vec::new()),
                Event::SequenceEnd => {
                    if let (Some(name), Some(items)) = (name.take(), list.take()) {
                        entries.push((name, items));
                    }
                }
                Event::Scalar(value, ..) if depth == 1 => {
                    let value = (value.into_owned(), place);
                    match (&mut list, name.take()) {
                        (Some(items), key) => {
                            items.push(value);
                            name = key;
                        }
                        (None, None) => name = Some(value),
                        (None, Some(key)) => entries.push((key, vec![value])),
                    }
                }
                Event::Scalar(..) | Event::MappingStart(..) | Event::SequenceStart(..) | Event::Alias(_) => {
                    let help = "settings are lines `name: value`; lists are `[one, two]`".to_owned();
                    self.wrong(
                        "invalid_value",
                        place,
                        "this is not the value of a setting".to_owned(),
                        help,
                    );
                    return Vec::new();
                }
                _ => {}
            }
        }
        entries
    }
}
