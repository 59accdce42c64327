//! Tests documents: example actions and the decision that each must get.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Place;
use super::field::{Fields, Reader};
use super::gate::decision;
use super::output::Stated;
use super::tools::read_labels;
use crate::action::{Access, Action, Resource};
use crate::condition::parse_timestamp;
use crate::facts::Standing;
use crate::output::Outputs;
use crate::value::Value;
use crate::verdict::Decision;
use crate::yaml::{Kind, Node, decimal};

/// The parts of evidence, in their order.
pub(crate) const EVIDENCE: [&str; 6] = [
    "sources",
    "references",
    "confidence",
    "alternatives",
    "reason",
    "next_step",
];

/// The parts of a handoff, in their order: what the agent leaves to whoever goes on.
pub(crate) const HANDOFF: [&str; 4] = ["attempted", "failed", "gathered", "recommended"];

/// One example.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) agent: Arc<str>,
    pub(crate) action: Action,
    pub(crate) standing: Standing,
    pub(crate) principal_verified: bool,
    pub(crate) accept_remedy: bool,
    /// How often the agent failed at it in a row.
    pub(crate) failures: i64,
    /// The agent's team.
    pub(crate) team: Option<String>,
    /// Kinds of data that redaction found.
    pub(crate) pii: Vec<String>,
    /// The time, in microseconds since 1970.
    pub(crate) now: i64,
    pub(crate) expect: Expect,
}

/// What it must get.
pub(crate) struct Expect {
    pub(crate) decision: Decision,
    /// Codes, of each of which there is a reason.
    pub(crate) reasons: Vec<String>,
    /// The whole set, as text.
    pub(crate) constraints: Option<BTreeMap<String, String>>,
    /// What its result may let out, all of it.
    pub(crate) outputs: Option<Outputs>,
    /// Some rule asks all of these.
    pub(crate) approvers_any: Option<Vec<String>>,
    /// All that are asked by any rule.
    pub(crate) approvers: Option<Vec<String>>,
    pub(crate) alert: Option<String>,
    /// Whether evidence is missing.
    pub(crate) needs_evidence: Option<bool>,
}

pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Vec<Case>> {
    if let Some(node) = fields.get("name") {
        reader.id(node);
    }
    let node = fields.get("tests")?;
    fields.finish(reader);
    let items = reader.list(node)?;
    Some(
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| case(reader, item, index))
            .collect(),
    )
}

fn case(reader: &mut Reader<'_>, node: &Node, index: usize) -> Option<Case> {
    let mut fields = reader.fields(node, "a test")?;
    let place = reader.place(fields.head());
    let (name, id) = (fields.get("name"), fields.get("id"));
    let name = name
        .or(id)
        .and_then(|node| reader.text(node))
        .unwrap_or_else(|| format!("tests[{index}]"));
    let agent = fields.need(reader, "agent").and_then(|node| reader.id(node));
    let standings = [
        ("active", Standing::Active),
        ("quarantined", Standing::Quarantined),
        ("unregistered", Standing::Unregistered),
    ];
    let standing = fields.get("standing").and_then(|node| reader.word(node, &standings));
    let action = action(reader, &mut fields);
    let mut flag = |reader: &mut Reader<'_>, name| fields.get(name).and_then(|node| reader.bool(node)).unwrap_or(false);
    let principal_verified = flag(reader, "principal_verified");
    let accept_remedy = flag(reader, "accept_remedy");
    let failures = fields.get("failures").and_then(|node| whole(reader, node)).unwrap_or(0);
    let team = fields.get("team").and_then(|node| reader.name(node));
    let pii = fields
        .get("pii")
        .and_then(|node| reader.names(node))
        .unwrap_or_default();
    let now = fields.get("now").and_then(|node| instant(reader, node)).unwrap_or(0);
    let expect = expect(reader, &mut fields);
    fields.finish(reader);
    Some(Case {
        name,
        place,
        agent: agent?,
        action: action?,
        standing: standing.unwrap_or(Standing::Active),
        principal_verified,
        accept_remedy,
        failures,
        team,
        pii,
        now,
        expect: expect?,
    })
}

fn whole(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let count = node
        .text()
        .and_then(|text| text.parse().ok())
        .filter(|count| *count >= 0);
    if count.is_none() {
        let help = "write how often it failed in a row";
        reader.error("wrong_type", node.span.clone(), "`failures` is a whole number", help);
    }
    count
}

fn instant(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let at = node.text().and_then(parse_timestamp);
    if at.is_none() {
        let help = "write it as in `2026-11-21T07:00:00Z`";
        reader.error("invalid_value", node.span.clone(), "this is no time", help);
    }
    at
}

