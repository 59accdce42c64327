//! The sentences.

use rust_decimal::Decimal;

use super::pair::{At, KeyOf, Paired, alike, pairs};
use super::shown::{cut, shown};
use super::{Difference, Direction, Part, items};
use crate::verdict::Decision;
use crate::yaml::{Kind, Node};

/// Fields of a mandate that change nothing of what is decided.
const FOR_READERS: [&str; 5] = ["purpose", "owner", "technical_owner", "fallback_owner", "review_by"];

/// Where a difference is, for all that is said of one thing.
struct Subject<'a> {
    part: Part,
    document: &'a str,
    /// How a sentence begins.
    called: String,
    before: String,
    after: String,
    outside: bool,
}

impl Subject<'_> {
    /// The same, of something at which a simulation does not look, if it is.
    fn also_outside(&self, outside: bool) -> Subject<'_> {
        Subject {
            part: self.part,
            document: self.document,
            called: self.called.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
            outside: self.outside || outside,
        }
    }

    fn say(&self, direction: Direction, what: &str, found: &mut Vec<Difference>) {
        found.push(Difference {
            part: self.part,
            document: self.document.to_owned(),
            direction,
            sentence: format!("{} {what}", self.called),
            before: self.before.clone(),
            after: self.after.clone(),
            outside: self.outside,
        });
    }
}

