//! Outcomes are held against what was granted.

use std::collections::BTreeMap;

use countersign_policy::constraint::check_outcome;
use countersign_policy::verdict::ConstraintValue;

#[test]
fn an_outcome_violates_what_it_exceeds_and_nothing_else() {
    let text = |text: &str| ConstraintValue::Text(text.to_owned());
    let granted = BTreeMap::from([
        ("max_cost".to_owned(), text("50.00")),
        ("timeout".to_owned(), text("300s")),
        ("read_only".to_owned(), ConstraintValue::Flag(true)),
    ]);
    let check = |cost: &str, ms| check_outcome(&granted, cost.parse().ok(), Some(ms)).len();
    assert_eq!(check("50", 300_000), 0);
    assert_eq!(check("50.01", 300_000), 1);
    assert_eq!(check("50.01", 300_001), 2);
    assert!(check_outcome(&granted, None, None).is_empty());
}