fn expect(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Expect> {
    let wanted = fields.need(reader, "expect").and_then(|node| decision(reader, node));
    let reason = fields.get("reason").and_then(|node| reader.name(node));
    let more = fields.get("reasons").and_then(|node| reader.names(node));
    let reasons = reason.into_iter().chain(more.into_iter().flatten()).collect();
    let constraints = fields.get("constraints").and_then(|node| {
        let Kind::Map(entries) = &node.kind else {
            reader.fields(node, "constraints");
            return None;
        };
        let text = |node: &Node| match &node.kind {
            Kind::Seq(items) => {
                let mut items: Vec<&str> = items.iter().filter_map(Node::text).collect();
                items.sort_unstable();
                items.join(", ")
            }
            _ => node.text().unwrap_or_default().to_owned(),
        };
        Some(entries.iter().map(|(key, value)| (text(key), text(value))).collect())
    });
    let outputs = fields.get("outputs").and_then(|node| {
        let mut fields = reader.fields(node, "what a result may let out")?;
        let stated = Stated::read(reader, &mut fields);
        fields.finish(reader);
        Some(stated.outputs(""))
    });
    let approvers_any = fields.get("approvers_any").and_then(|node| reader.names(node));
    let approvers = fields.get("approvers").and_then(|node| reader.names(node));
    let alert = fields.get("alert").and_then(|node| reader.name(node));
    let states = [("needs_evidence", true), ("pending", false)];
    let needs_evidence = fields.get("approval").and_then(|node| reader.word(node, &states));
    Some(Expect {
        decision: wanted?,
        reasons,
        constraints,
        outputs,
        approvers_any,
        approvers,
        alert,
        needs_evidence,
    })
}

fn action(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Action> {
    let mut text = |reader: &mut Reader<'_>, name| fields.get(name).and_then(|node| reader.name(node));
    let (tool, action) = (text(reader, "tool"), text(reader, "action"));
    let (env, currency) = (text(reader, "env"), text(reader, "currency"));
    let (principal, run) = (text(reader, "principal"), text(reader, "run"));
    let (parent, step) = (text(reader, "parent"), text(reader, "step"));
    let last = |tool: &String| tool.rsplit_once('/').map_or(tool.as_str(), |(_, last)| last).to_owned();
    let Some(action) = action.or_else(|| tool.as_ref().map(last)) else {
        let help = "add `action:` or `tool:`";
        reader.error(
            "missing_field",
            fields.head(),
            "the test names no action and no tool",
            help,
        );
        return None;
    };
    let mut number = |reader: &mut Reader<'_>, name| {
        let node = fields.get(name)?;
        let number = node.text().and_then(decimal);
        if number.is_none() {
            reader.error(
                "wrong_type",
                node.span.clone(),
                format!("`{name}` is a number"),
                "write a decimal number",
            );
        }
        number
    };
    let (amount, estimated_cost) = (number(reader, "amount"), number(reader, "estimated_cost"));
    let confidence = number(reader, "confidence");
    let accesses = [("read", Access::Read), ("write", Access::Write)];
    let access = fields.get("access").and_then(|node| reader.word(node, &accesses));
    let resource = fields.get("resource").and_then(|node| {
        let mut fields = reader.fields(node, "a resource")?;
        let mut text = |reader: &mut Reader<'_>, name| fields.get(name).and_then(|node| reader.name(node));
        let (kind, id, owner) = (text(reader, "type"), text(reader, "id"), text(reader, "owner"));
        let labels = map(reader, fields.get("labels"));
        fields.finish(reader);
        Some(Resource {
            kind,
            id,
            owner,
            labels,
        })
    });
    let evidence = match fields.get("evidence") {
        Some(node) if node.text() == Some("complete") => {
            let part = |name: &&str| ((*name).to_owned(), Value::List(vec![Value::from("stated")]));
            Some(Value::Map(EVIDENCE.iter().chain(&HANDOFF).map(part).collect()))
        }
        node => map(reader, node),
    };
    let args = map(reader, fields.get("args")).unwrap_or_else(|| Value::Map(BTreeMap::new()));
    let (labels, model) = (map(reader, fields.get("labels")), map(reader, fields.get("model")));
    let (delegation, conflicts) = (
        items(reader, fields.get("delegation")),
        items(reader, fields.get("conflicts")),
    );
    let reads = fields.get("reads").and_then(|node| read_labels(reader, node));
    Some(Action {
        tool,
        action,
        args,
        resource,
        env,
        access,
        amount,
        currency,
        estimated_cost,
        confidence,
        evidence,
        labels,
        principal,
        run,
        parent,
        step,
        delegation,
        model,
        conflicts,
        reads: reads.unwrap_or_default(),
    })
}

fn map(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<Value> {
    let node = node?;
    reader.fields(node, "a map")?;
    value(reader, node)
}

fn items(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<Value> {
    let node = node?;
    reader.list(node)?;
    value(reader, node)
}

/// What a node says as a value of actions.
pub(super) fn value(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    match node.value() {
        Ok(value) => Some(value),
        Err(bad) => {
            let help = "write a decimal number, or put it into quotes";
            reader.error(
                "invalid_value",
                bad.span.clone(),
                "this number has no exact value",
                help,
            );
            None
        }
    }
}
