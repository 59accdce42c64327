//! Conditions ask which calendars are open, in the calendar's own zone, and none that nobody defines.

mod bundle;

use bundle::{load, read};

const ORGANIZATION: &str = "organization: o\ncalendars:\n  office: { zone: Europe/Berlin, days: mon-fri, from: \"09:00\", to: \"17:00\", holidays: [2026-12-25] }\n  night: { zone: UTC, from: \"22:00\", to: \"04:00\" }\n";
const GATE: &str = "name: g\nrules:\n- { condition: \"'office' in open\", decision: allow }\n- { condition: \"'night' in open\", decision: deny }\n- { condition: \"!('office' in open) && !('night' in open)\", decision: require_approval }\n";

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
    let snapshot = load(&[ORGANIZATION, GATE, &format!("tests:\n{tests}")]);
    let failed: Vec<_> = snapshot.run_tests().into_iter().filter(|test| !test.passed()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// What is wrong with documents.
fn wrong(documents: &[&str]) -> Vec<String> {
    let problems = read(documents).err().unwrap_or_default();
    let told = problems.iter();
    told.map(|problem| format!("{}: {}", problem.code, problem.message))
        .collect()
}

#[test]
fn a_calendar_that_nobody_defines_does_not_load() {
    let gate = "name: g\nrules:\n- { condition: \"'ofice' in open\", decision: deny }\n";
    let told = wrong(&[ORGANIZATION, gate]);
    assert_eq!(told, ["unknown_name: no document defines the calendar `ofice`"]);
    let alone = wrong(&[gate]);
    assert_eq!(alone.len(), 1);
}

#[test]
fn a_calendar_is_known_by_its_name_however_a_condition_asks() {
    let told = |condition: &str| {
        let gate = format!("name: g\nrules:\n- {{ condition: \"{condition}\", decision: deny }}\n");
        wrong(&[ORGANIZATION, &gate])
    };
    for fine in [
        "!('office' in open)",
        "open == ['night', 'office']",
        "open != []",
        "has(open)",
    ] {
        assert_eq!(told(fine), [""; 0], "{fine}");
    }
    for misspelt in [
        "open == ['office', 'nihgt']",
        "open in [['office'], ['nihgt']]",
        "has(args.x) && (args.x == 1 || !('nihgt' in open))",
    ] {
        let wanted = ["unknown_name: no document defines the calendar `nihgt`"];
        assert_eq!(told(misspelt), wanted, "{misspelt}");
    }
    for nameless in [
        "open.exists(calendar, calendar == 'ofice')",
        "open.all(calendar, calendar != 'office')",
        "size(open.filter(calendar, calendar == 'ofice')) > 0",
        "size(open) == 0",
        "size(open) > 0 && open[0] == 'ofice'",
        "has(args.calendar) && args.calendar in open",
        "['ofice', 'office'].exists(calendar, calendar in open)",
        "has(args.calendars) && open == args.calendars",
        "'of' + 'ice' in open",
        "'office' in open + ['ofice']",
    ] {
        let wanted = ["unnamed_calendar: which calendars this is about cannot be known before it is asked"];
        assert_eq!(told(nameless), wanted, "{nameless}");
    }
}
