//! The organization's document: names, defaults, and the strict rules that are switched on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compliance::{PACKS, Pack};
use super::field::{Fields, Reader, is_currency};
use super::{Place, RuleId, mandate_audit};

/// What the bundle says about the organization.
pub struct Organization {
    pub(crate) id: RuleId,
    name: Option<String>,
    currency: Option<String>,
    zone: Option<String>,
    /// An agent without a mandate may do nothing.
    pub(crate) require_mandate: bool,
    /// A tool that the catalogue does not list may not be used.
    pub(crate) require_tools: Option<Place>,
    default_route: Option<DefaultRoute>,
    two_person: TwoPerson,
    compliance: Vec<Pack>,
    retention: Option<String>,
    pub(crate) retention_place: Option<Place>,
    /// Name to the kinds of thing (`teams`, `duties`) that are called so.
    pub(crate) names: BTreeMap<String, &'static str>,
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

    /// Whether agents without a mandate are denied.
    pub fn requires_mandate(&self) -> bool {
        self.require_mandate
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Organization> {
    let node = fields.get("organization");
    let id = node.and_then(|node| reader.id(node));
    let place = reader.place(node.map_or_else(|| fields.head(), |node| node.span.clone()));
    fields.refuse(reader, &["routes", "schedules"]);
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
        let text = reader.name(node)?;
        let ok = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+'));
        if !ok {
            let help = "write an IANA name such as `Europe/Berlin`";
            reader.error(
                "invalid_value",
                node.span.clone(),
                "this is not the name of a time zone",
                help,
            );
        }
        Some(text)
    });
    let (mut require_mandate, mut require_tools) = (false, None);
    if let Some(node) = fields.get("require") {
        for item in reader.list_or_one(node).unwrap_or_default() {
            match item.text().unwrap_or_default() {
                "mandate" => require_mandate = true,
                "tools" => require_tools = Some(reader.place(item.span.clone())),
                name @ ("readiness" | "pre_action_start" | "risk") => {
                    reader.not_supported(item, &format!("require: {name}"));
                }
                _ => {
                    reader.word(item, &[("mandate", ()), ("tools", ())]);
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
    let mut names = BTreeMap::new();
    for kind in ["teams", "duties"] {
        let Some(node) = fields.get(kind) else { continue };
        for item in reader.list(node).unwrap_or_default() {
            let Some(name) = reader.name(item) else { continue };
            if let Some(other) = names.insert(name.clone(), kind) {
                let message = format!("`{name}` is listed twice, in `{other}` and in `{kind}`");
                let help = "rename one of them: a bare name must mean one thing";
                reader.error("ambiguous_name", item.span.clone(), message, help);
            }
        }
    }
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
        require_tools,
        default_route,
        two_person,
        compliance,
        retention,
        retention_place,
        names,
    })
}