/// What is different in a mandate.
pub(super) fn mandate(agent: &str, paired: Paired<'_>, found: &mut Vec<Difference>) {
    let whole = Subject {
        part: Part::Mandate,
        document: agent,
        called: format!("agent `{agent}`"),
        before: String::new(),
        after: String::new(),
        outside: false,
    };
    // A mandate brings and takes along what it says of things at which a simulation does not look.
    let along = |node: &Node| Subject {
        outside: node.members().any(|(name, value)| is_outside(name, None, Some(value))),
        called: whole.called.clone(),
        before: String::new(),
        after: String::new(),
        ..whole
    };
    let (old, new) = match paired {
        Paired::Added(new) => return along(new).say(Direction::Depends, "has a mandate, and had none", found),
        Paired::Removed(old) => return along(old).say(Direction::Depends, "has no mandate any more", found),
        Paired::Both(old, new) => (old, new),
    };
    for (name, before, after) in fields(old, new) {
        match name {
            "permissions" => {
                let keys: [KeyOf<'_>; 2] = [&|node| text(node, "name"), &|node| about(node)];
                for (before, after) in pairs(list(before), list(after), &keys) {
                    permission(agent, before, after, found);
                }
            }
            "data_access" => {
                let keys: [KeyOf<'_>; 1] = [&|node| text(node, "resource")];
                for (before, after) in pairs(list(before), list(after), &keys) {
                    let resource = before
                        .or(after)
                        .and_then(|at| text(at.1, "resource"))
                        .unwrap_or_default();
                    let subject = rule(
                        Part::Mandate,
                        agent,
                        "data_access",
                        format!("`{resource}` for `{agent}`"),
                        before,
                        after,
                    );
                    told(&subject, before, after, "is a resource that it may touch", found);
                }
            }
            _other => {
                let subject = Subject {
                    called: format!("agent `{agent}`:"),
                    outside: is_outside(name, before, after),
                    part: whole.part,
                    document: agent,
                    before: name.to_owned(),
                    after: name.to_owned(),
                };
                let direction = if FOR_READERS.contains(&name) {
                    Direction::Depends
                } else {
                    direction(name, before, after)
                };
                subject.say(direction, &changed(name, before, after), found);
            }
        }
    }
}

/// Whether a field of a mandate decides beside its permissions, where a simulation does not look: what is redacted, and so is
/// stored, was settled when the action was recorded.
fn is_outside(name: &str, before: Option<&Node>, after: Option<&Node>) -> bool {
    fn redact(node: Option<&Node>) -> Option<&Node> {
        node?.member("redact")
    }
    match name {
        "limits" | "autonomy" => true,
        "audit" => match (redact(before), redact(after)) {
            (Some(old), Some(new)) => !alike(old, new),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        },
        _other => false,
    }
}

/// What is different in one permission.
fn permission(agent: &str, before: Option<At<'_>>, after: Option<At<'_>>, found: &mut Vec<Difference>) {
    let node = after.or(before).map(|at| at.1);
    let called = node.and_then(about).unwrap_or_default();
    let called = format!("{called} by `{agent}`");
    let subject = rule(Part::Mandate, agent, "permissions", called, before, after);
    let allowed = |node: &Node| node.member("allowed").and_then(Node::bool) == Some(true);
    let (old, new) = match (before, after) {
        (None, Some((_, new))) if allowed(new) => {
            let what = format!("is allowed now: {}", shown(new));
            return subject.say(Direction::Looser, &what, found);
        }
        (None, Some(_)) => return subject.say(Direction::Stricter, "is denied now by name", found),
        (Some((_, old)), None) if allowed(old) => {
            return subject.say(Direction::Stricter, "is not allowed any more by this permission", found);
        }
        (Some(_), None) => return subject.say(Direction::Looser, "is not denied by name any more", found),
        (Some((_, old)), Some((_, new))) => (old, new),
        (None, None) => return,
    };
    for (name, before, after) in fields(old, new) {
        let what = match name {
            "allowed" if allowed(new) => "is allowed instead of denied".to_owned(),
            "allowed" => "is denied instead of allowed".to_owned(),
            "max_amount" => bound(before, after),
            "where" | "condition" => condition("is spoken of", before, after),
            _other => changed(name, before, after),
        };
        subject.say(direction(name, before, after), &what, found);
    }
}

/// What is different in a gate.
pub(super) fn gate(name: &str, paired: Paired<'_>, found: &mut Vec<Difference>) {
    let whole = Subject {
        part: Part::Gate,
        document: name,
        called: format!("gate `{name}`"),
        before: String::new(),
        after: String::new(),
        outside: false,
    };
    let nothing = Node {
        kind: Kind::Map(Vec::new()),
        span: 0..0,
    };
    let (old, new) = match paired {
        Paired::Added(new) => {
            whole.say(Direction::Depends, "is new", found);
            (&nothing, new)
        }
        Paired::Removed(old) => {
            whole.say(Direction::Depends, "is gone", found);
            (old, &nothing)
        }
        Paired::Both(old, new) => (old, new),
    };
    for (field, before, after) in fields(old, new) {
        match field {
            "name" | "description" => {}
            "rules" => {
                let keys: [KeyOf<'_>; 3] = [&|node| text(node, "name"), &|node| text(node, "condition"), &|node| {
                    Some(decision(node).as_str().to_owned())
                }];
                for (before, after) in pairs(list(before), list(after), &keys) {
                    gate_rule(name, before, after, found);
                }
            }
            _other => whole.say(direction(field, before, after), &changed(field, before, after), found),
        }
    }
}

fn gate_rule(gate: &str, before: Option<At<'_>>, after: Option<At<'_>>, found: &mut Vec<Difference>) {
    let (place, node) = match after.or(before) {
        Some(at) => at,
        None => return,
    };
    let called = text(node, "name").unwrap_or_else(|| format!("rules[{place}]"));
    let called = format!("gate `{gate}`, rule `{called}`");
    let subject = rule(Part::Gate, gate, "rules", called, before, after);
    // From there on a rule asks somebody, or says no.
    let asks = |node: &Node| decision(node) >= Decision::RequireApproval;
    let (old, new) = match (before, after) {
        (None, Some((_, new))) => {
            let direction = if asks(new) {
                Direction::Stricter
            } else {
                Direction::Depends
            };
            return subject.say(direction, &format!("is new: {}", sentence(new)), found);
        }
        (Some((_, old)), None) => {
            let direction = if asks(old) {
                Direction::Looser
            } else {
                Direction::Depends
            };
            return subject.say(direction, &format!("is gone: {}", sentence(old)), found);
        }
        (Some((_, old)), Some((_, new))) => (old, new),
        (None, None) => return,
    };
    for (name, before, after) in fields(old, new) {
        match name {
            "decision" => {
                let direction = match decision(new).cmp(&decision(old)) {
                    std::cmp::Ordering::Less => Direction::Looser,
                    std::cmp::Ordering::Greater => Direction::Stricter,
                    // It is written otherwise and says the same.
                    std::cmp::Ordering::Equal => continue,
                };
                let what = format!("{}, and {} before", does(new).0, does(old).1);
                subject.say(direction, &what, found);
            }
            "condition" => subject.say(Direction::Depends, &condition("applies", before, after), found),
            "message" | "name" => subject.say(Direction::Depends, &changed(name, before, after), found),
            _other => subject.say(direction(name, before, after), &changed(name, before, after), found),
        }
    }
}

/// What is different in something that has a name of its own: a tool, a budget, a field of the organization.
pub(super) fn entry(part: Part, name: &str, paired: Paired<'_>, found: &mut Vec<Difference>) {
    let called = match part {
        Part::Tools => format!("tool `{name}`"),
        Part::Organization => format!("organization, `{name}`:"),
        Part::Budgets => format!("budget `{name}`"),
        Part::Limits => format!("limit `{name}`"),
        Part::Disagreements => format!("disagreement `{name}`"),
        Part::Outputs => format!("output rule `{name}`"),
        Part::Rates => format!("rates, `{name}`:"),
        Part::Tests => format!("test `{name}`"),
        Part::Mandate => format!("agent `{name}`"),
        Part::Gate => format!("gate `{name}`"),
    };
    let organization_alone = ["organization", "name", "teams", "duties", "compliance", "retention"];
    let subject = Subject {
        part,
        document: name,
        called,
        before: String::new(),
        after: String::new(),
        outside: match part {
            Part::Budgets | Part::Limits | Part::Disagreements | Part::Rates => true,
            Part::Organization => !organization_alone.contains(&name),
            Part::Mandate | Part::Gate | Part::Outputs | Part::Tests | Part::Tools => false,
        },
    };
    // What a tool hands to its caller is remembered of the run, and was when the actions were recorded.
    let reads = |node: &Node| part == Part::Tools && node.member("reads").is_some();
    match paired {
        Paired::Added(new) => {
            let subject = subject.also_outside(reads(new));
            subject.say(Direction::Depends, &format!("is new: {}", shown(new)), found);
        }
        Paired::Removed(old) => {
            let subject = subject.also_outside(reads(old));
            subject.say(Direction::Depends, &format!("is gone: {}", shown(old)), found);
        }
        Paired::Both(old, new) => {
            let members = matches!((&old.kind, &new.kind), (Kind::Map(_), Kind::Map(_)));
            if !members {
                let what = format!("is {} instead of {}", shown(new), shown(old));
                return subject.say(Direction::Depends, &what, found);
            }
            for (field, before, after) in fields(old, new) {
                let subject = subject.also_outside(part == Part::Tools && field == "reads");
                subject.say(direction(field, before, after), &changed(field, before, after), found);
            }
        }
    }
}

/// A rule as reasons name it, before and after.
fn rule<'a>(
    part: Part,
    document: &'a str,
    list: &str,
    called: String,
    before: Option<At<'_>>,
    after: Option<At<'_>>,
) -> Subject<'a> {
    let id = |at: Option<At<'_>>| match at {
        Some((place, node)) => {
            let name = text(node, "name").unwrap_or_else(|| format!("{list}[{place}]"));
            format!("{document}#{name}")
        }
        None => String::new(),
    };
    Subject {
        part,
        document,
        called,
        before: id(before),
        after: id(after),
        outside: false,
    }
}

