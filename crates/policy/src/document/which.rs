//! Which actions a budget or a limit is about.

use super::field::{Fields, Reader};
use super::selector::Pattern;
use crate::yaml::Node;

/// Actions by who asks, and for what; what is not named does not matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Which {
    agent: Option<Pattern>,
    team: Option<String>,
    tool: Option<Pattern>,
    action: Option<Pattern>,
}

impl Which {
    /// Reads `agent:`, `team:`, `tool:` and `action:`.
    pub(crate) fn read(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Which {
        let pattern = |reader: &mut Reader<'_>, node: Option<&Node>| node.and_then(|node| Pattern::read(reader, node));
        Which {
            agent: pattern(reader, fields.get("agent")),
            team: fields.get("team").and_then(|node| reader.name(node)),
            tool: pattern(reader, fields.get("tool")),
            action: pattern(reader, fields.get("action")),
        }
    }

    /// Everything that one agent asks for.
    pub(crate) fn of_agent(agent: &str) -> Which {
        Which {
            agent: Some(Pattern::Exact(agent.to_owned())),
            ..Which::default()
        }
    }

    /// The only agent that it is about, if it names one.
    pub(crate) fn agent(&self) -> Option<&str> {
        self.agent.as_ref().and_then(Pattern::exact)
    }

    /// The agents that it names.
    pub(crate) fn agent_pattern(&self) -> Option<&Pattern> {
        self.agent.as_ref()
    }

    /// The team that it names.
    pub(crate) fn team(&self) -> Option<&str> {
        self.team.as_deref()
    }

    /// The tools that it names.
    pub(crate) fn tool(&self) -> Option<&Pattern> {
        self.tool.as_ref()
    }

    /// Whether it is about an action.
    pub(crate) fn covers(&self, agent: &str, team: Option<&str>, tool: Option<&str>, action: &str) -> bool {
        let named =
            |pattern: &Option<Pattern>, name: &str| pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
        let tool_named = |of: &Pattern| tool.is_some_and(|tool| of.matches(tool));
        named(&self.agent, agent)
            && self.team.as_deref().is_none_or(|of| team == Some(of))
            && self.tool.as_ref().is_none_or(tool_named)
            && named(&self.action, action)
    }
}
