//! Conditions against the `cel` crate, on the subset where both mean the same; and against random bytes.
//!
//! Left out, because they differ on purpose: comparisons of two kinds, fractions, `has()` past an absent part.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::collections::HashMap;

use countersign_policy::condition::{Condition, Declarations, Fuel};
use countersign_policy::{Decimal, Facts, Root, Value};
use proptest::prelude::*;

const KEYS: [&str; 3] = ["a", "b", "c"];

/// Numbers under `n_`, strings under `s_`, lists of numbers under `l_`; each may be absent.
#[derive(Debug)]
struct Args {
    numbers: Vec<Option<i64>>,
    texts: Vec<Option<String>>,
    lists: Vec<Option<Vec<i64>>>,
}

impl Args {
    fn ours(&self) -> Value {
        let number = |n: &i64| Value::Number(Decimal::from(*n));
        let named = |prefix: &'static str| KEYS.iter().map(move |key| format!("{prefix}_{key}"));
        let numbers = named("n").zip(&self.numbers).map(|(k, v)| (k, v.as_ref().map(number)));
        let texts = named("s")
            .zip(&self.texts)
            .map(|(k, v)| (k, v.clone().map(Value::String)));
        let list = |items: &Vec<i64>| Value::List(items.iter().map(number).collect());
        let lists = named("l").zip(&self.lists).map(|(k, v)| (k, v.as_ref().map(list)));
        Value::Map(
            numbers
                .chain(texts)
                .chain(lists)
                .filter_map(|(k, v)| Some((k, v?)))
                .collect(),
        )
    }

    fn theirs(&self) -> cel::Value {
        fn convert(value: &Value) -> cel::Value {
            match value {
                Value::Number(n) => cel::Value::Int(i64::try_from(n.mantissa()).unwrap()),
                Value::String(text) => text.as_str().into(),
                Value::List(items) => items.iter().map(convert).collect::<Vec<_>>().into(),
                Value::Map(members) => members
                    .iter()
                    .map(|(k, v)| (k.clone(), convert(v)))
                    .collect::<HashMap<_, _>>()
                    .into(),
                other => panic!("{other:?}"),
            }
        }
        convert(&self.ours())
    }
}

fn args() -> impl Strategy<Value = Args> {
    let numbers = prop::collection::vec(prop::option::weighted(0.8, -5..6i64), 3);
    let texts = prop::collection::vec(prop::option::weighted(0.8, "[abé]{0,3}"), 3);
    let lists = prop::collection::vec(prop::option::weighted(0.8, prop::collection::vec(-3..4i64, 0..4)), 3);
    (numbers, texts, lists).prop_map(|(numbers, texts, lists)| Args { numbers, texts, lists })
}

fn key(prefix: &'static str) -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[..]).prop_map(move |key| format!("args.{prefix}_{key}"))
}

fn number() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        (-9..10i64).prop_map(|n| n.to_string()),
        key("n"),
        text().prop_map(|t| format!("size({t})")),
        key("l").prop_map(|l| format!("{l}.size()")),
        (key("l"), 0..3usize).prop_map(|(l, i)| format!("{l}[{i}]")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec((inner.clone(), prop::sample::select(&["+", "-", "*"][..])), 2..4).prop_map(
                |terms| {
                    let parts: Vec<String> = terms
                        .into_iter()
                        .map(|(term, sign)| format!("{term} {sign} "))
                        .collect();
                    format!("({}1)", parts.concat())
                }
            ),
            (inner.clone(), 1..5i64).prop_map(|(n, by)| format!("({n} % {by})")),
            inner.prop_map(|n| format!("(-({n}))")),
        ]
    })
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    let leaf = prop_oneof!["[abé]{0,3}".prop_map(|t| format!("'{t}'")), key("s")];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), inner).prop_map(|(a, b)| format!("({a} + {b})"))
    })
    .boxed()
}

