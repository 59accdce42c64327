//! What is other than last time: two actions as they are kept, place by place.

use countersign_core::narrow::changes_as_kept;
use countersign_core::policy::Value;
use countersign_core::policy::json::to_json;

use super::{ChangedPlace, LastAllowed};

/// Members of an action that say what runs. What the agent says of it, and to which run it belongs, is another thing each
/// time.
const RUNS: [&str; 8] = [
    "access",
    "amount",
    "args",
    "currency",
    "env",
    "estimated_cost",
    "principal",
    "resource",
];
/// Places that one answer names at most.
const PLACES_AT_MOST: usize = 50;
/// What stands in a text for a part that is not kept, as it begins.
const PART: &str = "[redacted:";
/// What stands for a value that is not kept: the name of its only member, or of one of two.
const WHOLE: &str = "$redacted";

/// The same with what is other now.
pub fn compared(mut last: LastAllowed, before: &Value, now: &Value) -> LastAllowed {
    let mut places = changes_as_kept(before, now);
    places.retain(|place| runs(place));
    let mut not_kept = Vec::new();
    for action in [before, now] {
        replaced("", action, &mut not_kept);
    }
    not_kept.sort();
    not_kept.dedup();
    let told = |place: &String| places.iter().any(|other| is_within(place, other));
    not_kept.retain(|place| runs(place) && !told(place));
    not_kept.truncate(PLACES_AT_MOST);
    last.not_kept = not_kept;
    last.more = places.len().saturating_sub(PLACES_AT_MOST) as u64;
    places.truncate(PLACES_AT_MOST);
    last.changes = (places.into_iter())
        .map(|place| ChangedPlace {
            was: at(before, &place).map(as_json),
            now: at(now, &place).map(as_json),
            place,
        })
        .collect();
    last
}

fn runs(place: &str) -> bool {
    let mut names = place.split('/').skip(1);
    names.next().is_some_and(|first| RUNS.contains(&first))
}

fn is_within(place: &str, other: &str) -> bool {
    let rest = place.strip_prefix(other);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Places where redaction left a mark: as deep as [`changes_as_kept`] tells them, which takes a list as one.
fn replaced(path: &str, value: &Value, places: &mut Vec<String>) {
    match value {
        Value::Map(members) if !members.contains_key(WHOLE) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                replaced(&format!("{path}/{name}"), value, places);
            }
        }
        other if has_mark(other) => places.push(path.to_owned()),
        _whole => {}
    }
}

fn has_mark(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(PART),
        Value::List(items) => items.iter().any(has_mark),
        Value::Map(members) => members.contains_key(WHOLE) || members.values().any(has_mark),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Timestamp(_) | Value::Duration(_) => false,
    }
}

fn at<'a>(action: &'a Value, place: &str) -> Option<&'a Value> {
    place.split('/').skip(1).try_fold(action, |value, name| {
        let Value::Map(members) = value else { return None };
        members.get(&name.replace("~1", "/").replace("~0", "~"))
    })
}

fn as_json(value: &Value) -> serde_json::Value {
    let mut text = String::new();
    to_json(value, &mut text);
    // What was read from JSON is written as JSON.
    serde_json::from_str(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use countersign_core::policy::json::{Limits, parse};

    use super::*;

    fn last() -> LastAllowed {
        LastAllowed {
            action: "act_1".into(),
            approval: None,
            at: String::new(),
            by: Vec::new(),
            edited: false,
            break_glass: false,
            redeemed_at: None,
            outcome: None,
            gone: None,
            changes: Vec::new(),
            more: 0,
            not_kept: Vec::new(),
        }
    }

    fn between(before: &str, now: &str) -> LastAllowed {
        let read = |text: &str| parse(text.as_bytes(), &Limits::default()).unwrap();
        compared(last(), &read(before), &read(now))
    }

    fn places(last: &LastAllowed) -> Vec<&str> {
        last.changes.iter().map(|change| &*change.place).collect()
    }

    #[test]
    fn what_runs_is_compared_place_by_place_and_what_is_said_of_it_is_not() {
        let found = between(
            r#"{"action":"pay","amount":"5.00","args":{"to":"a","memo":"x"},"run":"r1","evidence":{"reason":"one"}}"#,
            r#"{"action":"pay","amount":"5","args":{"to":"b","a/b":[1]},"env":"prod","run":"r2","confidence":"0.9"}"#,
        );
        assert_eq!(places(&found), ["/args/a~1b", "/args/memo", "/args/to", "/env"]);
        let [new, gone, other, _] = &found.changes[..] else {
            panic!("{found:?}")
        };
        assert_eq!((&new.was, &new.now), (&None, &Some(serde_json::json!([1]))));
        assert_eq!((&gone.was, &gone.now), (&Some("x".into()), &None));
        assert_eq!((&other.was, &other.now), (&Some("a".into()), &Some("b".into())));
    }

    #[test]
    fn two_values_that_were_not_kept_are_not_taken_for_the_same() {
        let card = r#"{"args":{"card":{"$redacted":"card","last4":"4242"},"list":["[redacted:iban]"],"to":"a"}}"#;
        let found = between(card, card);
        assert!(found.changes.is_empty());
        assert_eq!(found.not_kept, ["/args/card", "/args/list"]);
        let found = between(card, r#"{"args":{"card":"none","to":"a"}}"#);
        assert_eq!(places(&found), ["/args/card", "/args/list"]);
        assert!(found.not_kept.is_empty(), "that those are other is known");
    }

    #[test]
    fn more_places_than_anybody_reads_are_counted() {
        let many: Vec<String> = (0..70).map(|n| format!("\"a{n}\":{n}")).collect();
        let found = between("{\"args\":{}}", &format!("{{\"args\":{{{}}}}}", many.join(",")));
        assert_eq!((found.changes.len(), found.more), (50, 20));
    }
}
