//! A bundle of documents, loaded: what decisions cite by its hash.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::action::Action;
use crate::check;
use crate::document::budget::Budget;
use crate::document::disagreement::Disagreement;
use crate::document::gate::Gate;
use crate::document::limit::Limit;
use crate::document::output::OutputRule;
use crate::document::rates::Rates;
use crate::document::tests::Case;
use crate::document::tools::Tool;
use crate::document::{self, Document, Mandate, Organization, Place, RuleId};
use crate::evaluate::explain::{self, Trace};
use crate::evaluate::index::Index;
use crate::evaluate::lookalike::Known;
use crate::evaluate::{self, tests};
use crate::facts::{Context, OUTSIDE};
use crate::hidden::Hidden;
use crate::problem::{Problem, Severity};
use crate::verdict::Verdict;

pub use crate::evaluate::tests::TestResult;

/// Most files in a bundle.
pub const MAX_FILES: usize = 10_000;

/// Every document of a bundle, checked and indexed. Immutable.
pub struct Snapshot {
    files: Vec<(String, Vec<u8>)>,
    hash: [u8; 32],
    hash_text: String,
    pub(crate) mandates: BTreeMap<String, Mandate>,
    /// By name.
    pub(crate) gates: Vec<Gate>,
    pub(crate) gate_index: Index,
    /// Agent to the index of its permissions.
    pub(crate) permission_index: BTreeMap<String, Index>,
    pub(crate) tools: BTreeMap<String, Tool>,
    /// Names of tools, whole and their last part, to the classes that the catalogue gives them.
    classes: BTreeMap<String, BTreeSet<String>>,
    /// The same names to the classes that they lie in for an agent that has read something from outside.
    raised: BTreeMap<String, BTreeSet<String>>,
    /// The same names to labels of what whoever uses the tool has read afterwards.
    reads: BTreeMap<String, BTreeSet<String>>,
    pub(crate) organization: Option<Organization>,
    /// By name.
    pub(crate) budgets: Vec<Budget>,
    /// Agent to the budgets that name it exactly, and those that do not, as places in `budgets`.
    budget_index: (BTreeMap<String, Vec<usize>>, Vec<usize>),
    /// By name.
    pub(crate) limits: Vec<Limit>,
    /// The same of limits.
    limit_index: (BTreeMap<String, Vec<usize>>, Vec<usize>),
    /// By name.
    pub(crate) disagreements: Vec<Disagreement>,
    /// By name.
    pub(crate) outputs: Vec<OutputRule>,
    pub(crate) rates: Option<Rates>,
    pub(crate) tests: Vec<Case>,
    pub(crate) known: Known,
    /// A condition asks which calendars are open.
    pub(crate) asks_calendars: bool,
}

/// A tool that a gateway may let through for a while without a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailOpen<'a> {
    /// The tool.
    pub tool: &'a str,
    /// Its class.
    pub class: Option<&'a str>,
    /// For how long after the lease is over.
    pub seconds: u32,
}

impl Snapshot {
    /// Loads a bundle: file names, which matter only to messages, and exact bytes.
    ///
    /// Returns the snapshot with warnings, or everything that is wrong with the bundle. Problems are in the order of file names
    /// and places.
    pub fn load(files: &[(String, Vec<u8>)]) -> Result<(Snapshot, Vec<Problem>), Vec<Problem>> {
        let mut files = files.to_vec();
        files.sort();
        let (mut problems, mut documents) = (Vec::new(), Vec::new());
        if files.len() > MAX_FILES {
            files.truncate(MAX_FILES);
            problems.push(check::too_many_files(MAX_FILES));
        }
        for (name, bytes) in &files {
            let (document, found) = document::read(name, bytes);
            documents.extend(document);
            problems.extend(found);
        }
        let hash = hash(&files);
        let mut snapshot = Snapshot {
            hash_text: hash_text(&hash),
            hash,
            mandates: BTreeMap::new(),
            gates: Vec::new(),
            gate_index: Index::default(),
            permission_index: BTreeMap::new(),
            tools: BTreeMap::new(),
            classes: BTreeMap::new(),
            raised: BTreeMap::new(),
            reads: BTreeMap::new(),
            organization: None,
            budgets: Vec::new(),
            budget_index: Default::default(),
            limits: Vec::new(),
            limit_index: Default::default(),
            disagreements: Vec::new(),
            outputs: Vec::new(),
            rates: None,
            tests: Vec::new(),
            known: Known::default(),
            asks_calendars: false,
            files: Vec::new(),
        };
        for document in documents {
            snapshot.add(document, &mut problems);
        }
        snapshot.files = files;
        snapshot.budgets.sort_by(|a, b| a.id.rule.cmp(&b.id.rule));
        snapshot.limits.sort_by(|a, b| a.id.rule.cmp(&b.id.rule));
        snapshot.disagreements.sort_by(|a, b| a.id.rule.cmp(&b.id.rule));
        snapshot.outputs.sort_by(|a, b| a.id.rule.cmp(&b.id.rule));
        for (key, ids) in [
            ("budgets", snapshot.budgets.iter().map(|it| &it.id).collect::<Vec<_>>()),
            ("limits", snapshot.limits.iter().map(|it| &it.id).collect()),
            (
                "disagreements",
                snapshot.disagreements.iter().map(|it| &it.id).collect(),
            ),
            ("outputs", snapshot.outputs.iter().map(|it| &it.id).collect()),
        ] {
            check::distinct(key, &ids, &mut problems);
        }
        snapshot.gates.sort_by(|a, b| a.id.document.cmp(&b.id.document));
        check::names(&snapshot, &mut problems);
        check::modes(&snapshot, &mut problems);
        check::routes(&snapshot, &mut problems);
        check::warnings(&snapshot, &mut problems);
        snapshot.index();
        check::calendars(&mut snapshot, &mut problems);
        problems.sort_by(|a, b| (&a.file, a.span.start, a.code).cmp(&(&b.file, b.span.start, b.code)));
        match problems.iter().any(|problem| problem.severity == Severity::Error) {
            true => Err(problems),
            false => Ok((snapshot, problems)),
        }
    }

