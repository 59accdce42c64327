//! Routes, schedules and calendars: what loads, with which defaults, and what is refused and why.

use countersign_policy::verdict::Quorum;
use countersign_policy::{
    Assurance, Clarify, Exhausted, Organization, Problem, Route, Separation, Severity, Snapshot, StepSlot, When,
};

const MINUTE: i64 = 60_000_000;

fn load(document: &str) -> (Option<Snapshot>, Vec<Problem>) {
    match Snapshot::load(&[("o.yaml".to_owned(), document.as_bytes().to_vec())]) {
        Ok((snapshot, problems)) => (Some(snapshot), problems),
        Err(problems) => (None, problems),
    }
}

#[track_caller]
fn organization(document: &str, check: impl FnOnce(&Organization)) {
    let (snapshot, problems) = load(document);
    let snapshot = snapshot.unwrap_or_else(|| panic!("{problems:?}"));
    assert!(problems.is_empty(), "{problems:?}");
    check(snapshot.organization().expect("the document is one"));
}

/// The document has exactly this problem, and it underlines this text.
#[track_caller]
fn found(document: &str, severity: Severity, code: &str, underlined: &str) -> Problem {
    let (snapshot, mut problems) = load(document);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.remove(0);
    let text = document.get(problem.span.clone()).unwrap_or("?");
    assert_eq!(
        (problem.severity, problem.code, text),
        (severity, code, underlined),
        "{}",
        problem.message
    );
    assert_eq!(snapshot.is_none(), severity == Severity::Error);
    problem
}

#[track_caller]
fn refused(document: &str, code: &str, underlined: &str) -> Problem {
    found(document, Severity::Error, code, underlined)
}

const HEAD: &str = "
organization: o
teams: [support]
duties: [finance, legal]
schedules:
  oncall: { zone: Europe/Berlin, layers: [{ people: [ada, user:ben], starts: 2026-01-05T09:00, every: 1w }] }
