//! The organization's document: names, defaults, and the strict rules that are switched on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::autonomy::{self, AutonomyRules};
use super::change_control::{self, PolicyChanges};
use super::compliance::{PACKS, Pack};
use super::field::{Fields, Reader, is_currency};
use super::glass::{self, BreakGlass};
use super::practice::{self, Cadence};
use super::route::Route;
use super::schedule::{Calendar, Schedule};
use super::theatre::{self, Theatre};
use super::{Place, RuleId, channels, mandate_audit, route, schedule};
use crate::yaml::Node;

/// What the bundle says about the organization.
pub struct Organization {
    pub(crate) id: RuleId,
    name: Option<String>,
    currency: Option<String>,
    zone: Option<String>,
    /// An agent without a mandate may do nothing.
    pub(crate) require_mandate: bool,
    require_readiness: bool,
    require_run: bool,
    /// Whoever is asked is asked on a route, and every route is complete.
    pub(crate) require_routes: Option<Place>,
    require_tests: bool,
    /// A tool that the catalogue does not list may not be used.
    pub(crate) require_tools: Option<Place>,
    default_route: Option<DefaultRoute>,
    two_person: TwoPerson,
    autonomy: Option<AutonomyRules>,
    break_glass: Option<BreakGlass>,
    policy_changes: Option<PolicyChanges>,
    /// Channels over which people may decide on what is of low risk.
    decides: BTreeSet<String>,
    theatre: Option<Theatre>,
    /// Drills and canaries that are asked now and again, by name.
    practice: BTreeMap<Arc<str>, Cadence>,
    compliance: Vec<Pack>,
    retention: Option<String>,
    pub(crate) retention_place: Option<Place>,
    /// Name to the kind of thing (`teams`, `duties`, `schedules`, `routes`) that is called so.
    pub(crate) names: route::read::Known,
    routes: BTreeMap<String, Route>,
    schedules: BTreeMap<String, Schedule>,
    calendars: BTreeMap<String, Calendar>,
}

/// Who decides where a rule names nobody, and within what time. Spans are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Names of people, teams or duties.
    pub to: Vec<String>,
    /// Soft limit: measured, reminded.
    pub sla: Option<i64>,
    /// Hard limit.
    pub deadline: Option<i64>,
    /// How long an approval may wait to be redeemed.
    pub valid_for: Option<i64>,
}

/// Whether rules that need a second person apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TwoPerson {
    /// Once there are two people who could be the second.
    #[default]
    Auto,
    /// From the start.
    Always,
    /// Not at all.
    Never,
}

impl Organization {
    /// `organization:`, the id.
    pub fn id(&self) -> &str {
        &self.id.document
    }

    /// `name:`.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// ISO 4217 code for amounts that name none.
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// IANA name of the time zone.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// `default_route:`.
    pub fn default_route(&self) -> Option<&DefaultRoute> {
        self.default_route.as_ref()
    }

    /// `two_person:`.
    pub fn two_person(&self) -> TwoPerson {
        self.two_person
    }

    /// `autonomy:`, how agents earn less review.
    pub fn autonomy(&self) -> Option<&AutonomyRules> {
        self.autonomy.as_ref()
    }

    /// `break_glass:`, who may let an action through at once.
    pub fn break_glass(&self) -> Option<&BreakGlass> {
        self.break_glass.as_ref()
    }

    /// `change_control: policies:`, who agrees to another policy.
    pub fn policy_changes(&self) -> Option<&PolicyChanges> {
        self.policy_changes.as_ref()
    }

    /// `channels:`, whether people may decide on what is of low risk by a link that they get over a channel.
    pub fn decides_over(&self, channel: &str) -> bool {
        self.decides.contains(channel)
    }

    /// `theatre:`, when votes look like no review.
    pub fn theatre(&self) -> Option<&Theatre> {
        self.theatre.as_ref()
    }

    /// `practice:`, drills and canaries that are asked now and again.
    pub fn cadences(&self) -> impl Iterator<Item = &Cadence> {
        self.practice.values()
    }

    /// The cadence called `name`.
    pub fn cadence(&self, name: &str) -> Option<&Cadence> {
        self.practice.get(name)
    }

    /// `compliance:`, the rules that the organization lives by.
    pub fn compliance(&self) -> &[Pack] {
        &self.compliance
    }

    /// `retention:`, how long payloads are kept whose mandate says nothing, such as `2_years`.
    pub fn retention(&self) -> Option<&str> {
        self.retention.as_deref()
    }