    fn add(&mut self, document: Document, problems: &mut Vec<Problem>) {
        match document {
            Document::Mandate(mut mandate) => {
                if let Some(other) = self.mandates.get(mandate.agent()) {
                    problems.push(check::twice("agent", &mandate.id, &other.id.place));
                } else {
                    let budgets = std::mem::take(&mut mandate.budgets);
                    self.budgets.extend(budgets);
                    self.limits.extend(std::mem::take(&mut mandate.limits));
                    self.mandates.insert(mandate.agent().to_owned(), *mandate);
                }
            }
            Document::Gate(gate) => {
                if let Some(other) = self.gates.iter().find(|other| other.id.document == gate.id.document) {
                    problems.push(check::twice("name", &gate.id, &other.id.place));
                }
                self.gates.push(*gate);
            }
            Document::Organization(organization) => {
                if let Some(other) = &self.organization {
                    problems.push(check::twice("organization", &organization.id, &other.id.place));
                }
                self.organization = Some(*organization);
            }
            Document::Tools(tools) => {
                for tool in tools {
                    if let Some(other) = self.tools.get(&tool.name) {
                        problems.push(check::twice("tools", &tool.id, &other.id.place));
                    } else {
                        self.tools.insert(tool.name.clone(), tool);
                    }
                }
            }
            Document::Tests(tests) => self.tests.extend(tests),
            Document::Budgets(budgets) => self.budgets.extend(budgets),
            Document::Limits(limits) => self.limits.extend(limits),
            Document::Disagreements(disagreements) => self.disagreements.extend(disagreements),
            Document::Outputs(outputs) => self.outputs.extend(outputs),
            Document::Rates(rates) => {
                if let Some(other) = &self.rates {
                    problems.push(check::twice("rates", &rates.id, &other.id.place));
                }
                self.rates = Some(rates);
            }
        }
    }

    fn index(&mut self) {
        for (at, budget) in self.budgets.iter().enumerate() {
            let (exact, others) = &mut self.budget_index;
            match budget.which.agent() {
                Some(agent) => exact.entry(agent.to_owned()).or_default().push(at),
                None => others.push(at),
            }
        }
        for (at, limit) in self.limits.iter().enumerate() {
            let (exact, others) = &mut self.limit_index;
            match limit.which.agent() {
                Some(agent) => exact.entry(agent.to_owned()).or_default().push(at),
                None => others.push(at),
            }
        }
        for (at, gate) in self.gates.iter().enumerate() {
            if gate.on.is_empty() {
                self.gate_index.insert(None, None, None, at);
            }
            for selector in &gate.on {
                let exact = |pattern: &Option<document::selector::Pattern>| {
                    pattern.as_ref().and_then(|pattern| pattern.exact().map(str::to_owned))
                };
                let (agent, tool, action) = (exact(&selector.agent), exact(&selector.tool), exact(&selector.action));
                self.known.extend([&tool, &action]);
                self.gate_index
                    .insert(agent.as_deref(), tool.as_deref(), action.as_deref(), at);
            }
        }
        for (agent, mandate) in &self.mandates {
            let index = self.permission_index.entry(agent.clone()).or_default();
            for (at, permission) in mandate.permissions.iter().enumerate() {
                let exact = |pattern: &Option<document::selector::Pattern>| {
                    pattern.as_ref().and_then(|pattern| pattern.exact().map(str::to_owned))
                };
                let (tool, action) = (exact(&permission.tool), exact(&permission.action));
                self.known.extend([&tool, &action]);
                index.insert(None, tool.as_deref(), action.as_deref(), at);
            }
        }
        for (name, tool) in &self.tools {
            self.known.extend([&Some(name.clone())]);
            for name in [name.as_str(), last_part(name)] {
                if let Some(class) = &tool.class {
                    self.classes.entry(name.to_owned()).or_default().insert(class.clone());
                }
                let raised = tool.tainted.as_ref().and_then(|raised| raised.class.as_ref());
                if let Some(class) = raised {
                    let raised = self.raised.entry(name.to_owned()).or_default();
                    raised.insert(class.clone());
                }
                if !tool.reads.is_empty() {
                    let reads = self.reads.entry(name.to_owned()).or_default();
                    reads.extend(tool.reads.iter().cloned());
                }
            }
        }
    }