calendars:
  office: { zone: Europe/Berlin, days: mon-fri, from: \"09:00\", to: \"18:00\", holidays: [2026-12-25] }
";

/// The organization with one route `r` of these fields.
fn route(fields: &str) -> String {
    format!("{HEAD}routes:\n  r: {fields}\n")
}

/// The route loads without a word.
#[track_caller]
fn read(fields: &str) -> Route {
    let mut route_read = None;
    organization(&route(fields), |it| route_read = it.route("r").cloned());
    route_read.expect("the route is there")
}

fn slot(names: &[&str], count: u32) -> StepSlot {
    StepSlot {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        quorum: Quorum::Any(count),
    }
}

#[test]
fn a_route_of_one_step_has_the_defaults_that_the_manual_states() {
    let route = read("{ steps: [{ to: support }] }");
    assert_eq!(route.name.as_ref(), "r");
    let step = &route.steps[0];
    assert_eq!(step.slots, [slot(&["support"], 1)]);
    assert_eq!((step.within, step.when, step.repeat), (None, When::Timeout, 0));
    assert_eq!((step.min_teams, step.rejections, step.must_include.len()), (0, 1, 0));
    assert_eq!(
        (route.sla, route.deadline, route.valid_for, route.remind_before),
        (None, None, None, None)
    );
    assert_eq!(
        (route.on_exhausted, route.assurance),
        (Exhausted::Reject, Assurance::Low)
    );
    assert_eq!(Vec::from_iter(route.separation), [Separation::Requester]);
    let clarify = Clarify {
        within: 15 * MINUTE,
        rounds: 3,
        pauses: true,
    };
    assert_eq!(
        (route.fallback.len(), route.clarify, route.calendar),
        (0, clarify, None)
    );
}

#[test]
fn a_route_says_who_in_which_order_and_within_what_time() {
    let route = read(
        "
    steps:
      - { to: [schedule:oncall, manager_of:requester], within: 15m, repeat: 2 }
      - { to: [role:finance, legal], within: 10m, quorum: 2, min_distinct_teams: 2, must_include: [user:cfo], reject_after: 2 }
      - { quorum: { of: [role:finance, role:legal], each: 1 }, within: 5m, when: approved }
      - { slots: [{ to: [support, user:cfo] }, { to: legal, count: 2 }] }
    sla: 15m
    deadline: 2h
    valid_for: 24h
    remind_before: 2m
    on_exhausted: { safe_fallback: open_ticket }
    separation_of_duties: [agent_owner, same_team]
    fallback: [user:cfo]
    assurance: low
    clarify: { within: 10s, rounds: 0, pauses: false }
    business_hours: office",
    );
    let slots: Vec<_> = route.steps.iter().map(|step| step.slots.clone()).collect();
    assert_eq!(slots[0], [slot(&["schedule:oncall", "manager_of:requester"], 1)]);
    assert_eq!(slots[1], [slot(&["role:finance", "legal"], 2)]);
    assert_eq!(slots[2], [slot(&["role:finance"], 1), slot(&["role:legal"], 1)]);
    assert_eq!(slots[3], [slot(&["support", "user:cfo"], 1), slot(&["legal"], 2)]);
    assert_eq!((route.steps[0].within, route.steps[0].repeat), (Some(15 * MINUTE), 2));
    assert_eq!((route.steps[1].min_teams, route.steps[1].rejections), (2, 2));
    assert_eq!(route.steps[1].must_include, ["user:cfo"]);
    let when: Vec<_> = route.steps.iter().map(|step| step.when).collect();
    assert_eq!(when, [When::Timeout, When::Timeout, When::Approved, When::Timeout]);
    assert_eq!((route.sla, route.deadline), (Some(15 * MINUTE), Some(120 * MINUTE)));
    assert_eq!(
        (route.valid_for, route.remind_before),
        (Some(1440 * MINUTE), Some(2 * MINUTE))
    );
    assert_eq!(route.on_exhausted, Exhausted::SafeFallback("open_ticket".to_owned()));
    assert_eq!(route.separation.len(), 3);
    assert_eq!(
        (route.fallback, route.calendar.as_deref()),
        (vec!["user:cfo".to_owned()], Some("office"))
    );
    let clarify = Clarify {
        within: 10_000_000,
        rounds: 0,
        pauses: false,
    };
    assert_eq!(route.clarify, clarify);
}

#[test]
fn the_quorum_of_a_route_is_that_of_steps_which_state_none() {
    let route = read("{ quorum: 2, steps: [{ to: support, within: 1m }, { to: legal, quorum: all }] }");
    assert_eq!(route.steps[0].slots, [slot(&["support"], 2)]);
    assert_eq!(route.steps[1].slots[0].quorum, Quorum::All);
    let route = read("{ quorum: { of: [finance, legal] }, steps: [{ within: 1m }, { to: support }] }");
    assert_eq!(route.steps[0].slots, [slot(&["finance"], 1), slot(&["legal"], 1)]);
    assert_eq!(route.steps[1].slots, [slot(&["support"], 1)]);
}

#[test]
fn hours_written_into_a_route_become_a_calendar_of_its_name() {
    let hours = "{ zone: Asia/Tokyo, days: [mon, wed-thu], from: \"22:00\", to: \"06:00\" }";
    let document = route(&format!("{{ steps: [{{ to: support }}], business_hours: {hours} }}"));
    organization(&document, |it| {
        let calendar = it.calendar("r").expect("it is there");
        assert_eq!(it.route("r").and_then(|route| route.calendar.as_deref()), Some("r"));
        assert_eq!(calendar.zone.iana_name(), Some("Asia/Tokyo"));
        assert_eq!(calendar.hours.days, [true, false, true, true, false, false, false]);
        assert_eq!((calendar.hours.from, calendar.hours.to), (22 * 60, 6 * 60));
        assert!(calendar.hours.over_midnight());
    });
}

#[test]
fn no_timeout_approves() {
    let problem = refused(
        &route("{ steps: [{ to: support }], on_exhausted: approve }"),
        "no_timeout_approves",
        "approve",
    );
    assert_eq!(
        problem.message,
        "no timeout approves: what nobody decided is never approved"
    );
    refused(
        &route("{ steps: [{ to: support }], on_exhausted: rejct }"),
        "unknown_value",
        "rejct",
    );
}

#[test]
fn a_route_says_how_surely_its_voters_have_signed_in() {
    for (word, meant) in [
        ("low", Assurance::Low),
        ("mfa", Assurance::Mfa),
        ("webauthn", Assurance::Webauthn),
    ] {
        let fields = format!("{{ steps: [{{ to: support }}], assurance: {word} }}");
        assert_eq!(read(&fields).assurance, meant);
    }
    refused(
        &route("{ steps: [{ to: support }], assurance: passkey }"),
        "unknown_value",
        "passkey",
    );
}

#[test]
fn a_step_that_could_ask_nobody_is_refused() {
    refused(&route("{ steps: [] }"), "empty", "[]");
    refused(&route("{ sla: 1m }"), "missing_field", "sla");
    refused(&route("{ steps: [{ within: 1m }] }"), "missing_field", "within");
    refused(&route("{ steps: [{ to: [] }] }"), "empty", "[]");
    refused(&route("{ steps: [{ slots: [] }] }"), "empty", "[]");
    refused(
        &route("{ steps: [{ to: schedule:onkall }] }"),
        "unknown_name",
        "schedule:onkall",
    );
    refused(&route("{ steps: [{ to: route:r }] }"), "contradiction", "route:r");
    refused(&route("{ steps: [{ to: r }] }"), "contradiction", "r");
    refused(
        &route("{ steps: [{ to: manager_of:all }] }"),
        "unknown_value",
        "manager_of:all",
    );
    let problem = refused(
        &route("{ steps: [{ to: taem:support }] }"),
        "unknown_value",
        "taem:support",
    );
    assert_eq!(problem.help.as_deref(), Some("did you mean `team:support`?"));
    refused(&route("{ steps: [{ to: [legal, legal] }] }"), "duplicate_name", "legal");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let step = "steps: [{ to: support }]";
    refused(
        &route(&format!("{{ {step}, sla: 2h, deadline: 1h }}")),
        "contradiction",
        "2h",
    );
    refused(&route(&format!("{{ {step}, valid_for: 25h }}")), "invalid_value", "25h");
    let first = "{ to: support, when: approved }";
    refused(&route(&format!("{{ steps: [{first}] }}")), "contradiction", first);
    let first = "{ to: support }";
    refused(
        &route(&format!("{{ steps: [{first}, {{ to: legal }}] }}")),
        "unreachable",
        first,
    );
    refused(&route("{ steps: [{ to: support, repeat: 3 }] }"), "no_effect", "3");
    refused(
        &route("{ steps: [{ to: support, within: 1m, repeat: 10 }] }"),
        "wrong_type",
        "10",
    );
    refused(
        &route("{ steps: [{ to: support, min_distinct_teams: 2 }] }"),
        "contradiction",
        "2",
    );
    refused(
        &route("{ steps: [{ to: support, quorum: { of: [legal] } }] }"),
        "contradiction",
        "support",
    );
    for name in ["schedule:oncall", "oncall", "manager_of:requester", "manager_of:owner"] {
        let step = format!("{{ to: [support, legal], quorum: 2, must_include: [legal, {name}] }}");
        refused(&route(&format!("{{ steps: [{step}] }}")), "contradiction", name);
    }
    let slots = "[{ to: legal }]";
    refused(
        &route(&format!("{{ steps: [{{ to: support, slots: {slots} }}] }}")),
        "contradiction",
        slots,
    );
    refused(
        &route(&format!("{{ {step}, business_hours: ofice }}")),
        "unknown_name",
        "ofice",
    );
    refused(
        &route(&format!("{{ {step}, separation: [] }}")),
        "unknown_field",
        "separation",
    );
}

#[test]
fn what_may_be_meant_is_a_warning() {
    let warned = |fields: &str, code, text| found(&route(fields), Severity::Warning, code, text);
    warned(
        "{ steps: [{ to: legal, within: 40m }, { to: support, within: 21m }] }",
        "late_step",
        "r",
    );
    warned(
        "{ steps: [{ to: legal, within: 5m, repeat: 1 }], deadline: 9m }",
        "late_step",
        "r",
    );
    warned(
        "{ steps: [{ to: legal, within: 5m }], remind_before: 5m }",
        "no_effect",
        "5m",
    );
    warned("{ steps: [{ to: leagl }] }", "unresolved_name", "leagl");
    let problem = warned("{ steps: [{ to: cfo }] }", "unresolved_name", "cfo");
    let help = "list it in `teams` or `duties`; a person is written `user:cfo`";
    assert_eq!(problem.help.as_deref(), Some(help));
    found(
        "organization: o\nzone: Europe/Berlln\n",
        Severity::Warning,
        "unknown_zone",
        "Europe/Berlln",
    );
}

#[test]
fn a_bare_name_means_one_thing() {
    let both = |lists: &str| format!("organization: o\n{lists}\n");
    let one = "{ zone: UTC, layers: [{ people: a, starts: 2026-01-05T09:00, every: 1d }] }";
    refused(
        &both(&format!("teams: [a]\nschedules: {{ a: {one} }}")),
        "ambiguous_name",
        "a",
    );
    let route = "{ steps: [{ to: user:x }] }";
    refused(
        &both(&format!("duties: [b]\nroutes: {{ b: {route} }}")),
        "ambiguous_name",
        "b",
    );
    refused(&both(&format!("routes: {{ 'b:c': {route} }}")), "invalid_name", "'b:c'");
    let document = both(&format!(
        "schedules: {{ c: {one} }}\nroutes: {{ r: {route}, c: {route} }}"
    ));
    refused(&document, "ambiguous_name", "c");
}

#[test]
fn a_rule_may_name_a_route_or_a_schedule() {
    let organization = route("{ steps: [{ to: support }] }");
    let codes = |approvers: &str| -> Vec<&'static str> {
        let gate = format!("name: g\nrules:\n- {{ decision: REQUIRE_APPROVAL, approvers: [{approvers}] }}\n");
        let files = [("a.yaml", &gate), ("o.yaml", &organization)];
        let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        let (_, problems) = Snapshot::load(&files).expect("warnings only");
        problems.iter().map(|problem| problem.code).collect()
    };
    assert!(codes("r, route:r, schedule:oncall, oncall").is_empty());
    assert_eq!(codes("route:oncall"), ["unresolved_name"]);
    assert_eq!(codes("schedule:r"), ["unresolved_name"]);
}

