//! The tool catalogue: what is known of a tool whatever the agent says about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RuleId;
use super::field::{Fields, Reader};
use super::schema::Schema;
use super::trigger::RISKS;
use crate::action::Access;
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::yaml::{Kind, Node};

/// What an agent is trusted to do, from least to most.
pub(crate) const TIERS: [&str; 5] = ["observe", "recommend", "prepare", "execute", "escalate"];

/// One tool.
pub(crate) struct Tool {
    pub(crate) id: RuleId,
    /// The tool's name as actions state it.
    pub(crate) name: String,
    pub(crate) class: Option<String>,
    pub(crate) access: Option<Access>,
    /// Rank in [`TIERS`] that an agent needs.
    pub(crate) tier: Option<usize>,
    /// What an agent's clearance has to be at least.
    pub(crate) clearance: Option<u32>,
    /// For how many seconds a gateway may let it through without a lease.
    pub(crate) fail_open: Option<u32>,
    pub(crate) schema: Option<Schema>,
    /// Labels of what whoever uses it has read afterwards, sorted.
    pub(crate) reads: Vec<String>,
    /// The same tool as it counts for an agent that has read something from outside.
    pub(crate) tainted: Option<Box<Tool>>,
    /// What conditions see as `tool`.
    pub(crate) fact: Value,
}

impl Tool {
    /// Its risk, `R0` to `R4`.
    pub(crate) fn risk(&self) -> Option<&str> {
        self.fact.as_map()?.get("risk")?.as_str()
    }
}

/// What the catalogue says of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Catalogued<'t> {
    /// Its name.
    pub name: &'t str,
    /// Its class.
    pub class: Option<&'t str>,
    /// Its risk, `R0` to `R4`.
    pub risk: Option<&'t str>,
    /// Its class for an agent that has read something from outside, where that is stated.
    pub raised_class: Option<&'t str>,
    /// Its risk then.
    pub raised_risk: Option<&'t str>,
    /// Labels of what whoever uses it has read afterwards.
    pub reads: &'t [String],
}

impl Snapshot {
    /// Tools of the catalogue, by name.
    pub fn catalogue(&self) -> impl Iterator<Item = Catalogued<'_>> {
        self.tools.values().map(|tool| Catalogued {
            name: &tool.name,
            class: tool.class.as_deref(),
            risk: tool.risk(),
            raised_class: tool.tainted.as_ref().and_then(|raised| raised.class.as_deref()),
            raised_risk: tool.tainted.as_ref().and_then(|raised| raised.risk()),
            reads: &tool.reads,
        })
    }
}

/// Reads `tools:`, a list of tools or a map from their names.
pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Vec<Tool>> {
    let node = fields.get("tools")?;
    fields.finish(reader);
    let mut tools = Vec::new();
    match &node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                let Some(fields) = reader.fields(value, "a tool") else {
                    continue;
                };
                let name = reader.name(key);
                tools.extend(tool(reader, fields, name, key));
            }
        }
        _ => {
            for item in reader.list(node)? {
                let Some(mut fields) = reader.fields(item, "a tool") else {
                    continue;
                };
                let named = fields.get("tool").or_else(|| fields.get("id"));
                if named.is_none() {
                    reader.error("missing_field", fields.head(), "the tool has no name", "add `tool:`");
                }
                let name = named.and_then(|node| reader.name(node));
                tools.extend(tool(reader, fields, name, named.unwrap_or(item)));
            }
        }
    }
    Some(tools)
}

fn tool(reader: &mut Reader<'_>, mut fields: Fields<'_>, name: Option<String>, at: &Node) -> Option<Tool> {
    let class = fields.get("class").and_then(|node| reader.name(node));
    let risks: Vec<_> = RISKS.iter().map(|risk| (*risk, *risk)).collect();
    let risk = fields.get("risk").and_then(|node| reader.word(node, &risks));
    let reversible = fields.get("reversible").and_then(|node| reader.bool(node));
    let accesses = [("read", Access::Read), ("write", Access::Write)];
    let access = fields.get("access").and_then(|node| reader.word(node, &accesses));
    let ranks: Vec<_> = TIERS.iter().enumerate().map(|(rank, name)| (*name, rank)).collect();
    let tier = fields.get("tier").and_then(|node| reader.word(node, &ranks));
    let clearance = fields.get("clearance").and_then(|node| reader.whole(node, 0, 1000));
    let fail_open = (fields.get("fail_open")).and_then(|node| fail_open(reader, node, risk));
    let schema = fields.get("schema").and_then(|node| Schema::read(reader, node));
    let labels = fields.get("labels").and_then(|node| match (&node.kind, node.value()) {
        (Kind::Map(_), Ok(labels)) => Some(labels),
        _ => {
            reader.fields(node, "labels");
            None
        }
    });
    if let Some(node) = fields.get("description") {
        reader.text(node);
    }
    let reads = fields.get("reads").and_then(|node| read_labels(reader, node));
    let raised = (fields.get("when_tainted")).and_then(|node| Raised::read(reader, node, risk));
    fields.finish(reader);
    let name = name?;
    let tier_name = tier.and_then(|rank| TIERS.get(rank)).copied();
    let mut fact = fact(&name);
    let known = [
        ("class", class.clone().map(Value::from)),
        ("risk", risk.map(Value::from)),
        ("reversible", reversible.map(Value::from)),
        ("tier", tier_name.map(Value::from)),
        ("labels", labels),
    ];
    fact.extend(
        known
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?))),
    );
    let place = reader.place(at.span.clone());
    let id = RuleId {
        document: Arc::from("tools"),
        rule: Arc::from(name.as_str()),
        place,
    };
    let mut tool = Tool {
        id,
        name,
        class,
        access,
        tier,
        clearance,
        fail_open,
        schema,
        reads: reads.unwrap_or_default(),
        tainted: None,
        fact: Value::Map(fact),
    };
    tool.tainted = raised.map(|raised| Box::new(raised.of(&tool)));
    Some(tool)
}

