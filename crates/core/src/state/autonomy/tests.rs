//! The boundaries of what is earned.

use super::*;

fn is_earned(succeeded: u32, failed: u32, share: u32, estimate: Estimate) -> bool {
    is_below(failed, succeeded + failed, share, estimate)
}

#[test]
fn two_errors_beside_a_hundred_successes_are_below_two_percent_and_three_are_not() {
    assert!(is_earned(100, 2, 200, Estimate::Point));
    assert!(!is_earned(100, 3, 200, Estimate::Point));
    assert!(
        !is_earned(98, 2, 200, Estimate::Point),
        "exactly two percent is not below it"
    );
}

#[test]
fn ten_errors_beside_a_thousand_successes_are_below_one_percent_and_eleven_are_not() {
    assert!(is_earned(1000, 10, 100, Estimate::Point));
    assert!(!is_earned(1000, 11, 100, Estimate::Point));
}

#[test]
fn certainty_takes_133_clean_actions_for_two_percent_and_222_with_one_error_and_268_for_one_percent() {
    let first = |failed: u32, share: u32| {
        (1..2000)
            .find(|all| is_below(failed, *all, share, Estimate::Wilson95))
            .unwrap_or_default()
    };
    assert_eq!((first(0, 200), first(1, 200), first(0, 100)), (133, 222, 268));
}

#[test]
fn nothing_shown_is_not_below_anything() {
    assert!(!is_earned(0, 0, 200, Estimate::Point));
    assert!(!is_earned(0, 0, 200, Estimate::Wilson95));
}

#[test]
fn what_is_missing_is_said_in_words() {
    let rules = rules_of("organization: acme\nautonomy: {}\n");
    let standing = Standing {
        failed: 3,
        succeeded: 40,
        since: Time(0),
        ..Standing::default()
    };
    assert_eq!(
        missing(&standing, &rules, Time(0)),
        [
            "60 more successes (of 100)",
            "errors below 2 %; 3 of 43 failed",
            "14 days in this mode, which is after 1970-01-15T00:00:00.000000Z"
        ]
    );
    let earned = Standing {
        failed: 0,
        succeeded: 100,
        ..standing
    };
    assert!(missing(&earned, &rules, Time(0) + Span::days(14)).is_empty());
}

fn rules_of(text: &str) -> AutonomyRules {
    let files = [("acme.yaml".to_owned(), text.as_bytes().to_vec())];
    let loaded = Snapshot::load(&files).ok().map(|(snapshot, _)| snapshot);
    let rules = loaded
        .as_ref()
        .and_then(|snapshot| snapshot.organization()?.autonomy().cloned());
    rules.unwrap_or_else(|| panic!("{text} does not load"))
}
