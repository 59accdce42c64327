//! The detectors on a corpus and on trees.

use std::collections::BTreeMap;

use countersign_policy::Value;
use rust_decimal::Decimal;

use super::corpus::{HITS, MISSES};
use super::{Kind, Kinds, Redacted, Redactor};

const REDACTOR: Redactor = Redactor::standard();

fn text(text: &str, kinds: Kinds) -> String {
    REDACTOR.redact_text(text, &kinds).text
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn marker(kind: &str) -> Value {
    map([("$redacted", kind.into())])
}

fn card_marker(last4: &str) -> Value {
    map([("$redacted", "card".into()), ("last4", last4.into())])
}

fn redact(value: &Value) -> Redacted {
    REDACTOR.redact(value, &Kinds::standard())
}

#[test]
fn what_must_be_found_is_replaced_in_its_place() {
    for (given, wanted) in HITS {
        let given = given.replace('¦', "");
        assert_eq!(text(&given, Kinds::standard()), *wanted, "{given}");
    }
}

#[test]
fn what_only_looks_alike_is_left_alone() {
    for given in MISSES {
        assert_eq!(text(given, Kinds::standard()), *given);
        assert_eq!(REDACTOR.find(&Value::from(*given), &Kinds::standard()), None, "{given}");
    }
}

#[test]
fn redacting_again_changes_nothing() {
    for (given, _) in HITS {
        let once = redact(&map([
            ("note", given.replace('¦', "").into()),
            ("password", (*given).into()),
        ]))
        .value;
        assert_eq!(REDACTOR.find(&once, &Kinds::all()), None, "{given}");
        let once = text(&given.replace('¦', ""), Kinds::all());
        assert_eq!(text(&once, Kinds::all()), once);
    }
}

#[test]
fn a_string_that_is_nothing_but_a_hit_becomes_a_marker() {
    let redacted = redact(&map([
        ("to", " 4111 1111 1111 1111 ".into()),
        ("who", "078-05-1120".into()),
        ("n", "ok".into()),
    ]));
    assert_eq!(
        redacted.value,
        map([("to", card_marker("1111")), ("who", marker("ssn")), ("n", "ok".into())])
    );
    assert_eq!(
        redacted.found,
        BTreeMap::from([("card".to_owned(), 1), ("ssn".to_owned(), 1)])
    );
}

#[test]
fn a_number_that_is_a_card_is_one() {
    let number = |digits: i64| Value::Number(Decimal::from(digits));
    let given = Value::List(vec![
        number(4111111111111111),
        number(1795219200123456),
        number(4111111111111112),
        number(7),
    ]);
    let wanted = vec![
        card_marker("1111"),
        number(1795219200123456),
        number(4111111111111112),
        number(7),
    ];
    assert_eq!(redact(&given).value, Value::List(wanted));
    assert_eq!(
        redact(&Value::Number(Decimal::new(411111111111111100, 2))).value,
        card_marker("1111")
    );
    assert_eq!(redact(&number(-4111111111111111)).value, card_marker("1111"));
}

#[test]
fn the_key_says_what_a_value_is() {
    let number = |digits: i64| Value::Number(Decimal::from(digits));
    let given = map([
        ("apiKey", "short".into()),
        ("cvv", number(123)),
        ("DB-Password", number(1234)),
        ("employee_ssn", "078051120".into()),
        ("ssn", number(78051120)),
        ("key", "PROJ-1234".into()),
        ("next_page_token", "abc123def456".into()),
        ("tokens", number(1200)),
        ("passwords", Value::List(vec!["a".into(), "b".into()])),
        ("secret", "secret://vault/stripe".into()),
        ("client_secret", "".into()),
        ("Set-Cookie", "sid=abc; HttpOnly".into()),
        ("auth_token", Value::Null),
        ("credentials", map([("user", "ann".into()), ("passphrase", "x".into())])),
        (
            "private_key",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC".into(),
        ),
    ]);
    let wanted = map([
        ("apiKey", marker("api_key")),
        ("cvv", marker("card")),
        ("DB-Password", marker("api_key")),
        ("employee_ssn", marker("ssn")),
        ("ssn", marker("ssn")),
        ("key", "PROJ-1234".into()),
        ("next_page_token", "abc123def456".into()),
        ("tokens", number(1200)),
        ("passwords", Value::List(vec![marker("api_key"), marker("api_key")])),
        ("secret", "secret://vault/stripe".into()),
        ("client_secret", "".into()),
        ("Set-Cookie", marker("api_key")),
        ("auth_token", Value::Null),
        (
            "credentials",
            map([("user", "ann".into()), ("passphrase", marker("api_key"))]),
        ),
        ("private_key", marker("private_key")),
    ]);
    assert_eq!(redact(&given).value, wanted);
}

#[test]
fn ordinary_words_say_nothing() {
    for key in [
        "amount",
        "description",
        "currency",
        "id",
        "key_id",
        "password_hash_id",
        "token_type",
        "tokens_used",
        "secretary",
        "public_key",
        "monkeys",
        "classname",
        "session",
        "category",
        "state",
        "author",
        "expires_at",
        "max_output_tokens",
        "cancel",
        "position",
        "lesson",
        "model",
        "address",
        "hidden",
        "stop_token",
        "idempotency_key",
        "",
        "-",
        "é",
    ] {
        let value = map([(key, "some ordinary words 12".into())]);
        assert_eq!(REDACTOR.find(&value, &Kinds::standard()), None, "{key}");
    }
}

#[test]
fn keys_of_maps_are_redacted_and_never_lose_an_entry() {
    let given = map([
        ("4111111111111111", 1.into_value()),
        ("4111 1111 1111 1111", 2.into_value()),
        ("x", 3.into_value()),
    ]);
    let redacted = redact(&given);
    let wanted = map([
        ("[redacted:card:1111]", 2.into_value()),
        ("[redacted:card:1111]#2", 1.into_value()),
        ("x", 3.into_value()),
    ]);
    assert_eq!(redacted.value, wanted);
    assert_eq!(redacted.found.get("card"), Some(&2));
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::Number(Decimal::from(self))
    }
}

