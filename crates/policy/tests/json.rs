//! What the strict reader takes, what it refuses, and that what it writes is what it read.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use countersign_policy::Value;
use countersign_policy::json::{Limits, parse, to_json};
use proptest::prelude::*;

fn read(text: &str) -> Result<Value, (&'static str, usize)> {
    parse(text.as_bytes(), &Limits::default()).map_err(|error| (error.kind.as_str(), error.offset))
}

fn written(text: &str) -> String {
    let mut out = String::new();
    to_json(&read(text).unwrap(), &mut out);
    out
}

#[test]
fn numbers_are_exact_and_keep_their_scale() {
    let scale = |text| match read(text).unwrap() {
        Value::Number(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    for (text, wanted) in [
        ("50.00", "50.00"),
        ("0.1", "0.1"),
        ("-0", "0"),
        ("-0.00", "0.00"),
        ("1e3", "1000"),
        ("1.50E-3", "0.00150"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("0e99999999999", "0"),
        ("123456789012345e-10", "12345.6789012345"),
        (
            "1.0000000000000000000000000000000000000000",
            "1.0000000000000000000000000000",
        ),
        ("10e-1", "1.0"),
    ] {
        assert_eq!(scale(text), wanted, "{text}");
    }
    assert_eq!(written("[50.00,1e3,-0.0,0.1]"), "[50,1000,0,0.1]");
}

#[test]
fn numbers_that_readers_would_see_differently_are_refused() {
    for text in [
        "9007199254740992",
        "-9007199254740992",
        "1e20",
        "0.1000000000000000055",
        "3.14159265358979323846",
        "1e-29",
        "1e400",
        "123456789012345678901234567890123",
        "9007199254740990.5",
        "1e99999999999999999999",
        "0.123456789012345678",
    ] {
        assert_eq!(read(text), Err(("number_out_of_range", 0)), "{text}");
    }
    assert_eq!(read("[1, 1e400]"), Err(("number_out_of_range", 4)));
}

#[test]
fn what_is_not_strict_json_is_refused_with_its_place() {
    for (text, code, offset) in [
        ("", "invalid_json", 0),
        ("01", "invalid_json", 0),
        ("-", "invalid_json", 1),
        ("1.", "invalid_json", 2),
        (".5", "invalid_json", 0),
        ("1e", "invalid_json", 2),
        ("NaN", "invalid_json", 0),
        ("Infinity", "invalid_json", 0),
        ("-Infinity", "invalid_json", 1),
        ("nul", "invalid_json", 0),
        ("1 2", "invalid_json", 2),
        ("[1,]", "invalid_json", 3),
        ("{\"a\":1,}", "invalid_json", 7),
        ("{a:1}", "invalid_json", 1),
        ("'a'", "invalid_json", 0),
        ("\"a", "invalid_json", 2),
        ("\"\n\"", "invalid_json", 1),
        (r#""\x""#, "invalid_json", 1),
        (r#""\u12""#, "invalid_json", 1),
        (r#""\ud800""#, "invalid_text", 1),
        (r#""\udc00""#, "invalid_text", 1),
        (r#""\ud800\u0041""#, "invalid_text", 1),
        (r#"{"a":1,"a":2}"#, "duplicate_key", 7),
        (r#"{"a":1,"\u0061":2}"#, "duplicate_key", 7),
        ("\u{feff}1", "invalid_json", 0),
        ("+1", "invalid_json", 0),
        ("[", "invalid_json", 1),
        ("{\"a\"", "invalid_json", 4),
        ("//", "invalid_json", 0),
    ] {
        assert_eq!(read(text), Err((code, offset)), "{text}");
    }
    let error = parse(b"\"\xff\"", &Limits::default()).unwrap_err();
    assert_eq!((error.kind.as_str(), error.offset), ("invalid_text", 1));
}

#[test]
fn limits_bound_depth_length_and_count() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(read(&nested(32)).is_ok());
    assert_eq!(read(&nested(33)), Err(("too_large", 32)));
    assert_eq!(read(&nested(100_000)), Err(("too_large", 32)));
    let small = Limits {
        depth: 2,
        bytes: 10,
        values: 3,
    };
    assert_eq!(parse(b"[1,2,3]", &small).unwrap_err().kind.as_str(), "too_large");
    assert_eq!(parse(b"           ", &small).unwrap_err().kind.as_str(), "too_large");
    assert!(parse(b"[1,2]", &small).is_ok());
}

#[test]
fn strings_come_back_as_they_were_sent() {
    let text = r#"{"":"","a\"\\\n\u0000\u007f":"é\u00e9\ud83d\ude00/","b":[null,true,false,{}]}"#;
    let again = written(text);
    assert_eq!(
        again,
        "{\"\":\"\",\"a\\\"\\\\\\n\\u0000\u{7f}\":\"éé😀/\",\"b\":[null,true,false,{}]}"
    );
    assert_eq!(read(&again), read(text));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &Limits::default());
    }

    #[test]
    fn no_near_json_makes_it_panic_and_what_it_takes_round_trips(text in r#"[\[\]{}:,"\\u0-9eE.+\-tfnalsr d8c]{0,60}"#) {
        if let Ok(value) = read(&text) {
            let mut out = String::new();
            to_json(&value, &mut out);
            prop_assert_eq!(read(&out), Ok(value));
        }
    }

    #[test]
    fn a_number_is_taken_exactly_when_a_double_holds_it(whole in 0u64..20_000_000_000_000_000, scale in 0u32..20) {
        let number = rust_decimal::Decimal::from_i128_with_scale(whole.into(), scale);
        let text = number.to_string();
        let float: f64 = text.parse().unwrap();
        let shortest = format!("{float}").parse::<rust_decimal::Decimal>().unwrap();
        let same = shortest == number && number <= 9_007_199_254_740_991u64.into();
        prop_assert_eq!(read(&text).is_ok(), same, "{}", text);
    }
}