    /// The pack that wants records kept for the longest.
    pub fn strictest(&self) -> Option<&Pack> {
        self.compliance.iter().max_by_key(|pack| pack.floor_days)
    }

    /// The route called `name`.
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.get(name)
    }

    /// Every route, by name.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values()
    }

    /// The schedule called `name`.
    pub fn schedule(&self, name: &str) -> Option<&Schedule> {
        self.schedules.get(name)
    }

    /// Every schedule, by name.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.schedules.values()
    }

    /// Every calendar, by name.
    pub fn calendars(&self) -> impl Iterator<Item = &Calendar> {
        self.calendars.values()
    }

    /// The calendar called `name`.
    pub fn calendar(&self, name: &str) -> Option<&Calendar> {
        self.calendars.get(name)
    }

    /// Whether agents are denied until they are made active, which takes all that has to be known of them.
    pub fn requires_readiness(&self) -> bool {
        self.require_readiness
    }

    /// Policies become live only where a test shows what each rule does.
    pub fn requires_tests(&self) -> bool {
        self.require_tests
    }

    /// Whether actions that name no run which somebody started are denied.
    pub fn requires_run(&self) -> bool {
        self.require_run
    }

    /// Whether agents without a mandate are denied.
    pub fn requires_mandate(&self) -> bool {
        self.require_mandate
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Organization> {
    let node = fields.get("organization");
    let id = node.and_then(|node| reader.id(node));
    let place = reader.place(node.map_or_else(|| fields.head(), |node| node.span.clone()));
    let name = fields.get("name").and_then(|node| reader.text(node));
    let currency = fields.get("currency").and_then(|node| {
        let text = reader.name(node)?;
        if !is_currency(&text) {
            let message = "a currency is three capital letters";
            reader.error("invalid_value", node.span.clone(), message, "write it as in `USD`");
        }
        Some(text)
    });
    let zone = fields.get("zone").and_then(|node| {
        let name = reader.name(node)?;
        if !schedule::is_time_zone(&name) {
            let message = format!("`{name}` is no time zone");
            let help = "write an IANA name such as `Europe/Berlin`";
            reader.warn("unknown_zone", node.span.clone(), message, help);
        }
        Some(name)
    });
    let (mut require_mandate, mut require_readiness, mut require_run) = (false, false, false);
    let (mut require_tests, mut require_tools, mut require_routes) = (false, None, None);
    if let Some(node) = fields.get("require") {
        for item in reader.list_or_one(node).unwrap_or_default() {
            match item.text().unwrap_or_default() {
                "mandate" => require_mandate = true,
                "tools" => require_tools = Some(reader.place(item.span.clone())),
                "readiness" => require_readiness = true,
                "routes" => require_routes = Some(reader.place(item.span.clone())),
                "run" => require_run = true,
                "tests" => require_tests = true,
                name @ ("pre_action_start" | "risk") => {
                    reader.not_supported(item, &format!("require: {name}"));
                }
                _ => {
                    let words = ["mandate", "readiness", "routes", "run", "tests", "tools"];
                    reader.word(item, &words.map(|word| (word, ())));
                }
            }
        }
    }
    let default_route = fields.get("default_route").and_then(|node| {
        let mut fields = reader.fields(node, "a route")?;
        let to = fields.need(reader, "to").and_then(|node| {
            let names = reader.names(node)?;
            if names.is_empty() {
                reader.error("empty", node.span.clone(), "the route leads to nobody", "name somebody");
            }
            Some(names)
        });
        let mut span = |name| fields.get(name).map(|node| (node, reader.duration(node)));
        let (sla, deadline, valid_for) = (span("sla"), span("deadline"), span("valid_for"));
        let length = |read: &Option<(_, Option<i64>)>| read.as_ref().and_then(|(_, span)| *span);
        let (soft, hard, valid) = (length(&sla), length(&deadline), length(&valid_for));
        if let (Some((node, _)), Some(soft), Some(hard)) = (&sla, soft, hard)
            && soft > hard
        {
            let help = "the reminder comes before the end";
            reader.error(
                "contradiction",
                node.span.clone(),
                "`sla` is longer than `deadline`",
                help,
            );
        }
        if let Some((node, _)) = valid_for.filter(|_| valid.is_some_and(|span| span > 86_400_000_000)) {
            let message = "an approval is valid for 24 hours at most";
            reader.error("invalid_value", node.span.clone(), message, "write `24h` or less");
        }
        fields.finish(reader);
        Some(DefaultRoute {
            to: to?,
            sla: soft,
            deadline: hard,
            valid_for: valid,
        })
    });
    let words = [
        ("auto", TwoPerson::Auto),
        ("always", TwoPerson::Always),
        ("never", TwoPerson::Never),
    ];
    let two_person = fields
        .get("two_person")
        .and_then(|node| reader.word(node, &words))
        .unwrap_or_default();
    let autonomy = fields.get("autonomy").and_then(|node| autonomy::read(reader, node));
    let break_glass = fields.get("break_glass").and_then(|node| glass::read(reader, node));
    let policy_changes = fields
        .get("change_control")
        .and_then(|node| change_control::read(reader, node));
    let decides = fields.get("channels").and_then(|node| channels::read(reader, node));
    let theatre = fields.get("theatre").and_then(|node| theatre::read(reader, node));
    let mut compliance = Vec::new();
    if let Some(node) = fields.get("compliance") {
        let words = PACKS.map(|pack| (pack.name, pack));
        for item in reader.list_or_one(node).unwrap_or_default() {
            compliance.extend(reader.word(item, &words));
        }
    }
    let (mut retention, mut retention_place) = (None, None);
    if let Some(node) = fields.get("retention") {
        retention = mandate_audit::retention(reader, node);
        retention_place = Some(reader.place(node.span.clone()));
    }
    let names = names(reader, &mut fields);
    let mut calendars = BTreeMap::new();
    for (key, node) in entries(reader, &mut fields, "calendars") {
        if let Some(name) = reader.name(key) {
            calendars.extend(schedule::calendar(reader, &name, node).map(|calendar| (name, calendar)));
        }
    }
    let mut schedules = BTreeMap::new();
    for (key, node) in entries(reader, &mut fields, "schedules") {
        if let Some(name) = key.text().map(str::to_owned) {
            schedules.extend(schedule::read(reader, &name, key, node).map(|schedule| (name, schedule)));
        }
    }
    let mut routes = BTreeMap::new();
    for (key, node) in entries(reader, &mut fields, "routes") {
        if let Some(name) = key.text().map(str::to_owned) {
            let route = route::read::read(reader, &name, key, node, &names, &mut calendars);
            routes.extend(route.map(|route| (name, route)));
        }
    }
    let practice = match fields.get("practice") {
        Some(node) => practice::read(reader, node, &calendars),
        None => Some(BTreeMap::new()),
    };
    fields.finish(reader);
    let document = id?;
    Some(Organization {
        id: RuleId {
            document,
            rule: Arc::from("organization"),
            place,
        },
        name,
        currency,
        zone,
        require_mandate,
        require_readiness,
        require_routes,
        require_run,
        require_tests,
        require_tools,
        default_route,
        two_person,
        autonomy,
        break_glass,
        policy_changes,
        decides: decides.unwrap_or_default(),
        theatre,
        practice: practice.unwrap_or_default(),
        compliance,
        retention,
        retention_place,
        names,
        routes,
        schedules,
        calendars,
    })
}

fn entries<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>, name: &'static str) -> &'n [(Node, Node)] {
    let node = fields.get(name);
    node.and_then(|node| reader.entries(node, name)).unwrap_or_default()
}

/// Every name that rules and routes may use, each for one thing.
fn names(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> route::read::Known {
    let mut names = BTreeMap::new();
    let mut add = |reader: &mut Reader<'_>, node: &Node, kind| {
        let Some(name) = reader.name(node) else { return };
        if let Some(other) = names.insert(name.clone(), kind) {
            let message = format!("`{name}` is listed twice, in `{other}` and in `{kind}`");
            let help = "rename one of them: a bare name must mean one thing";
            reader.error("ambiguous_name", node.span.clone(), message, help);
        }
    };
    for kind in ["teams", "duties"] {
        let Some(node) = fields.get(kind) else { continue };
        for item in reader.list(node).unwrap_or_default() {
            add(reader, item, kind);
        }
    }
    for kind in ["schedules", "routes"] {
        for (key, _) in entries(reader, fields, kind) {
            if key.text().is_some_and(|name| name.contains(':')) {
                let message = "a name that others use has no `:` in it";
                reader.error("invalid_name", key.span.clone(), message, "write `-` instead");
            }
            add(reader, key, kind);
        }
    }
    names
}
