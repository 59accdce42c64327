//! Reads routes, and refuses those that could not mean what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::{Assurance, Clarify, Edits, Exhausted, Route, Separation, Step, StepSlot, When};
use crate::condition::closest;
use crate::document::field::{Fields, Reader};
use crate::document::schedule::{self, Calendar};
use crate::verdict::Quorum;
use crate::yaml::{Kind, Node};

/// Longest time that an approval may wait to be redeemed.
const LONGEST_VALID: i64 = 86_400_000_000;
/// The deadline of a route that names none.
const DEFAULT_DEADLINE: i64 = 3_600_000_000;
/// How long a question to the agent may take, where the route does not say.
const CLARIFY_WITHIN: i64 = 900_000_000;
/// Most steps of a route, and slots of a step.
const MOST: usize = 20;
/// Most questions that a request may have.
const MOST_ROUNDS: u32 = 10;
/// How often a step may be asked again.
const MOST_REPEATS: u32 = 9;

/// Name to the kind of thing (`teams`, `duties`, `schedules`, `routes`) that is called so.
pub(crate) type Known = BTreeMap<String, &'static str>;

/// The quorum that steps have which state none.
type RouteQuorum<'n> = Option<&'n Node>;

/// The route called `name`; hours that it writes out become a calendar of its name.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    key: &Node,
    node: &Node,
    known: &Known,
    calendars: &mut BTreeMap<String, Calendar>,
) -> Option<Route> {
    let mut fields = reader.fields(node, "a route")?;
    let quorum = fields.get("quorum");
    let steps = fields
        .need(reader, "steps")
        .and_then(|node| steps(reader, node, quorum, known));
    let mut span = |name| fields.get(name).map(|node| (node, reader.duration(node)));
    let (sla, deadline, valid_for) = (span("sla"), span("deadline"), span("valid_for"));
    let remind_before = span("remind_before");
    let length = |read: &Option<(&Node, Option<i64>)>| read.as_ref().and_then(|(_, span)| *span);
    limits(reader, sla, length(&deadline), valid_for);
    if let Some(steps) = &steps {
        time_of_steps(reader, key.span.clone(), steps, length(&deadline));
        if let (Some((node, _)), Some(before)) = (remind_before, length(&remind_before)) {
            let shortest = steps.iter().filter_map(|step| step.within).min();
            if shortest.is_some_and(|within| within <= before) {
                let message = "a step is shorter than `remind_before`: nobody is reminded in it";
                reader.warn("no_effect", node.span.clone(), message, "write a shorter span");
            }
        }
    }
    let last = fields.get("on_exhausted");
    let on_exhausted = match last {
        Some(node) => exhausted(reader, node),
        None => Some(Exhausted::Reject),
    };
    let separation = separation(reader, fields.get("separation_of_duties"));
    let fallback = match fields.get("fallback") {
        Some(node) => people(reader, node, known),
        None => Some(Vec::new()),
    };
    let assurance = fields.get("assurance").map(|node| assurance(reader, node));
    let clarify = match fields.get("clarify") {
        Some(node) => clarify(reader, node),
        None => Some(DEFAULT_CLARIFY),
    };
    let edits = Edits::read(reader, &mut fields);
    let calendar = fields
        .get("business_hours")
        .map(|node| business_hours(reader, name, node, calendars));
    fields.finish(reader);
    Some(Route {
        name: Arc::from(name),
        steps: steps?,
        sla: length(&sla),
        deadline: length(&deadline),
        valid_for: length(&valid_for),
        remind_before: length(&remind_before),
        on_exhausted: on_exhausted?,
        separation: separation?,
        fallback: fallback?,
        assurance: assurance.unwrap_or(Some(Assurance::Low))?,
        clarify: clarify?,
        edits: edits?,
        calendar: match calendar {
            Some(calendar) => Some(calendar?),
            None => None,
        },
        says_exhausted: last.is_some(),
        place: reader.place(key.span.clone()),
    })
}

fn limits(
    reader: &mut Reader<'_>,
    sla: Option<(&Node, Option<i64>)>,
    deadline: Option<i64>,
    valid_for: Option<(&Node, Option<i64>)>,
) {
    if let (Some((node, Some(soft))), Some(hard)) = (sla, deadline)
        && soft > hard
    {
        let help = "the reminder comes before the end";
        let message = "`sla` is longer than `deadline`";
        reader.error("contradiction", node.span.clone(), message, help);
    }
    if let Some((node, Some(valid))) = valid_for
        && valid > LONGEST_VALID
    {
        let message = "an approval is valid for 24 hours at most";
        reader.error("invalid_value", node.span.clone(), message, "write `24h` or less");
    }
}

