//! Which rules can speak about an action, found by exact name: what the others say costs nothing.

use std::collections::BTreeMap;

/// From exact names to the numbers of rules; what has no exact name is looked at always.
#[derive(Default)]
pub(crate) struct Index {
    agent: BTreeMap<String, Vec<usize>>,
    tool: BTreeMap<String, Vec<usize>>,
    action: BTreeMap<String, Vec<usize>>,
    rest: Vec<usize>,
}

impl Index {
    /// Files a rule under the most telling of its names.
    pub(crate) fn insert(&mut self, agent: Option<&str>, tool: Option<&str>, action: Option<&str>, at: usize) {
        let list = match (agent, tool, action) {
            (Some(agent), _, _) => self.agent.entry(agent.to_owned()).or_default(),
            // The action first: a denial of it hears tools of that name too, and is found by either.
            (None, _, Some(action)) => self.action.entry(action.to_owned()).or_default(),
            (None, Some(tool), None) => self.tool.entry(tool.to_owned()).or_default(),
            (None, None, None) => &mut self.rest,
        };
        list.push(at);
    }

    /// The numbers of the rules that may match, ascending, each once. They still have to be matched in full.
    pub(crate) fn candidates(&self, agent: &str, tool: Option<&str>, action: &str) -> Vec<usize> {
        let mut found = self.rest.clone();
        let mut take = |list: Option<&Vec<usize>>| found.extend(list.into_iter().flatten());
        take(self.agent.get(agent));
        take(self.action.get(action));
        if let Some(tool) = tool {
            take(self.tool.get(tool));
            take(self.action.get(tool));
            take(tool.rsplit_once('/').and_then(|(_, last)| self.action.get(last)));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