/// What is different in an item of a list, field by field.
fn told(subject: &Subject<'_>, before: Option<At<'_>>, after: Option<At<'_>>, is: &str, found: &mut Vec<Difference>) {
    match (before, after) {
        (None, Some((_, new))) => subject.say(Direction::Depends, &format!("{is}: {}", shown(new)), found),
        (Some((_, old)), None) => subject.say(
            Direction::Depends,
            &format!("is not listed any more: {}", shown(old)),
            found,
        ),
        (Some((_, old)), Some((_, new))) => {
            for (name, before, after) in fields(old, new) {
                subject.say(direction(name, before, after), &changed(name, before, after), found);
            }
        }
        (None, None) => {}
    }
}

/// The fields of two maps that are not the same, in the order of `new`, then of what is gone.
fn fields<'n>(old: &'n Node, new: &'n Node) -> Vec<(&'n str, Option<&'n Node>, Option<&'n Node>)> {
    let mut found = Vec::new();
    for (name, after) in new.members() {
        match old.member(name) {
            Some(before) if alike(before, after) => {}
            before => found.push((name, before, Some(after))),
        }
    }
    for (name, before) in old.members().filter(|(name, _)| new.member(name).is_none()) {
        found.push((name, Some(before), None));
    }
    found
}

fn list(node: Option<&Node>) -> &[Node] {
    node.map(items).unwrap_or_default()
}

fn text(node: &Node, name: &str) -> Option<String> {
    Some(node.member(name)?.text()?.to_owned())
}

/// What a permission is about.
fn about(node: &Node) -> Option<String> {
    match (text(node, "action"), text(node, "tool")) {
        (Some(action), Some(tool)) => Some(format!("`{action}` with `{tool}`")),
        (Some(name), None) | (None, Some(name)) => Some(format!("`{name}`")),
        (None, None) => None,
    }
}