/// Warns when the deadline comes before the last step has had its time.
fn time_of_steps(reader: &mut Reader<'_>, span: Range<usize>, steps: &[Step], deadline: Option<i64>) {
    let times = steps
        .iter()
        .map(|step| step.within.unwrap_or(0).saturating_mul(i64::from(step.repeat) + 1));
    let sum = times.fold(0_i64, i64::saturating_add);
    if sum > deadline.unwrap_or(DEFAULT_DEADLINE) {
        let message = "the steps together take longer than `deadline`, which never waits";
        let help = match deadline {
            Some(_) => "write a longer `deadline`, or shorter `within`",
            None => "add a `deadline`: left out, it is 60m",
        };
        reader.warn("late_step", span, message, help);
    }
}

fn steps(reader: &mut Reader<'_>, node: &Node, quorum: RouteQuorum<'_>, known: &Known) -> Option<Vec<Step>> {
    let items = reader.list(node)?;
    if !(1..=MOST).contains(&items.len()) {
        let message = format!("a route has from 1 to {MOST} steps");
        let help = "add `- { to: [team:support], within: 15m }`";
        reader.error("empty", node.span.clone(), message, help);
        return None;
    }
    let steps: Vec<_> = items.iter().map(|item| step(reader, item, quorum, known)).collect();
    let steps: Vec<Step> = steps.into_iter().collect::<Option<_>>()?;
    if let (Some(first), Some(item)) = (steps.first(), items.first())
        && first.when == When::Approved
    {
        let message = "there is no step before the first that could approve";
        reader.error("contradiction", item.span.clone(), message, "remove `when: approved`");
    }
    for (pair, item) in steps.windows(2).zip(items) {
        if let [step, next] = pair
            && step.within.is_none()
            && next.when == When::Timeout
        {
            let message = "the step after this one is never asked: this one takes until the deadline";
            reader.error("unreachable", item.span.clone(), message, "add `within:`");
        }
    }
    Some(steps)
}

fn step(reader: &mut Reader<'_>, node: &Node, quorum: RouteQuorum<'_>, known: &Known) -> Option<Step> {
    let mut fields = reader.fields(node, "a step")?;
    let slots = slots(reader, &mut fields, quorum, known);
    let within = fields.get("within").map(|node| reader.duration(node));
    let words = [("timeout", When::Timeout), ("approved", When::Approved)];
    let when = match fields.get("when") {
        Some(node) => reader.word(node, &words),
        None => Some(When::Timeout),
    };
    let mut whole = |name, least, most, default| match fields.get(name) {
        Some(node) => reader.whole(node, least, most),
        None => Some(default),
    };
    let repeat = whole("repeat", 0, MOST_REPEATS, 0);
    let min_teams = whole("min_distinct_teams", 0, 100, 0);
    let rejections = whole("reject_after", 1, 100, 1);
    let must_include = match fields.get("must_include") {
        Some(node) => included(reader, node, known),
        None => Some(Vec::new()),
    };
    if let (Some(node), None, Some(1..)) = (fields.get("repeat"), within, repeat) {
        let message = "a step that takes until the deadline is not asked again";
        reader.error("no_effect", node.span.clone(), message, "add `within:`");
    }
    if let (Some(node), Some(slots), Some(teams)) = (fields.get("min_distinct_teams"), &slots, min_teams) {
        let voters = slots.iter().fold(0_u32, |sum, slot| sum.saturating_add(voters(slot)));
        if teams > voters {
            let message = format!("{voters} people cannot come from {teams} teams");
            let help = "ask for more people with `quorum`, or for fewer teams";
            reader.error("contradiction", node.span.clone(), message, help);
        }
    }
    fields.finish(reader);
    Some(Step {
        slots: slots?,
        within: match within {
            Some(span) => Some(span?),
            None => None,
        },
        when: when?,
        repeat: repeat?,
        min_teams: min_teams?,
        must_include: must_include?,
        rejections: rejections?,
    })
}

/// Names of which somebody has to be among the voters. Who that is has to be the same at every vote, which it is not
/// where it depends on the hour or on who asks.
fn included(reader: &mut Reader<'_>, node: &Node, known: &Known) -> Option<Vec<String>> {
    let names = people(reader, node, known)?;
    for (name, item) in names.iter().zip(reader.list_or_one(node)?) {
        let (kind, bare) = name.split_once(':').unwrap_or(("", name));
        let schedule = kind == "schedule" || kind.is_empty() && known.get(bare) == Some(&"schedules");
        if schedule || kind == "manager_of" {
            let message = format!("whom `{name}` means depends on when it is asked, or by whom");
            let help = "name a team, a duty or a person, or ask it with a slot of its own in `slots`";
            reader.error("contradiction", item.span.clone(), message, help);
            return None;
        }
    }
    Some(names)
}

/// How many people fill a slot.
fn voters(slot: &StepSlot) -> u32 {
    match slot.quorum {
        Quorum::Any(count) => count,
        Quorum::All => u32::try_from(slot.names.len()).unwrap_or(u32::MAX),
    }
}