fn truth() -> BoxedStrategy<String> {
    let order = || prop::sample::select(&["<", "<=", ">", ">=", "==", "!="][..]);
    let search = prop::sample::select(&["startsWith", "endsWith", "contains"][..]);
    let fold = prop::sample::select(&["all", "exists", "exists_one"][..]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(|b| b.to_string()),
        (number(), order(), number()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        (text(), order(), text()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        (text(), search, text()).prop_map(|(a, s, b)| format!("{a}.{s}({b})")),
        (number(), key("l")).prop_map(|(n, l)| format!("{n} in {l}")),
        (number(), number(), number()).prop_map(|(n, a, b)| format!("{n} in [{a}, {b}]")),
        (key("l"), fold, order(), number()).prop_map(|(l, f, o, n)| format!("{l}.{f}(x, x {o} {n})")),
        (key("l"), number(), number()).prop_map(|(l, a, b)| format!("{l}.map(x, x + {a}).filter(x, x > {b}) == {l}")),
        prop_oneof![key("n"), key("s"), key("l")].prop_map(|path| format!("has({path})")),
        key("l").prop_map(|path| format!("'{}' in args", &path[5..])),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let pair = || (inner.clone(), inner.clone());
        prop_oneof![
            pair().prop_map(|(a, b)| format!("({a}) && ({b})")),
            pair().prop_map(|(a, b)| format!("({a}) || ({b})")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| {
                format!(
                    "({})",
                    parts
                        .iter()
                        .map(|part| format!("({part})"))
                        .collect::<Vec<_>>()
                        .join(" && ")
                )
            }),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
    .boxed()
}

/// Readings of arguments and questions whether they are there, in every arrangement.
fn guarded() -> BoxedStrategy<String> {
    let path = || prop::sample::select(&["n_a", "n_b", "l_a"][..]);
    let leaf = prop_oneof![
        path().prop_map(|path| format!("has(args.{path})")),
        path().prop_map(|path| format!("'{path}' in args")),
        (path(), -1..2i64).prop_map(|(path, n)| format!("size([args.{path}]) > {n}")),
        Just("args.l_a.exists(x, x > 0)".to_owned()),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    #[test]
    fn a_condition_without_findings_never_meets_an_absent_value(source in guarded(), args in args()) {
        if let Ok((condition, warnings)) = Condition::compile(&source, &Declarations::default())
            && warnings.is_empty()
        {
            let ours = args.ours();
            let mut facts = Facts::default();
            facts.set(Root::Args, &ours);
            let found = condition.eval(&facts, &mut Fuel::default());
            prop_assert!(found.is_ok(), "{}: {:?}", source, found);
        }
    }
}

/// The parser of `cel` goes deep; without optimization its frames are larger than what threads of tests have.
const STACK_BYTES: usize = 64 << 20;

#[test]
fn conditions_mean_what_cel_says() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let ended = thread.spawn(held_against_cel).unwrap().join();
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    fn held_against_cel(source in truth(), args in args()) {
        let compiled = Condition::compile(&source, &Declarations::default());
        prop_assert!(compiled.is_ok(), "{} {:?}", source, compiled);
        let (condition, _) = compiled.unwrap();
        let ours = args.ours();
        let mut facts = Facts::default();
        facts.set(Root::Args, &ours);
        let found = condition.eval(&facts, &mut Fuel::default());

        let program = cel::Program::compile(&source).unwrap();
        let mut context = cel::Context::default();
        context.add_variable_from_value("args", args.theirs());
        match (&found, program.execute(&context)) {
            (Ok(truth), Ok(cel::Value::Bool(wanted))) => prop_assert_eq!(*truth, wanted, "{}", source),
            (Err(_), Err(_)) => {}
            (found, wanted) => prop_assert!(false, "{}: {:?}, cel says {:?}", source, found, wanted),
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in "\\PC{0,80}") {
        let _ = Condition::compile(&text, &Declarations::default());
    }

    #[test]
    fn no_near_condition_panics_and_findings_point_into_it(
        parts in prop::collection::vec(prop::sample::select(&[
            "args", "amount", "env", ".a", ".size()", "[0]", "['k']", "(", ")", "[", "]", "!", "-", "&&", "||", "?", ":", "==", "<",
            "in", "has(", "'x'", "\"", "é", "\\", "1", "1.5", "1e9", ",", "+", "*", "/", "%", ".all(x, ", "x", "true", "null", "pii",
            ".exists(y, ", "y", "timestamp(", "now", "duration('1s')", "size(", ".map(x, ", "{", "=", ".filter(x, ",
        ][..]), 0..14)
    ) {
        let source = parts.join(" ");
        match Condition::compile(&source, &Declarations::default()) {
            Ok((condition, _)) => {
                let now = Value::Timestamp(i64::MAX / 2);
                let ours = Value::Map([("a".to_owned(), Value::from(true))].into_iter().collect());
                let mut facts = Facts::default();
                facts.set(Root::Args, &ours);
                facts.set(Root::Now, &now);
                let _ = condition.eval(&facts, &mut Fuel::new(1000));
                let _ = condition.explain(&facts);
            }
            Err(findings) => {
                prop_assert!(!findings.is_empty());
                for finding in findings {
                    prop_assert!(source.get(finding.span.clone()).is_some(), "{} {:?}", source, finding);
                }
            }
        }
    }
}
