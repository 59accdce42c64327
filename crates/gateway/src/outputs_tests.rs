#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_policy::output::{Handled, MostBytes, Withheld};

use super::*;

/// A number of a card that nobody has.
const CARD: &str = "4111 1111 1111 1111";

fn rules(kinds: &[(&str, Treatment)]) -> Outputs {
    let handled = |(kind, treatment): &(&str, Treatment)| {
        let rule = format!("outputs#{kind}");
        let treatment = *treatment;
        ((*kind).to_owned(), Handled { rule, treatment })
    };
    Outputs {
        kinds: kinds.iter().map(handled).collect(),
        ..Outputs::default()
    }
}

fn answer(result: &str) -> String {
    format!("{{ \"jsonrpc\":\"2.0\",  \"id\":7, \"result\":{result} }}")
}

fn on(result: &str, rules: &Outputs) -> (Option<String>, Filtered) {
    match look(answer(result).as_bytes(), rules) {
        Passes::On(new, found) => (new.map(|bytes| String::from_utf8(bytes).unwrap()), found),
        Passes::Not(why, _) => panic!("{why}"),
    }
}

fn not(result: &str, rules: &Outputs) -> (String, Filtered) {
    match look(answer(result).as_bytes(), rules) {
        Passes::Not(why, found) => (why, found),
        Passes::On(new, found) => panic!("{new:?} {found:?}"),
    }
}

fn count(kind: &str, count: u32) -> BTreeMap<String, u32> {
    BTreeMap::from([(kind.to_owned(), count)])
}