/// `to` with `quorum`, `quorum: { of, each }`, or `slots`: one of the three.
fn slots(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    of_route: RouteQuorum<'_>,
    known: &Known,
) -> Option<Vec<StepSlot>> {
    let (to, own, slots) = (fields.get("to"), fields.get("quorum"), fields.get("slots"));
    if let Some(node) = slots {
        if to.is_some() || own.is_some() {
            let message = "`slots` already says who and how many";
            let help = "keep `slots`, or `to` and `quorum`";
            reader.error("contradiction", node.span.clone(), message, help);
            return None;
        }
        let items = reader.list(node)?;
        if !(1..=MOST).contains(&items.len()) {
            let message = format!("a step has from 1 to {MOST} slots");
            let help = "add `- { to: [team:support], count: 1 }`";
            reader.error("empty", node.span.clone(), message, help);
            return None;
        }
        let slots: Vec<_> = items.iter().map(|item| slot(reader, item, known)).collect();
        return slots.into_iter().collect();
    }
    // A quorum of the route that names people is for steps that name none.
    let of_route = of_route.filter(|node| to.is_none() || !is_map(node));
    let quorum = own.or(of_route);
    if let Some(node) = quorum.filter(|node| is_map(node)) {
        if let Some(to) = to {
            let message = "`to` and `quorum: { of }` both name people";
            let help = "keep one of them: `of` asks people of each of its names";
            reader.error("contradiction", to.span.clone(), message, help);
            return None;
        }
        return each(reader, node, known);
    }
    let Some(to) = to else {
        let help = "add `to: [team:support]`";
        reader.error("missing_field", fields.head(), "the step asks nobody", help);
        return None;
    };
    let names = people(reader, to, known)?;
    let quorum = match quorum {
        Some(node) if node.text() == Some("all") => Quorum::All,
        Some(node) => Quorum::Any(reader.count(node)?),
        None => Quorum::Any(1),
    };
    Some(vec![StepSlot { names, quorum }])
}

fn is_map(node: &Node) -> bool {
    matches!(node.kind, Kind::Map(_))
}

fn slot(reader: &mut Reader<'_>, node: &Node, known: &Known) -> Option<StepSlot> {
    let mut fields = reader.fields(node, "a slot")?;
    let names = fields.need(reader, "to").and_then(|node| people(reader, node, known));
    let count = match fields.get("count") {
        Some(node) => reader.count(node),
        None => Some(1),
    };
    fields.finish(reader);
    let (names, quorum) = (names?, Quorum::Any(count?));
    Some(StepSlot { names, quorum })
}

/// `{ of: [role:finance, role:legal], each: 1 }`: a slot for each name.
fn each(reader: &mut Reader<'_>, node: &Node, known: &Known) -> Option<Vec<StepSlot>> {
    let mut fields = reader.fields(node, "a quorum")?;
    let names = fields.need(reader, "of").and_then(|node| people(reader, node, known));
    let each = match fields.get("each") {
        Some(node) => reader.count(node),
        None => Some(1),
    };
    fields.finish(reader);
    let quorum = Quorum::Any(each?);
    let slot = |name| StepSlot {
        names: vec![name],
        quorum,
    };
    Some(names?.into_iter().map(slot).collect())
}

