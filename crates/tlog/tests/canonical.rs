//! Canonical bytes: RFC 8785's own numbers, and what the checker of records lets pass.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::cmp::Ordering;

use countersign_tlog::canonical::{MAX_LEAF_BYTES, compare_keys, push_number, push_string};
use countersign_tlog::{canonical_json, is_canonical_record};
use proptest::prelude::*;
use serde_json::Value;

fn number(bits: u64) -> String {
    let mut out = Vec::new();
    push_number(&mut out, f64::from_bits(bits)).map_or_else(|_| "none".to_owned(), |()| String::from_utf8(out).unwrap())
}

#[test]
fn numbers_are_written_as_in_appendix_b_of_rfc_8785() {
    let samples = [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x7fff_ffff_ffff_ffff, "none"),
        (0x7ff0_0000_0000_0000, "none"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ];
    for (bits, text) in samples {
        assert_eq!(number(bits), text, "{bits:016x}");
    }
}

#[test]
fn strings_and_keys_are_written_and_sorted_as_in_rfc_8785() {
    let mut out = Vec::new();
    push_string(&mut out, "\u{20ac}$\u{f}\nA'B\"\\\"/\u{8}\u{c}\t\r\u{7f}\u{2028}\0");
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\"/\\b\\f\\t\\r\u{7f}\u{2028}\\u0000\""
    );
    // Section 3.2.3: by UTF-16 code units, an emoji comes before the Hebrew letter with dagesh; by bytes after it.
    assert_eq!(compare_keys("\u{1f600}", "\u{fb33}"), Ordering::Less);
    let value: Value = serde_json::from_str(
        "{\"\u{20ac}\":1,\"\\r\":2,\"\u{fb33}\":3,\"1\":4,\"\u{1f600}\":5,\"\u{80}\":6,\"\u{f6}\":7}",
    )
    .unwrap();
    let text = String::from_utf8(canonical_json(&value).unwrap()).unwrap();
    assert_eq!(
        text,
        "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
    );
}

#[test]
fn a_record_in_the_one_spelling_passes() {
    let deep = format!("{}{}", "{\"a\":".repeat(31) + "[", "]".to_owned() + &"}".repeat(31));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LEAF_BYTES - 8));
    for good in [
        "{}",
        "{\"$a\":{},\"0\":[],\"_\":[[],{}],\"a\":0,\"aa\":-1,\"b\":9007199254740991,\"c\":-9007199254740991}",
        "{\"a\":\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0000\\u000b\\u000e\\u001f\u{7f}\u{1f600}\",\"b\":[true,false,\"\"]}",
        &deep,
        &long,
    ] {
        assert_eq!(is_canonical_record(good.as_bytes()), Ok(()), "{good}");
        let parsed: Value = serde_json::from_str(good).unwrap();
        assert_eq!(canonical_json(&parsed).unwrap(), good.as_bytes());
    }
}

#[test]
fn every_other_spelling_is_refused() {
    let deep = format!("{}{}", "{\"a\":".repeat(32) + "[", "]".to_owned() + &"}".repeat(32));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LEAF_BYTES - 7));
    let bad = [
        "",
        "[]",
        "1",
        "null",
        "{",
        "{}{}",
        "{} ",
        " {}",
        "{}\n",
        "\u{feff}{}",
        "{\"a\":null}",
        "{\"a\":1.0}",
        "{\"a\":1e3}",
        "{\"a\":1E3}",
        "{\"a\":-0}",
        "{\"a\":01}",
        "{\"a\":00}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":9007199254740992}",
        "{\"a\":-9007199254740992}",
        "{\"a\":99999999999999999999999}",
        "{\"a\":NaN}",
        "{\"a\":1,}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\" :1}",
        "{\"a\": 1}",
        "{\"a\":1 }",
        "{\"b\":1,\"a\":1}",
        "{\"a\":1,\"a\":1}",
        "{\"A\":1}",
        "{\"\":1}",
        "{\"a-b\":1}",
        "{\"\u{e9}\":1}",
        "{\"\\u0061\":1}",
        "{\"a\":\"\\u0061\"}",
        "{\"a\":\"\\u000A\"}",
        "{\"a\":\"\\u000a\"}",
        "{\"a\":\"\\u0008\"}",
        "{\"a\":\"\\/\"}",
        "{\"a\":\"\\u001F\"}",
        "{\"a\":\"\\u007f\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud83d\\ude00\"}",
        "{\"a\":\"",
        "{\"a\":tru}",
        "{\"a\":True}",
        "{\"a\"}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":[1 ,2]}",
        "{\"a\":{\"c\":1,\"b\":2}}",
        &deep,
        &long,
    ];
    for text in bad {
        assert!(is_canonical_record(text.as_bytes()).is_err(), "{text}");
    }
    assert!(is_canonical_record(b"{\"a\":\"\xff\"}").is_err());
    assert!(is_canonical_record(b"{\"a\":\"\xed\xa0\x80\"}").is_err());
    assert!(is_canonical_record(&b"[".repeat(16_000)).is_err());
}

#[test]
fn json_nested_too_deep_or_beyond_doubles_has_no_canonical_form() {
    let nested = |depth| (0..depth).fold(Value::from(1), |inner, _| Value::Array(vec![inner]));
    assert!(canonical_json(&nested(100)).is_ok());
    assert!(canonical_json(&nested(101)).is_err());
}

fn record() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\x00-\\x7f]{0,8}".prop_map(Value::from),
    ];
    let any = leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z0-9_$]{1,4}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-z0-9_$]{1,4}", any, 0..5).prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn what_canonical_json_writes_of_a_record_passes(value in record()) {
        let bytes = canonical_json(&value).unwrap();
        prop_assert_eq!(is_canonical_record(&bytes), Ok(()));
        prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
    }

    /// Whatever passes is the one spelling: parsed and written again, it is the same bytes.
    #[test]
    fn whatever_passes_is_its_own_canonical_form(value in record(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = canonical_json(&value).unwrap();
        let at = at.index(bytes.len());
        if let Some(old) = bytes.get_mut(at) { *old = byte; }
        if is_canonical_record(&bytes).is_ok() {
            let parsed: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(canonical_json(&parsed).unwrap(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = is_canonical_record(&bytes);
    }

    #[test]
    fn a_number_reads_back_as_itself(bits in any::<u64>()) {
        let text = number(bits);
        prop_assume!(text != "none");
        let double = f64::from_bits(bits);
        prop_assert!(text.parse::<f64>().unwrap() == double);
        prop_assert!(serde_json::from_str::<Value>(&text).unwrap().as_f64().unwrap() == double);
    }
}