#[test]
fn what_holds_nothing_goes_on_byte_by_byte() {
    let rules = rules(&[("card", Treatment::Redact), ("api_key", Treatment::Withhold)]);
    let (new, found) = on(r#"{"content":[ {"type":"text" , "text":"fine"} ],"n":1.50}"#, &rules);
    assert_eq!((new, found), (None, Filtered::default()));
}

#[test]
fn what_is_replaced_is_replaced_in_its_place_and_the_rest_stays_as_it_was_written() {
    let rules = rules(&[("card", Treatment::Redact)]);
    let result = format!(
        r#"{{"content":[ {{"type":"text" , "text":"a  b"}},{{"type":"text","text":"card {CARD}."}} ],"x":{{ "n":1.50 }}}}"#
    );
    let (new, found) = on(&result, &rules);
    let new = new.unwrap();
    assert_eq!(found.redacted, count("card", 1));
    assert!(new.contains(r#"{"type":"text" , "text":"a  b"}"#), "{new}");
    assert!(new.contains(r#""x":{ "n":1.50 }"#), "{new}");
    assert!(new.contains("card [redacted:card:1111]."), "{new}");
    assert!(!new.contains("1111 1111"), "{new}");
}

#[test]
fn structured_content_keeps_its_shape() {
    let rules = rules(&[("card", Treatment::Redact)]);
    let result = format!(r#"{{"content":[],"structuredContent":{{"pan":"{CARD}","open":true}}}}"#);
    let (new, _) = on(&result, &rules);
    let new: serde_json::Value = serde_json::from_str(&new.unwrap()).unwrap();
    let told = new.pointer("/result/structuredContent").unwrap();
    assert_eq!(
        *told,
        serde_json::json!({ "pan": "[redacted:card:1111]", "open": true })
    );
}

#[test]
fn links_and_texts_of_resources_and_errors_are_looked_at_as_well() {
    let rules = rules(&[("email", Treatment::Redact)]);
    let link = r#"{"content":[{"type":"resource_link","uri":"crm://ann@shop.example","name":"x"},
        {"type":"resource","resource":{"uri":"a:b","text":"ask ann@shop.example"}}]}"#;
    let (new, found) = on(&link.replace('\n', ""), &rules);
    assert_eq!(found.redacted, count("email", 2));
    assert!(!new.unwrap().contains("ann@"));
    let failed = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"no such user ann@shop.example"}}"#;
    let Passes::On(Some(new), _) = look(failed.as_bytes(), &rules) else {
        panic!("it is not kept back");
    };
    let new = String::from_utf8(new).unwrap();
    assert!(new.contains("-32000") && new.contains("[redacted:email]"), "{new}");
}

#[test]
fn what_only_another_rule_would_look_for_stays() {
    let rules = rules(&[("email", Treatment::Redact)]);
    let (new, found) = on(&format!(r#"{{"content":[{{"type":"text","text":"{CARD}"}}]}}"#), &rules);
    assert_eq!((new, found), (None, Filtered::default()));
}

#[test]
fn what_is_withheld_is_told_by_kind_number_and_rule_and_never_by_what_it_was() {
    let rules = rules(&[("card", Treatment::Withhold), ("email", Treatment::Redact)]);
    let (why, found) = not(
        &format!(r#"{{"content":[{{"type":"text","text":"{CARD} of ann@shop.example"}}]}}"#),
        &rules,
    );
    assert!(why.contains("1 × card (outputs#card)"), "{why}");
    assert!(!why.contains("1111") && !why.contains("ann@"), "{why}");
    // Nothing was replaced for anybody: the whole was kept back.
    let whole = Filtered {
        whole: true,
        withheld: count("card", 1),
        ..Filtered::default()
    };
    assert_eq!(found, whole);
}

#[test]
fn what_is_flagged_passes_and_is_counted() {
    let rules = rules(&[("email", Treatment::Flag)]);
    let (new, found) = on(r#"{"content":[{"type":"text","text":"ann@shop.example"}]}"#, &rules);
    assert_eq!((new, found.flagged), (None, count("email", 1)));
}

#[test]
fn what_nobody_can_look_into_is_kept_back_where_a_rule_acts_and_the_rest_goes_on() {
    let image = r#"{"content":[{"type":"image","data":"AAAA","mimeType":"image/png"},{"type":"text","text":"a cat"}]}"#;
    let (new, found) = on(image, &rules(&[("card", Treatment::Redact)]));
    let new = new.unwrap();
    assert!(
        !new.contains("AAAA") && new.contains("an image") && new.contains("a cat"),
        "{new}"
    );
    assert_eq!(found.blind, 1);
    let blob = r#"{"content":[{"type":"resource","resource":{"uri":"a:b","blob":"AAAA"}}]}"#;
    assert_eq!(on(blob, &rules(&[("card", Treatment::Withhold)])).1.blind, 1);
    let flagged = on(image, &rules(&[("card", Treatment::Flag)]));
    assert_eq!(flagged, (None, Filtered::default()));
}

#[test]
fn what_readers_read_in_different_ways_is_kept_back() {
    let rules = rules(&[("card", Treatment::Redact)]);
    for twice in [
        format!(r#"{{"content":[{{"type":"text","text":"{CARD}","text":"fine"}}]}}"#),
        format!(r#"{{"content":[],"content":[{{"type":"text","text":"{CARD}"}}]}}"#),
        r#"{"content":[],"structuredContent":{"n":1e300}}"#.to_owned(),
    ] {
        let (why, found) = not(&twice, &rules);
        assert!(why.contains("cannot be looked into") && found.whole, "{twice}: {why}");
    }
}

#[test]
fn what_is_longer_than_may_leave_is_kept_back() {
    let rules = |bytes| Outputs {
        max_bytes: Some(MostBytes {
            bytes,
            rule: "outputs#short".to_owned(),
        }),
        ..Outputs::default()
    };
    let result = r#"{"content":[]}"#;
    assert_eq!(on(result, &rules(14)), (None, Filtered::default()));
    let (why, found) = not(result, &rules(13));
    assert!(why.contains("14 bytes, and 13 may leave (outputs#short)"), "{why}");
    assert!(found.whole);
}

#[test]
fn what_a_rule_keeps_back_whatever_it_is_is_not_even_looked_at() {
    let rules = Outputs {
        withheld: Some(Withheld {
            rule: "outputs#dumps".to_owned(),
            why: "whatever it is".to_owned(),
        }),
        ..Outputs::default()
    };
    let (why, found) = not(r#"{"content":[]}"#, &rules);
    assert!(why.contains("outputs#dumps") && found.whole, "{why}");
}
