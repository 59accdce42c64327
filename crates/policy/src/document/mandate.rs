//! Mandates: what one agent may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::budget::{self, Budget};
use super::delegation::{self, Delegation};
use super::field::{Fields, Money, Reader};
use super::limit::Limit;
use super::rule::{Approvers, distinct, rule_id};
use super::selector::Pattern;
use super::tools::TIERS;
use super::trigger::Trigger;
use super::{RuleId, mandate_audit};
use crate::action::Access;
use crate::condition::Condition;
use crate::constraint::Constraints;
use crate::verdict::Decision;
use crate::yaml::Node;

/// The mandate of one agent: a ceiling on what it may do.
pub struct Mandate {
    pub(crate) id: RuleId,
    owner: Option<String>,
    /// Rank in [`TIERS`].
    pub(crate) tier: Option<usize>,
    /// What it is cleared for; without one it is cleared for nothing that asks for a clearance.
    pub(crate) clearance: Option<u32>,
    pub(crate) environments: Option<BTreeSet<String>>,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) data: Option<Vec<DataAccess>>,
    pub(crate) escalations: Vec<Escalation>,
    /// What it escalates has to be handed over in four parts.
    pub(crate) handoff_required: bool,
    /// What lies outside goes to a person instead of being denied.
    pub(crate) out_of_scope: Option<RuleId>,
    /// Whom it may call, and who may call it.
    pub(crate) delegation: Option<Delegation>,
    /// What it may spend.
    pub(crate) budgets: Vec<Budget>,
    /// How often it may act.
    pub(crate) limits: Vec<Limit>,
    pub(crate) audit: mandate_audit::Audit,
}

/// One entry of `permissions:`.
pub(crate) struct Permission {
    pub(crate) id: RuleId,
    pub(crate) tool: Option<Pattern>,
    pub(crate) action: Option<Pattern>,
    pub(crate) allowed: bool,
    pub(crate) condition: Option<Condition>,
    pub(crate) max_amount: Option<Money>,
    /// What an amount above the bound gets.
    pub(crate) over_max: Decision,
    pub(crate) requires_review: bool,
    pub(crate) approvers: Approvers,
    pub(crate) constraints: Constraints,
    /// A permit may be checked by its signature alone.
    pub(crate) offline: bool,
}

impl Permission {
    /// What it asks for where it speaks and its bound holds.
    pub(crate) fn decision(&self) -> Decision {
        match (self.allowed, self.requires_review) {
            (false, _) => Decision::Deny,
            (true, true) => Decision::RequireApproval,
            (true, false) if self.constraints.is_empty() => Decision::Allow,
            (true, false) => Decision::AllowWithConstraints,
        }
    }

    /// Whether it speaks about the action; a denial hears its action's name in the tool's as well.
    pub(crate) fn matches(&self, action: &str, tool: Option<&str>) -> bool {
        let by_action = |pattern: &Pattern| {
            let last = |tool: &str| tool.rsplit_once('/').is_some_and(|(_, last)| pattern.matches(last));
            let named = |tool: &str| pattern.matches(tool) || last(tool);
            pattern.matches(action) || (!self.allowed && tool.is_some_and(named))
        };
        self.action.as_ref().is_none_or(by_action)
            && self
                .tool
                .as_ref()
                .is_none_or(|pattern| tool.is_some_and(|tool| pattern.matches(tool)))
    }
}

/// Whose data an agent may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    OwnedByCurrentUser,
    None,
}

/// One entry of `data_access:`.
pub(crate) struct DataAccess {
    pub(crate) id: RuleId,
    pub(crate) resource: Pattern,
    pub(crate) scope: Scope,
    /// The most that it may do; `None` = nothing.
    pub(crate) access: Option<Access>,
}

/// One entry of `escalate_when:`.
pub(crate) struct Escalation {
    pub(crate) id: RuleId,
    pub(crate) trigger: Trigger,
}

/// What a mandate grants.
#[derive(Clone, Copy)]
pub struct Grant<'a>(&'a Permission);

impl Grant<'_> {
    /// The tools that it is about, as the mandate writes them.
    pub fn tool(&self) -> Option<String> {
        self.0.tool.as_ref().map(Pattern::text)
    }

    /// The operations that it is about, as the mandate writes them.
    pub fn action(&self) -> Option<String> {
        self.0.action.as_ref().map(Pattern::text)
    }

    /// Whether it is about an operation with a tool.
    pub fn covers(&self, action: &str, tool: &str) -> bool {
        self.0.matches(action, Some(tool))
    }

    /// File and line of the grant.
    pub fn place(&self) -> (&str, u32) {
        (&self.0.id.place.file, self.0.id.place.line)
    }
}