/// What a tool counts as for an agent that has read something from outside.
struct Raised {
    class: Option<String>,
    risk: Option<&'static str>,
}

impl Raised {
    fn read(reader: &mut Reader<'_>, node: &Node, usual: Option<&str>) -> Option<Raised> {
        let mut fields = reader.fields(node, "`when_tainted`")?;
        let risks: Vec<_> = RISKS.iter().map(|risk| (*risk, *risk)).collect();
        let class = fields.get("class").and_then(|node| reader.name(node));
        let written = fields.get("risk");
        let risk = written.and_then(|node| reader.word(node, &risks));
        if let (Some(node), Some(risk), Some(usual)) = (written, risk, usual)
            && risk <= usual
        {
            let message = format!("`{risk}` is not above the tool's risk `{usual}`");
            reader.error("no_effect", node.span.clone(), message, "write a higher risk");
        }
        if class.is_none() && written.is_none() {
            let help = "add `class:` or `risk:`";
            reader.error("missing_field", node.span.clone(), "nothing is raised", help);
        }
        fields.finish(reader);
        Some(Raised { class, risk })
    }

    fn of(self, tool: &Tool) -> Tool {
        let mut fact = tool.fact.as_map().cloned().unwrap_or_default();
        let raised = [("class", self.class.as_deref()), ("risk", self.risk)];
        for (key, word) in raised {
            if let Some(word) = word {
                fact.insert(key.to_owned(), Value::from(word));
            }
        }
        Tool {
            id: tool.id.clone(),
            name: tool.name.clone(),
            class: self.class.or_else(|| tool.class.clone()),
            access: tool.access,
            tier: tool.tier,
            clearance: tool.clearance,
            fail_open: None,
            // Arguments are held against the schema where the tool counts as usual.
            schema: None,
            reads: Vec::new(),
            tainted: None,
            fact: Value::Map(fact),
        }
    }
}

/// Whether a word can be a label of what was read: 1 to 64 of a-z, 0-9, `_`, the first a letter.
pub fn is_read_label(word: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    word.len() <= 64 && word.starts_with(|c: char| c.is_ascii_lowercase()) && word.bytes().all(fine)
}

/// Labels of what was read, sorted.
pub(crate) fn read_labels(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let mut labels = Vec::new();
    for item in reader.list_or_one(node)? {
        let label = reader.name(item)?;
        if !is_read_label(&label) {
            let help = "write it as `outside` or `customer_data`";
            reader.error(
                "invalid_name",
                item.span.clone(),
                "this is no label of what is read",
                help,
            );
        }
        labels.push(label);
    }
    labels.sort();
    labels.dedup();
    Some(labels)
}

/// How long a gateway without a lease may let a tool through: only what harms nobody, and only for a moment.
fn fail_open(reader: &mut Reader<'_>, node: &Node, risk: Option<&str>) -> Option<u32> {
    let span = reader.duration(node)?;
    let seconds = u32::try_from(span / 1_000_000).unwrap_or(u32::MAX);
    let most = match risk {
        Some("R0") => 300,
        Some("R1") => 60,
        Some(_) | None => 0,
    };
    if most == 0 {
        let help = "remove it, or give the tool `risk: R0` or `risk: R1`";
        let message = "only tools of risk `R0` and `R1` fail open";
        reader.error("fail_open", node.span.clone(), message, help);
        return None;
    }
    if seconds == 0 || seconds > most {
        let message = format!("a tool of this risk fails open for 1 to {most} seconds");
        reader.error(
            "fail_open",
            node.span.clone(),
            message,
            "write a shorter span, such as `30s`",
        );
        return None;
    }
    Some(seconds)
}

/// What conditions see of a tool that no catalogue lists.
pub(crate) fn fact(name: &str) -> BTreeMap<String, Value> {
    BTreeMap::from([("id".to_owned(), Value::from(name))])
}