#[test]
fn people_are_redacted_only_where_asked_for() {
    let given = "mail ann.b+x@example.co.uk or call +49 151 23456789, (415) 555-2671, 415.555.2671 or tel. 5552671.";
    assert_eq!(text(given, Kinds::standard()), given);
    let wanted =
        "mail [redacted:email] or call [redacted:phone], [redacted:phone], [redacted:phone] or tel. [redacted:phone].";
    assert_eq!(text(given, Kinds::all()), wanted);
    let email_only = Kinds::with_names(["email", "card"]);
    assert_eq!(
        email_only.map(|kinds| kinds.contains(Kind::Email) && !kinds.contains(Kind::Phone)),
        Ok(true)
    );
    let unknown = Kinds::with_names(["mail"]).map_err(|error| error.to_string());
    let message =
        "nothing to redact is called `mail`: use one of card, ssn, iban, api_key, jwt, private_key, email, phone";
    assert_eq!(unknown, Err(message.to_owned()));
    for given in [
        "order 1234567890123",
        "2026-11-21T10:11:12Z",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "@ 5 o'clock",
        "a@b",
    ] {
        assert_eq!(text(given, Kinds::all()), given);
    }
}

#[test]
fn a_tree_that_is_too_deep_ends_in_a_marker() {
    let mut value = Value::from("4111111111111111");
    for _ in 0..100 {
        value = Value::List(vec![value]);
    }
    assert_eq!(redact(&value).found, BTreeMap::from([("depth".to_owned(), 1)]));
}

#[test]
fn hostile_sizes_take_no_more_than_linear_time() {
    for part in [
        "4",
        "4 ",
        "4111 ",
        "eyJ",
        "eyJ.",
        "sk-",
        "sk-a.",
        "ghp_",
        "cs_",
        "-----BEGIN ",
        "a:",
        "password=",
        "@",
        "a@b.",
        "%34",
        "\u{200b}4",
        "GB82",
        "://:@",
        "+1(",
    ] {
        let given = part.repeat(256 * 1024 / part.len());
        let start = std::time::Instant::now();
        let _ = text(&given, Kinds::all());
        assert!(start.elapsed().as_millis() < 2_000, "{part}: {:?}", start.elapsed());
    }
}

#[test]
fn whoever_looks_for_some_kinds_only_finds_no_other() {
    let text = "4111 1111 1111 1111 of ann@shop.example, password: hunter22secret";
    let only = |names: &[&str]| {
        let found = REDACTOR.redact_text(text, &Kinds::only(names.iter().copied())).found;
        found.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(only(&["email"]), ["email"]);
    assert_eq!(only(&["card"]), ["card"]);
    assert_eq!(only(&["api_key", "no such kind"]), ["api_key"]);
    assert_eq!(only(&[]), Vec::<String>::new());
    assert_eq!(only(&["card", "email"]), ["card", "email"]);
}