    /// What policy says of an action. The same for the same arguments, everywhere and always.
    pub fn evaluate(&self, action: &Action, ctx: &Context<'_>) -> Verdict {
        evaluate::evaluate(self, action, ctx, None)
    }

    /// The same of a stored form in which marks stand for what was not kept: `hidden` notes which of them were read. Where it
    /// noted none, the verdict is that on the action as it was received.
    pub fn evaluate_stored(&self, action: &Action, ctx: &Context<'_>, hidden: &Hidden) -> Verdict {
        evaluate::evaluate(self, action, ctx, Some(hidden))
    }

    /// Whether every action of the agent with tool, operation and environment of this one is denied, whatever else it says:
    /// nothing else of it is looked at. Where this is true, [`Snapshot::evaluate`] denies; where it is not, it may deny as well.
    pub fn always_denies(&self, agent: &str, action: &Action) -> bool {
        evaluate::always::denies(self, agent, action)
    }

    /// Every rule that was looked at, whether it matched and why; in the order of document and place.
    ///
    /// Holds values of the action as it was received: redact before storing or showing them.
    pub fn explain(&self, action: &Action, ctx: &Context<'_>) -> Vec<Trace> {
        explain::explain(self, action, ctx)
    }

    /// Whether an action only looks: by its operation and the catalogue of tools, and not more by what the agent says.
    pub fn reads_only(&self, action: &Action) -> bool {
        evaluate::reads_only(self, action)
    }

    /// Runs the bundle's tests documents.
    pub fn run_tests(&self) -> Vec<TestResult> {
        tests::run(self)
    }

    /// The snapshot hash: SHA-256 over the sorted SHA-256 of the files.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The snapshot hash as text, `sha256:` and 64 hexadecimal digits.
    pub fn hash_text(&self) -> &str {
        &self.hash_text
    }

    /// File names and exact bytes, by name.
    pub fn files(&self) -> &[(String, Vec<u8>)] {
        &self.files
    }

    /// The mandate of an agent.
    pub fn mandate(&self, agent: &str) -> Option<&Mandate> {
        self.mandates.get(agent)
    }

    /// Every mandate, by agent.
    pub fn mandates(&self) -> impl Iterator<Item = &Mandate> {
        self.mandates.values()
    }

    /// Whether a document names a tool exactly: the catalogue, a selector, or a grant of a mandate.
    pub fn names_tool(&self, tool: &str) -> bool {
        self.known.holds(tool)
    }

    /// The risk that the catalogue gives a tool, `R0` to `R4`.
    pub fn risk(&self, tool: &str) -> Option<&str> {
        self.tools.get(tool)?.risk()
    }

    /// The highest risk that the catalogue gives a tool: as usual, or for an agent that has read something from outside.
    pub fn highest_risk(&self, tool: &str) -> Option<&str> {
        let tool = self.tools.get(tool)?;
        // `R0` to `R4` are in the order of their names.
        tool.risk().max(tool.tainted.as_ref().and_then(|raised| raised.risk()))
    }

    /// Every budget, by name.
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// The budget of a name.
    pub fn budget(&self, name: &str) -> Option<&Budget> {
        let at = self.budgets.binary_search_by(|budget| budget.name().cmp(name)).ok()?;
        self.budgets.get(at)
    }