/// Names of people to ask: at least one, each of them once.
pub(crate) fn people(reader: &mut Reader<'_>, node: &Node, known: &Known) -> Option<Vec<String>> {
    let items = reader.list_or_one(node)?;
    if items.is_empty() {
        reader.error("empty", node.span.clone(), "nobody is named", "name somebody");
        return None;
    }
    let mut names = Vec::new();
    for item in items {
        let name = reader.name(item)?;
        check_name(reader, item.span.clone(), &name, known)?;
        if names.contains(&name) {
            let message = format!("`{name}` is named twice");
            reader.error("duplicate_name", item.span.clone(), message, "name it once");
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// Whether a route may ask `name`. A team or duty that no document lists is a warning, since people may be of it anyway;
/// a schedule that no document has can never be one.
fn check_name(reader: &mut Reader<'_>, span: Range<usize>, name: &str, known: &Known) -> Option<()> {
    let (kind, bare) = name.split_once(':').unwrap_or(("", name));
    let wanted = match kind {
        "" => known.get(bare).copied(),
        "user" => return Some(()),
        "team" => Some("teams"),
        "role" | "duty" => Some("duties"),
        "schedule" => Some("schedules"),
        "route" => Some("routes"),
        "manager_of" if matches!(bare, "requester" | "owner") => return Some(()),
        "manager_of" => {
            let message = format!("`{name}` is nobody's manager that a request knows");
            let help = "write `manager_of:requester` or `manager_of:owner`";
            reader.error("unknown_value", span, message, help);
            return None;
        }
        _ => {
            let message = format!("`{kind}:` is no kind of name");
            let kinds = ["user", "team", "role", "duty", "schedule", "manager_of"];
            let help = match closest(kind, kinds) {
                Some(near) => format!("did you mean `{near}:{bare}`?"),
                None => format!("one of {}, or none for a bare name", kinds.join(", ")),
            };
            reader.error("unknown_value", span, message, help);
            return None;
        }
    };
    if wanted == Some("routes") {
        let help = "name a team, a duty, a schedule or a person";
        reader.error("contradiction", span, "a route asks people, not another route", help);
        return None;
    }
    if wanted.is_some() && known.get(bare).copied() == wanted {
        return Some(());
    }
    let of_kind = known
        .iter()
        .filter(|(_, kind)| wanted.is_none_or(|wanted| **kind == wanted));
    let near = closest(bare, of_kind.map(|(name, _)| name.as_str()));
    let message = format!("no document defines `{name}`");
    let help = |or: &str| near.map_or_else(|| or.to_owned(), |near| format!("did you mean `{near}`?"));
    match wanted {
        Some("schedules") => {
            reader.error("unknown_name", span, message, help("add it to `schedules:`"));
            return None;
        }
        Some(kind) => reader.warn("unresolved_name", span, message, help(&format!("list it in `{kind}`"))),
        None => {
            let or = format!("list it in `teams` or `duties`; a person is written `user:{bare}`");
            reader.warn("unresolved_name", span, message, help(&or));
        }
    }
    Some(())
}

fn exhausted(reader: &mut Reader<'_>, node: &Node) -> Option<Exhausted> {
    if is_map(node) {
        let mut fields = reader.fields(node, "a safer action")?;
        let action = fields.need(reader, "safe_fallback").and_then(|node| reader.name(node));
        fields.finish(reader);
        return Some(Exhausted::SafeFallback(action?));
    }
    if matches!(node.text(), Some("approve" | "approved" | "allow")) {
        let message = "no timeout approves: what nobody decided is never approved";
        let help = "write `reject`, `hold` or `{ safe_fallback: ACTION }`";
        reader.error("no_timeout_approves", node.span.clone(), message, help);
        return None;
    }
    let reject = reader.word(node, &[("reject", true), ("hold", false)])?;
    Some(if reject { Exhausted::Reject } else { Exhausted::Hold })
}

fn separation(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<BTreeSet<Separation>> {
    let mut all = BTreeSet::from([Separation::Requester]);
    let words = [
        ("requester", Separation::Requester),
        ("agent_owner", Separation::AgentOwner),
        ("same_team", Separation::SameTeam),
    ];
    if let Some(node) = node {
        for item in reader.list_or_one(node)? {
            all.insert(reader.word(item, &words)?);
        }
    }
    Some(all)
}

fn assurance(reader: &mut Reader<'_>, node: &Node) -> Option<Assurance> {
    let words = [
        ("low", Assurance::Low),
        ("mfa", Assurance::Mfa),
        ("webauthn", Assurance::Webauthn),
    ];
    reader.word(node, &words)
}

const DEFAULT_CLARIFY: Clarify = Clarify {
    within: CLARIFY_WITHIN,
    rounds: 3,
    pauses: true,
};

fn clarify(reader: &mut Reader<'_>, node: &Node) -> Option<Clarify> {
    let mut fields = reader.fields(node, "how questions are asked")?;
    let mut clarify = DEFAULT_CLARIFY;
    if let Some(node) = fields.get("within") {
        clarify.within = reader.duration(node)?;
    }
    if let Some(node) = fields.get("rounds") {
        clarify.rounds = reader.whole(node, 0, MOST_ROUNDS)?;
    }
    if let Some(node) = fields.get("pauses") {
        clarify.pauses = reader.bool(node)?;
    }
    fields.finish(reader);
    Some(clarify)
}

fn business_hours(
    reader: &mut Reader<'_>,
    route: &str,
    node: &Node,
    calendars: &mut BTreeMap<String, Calendar>,
) -> Option<Arc<str>> {
    if is_map(node) {
        let calendar = schedule::calendar(reader, route, node)?;
        if calendars.insert(route.to_owned(), calendar).is_some() {
            let message = format!("a calendar is called `{route}` too");
            let help = "rename the calendar, or name it here";
            reader.error("ambiguous_name", node.span.clone(), message, help);
        }
        return Some(Arc::from(route));
    }
    let name = reader.name(node)?;
    if !calendars.contains_key(&name) {
        let help = match closest(&name, calendars.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "add it to `calendars:`, or write `{ zone, days, from, to }`".to_owned(),
        };
        let message = format!("no document defines the calendar `{name}`");
        reader.error("unknown_name", node.span.clone(), message, help);
        return None;
    }
    Some(Arc::from(name))
}