impl Mandate {
    /// What it grants, in the order of the document.
    pub fn grants(&self) -> impl Iterator<Item = Grant<'_>> {
        self.permissions
            .iter()
            .filter(|permission| permission.allowed)
            .map(Grant)
    }

    /// `agent:`, the agent's id.
    pub fn agent(&self) -> &str {
        &self.id.document
    }

    /// `owner:`, who answers for the agent.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// `tier:`, what the agent is trusted to do.
    pub fn tier(&self) -> Option<&'static str> {
        TIERS.get(self.tier?).copied()
    }

    /// Kinds of data to redact besides the ones that always are; whoever redacts has to know them all.
    pub fn redact(&self) -> &[String] {
        &self.audit.redact
    }

    /// How long to keep records, such as `90_days`.
    pub fn retention(&self) -> Option<&str> {
        self.audit.retention.as_deref()
    }

    /// Events of the ledger that raise an alert when they concern this agent, sorted.
    pub fn alert_events(&self) -> &[String] {
        &self.audit.events
    }

    /// File and line of the document.
    pub fn place(&self) -> (&str, u32) {
        (&self.id.place.file, self.id.place.line)
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Mandate> {
    let node = fields.get("agent");
    let agent = node.and_then(|node| reader.id(node));
    let place = reader.place(node.map_or_else(|| fields.head(), |node| node.span.clone()));
    let document: Arc<str> = agent.clone().unwrap_or_else(|| Arc::from(""));
    let id = |rule: &str, place| RuleId {
        document: Arc::clone(&document),
        rule: Arc::from(rule),
        place,
    };
    fields.refuse(reader, &["autonomy"]);
    let handing_on = fields.get("delegation");
    let delegation = handing_on.and_then(|node| delegation::read(reader, &document, node));
    let limits = fields.get("limits").zip(agent.as_deref());
    let (budgets, limits) = limits
        .map(|(node, agent)| budget::limits(reader, agent, node))
        .unwrap_or_default();
    let owner = fields.get("owner").and_then(|node| reader.name(node));
    for name in ["technical_owner", "fallback_owner", "review_by", "purpose"] {
        if let Some(node) = fields.get(name) {
            reader.text(node);
        }
    }
    let ranks: Vec<_> = TIERS.iter().enumerate().map(|(rank, name)| (*name, rank)).collect();
    let tier = fields.get("tier").and_then(|node| reader.word(node, &ranks));
    let clearance = fields.get("clearance").and_then(|node| reader.whole(node, 0, 1000));
    let environments = fields.get("environments").map(|node| {
        let names = reader.names(node).unwrap_or_default();
        if names.is_empty() {
            reader.error(
                "empty",
                node.span.clone(),
                "no environment is allowed",
                "name one, or remove the field",
            );
        }
        names.into_iter().collect()
    });
    let mut permissions = Vec::new();
    if let Some(node) = fields.get("permissions") {
        for (index, item) in reader.list(node).unwrap_or_default().iter().enumerate() {
            permissions.extend(permission(reader, &document, item, index));
        }
    }
    let data = fields.get("data_access").map(|node| {
        let items = reader.list(node).unwrap_or_default();
        let entry = |(index, item)| data_access(reader, &document, item, index);
        items.iter().enumerate().filter_map(entry).collect::<Vec<_>>()
    });
    for pair in data.as_deref().unwrap_or_default().iter().enumerate() {
        let (index, entry) = pair;
        let earlier = data.as_deref().unwrap_or_default().iter().take(index);
        if earlier.into_iter().any(|other| other.resource == entry.resource) {
            let span = entry.id.place.span.clone();
            reader.error("duplicate_name", span, "the resource is listed twice", "keep one entry");
        }
    }
    let mut escalations = Vec::new();
    let mut out_of_scope = None;
    if let Some(node) = fields.get("escalate_when") {
        for (index, item) in reader.list_or_one(node).unwrap_or_default().iter().enumerate() {
            let place = reader.place(item.span.clone());
            let id = id(&format!("escalate_when[{index}]"), place);
            if item.text().unwrap_or_default().trim() == "out_of_scope" {
                out_of_scope = Some(id);
            } else if let Some(trigger) = Trigger::read(reader, item) {
                escalations.push(Escalation { id, trigger });
            }
        }
    }
    let handoff_required = handoff_required(reader, &mut fields);
    let audit = fields
        .get("audit")
        .map(|node| mandate_audit::read(reader, node))
        .unwrap_or_default();
    fields.finish(reader);
    distinct(reader, permissions.iter().map(|permission| &permission.id));
    let id = id("agent", place);
    agent.map(|_| Mandate {
        id,
        owner,
        tier,
        clearance,
        environments,
        permissions,
        data,
        escalations,
        handoff_required,
        out_of_scope,
        delegation,
        budgets,
        limits,
        audit,
    })
}

fn handoff_required(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> bool {
    let Some(node) = fields.get("handoff_required") else {
        return false;
    };
    let required = reader.bool(node).unwrap_or(false);
    if fields.get("escalate_when").is_none() {
        let help = "add `escalate_when:`, or remove the field";
        reader.error("no_effect", node.span.clone(), "the mandate escalates nothing", help);
    }
    required
}

fn permission(reader: &mut Reader<'_>, document: &Arc<str>, node: &Node, index: usize) -> Option<Permission> {
    let mut fields = reader.fields(node, "a permission")?;
    let id = rule_id(reader, &mut fields, document, "permissions", index);
    let tool = fields.get("tool").map(|node| Pattern::read(reader, node));
    let action = fields.get("action").map(|node| Pattern::read(reader, node));
    if tool.is_none() && action.is_none() {
        let help = "add `action:` or `tool:`";
        reader.error(
            "missing_field",
            fields.head(),
            "the permission names no action and no tool",
            help,
        );
    }
    let allowed = fields.need(reader, "allowed").and_then(|node| reader.bool(node));
    let (condition, other) = (fields.get("where"), fields.get("condition"));
    if let (Some(_), Some(other)) = (condition, other) {
        let help = "keep one of them";
        reader.error(
            "contradiction",
            other.span.clone(),
            "`where` and `condition` are the same thing",
            help,
        );
    }
    let written = condition.or(other);
    let condition = written.and_then(|node| reader.condition(node));
    let bound = fields.get("max_amount");
    let max_amount = bound.and_then(|node| reader.money(node));
    let review = fields.get("requires_review");
    let requires_review = review.and_then(|node| reader.bool(node)).unwrap_or(false);
    let words = [
        ("require_approval", Decision::RequireApproval),
        ("deny", Decision::Deny),
    ];
    let over = fields.get("over_max");
    let over_max = over
        .and_then(|node| reader.word(node, &words))
        .unwrap_or(Decision::RequireApproval);
    if let Some(node) = over.filter(|_| bound.is_none()) {
        let help = "add `max_amount:`, or remove it";
        reader.error(
            "no_effect",
            node.span.clone(),
            "`over_max` has no effect without `max_amount`",
            help,
        );
    }
    let asks = requires_review || (bound.is_some() && over_max == Decision::RequireApproval);
    let approvers = Approvers::read(reader, &mut fields, asks);
    let limits = fields.get("constraints");
    let constraints = limits
        .and_then(|node| Constraints::read(reader, node))
        .unwrap_or_default();
    if let Some(node) = fields.get("audit")
        && reader.bool(node) == Some(false)
    {
        let help = "remove it: every action is recorded";
        reader.error("audit_off", node.span.clone(), "the audit cannot be switched off", help);
    }
    let permit = fields.get("permit");
    let offline = permit
        .and_then(|node| reader.word(node, &[("redeem", false), ("offline", true)]))
        .unwrap_or(false);
    if allowed == Some(false) {
        for (name, node) in [("max_amount", bound), ("constraints", limits), ("permit", permit)] {
            if let Some(node) = node {
                let message = format!("`{name}` has no effect with `allowed: false`");
                reader.error(
                    "no_effect",
                    node.span.clone(),
                    message,
                    "remove it, or allow the action",
                );
            }
        }
        if let Some(node) = review.filter(|_| requires_review) {
            let help = "write `allowed: true`: after an approval it is";
            reader.error(
                "no_effect",
                node.span.clone(),
                "nobody reviews what is never allowed",
                help,
            );
        }
    }
    fields.finish(reader);
    // A condition that did not compile must not turn into "always".
    if written.is_some() && condition.is_none() {
        return None;
    }
    Some(Permission {
        id,
        tool: optional(tool)?,
        action: optional(action)?,
        allowed: allowed?,
        condition,
        max_amount,
        over_max,
        requires_review,
        approvers: approvers?,
        constraints,
        offline,
    })
}

/// `None` where something was written that could not be read.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

fn data_access(reader: &mut Reader<'_>, document: &Arc<str>, node: &Node, index: usize) -> Option<DataAccess> {
    let mut fields = reader.fields(node, "an entry of data_access")?;
    let id = rule_id(reader, &mut fields, document, "data_access", index);
    let resource = fields
        .need(reader, "resource")
        .and_then(|node| Pattern::read(reader, node));
    let scopes = [
        ("all", Scope::All),
        ("none", Scope::None),
        ("owned_by_current_user", Scope::OwnedByCurrentUser),
    ];
    let scope = fields.need(reader, "scope").and_then(|node| reader.word(node, &scopes));
    let accesses = [
        ("none", None),
        ("read_only", Some(Access::Read)),
        ("read_write", Some(Access::Write)),
    ];
    let access = fields
        .need(reader, "access")
        .and_then(|node| reader.word(node, &accesses));
    fields.finish(reader);
    Some(DataAccess {
        id,
        resource: resource?,
        scope: scope?,
        access: access?,
    })
}
