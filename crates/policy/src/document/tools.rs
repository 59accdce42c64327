//! The tool catalogue: what is known of a tool whatever the agent says about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RuleId;
use super::field::{Fields, Reader};
use super::schema::Schema;
use super::trigger::RISKS;
use crate::action::Access;
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
    pub(crate) schema: Option<Schema>,
    /// What conditions see as `tool`.
    pub(crate) fact: Value,
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
    Some(Tool {
        id,
        name,
        class,
        access,
        tier,
        schema,
        fact: Value::Map(fact),
    })
}

/// What conditions see of a tool that no catalogue lists.
pub(crate) fn fact(name: &str) -> BTreeMap<String, Value> {
    BTreeMap::from([("id".to_owned(), Value::from(name))])
}
