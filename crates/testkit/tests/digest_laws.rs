//! What is bound by an action's digest: every leaf of its arguments, and not the spelling.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::action::receive;
use countersign_core::digest::{Digest, DigestKey, action_digest};
use countersign_testkit::World;
use proptest::prelude::*;
use serde_json::{Map, Value};

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_000_000_i64..9_000_000).prop_map(Value::from),
        (-9000_i32..9000, 0_usize..8).prop_map(|(whole, eighths)| eighth(whole, eighths)),
        "[a-zé\"\\\\]{0,6}".prop_map(Value::from),
    ]
}

fn arguments() -> impl Strategy<Value = Value> {
    let tree = leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-d]{1,2}", tree, 1..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// Pointers to everything in a value that holds nothing else.
fn leaves(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter()
                .for_each(|(key, value)| leaves(value, &format!("{at}/{key}"), into));
        }
        Value::Array(items) if !items.is_empty() => {
            (items.iter().enumerate()).for_each(|(place, value)| leaves(value, &format!("{at}/{place}"), into));
        }
        _ => into.push(at.to_owned()),
    }
}

/// The same JSON, spelled otherwise: keys in the other order, spaces, escapes.
fn spelled_otherwise(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push_str("{ ");
            for (place, (key, value)) in map.iter().rev().enumerate() {
                out.push_str(if place > 0 { " ,\n" } else { "" });
                let escaped: String = key.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
                out.push_str(&format!("\"{escaped}\"\t: "));
                spelled_otherwise(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, value) in items.iter().enumerate() {
                out.push_str(if place > 0 { " , " } else { "" });
                spelled_otherwise(value, out);
            }
            out.push_str(" ]");
        }
        Value::Number(number) if number.is_i64() => out.push_str(&format!("{number}.0")),
        other => out.push_str(&other.to_string()),
    }
}

fn digest(args: &str) -> Digest {
    let body = format!("{{\"action\":\"pay\",\"args\":{args}}}");
    let value = countersign_policy::json::parse(body.as_bytes(), &Default::default()).unwrap();
    action_digest(
        &DigestKey::new([7; 32]),
        "acme",
        "bot",
        &receive(value).unwrap().action,
        None,
    )
    .digest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_change_of_any_leaf_of_the_arguments_is_another_digest(
        args in arguments(), which in any::<prop::sample::Index>(), new in leaf(),
    ) {
        let mut places = Vec::new();
        leaves(&args, "", &mut places);
        let place = which.get(&places);
        let mut changed = args.clone();
        *changed.pointer_mut(place).unwrap() = new;
        // `5` and `5.0` are one number.
        let number = |value: &Value| value.as_f64();
        let (old, new) = (args.pointer(place).unwrap(), changed.pointer(place).unwrap());
        prop_assume!(old != new && (number(old).is_none() || number(old) != number(new)));
        prop_assert_ne!(digest(&args.to_string()), digest(&changed.to_string()));

        let mut without = args.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        if let Some(Value::Object(map)) = without.pointer_mut(parent) {
            map.remove(key);
            prop_assert_ne!(digest(&args.to_string()), digest(&without.to_string()));
        }
    }

    #[test]
    fn the_spelling_of_the_arguments_does_not_matter(args in arguments()) {
        let mut otherwise = String::new();
        spelled_otherwise(&args, &mut otherwise);
        prop_assert_eq!(digest(&args.to_string()), digest(&otherwise));
    }

    #[test]
    fn what_is_redeemed_is_what_was_decided_to_the_last_leaf(args in arguments(), new in leaf()) {
        let mut world = World::new();
        world.agent("bot", "team:ops");
        world.policy(&[("gate.yaml", "name: gate\nrules:\n  - { decision: allow }\n")]);
        let body = |args: &Value| format!("{{\"action\":\"pay\",\"args\":{args}}}");
        let id = world.submit("bot", &body(&args)).unwrap().decision.action_id;
        let mut more = args.as_object().cloned().unwrap_or_else(Map::new);
        more.insert("zz".to_owned(), new);
        let other = world.submission("bot", &body(&Value::Object(more))).unwrap().digest.digest;
        prop_assert_eq!(world.redeem_for(id, other).unwrap_err().code, "digest_mismatch");
        prop_assert!(world.redeem(id).is_ok());
    }
}

/// A number with a part of eighths, as JSON has it.
fn eighth(whole: i32, eighths: usize) -> Value {
    let part = ["0", "125", "25", "375", "5", "625", "75", "875"][eighths];
    serde_json::from_str(&format!("{whole}.{part}")).unwrap()
}