fn bound(before: Option<&Node>, after: Option<&Node>) -> String {
    match (before, after) {
        (Some(old), Some(new)) => format!("up to {} instead of {}", shown(new), shown(old)),
        (None, Some(new)) => format!("up to {}, where there was no bound", shown(new)),
        (Some(old), None) => format!("without a bound, where it was {}", shown(old)),
        (None, None) => String::new(),
    }
}

fn condition(does: &str, before: Option<&Node>, after: Option<&Node>) -> String {
    match (before, after) {
        (Some(old), Some(new)) => format!("{does} where `{}`, and did where `{}`", shown(new), shown(old)),
        (None, Some(new)) => format!("{does} only where `{}`, and always did", shown(new)),
        (Some(old), None) => format!("{does} always, and did where `{}`", shown(old)),
        (None, None) => String::new(),
    }
}

fn changed(name: &str, before: Option<&Node>, after: Option<&Node>) -> String {
    match (before, after) {
        (Some(old), Some(new)) => format!("has {} for `{name}` instead of {}", shown(new), shown(old)),
        (None, Some(new)) => format!("has {} for `{name}`, which it did not say", shown(new)),
        (Some(old), None) => format!("says nothing of `{name}` any more, which was {}", shown(old)),
        (None, None) => String::new(),
    }
}

/// Which way a field goes, where that is known.
fn direction(name: &str, before: Option<&Node>, after: Option<&Node>) -> Direction {
    let truth = |node: Option<&Node>| node.and_then(Node::bool).unwrap_or(false);
    let toward = |more_is: Direction, less_is: Direction, grows: Option<bool>| match grows {
        Some(true) => more_is,
        Some(false) => less_is,
        None => Direction::Depends,
    };
    let (looser, stricter) = (Direction::Looser, Direction::Stricter);
    // What is not said is `false`, so that to say it changes nothing.
    let turned = (truth(before) != truth(after)).then(|| truth(after));
    match name {
        // Without a bound everything is below it.
        "max_amount" | "max_bytes" | "limit" | "count" | "sum" => {
            let grows = match (before, after) {
                (Some(old), Some(new)) => larger(old, new),
                (None, Some(_)) => Some(false),
                (Some(_), None) => Some(true),
                (None, None) => None,
            };
            toward(looser, stricter, grows)
        }
        "quorum" => match (before, after) {
            (Some(old), Some(new)) => toward(stricter, looser, larger(old, new)),
            _other => Direction::Depends,
        },
        // What is not handled otherwise passes.
        "redact" | "withhold" | "flag" if before.is_none() => stricter,
        "redact" | "withhold" | "flag" if after.is_none() => looser,
        "allowed" => toward(looser, stricter, Some(truth(after))),
        "requires_review" | "evidence_required" | "handoff_required" | "only_called" => {
            toward(stricter, looser, turned)
        }
        "beyond_mandate" => toward(looser, stricter, turned),
        "on_conflict" => {
            let denies = |node: Option<&Node>| node.and_then(Node::text) == Some("deny");
            toward(
                stricter,
                looser,
                (denies(before) != denies(after)).then(|| denies(after)),
            )
        }
        _other => Direction::Depends,
    }
}

/// Whether a number grew; text with a unit is compared where the unit is the same.
fn larger(old: &Node, new: &Node) -> Option<bool> {
    let parts = |node: &Node| -> Option<(Decimal, String)> {
        let text = node.text()?;
        let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
        Some((number.parse().ok()?, unit.to_owned()))
    };
    let ((old, unit), (new, other)) = (parts(old)?, parts(new)?);
    (unit == other && old != new).then_some(new > old)
}

/// What a rule says; a rule that loads says something.
fn decision(node: &Node) -> Decision {
    let written = node.member("decision").and_then(Node::text).and_then(Decision::written);
    written.unwrap_or(Decision::Allow)
}

/// What a rule does, and the same of what it did.
fn does(node: &Node) -> (&'static str, &'static str) {
    match decision(node) {
        Decision::Allow => ("allows", "allowed"),
        Decision::AllowWithConstraints => ("allows within constraints", "allowed within constraints"),
        Decision::Remediate => ("offers something safer", "offered something safer"),
        Decision::RequireApproval => ("asks a person", "asked a person"),
        Decision::Deny => ("denies", "denied"),
    }
}

/// A rule in a few words.
fn sentence(node: &Node) -> String {
    let holds = text(node, "condition").map_or_else(|| "always".to_owned(), |text| format!("where `{}`", cut(&text)));
    let asks = node
        .member("approvers")
        .map_or_else(String::new, |names| format!(": {}", shown(names)));
    format!("{} {holds}{asks}", does(node).0)
}
