//! Modes of review that the organization's document says for an agent and a class of tools: `modes:` under `autonomy:`.

use super::Place;
use super::autonomy::share;
use super::field::{Fields, Reader};
use super::selector::Pattern;
use crate::yaml::Node;

/// How much of what an agent does is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewMode {
    /// A person decides before each action.
    PreAction,
    /// A person looks at each action afterwards.
    PostAction,
    /// A person looks at what failed, and at the week's sample.
    ExceptionOnly,
    /// A person looks at the week's sample.
    PeriodicBatch,
}

/// One entry: for which agent, class and tool which mode holds. Spans are microseconds, shares basis points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedMode {
    pub(crate) agent: Option<Pattern>,
    /// Tools of this class, by the catalogue.
    pub(crate) class: Option<String>,
    pub(crate) tool: Option<Pattern>,
    /// The mode.
    pub mode: ReviewMode,
    /// Within what time somebody looks.
    pub within: Option<i64>,
    /// The share that is drawn.
    pub sample: Option<u32>,
    pub(crate) place: Place,
}

impl StatedMode {
    /// The agents that it is about, as written; `None`: all of them.
    pub fn agent(&self) -> Option<String> {
        self.agent.as_ref().map(Pattern::text)
    }

    /// The class of tools that it is about; `None`: all of them.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// The tools that it is about, as written; `None`: all of them.
    pub fn tool(&self) -> Option<String> {
        self.tool.as_ref().map(Pattern::text)
    }

    /// Whether it is about this agent with this tool, whose classes are these.
    pub(crate) fn covers(&self, agent: &str, tool: &str, classes: &[String]) -> bool {
        let matches =
            |pattern: &Option<Pattern>, name: &str| pattern.as_ref().is_none_or(|wanted| wanted.matches(name));
        let class = self.class.as_ref().is_none_or(|class| classes.contains(class));
        class && matches(&self.agent, agent) && matches(&self.tool, tool)
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<StatedMode>> {
    let items = reader.list(node)?;
    let modes: Vec<_> = items.iter().map(|item| entry(reader, item)).collect();
    modes.into_iter().collect()
}

/// Before an action there is nothing to look at later, and where each one is looked at none is drawn.
fn pointless(reader: &mut Reader<'_>, fields: &mut Fields<'_>, mode: ReviewMode) -> Option<()> {
    let (within, sample) = (fields.get("within"), fields.get("sample"));
    let (node, why) = match mode {
        ReviewMode::PreAction => (within.or(sample), "a person looks before each action"),
        ReviewMode::PostAction => (sample, "a person looks at each action, and none is drawn"),
        ReviewMode::ExceptionOnly | ReviewMode::PeriodicBatch => (None, ""),
    };
    let Some(node) = node else { return Some(()) };
    let message = format!("this says nothing in a mode in which {why}");
    reader.error(
        "contradiction",
        node.span.clone(),
        message,
        "leave it out, or write another mode",
    );
    None
}

fn entry(reader: &mut Reader<'_>, node: &Node) -> Option<StatedMode> {
    let place = reader.place(node.span.clone());
    let mut fields = reader.fields(node, "a mode of review")?;
    let pattern = |reader: &mut Reader<'_>, node: Option<&Node>| match node {
        Some(node) => Pattern::read(reader, node).map(Some),
        None => Some(None),
    };
    let agent = pattern(reader, fields.get("agent"));
    let tool = pattern(reader, fields.get("tool"));
    let class = match fields.get("class") {
        Some(node) => reader.text(node).map(Some),
        None => Some(None),
    };
    let words = [
        ("pre_action", ReviewMode::PreAction),
        ("post_action", ReviewMode::PostAction),
        ("exception_only", ReviewMode::ExceptionOnly),
        ("periodic_batch", ReviewMode::PeriodicBatch),
    ];
    let mode = fields.need(reader, "mode").and_then(|node| reader.word(node, &words));
    if let Some(mode) = mode {
        pointless(reader, &mut fields, mode)?;
    }
    let within = match fields.get("within") {
        Some(node) => reader.duration(node).map(Some),
        None => Some(None),
    };
    let sample = match fields.get("sample") {
        Some(node) => share(reader, Some(node), 0).map(Some),
        None => Some(None),
    };
    fields.finish(reader);
    Some(StatedMode {
        agent: agent?,
        class: class?,
        tool: tool?,
        mode: mode?,
        within: within?,
        sample: sample?,
        place,
    })
}
