//! Conditions ask which calendars are open, in the calendar's own zone, and none that nobody defines.

use countersign_policy::Snapshot;

const ORGANIZATION: &str = "organization: o\ncalendars:\n  office: { zone: Europe/Berlin, days: mon-fri, from: \"09:00\", to: \"17:00\", holidays: [2026-12-25] }\n  night: { zone: UTC, from: \"22:00\", to: \"04:00\" }\n";
const GATE: &str = "name: g\nrules:\n- { condition: \"'office' in open\", decision: allow }\n- { condition: \"'night' in open\", decision: deny }\n- { condition: \"!('office' in open) && !('night' in open)\", decision: require_approval }\n";

fn load(documents: &[&str]) -> Result<Snapshot, Vec<String>> {
    let files: Vec<(String, Vec<u8>)> = (documents.iter().enumerate())
        .map(|(at, text)| (format!("{at}.yaml"), text.as_bytes().to_vec()))
        .collect();
    let loaded = Snapshot::load(&files);
    let told = |problems: Vec<countersign_policy::Problem>| {
        problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.code, problem.message))
            .collect()
    };
    loaded.map(|(snapshot, _)| snapshot).map_err(told)
}

#[test]
fn hours_days_holidays_and_changes_of_the_clock_count_in_the_zone_of_the_calendar() {
    let rows = [
        // Berlin is an hour ahead of UTC in winter and two in summer.
        ("2026-11-27T08:00:00Z", "allow"),
        ("2026-11-27T07:59:59Z", "require_approval"),
        ("2026-07-03T07:00:00Z", "allow"),
        ("2026-07-03T15:00:00Z", "require_approval"),
        // A Saturday, and a holiday on a Friday.
        ("2026-11-28T12:00:00Z", "require_approval"),
        ("2026-12-25T12:00:00Z", "require_approval"),
        ("2026-11-27T22:00:00Z", "deny"),
        ("2026-11-28T03:59:59Z", "deny"),
        ("2026-11-28T04:00:00Z", "require_approval"),
    ];
    let tests: String = rows
        .iter()
        .map(|(now, wanted)| format!("- {{ name: '{now}', agent: a, action: x, now: '{now}', expect: {wanted} }}\n"))
        .collect();
    let snapshot = load(&[ORGANIZATION, GATE, &format!("tests:\n{tests}")]).unwrap_or_else(|told| panic!("{told:?}"));
    let failed: Vec<_> = snapshot.run_tests().into_iter().filter(|test| !test.passed()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_calendar_that_nobody_defines_does_not_load() {
    let gate = "name: g\nrules:\n- { condition: \"'ofice' in open\", decision: deny }\n";
    let told = load(&[ORGANIZATION, gate]).err().unwrap_or_default();
    assert_eq!(told, ["unknown_name: no document defines the calendar `ofice`"]);
    let alone = load(&[gate]).err().unwrap_or_default();
    assert_eq!(alone.len(), 1);
}