/// The organization with one schedule of this layer.
fn schedule(layer: &str) -> String {
    format!("organization: o\nschedules: {{ s: {{ zone: Europe/Berlin, layers: [{layer}] }} }}\n")
}

#[test]
fn a_schedule_has_layers_of_turns_with_hours_and_an_end() {
    let layer = "{ people: [ada, user:ben], starts: 2026-01-05T09:00, every: 2w, ends: 2027-01-01T00:00,
      only: [{ days: fri-mon, from: \"18:00\", to: \"09:00\" }, { days: tue }] }";
    organization(&schedule(layer), |it| {
        let schedule = it.schedule("s").expect("it is there");
        let layer = &schedule.layers[0];
        assert_eq!(layer.people, ["ada", "ben"]);
        assert_eq!(layer.every_days, 14);
        assert_eq!(layer.starts.to_string(), "2026-01-05T09:00:00");
        assert_eq!(
            layer.ends.map(|end| end.to_string()).as_deref(),
            Some("2027-01-01T00:00:00")
        );
        assert_eq!(layer.only[0].days, [true, false, false, false, true, true, true]);
        assert_eq!((layer.only[1].from, layer.only[1].to), (0, 1440));
        assert!(layer.only[0].over_midnight() && !layer.only[1].over_midnight());
    });
}

#[test]
fn a_schedule_that_could_mean_nothing_is_refused() {
    let bad = |change: (&str, &str), code, text: &str| {
        let layer = "{ people: [ada], starts: 2026-01-05T09:00, every: 1w, only: [{ days: mon, from: \"09:00\" }] }";
        refused(&schedule(&layer.replace(change.0, change.1)), code, text)
    };
    bad(("[ada]", "[]"), "empty", "[]");
    bad(
        ("2026-01-05T09:00", "2026-02-30T09:00"),
        "invalid_value",
        "2026-02-30T09:00",
    );
    bad(("2026-01-05T09:00", "2026-01-05"), "invalid_value", "2026-01-05");
    bad(
        ("2026-01-05T09:00", "2026-01-05T09:00Z"),
        "invalid_value",
        "2026-01-05T09:00Z",
    );
    bad(("1w", "12h"), "invalid_value", "12h");
    bad(("1w", "0d"), "invalid_value", "0d");
    bad(
        ("1w", "1w, ends: 2026-01-05T09:00"),
        "contradiction",
        "2026-01-05T09:00",
    );
    bad(("mon", "moon"), "unknown_value", "moon");
    bad(("\"09:00\"", "\"24:01\""), "invalid_value", "\"24:01\"");
    bad(("\"09:00\"", "\"9\""), "invalid_value", "\"9\"");
    bad(("\"09:00\"", "\"09:00\", to: \"09:00\""), "contradiction", "\"09:00\"");
    let zone = schedule("{ people: a, starts: 2026-01-05T09:00, every: 1d }").replace("Berlin", "Berln");
    refused(&zone, "invalid_value", "Europe/Berln");
    refused(&schedule(""), "empty", "[]");
    refused(
        "organization: o\ncalendars: { c: { zone: UTC, holidays: [2026-13-01] } }\n",
        "invalid_value",
        "2026-13-01",
    );
}

/// A bundle in which every request has all five: role, shift, target, fallback, path.
const COMPLETE: &str = "organization: acme
require: [routes]
duties: [lead, cfo]
schedules:
  oncall:
    zone: UTC
    layers: [{ people: [ada, ben], starts: 2026-01-05T00:00, every: 1d }]
routes:
  refunds:
    steps: [{ to: [schedule:oncall], within: 15m }, { to: [role:lead] }]
    sla: 15m
    fallback: [role:cfo]
default_route: { to: [refunds] }
";

/// What a bundle of `COMPLETE`, changed so, and a gate is refused for: each message and help, with the text underlined.
fn refusals(from: &str, to: &str, gate: &str) -> Vec<(String, String, String)> {
    let organization = COMPLETE.replacen(from, to, 1);
    assert!(from == to || organization != COMPLETE, "{from}");
    let files = [("o.yaml", organization.as_str()), ("gate.yaml", gate)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let problems = match Snapshot::load(&files) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    let told = problems.into_iter().map(|problem| {
        let text = if problem.file == "o.yaml" { &organization } else { gate };
        let underlined = text.get(problem.span.clone()).unwrap_or("?").to_owned();
        (problem.message, problem.help.unwrap_or_default(), underlined)
    });
    told.collect()
}

const GATE: &str = "name: gate\nrules: [{ decision: require_approval, approvers: [refunds] }]\n";

#[track_caller]
fn lacks(from: &str, to: &str, message: &str, help: &str) {
    let told = refusals(from, to, GATE);
    let wanted = (message.to_owned(), help.to_owned(), "refunds".to_owned());
    assert_eq!(told, [wanted]);
}

#[test]
fn a_bundle_in_which_every_route_has_all_five_loads() {
    assert_eq!(refusals("", "", GATE), []);
}

#[test]
fn a_route_without_a_role_is_refused_where_it_stands() {
    lacks(
        "[role:lead]",
        "[user:lea, user:bo]",
        "route `refunds` asks `user:lea`, `user:bo` by name and nobody by role",
        "name a duty or a team: `to: [role:finance-lead]`",
    );
}

#[test]
fn a_route_without_a_shift_is_refused_where_it_stands() {
    lacks(
        "[schedule:oncall]",
        "[role:cfo]",
        "route `refunds` does not say whose shift it is",
        "ask a schedule in one of its steps: `to: [schedule:finance-oncall]`",
    );
}

#[test]
fn a_route_without_a_target_is_refused_where_it_stands() {
    lacks("    sla: 15m\n", "", "route `refunds` has no target", "add `sla: 15m`");
}

#[test]
fn a_route_without_a_fallback_is_refused_where_it_stands() {
    lacks(
        "    fallback: [role:cfo]\n",
        "",
        "route `refunds` has no fallback",
        "add `fallback: [role:cfo]`",
    );
}

#[test]
fn a_route_without_a_path_is_refused_where_it_stands_and_one_that_says_what_follows_is_not() {
    lacks(
        ", { to: [role:lead] }]",
        "]",
        "route `refunds` does not say what follows when nobody answers",
        "add a step, or `on_exhausted: reject`",
    );
    let says = "]\n    on_exhausted: reject";
    assert_eq!(refusals(", { to: [role:lead] }]", says, GATE), []);
}

#[test]
fn a_rule_that_asks_past_the_routes_is_refused_and_so_is_a_default_route_that_leads_to_none() {
    let past = GATE.replace("[refunds]", "[refunds, 'role:cfo']");
    let told = refusals("", "", &past);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        told[0],
        (
            "`role:cfo` is asked past every route: without target, shift, fallback and path".to_owned(),
            "name a route of the organization".to_owned(),
            "'role:cfo'".to_owned()
        )
    );
    for to in ["", "default_route: { to: ['role:cfo'] }\n"] {
        let told = refusals("default_route: { to: [refunds] }\n", to, GATE);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].2, "routes");
        assert_eq!(told[0].1, "write `default_route: { to: [ROUTE] }` with one of `routes`");
    }
}

#[test]
fn without_the_switch_what_a_route_leaves_out_has_its_default() {
    assert_eq!(
        refusals(
            "require: [routes]\n",
            "",
            "name: gate\nrules: [{ decision: require_approval }]\n"
        ),
        []
    );
    let bare = "    sla: 15m\n    fallback: [role:cfo]\n";
    let organization = COMPLETE.replace("require: [routes]\n", "").replace(bare, "");
    assert!(load(&organization).1.is_empty());
}