    /// The budgets that are about an action: those that name its agent, then the others, each by name.
    pub fn budgets_of<'a>(
        &'a self,
        agent: &'a str,
        team: Option<&'a str>,
        tool: Option<&'a str>,
        action: &'a str,
    ) -> impl Iterator<Item = &'a Budget> {
        let (exact, others) = &self.budget_index;
        let places = exact.get(agent).into_iter().flatten().chain(others);
        let budgets = places.filter_map(|at| self.budgets.get(*at));
        budgets.filter(move |budget| budget.covers(agent, team, tool, action))
    }

    /// Every limit, by name.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The limit of a name.
    pub fn limit(&self, name: &str) -> Option<&Limit> {
        let at = self
            .limits
            .binary_search_by(|limit| limit.name().as_ref().cmp(name))
            .ok()?;
        self.limits.get(at)
    }

    /// The limits that are about an action: those that name its agent, then the others, each by name.
    pub fn limits_of<'a>(
        &'a self,
        agent: &'a str,
        team: Option<&'a str>,
        tool: Option<&'a str>,
        action: &'a str,
    ) -> impl Iterator<Item = &'a Limit> {
        let (exact, others) = &self.limit_index;
        let places = exact.get(agent).into_iter().flatten().chain(others);
        let limits = places.filter_map(|at| self.limits.get(*at));
        limits.filter(move |limit| limit.covers(agent, team, tool, action))
    }

    /// Every rule about disagreements between agents, by name.
    pub fn disagreements(&self) -> &[Disagreement] {
        &self.disagreements
    }

    /// The rule about disagreements of a name.
    pub fn disagreement(&self, name: &str) -> Option<&Disagreement> {
        let rules = &self.disagreements;
        let at = rules.binary_search_by(|rule| rule.name().cmp(name)).ok()?;
        rules.get(at)
    }

    /// Exchange rates.
    pub fn rates(&self) -> Option<&Rates> {
        self.rates.as_ref()
    }

    /// Classes of the catalogue's tools that the action names in any way, sorted: by its tool, by the last part of that, by
    /// its operation. Calling a tool otherwise does not take it out of its class. `read` are labels of what the agent has
    /// read: content from outside adds the classes that tools are raised to.
    pub fn classes(&self, action: &Action, read: &[String]) -> Vec<String> {
        let raised = read.iter().any(|label| label == OUTSIDE).then_some(&self.raised);
        let maps = [Some(&self.classes), raised];
        of_names(maps.into_iter().flatten(), action)
    }

    /// Labels of what an agent has read once the action has run, sorted; the tool is found as in [`Snapshot::classes`].
    pub fn reads(&self, action: &Action) -> Vec<String> {
        of_names([&self.reads].into_iter(), action)
    }

    /// Tools that a gateway may let through for a while without a lease, by name.
    pub fn fail_open(&self) -> impl Iterator<Item = FailOpen<'_>> {
        self.tools.iter().filter_map(|(name, tool)| {
            Some(FailOpen {
                tool: name,
                class: tool.class.as_deref(),
                seconds: tool.fail_open?,
            })
        })
    }

    /// The organization's document.
    pub fn organization(&self) -> Option<&Organization> {
        self.organization.as_ref()
    }

    /// Every rule with its document: for messages that cite them.
    pub(crate) fn gate_ids(&self) -> impl Iterator<Item = &RuleId> {
        self.gates.iter().map(|gate| &gate.id)
    }

    /// Every name that a rule asks to approve, and where.
    pub(crate) fn approvers(&self) -> impl Iterator<Item = &(String, Place)> {
        let gates = self
            .gates
            .iter()
            .flat_map(|gate| &gate.rules)
            .flat_map(|rule| &rule.approvers.places);
        let mandates = self.mandates.values().flat_map(|mandate| &mandate.permissions);
        let budgets = self.budgets.iter().flat_map(|budget| &budget.approvers.places);
        let limits = self.limits.iter().flat_map(|limit| &limit.approvers.places);
        gates
            .chain(mandates.flat_map(|permission| &permission.approvers.places))
            .chain(budgets)
            .chain(limits)
            .chain(self.disagreements.iter().flat_map(|rule| &rule.approvers.places))
    }
}

/// What the tools that an action names in any way are mapped to, sorted.
fn of_names<'m>(maps: impl Iterator<Item = &'m BTreeMap<String, BTreeSet<String>>>, action: &Action) -> Vec<String> {
    let tool = action.tool.as_deref().unwrap_or(&action.action);
    let named = [tool, last_part(tool), &action.action];
    let found = maps.filter(|map| !map.is_empty());
    let found = found.flat_map(|map| named.into_iter().filter_map(|name| map.get(name)).flatten());
    let sorted: BTreeSet<&String> = found.collect();
    sorted.into_iter().cloned().collect()
}

/// A tool's name after the last slash.
fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn hash(files: &[(String, Vec<u8>)]) -> [u8; 32] {
    let mut hashes: Vec<[u8; 32]> = files.iter().map(|(_, bytes)| Sha256::digest(bytes).into()).collect();
    hashes.sort_unstable();
    let mut all = Sha256::new();
    for hash in &hashes {
        all.update(hash);
    }
    all.finalize().into()
}

fn hash_text(hash: &[u8; 32]) -> String {
    let mut text = String::from("sha256:");
    for byte in hash {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
