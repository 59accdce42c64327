//! Registers: what the inventory, the tool catalogue and the ledger know, by what it is about: workflows, tools, data sources,
//! owners, action classes. Nothing is kept for them: each is made from what is known anyway, so none of them gets old.

use std::collections::{BTreeMap, BTreeSet};

use countersign_policy::Snapshot;

use super::State;
use crate::event::Description;

/// What a register is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// Classes of the tool catalogue.
    Classes,
    /// Data that agents touch.
    DataSources,
    /// People, teams and duties that answer for agents.
    Owners,
    /// Tools.
    Tools,
    /// Processes that agents take part in.
    Workflows,
}

impl Register {
    /// Every register, in alphabetical order.
    pub const ALL: [Register; 5] = [
        Register::Classes,
        Register::DataSources,
        Register::Owners,
        Register::Tools,
        Register::Workflows,
    ];

    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Register::Classes => "classes",
            Register::DataSources => "data_sources",
            Register::Owners => "owners",
            Register::Tools => "tools",
            Register::Workflows => "workflows",
        }
    }

    /// What is known of each entry, in the order of a table.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Register::Classes => &["tools", "raised_tools", "risk"],
            Register::DataSources => &["read_by", "written_by", "touched_by", "forbidden_to", "labelled_by"],
            Register::Owners => &[
                "owner_of",
                "technical_owner_of",
                "fallback_owner_of",
                "reviewer_of",
                "owning_team_of",
            ],
            Register::Tools => &["class", "risk", "state", "described_for", "used_by"],
            Register::Workflows => &["agents", "owning_team", "owners"],
        }
    }
}

/// Entries by name; of each, what is known by column.
pub type Entries = BTreeMap<String, BTreeMap<&'static str, BTreeSet<String>>>;

/// An entry that is being added to.
struct Adding<'e>(&'e mut Entries);

impl Adding<'_> {
    fn add(&mut self, name: &str, column: &'static str, what: &str) {
        // A list that is meant to be empty says so with this word.
        if name == "none" || name.is_empty() {
            return;
        }
        let entry = self.0.entry(name.to_owned()).or_default();
        entry.entry(column).or_default().insert(what.to_owned());
    }
}

impl State {
    /// A register as it is now, by the policy that is live.
    pub fn register(&self, register: Register, live: Option<&Snapshot>) -> Entries {
        let mut entries = Entries::new();
        let mut to = Adding(&mut entries);
        match register {
            Register::Classes => classes(&mut to, live),
            Register::DataSources => self.data_sources(&mut to, live),
            Register::Owners => self.owners(&mut to),
            Register::Tools => self.known_tools(&mut to, live),
            Register::Workflows => self.workflows(&mut to),
        }
        entries
    }

    fn descriptions(&self) -> impl Iterator<Item = (&str, &str, &Description)> {
        let of = self
            .agents
            .iter()
            .map(|(id, agent)| (id, &agent.owner, agent.description.as_deref()));
        of.filter_map(|(id, owner, about)| Some((&**id, owner.as_str(), about?)))
    }

    fn data_sources(&self, to: &mut Adding<'_>, live: Option<&Snapshot>) {
        for (agent, _, about) in self.descriptions() {
            for (column, names) in [
                ("read_by", &about.boundary.reads),
                ("written_by", &about.boundary.writes),
                ("touched_by", &about.data),
                ("forbidden_to", &about.boundary.never_access),
            ] {
                names.iter().for_each(|name| to.add(name, column, agent));
            }
        }
        for tool in live.into_iter().flat_map(Snapshot::catalogue) {
            tool.reads
                .iter()
                .for_each(|label| to.add(label, "labelled_by", tool.name));
        }
    }

    fn owners(&self, to: &mut Adding<'_>) {
        for (id, agent) in self.agents.iter().filter(|(_, agent)| !agent.quarantined) {
            to.add(&agent.owner, "owner_of", id);
        }
        for (agent, _, about) in self.descriptions() {
            for (column, name) in [
                ("technical_owner_of", &about.technical_owner),
                ("fallback_owner_of", &about.fallback_owner),
                ("reviewer_of", &about.reviewer),
                ("owning_team_of", &about.boundary.owning_team),
            ] {
                name.iter().for_each(|name| to.add(name, column, agent));
            }
        }
    }

    fn known_tools(&self, to: &mut Adding<'_>, live: Option<&Snapshot>) {
        for tool in live.into_iter().flat_map(Snapshot::catalogue) {
            to.add(tool.name, "state", "in the catalogue");
            tool.class.iter().for_each(|class| to.add(tool.name, "class", class));
            tool.risk.iter().for_each(|risk| to.add(tool.name, "risk", risk));
        }
        for (name, tool) in self.tools() {
            to.add(name, "state", if tool.changed { "changed" } else { "registered" });
        }
        for (agent, _, about) in self.descriptions() {
            about.tools.iter().for_each(|tool| to.add(tool, "described_for", agent));
        }
        for (id, agent) in &self.agents {
            agent.uses.keys().for_each(|tool| to.add(tool, "used_by", id));
        }
    }

    fn workflows(&self, to: &mut Adding<'_>) {
        for (agent, owner, about) in self.descriptions() {
            let Some(process) = &about.boundary.process else {
                continue;
            };
            to.add(process, "agents", agent);
            to.add(process, "owners", owner);
            about
                .boundary
                .owning_team
                .iter()
                .for_each(|team| to.add(process, "owning_team", team));
        }
    }
}

fn classes(to: &mut Adding<'_>, live: Option<&Snapshot>) {
    for tool in live.into_iter().flat_map(Snapshot::catalogue) {
        if let Some(class) = tool.class {
            to.add(class, "tools", tool.name);
            tool.risk.iter().for_each(|risk| to.add(class, "risk", risk));
        }
        if let Some(class) = tool.raised_class {
            to.add(class, "raised_tools", tool.name);
            tool.raised_risk.iter().for_each(|risk| to.add(class, "risk", risk));
        }
    }
}
