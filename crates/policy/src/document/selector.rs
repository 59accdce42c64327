//! Who and what a rule is about: exact names, or beginnings that end in `*`.

use super::field::{Fields, Reader};
use crate::hidden::Hidden;
use crate::yaml::{Kind, Node};

/// A name or the beginning of names, compared by bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Exact(String),
    Prefix(String),
}

impl Pattern {
    pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Pattern> {
        let text = reader.name(node)?;
        let pattern = match text.strip_suffix('*') {
            Some(prefix) => Pattern::Prefix(prefix.to_owned()),
            None => Pattern::Exact(text),
        };
        let (Pattern::Exact(name) | Pattern::Prefix(name)) = &pattern;
        if name.contains('*') {
            let help = "write one entry per name, or cut it after the common beginning";
            reader.error(
                "invalid_selector",
                node.span.clone(),
                "`*` stands only at the end of a selector",
                help,
            );
            return None;
        }
        Some(pattern)
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Exact(exact) => exact == name,
            Pattern::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }

    /// As it is written.
    pub(crate) fn text(&self) -> String {
        match self {
            Pattern::Exact(name) => name.clone(),
            Pattern::Prefix(name) => format!("{name}*"),
        }
    }

    /// The name, if it is exactly one.
    pub(crate) fn exact(&self) -> Option<&str> {
        if let Pattern::Exact(name) = self {
            Some(name)
        } else {
            None
        }
    }
}

/// The parts of an action that selectors see.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) agent: &'a str,
    pub(crate) action: &'a str,
    pub(crate) tool: Option<&'a str>,
    pub(crate) env: Option<&'a str>,
    pub(crate) resource: Option<&'a str>,
    pub(crate) class: Option<&'a str>,
}

/// One entry of `on:`; all its keys must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) agent: Option<Pattern>,
    pub(crate) action: Option<Pattern>,
    pub(crate) tool: Option<Pattern>,
    pub(crate) env: Option<Pattern>,
    pub(crate) resource: Option<Pattern>,
    pub(crate) class: Option<Pattern>,
}

/// The alternatives of `on:`, one of them or a list; none where it is left out, which is everything.
pub(crate) fn read_on(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<Selector> {
    let Some(node) = fields.get("on") else {
        return Vec::new();
    };
    let entries = match &node.kind {
        Kind::Map(_) => std::slice::from_ref(node),
        _ => reader.list(node).unwrap_or_default(),
    };
    if matches!(&node.kind, Kind::Seq(items) if items.is_empty()) {
        let help = "name what it is about, or leave `on` out for everything";
        reader.error("empty_selector", node.span.clone(), "`on` selects nothing", help);
    }
    entries
        .iter()
        .filter_map(|entry| Selector::read(reader, entry))
        .collect()
}

impl Selector {
    pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Selector> {
        let mut fields = reader.fields(node, "a selector")?;
        let mut one = |reader: &mut Reader<'_>, name| match fields.get(name) {
            Some(node) => Pattern::read(reader, node),
            None => None,
        };
        let selector = Selector {
            agent: one(reader, "agent"),
            action: one(reader, "action"),
            tool: one(reader, "tool"),
            env: one(reader, "env"),
            resource: one(reader, "resource"),
            class: one(reader, "class"),
        };
        let empty = !["agent", "action", "tool", "env", "resource", "class"]
            .iter()
            .any(|name| fields.has(name));
        fields.finish(reader);
        if empty {
            let help = "name an agent, action, tool, env, resource or class; leave `on` out for everything";
            reader.error(
                "empty_selector",
                node.span.clone(),
                "the selector selects nothing in particular",
                help,
            );
            return None;
        }
        Some(selector)
    }

    fn parts<'s>(&'s self, subject: &Subject<'s>) -> [(&'static str, &'s Option<Pattern>, Option<&'s str>); 6] {
        [
            ("agent", &self.agent, Some(subject.agent)),
            ("action", &self.action, Some(subject.action)),
            ("tool", &self.tool, subject.tool),
            ("env", &self.env, subject.env),
            ("resource", &self.resource, subject.resource),
            ("class", &self.class, subject.class),
        ]
    }

    pub(crate) fn matches(&self, subject: &Subject<'_>) -> bool {
        self.mismatch(subject).is_none()
    }

    /// Whether it matches for anything that the action may be about.
    pub(crate) fn may_match(&self, subject: &Subject<'_>) -> bool {
        let rest = Selector {
            resource: None,
            ..self.clone()
        };
        rest.matches(subject)
    }

    /// The first key that does not match.
    pub(crate) fn mismatch(&self, subject: &Subject<'_>) -> Option<&'static str> {
        let miss = |pattern: &Option<Pattern>, value: Option<&str>| match (pattern, value) {
            (None, _) => false,
            (Some(pattern), Some(value)) => !pattern.matches(value),
            (Some(_), None) => true,
        };
        self.parts(subject)
            .into_iter()
            .find(|(_, pattern, value)| miss(pattern, *value))
            .map(|(name, ..)| name)
    }

    /// Notes what it looks at: nothing after the first key that does not match.
    pub(crate) fn watch(&self, subject: &Subject<'_>, hidden: &Hidden) {
        let last = self.mismatch(subject);
        for (name, pattern, value) in self.parts(subject) {
            if pattern.is_some() {
                let path = if name == "resource" { "resource.type" } else { name };
                hidden.see_text(value, path);
            }
            if last == Some(name) {
                break;
            }
        }
    }

    /// It looks at what only the agent reports.
    pub(crate) fn reported(&self) -> impl Iterator<Item = &'static str> {
        let env = self.env.as_ref().map(|_| "env");
        env.into_iter().chain(self.resource.as_ref().map(|_| "resource"))
    }
}
