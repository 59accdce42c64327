#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use countersign_policy::{Action, json};

use super::{changes, narrowed, with_changes};
use crate::action::receive;

const ASKED: &str = r#"{"tool": "bank/pay", "amount": "340.00", "currency": "EUR", "args": {"limit": 100, "floor": -50,
    "to": ["a@x", "b@x", "c@x", "b@x"], "scope": {"read": ["a", "b"], "write": ["a"], "days": 30}, "a/b": 5,
    "memo": "June", "urgent": true}}"#;

fn action(body: &str) -> Action {
    let value = json::parse(body.as_bytes(), &json::Limits::default()).unwrap();
    receive(value).map_err(|refusal| refusal.detail).unwrap().action
}

fn edited(pointer: &str, value: &str) -> Result<Vec<String>, &'static str> {
    let value = match value {
        "" => None,
        text => Some(json::parse(text.as_bytes(), &json::Limits::default()).unwrap()),
    };
    let asked = action(ASKED);
    let editable = [
        "/amount",
        "/args/limit",
        "/args/floor",
        "/args/to",
        "/args/scope",
        "/args/a~1b",
        "/args/memo",
    ];
    let editable: BTreeSet<String> = editable.iter().map(|place| (*place).to_owned()).collect();
    let after = with_changes(&asked, &BTreeMap::from([(pointer.to_owned(), value)])).map_err(|refusal| refusal.code)?;
    let told = narrowed(&asked, &after, &editable).map_err(|refusal| refusal.code)?;
    assert!(!changes(&asked, &after).is_empty());
    Ok(told)
}

#[test]
fn a_number_goes_towards_zero_and_keeps_its_sign() {
    assert_eq!(edited("/amount", "\"339.99\""), Ok(vec!["/amount".to_owned()]));
    assert_eq!(edited("/amount", "300"), Ok(vec!["/amount".to_owned()]));
    assert_eq!(edited("/args/limit", "99.5"), Ok(vec!["/args/limit".to_owned()]));
    assert_eq!(edited("/args/floor", "-49"), Ok(vec!["/args/floor".to_owned()]));
    for wider in ["\"340.01\"", "\"0\"", "\"0.00\"", "\"-300\"", "341"] {
        assert_eq!(edited("/amount", wider), Err("not_narrower"), "{wider}");
    }
    assert_eq!(edited("/args/floor", "-51"), Err("not_narrower"));
    assert_eq!(edited("/args/floor", "49"), Err("not_narrower"));
    assert_eq!(edited("/amount", "\"340\""), Err("nothing_changed"));
    assert_eq!(edited("/amount", "\"much\""), Err("invalid_amount"));
}

#[test]
fn a_list_loses_members_and_keeps_their_order() {
    assert!(edited("/args/to", r#"["a@x", "c@x"]"#).is_ok());
    assert!(edited("/args/to", r#"["b@x", "b@x"]"#).is_ok());
    for wider in [
        r#"["d@x"]"#,
        r#"["c@x", "a@x"]"#,
        r#"["a@x", "a@x"]"#,
        "[]",
        r#""a@x""#,
        "null",
    ] {
        assert_eq!(edited("/args/to", wider), Err("not_narrower"), "{wider}");
    }
}

#[test]
fn a_map_loses_members_or_has_narrower_ones() {
    assert!(edited("/args/scope", r#"{"read": ["a"], "days": 30}"#).is_ok());
    assert!(edited("/args/scope/write", "").is_ok());
    assert!(edited("/args/scope/days", "7").is_ok());
    for wider in [
        "{}",
        r#"{"read": ["a", "b"], "all": true}"#,
        r#"{"days": 31}"#,
        r#"{"days": "30"}"#,
    ] {
        assert_eq!(edited("/args/scope", wider), Err("not_narrower"), "{wider}");
    }
    assert_eq!(edited("/args/scope/none", "1"), Err("not_narrower"), "nothing is added");
}

#[test]
fn texts_and_switches_are_not_narrowed_and_other_places_not_touched() {
    assert_eq!(edited("/args/memo", "\"Ju\""), Err("not_narrower"));
    assert_eq!(edited("/args/urgent", "false"), Err("not_editable"));
    assert_eq!(
        edited("/args/limit", ""),
        Err("not_editable"),
        "what held it is not editable"
    );
    assert_eq!(edited("/currency", "\"USD\""), Err("not_narrower"));
    assert_eq!(edited("/args/a~1b", "4"), Ok(vec!["/args/a~1b".to_owned()]));
}

#[test]
fn what_differs_is_told_place_by_place() {
    let after = action(
        r#"{"tool": "bank/pay", "amount": "340", "currency": "USD", "args": {"limit": 101, "floor": -50,
        "to": ["a@x"], "scope": {"read": ["a", "b"], "write": ["a"], "days": 30, "all": true}, "memo": "June",
        "urgent": true}}"#,
    );
    assert_eq!(
        changes(&action(ASKED), &after),
        ["/args/a~1b", "/args/limit", "/args/scope/all", "/args/to", "/currency"]
    );
}
