//! What conditions mean, and which mistakes in them do not load.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use countersign_policy::condition::{Condition, Declarations, Field, Finding, Fuel, Record, Type};
use countersign_policy::json::{Limits, parse};
use countersign_policy::{Facts, Root, Severity, Value};

/// Facts as one JSON object, `now` in microseconds.
fn roots(json: &str) -> Vec<(Root, Value)> {
    let Value::Map(map) = parse(json.as_bytes(), &Limits::default()).unwrap() else {
        panic!("facts are an object")
    };
    let value = |root, value| match (root, value) {
        (Root::Now, Value::Number(n)) => Value::Timestamp(n.mantissa().try_into().unwrap()),
        (_, value) => value,
    };
    map.into_iter()
        .map(|(name, v)| (Root::named(&name).unwrap(), v))
        .map(|(r, v)| (r, value(r, v)))
        .collect()
}

fn run(condition: &Condition, json: &str) -> Result<bool, String> {
    let roots = roots(json);
    let mut facts = Facts::default();
    for (root, value) in &roots {
        facts.set(*root, value);
    }
    condition
        .eval(&facts, &mut Fuel::default())
        .map_err(|error| error.message)
}

fn eval(source: &str, json: &str) -> Result<bool, String> {
    match Condition::compile(source, &Declarations::default()) {
        Ok((condition, _)) => run(&condition, json),
        Err(findings) => panic!("{source} does not load: {findings:?}"),
    }
}

fn findings(source: &str) -> Vec<Finding> {
    match Condition::compile(source, &Declarations::default()) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
}

/// The error of a source, as `code at text: message [help]`.
fn refused(source: &str) -> String {
    let findings = Condition::compile(source, &Declarations::default())
        .map(|_| ())
        .unwrap_err();
    let finding = findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
        .unwrap();
    let text = source.get(finding.span.clone()).unwrap();
    let help = finding
        .help
        .as_ref()
        .map(|help| format!(" [{help}]"))
        .unwrap_or_default();
    format!("{} at {text}: {}{help}", finding.code, finding.message)
}

const REFUND: &str = r#"{"agent":{"id":"support","labels":{"team":"x"}},"action":"issue_refund","access":"write","env":"production",
  "amount":512.50,"currency":"EUR","args":{"to":"a@example.com","n":3,"flag":true,"none":null,"neg":-2,
  "items":[{"sku":"a","price":5,"tags":["x"]},{"sku":"b","price":20,"tags":[]}],"customer":{"tier":"gold","age":41},
  "odd key":"k","tags":["x","y"],"at":"2026-11-21T07:00:00+01:00"},"pii":["email"],"confidence":0.65,"now":1795244400000000}"#;

#[test]
fn true_conditions_hold() {
    for source in [
        "true",
        "env == 'production'",
        "'production' == env",
        "env in ['staging', 'production']",
        "env != \"staging\"",
        "has(amount) && amount > 500",
        "has(amount) && 500 < amount && amount <= 512.5 && amount == 512.500",
        "has(amount) && (amount * 2 == 1025 && amount - 12.5 == 500 && -amount < 0)",
        "!has(amount) || amount > 1",
        "has(amount) ? amount > 1 : false",
        "!(has(amount) && amount < 500)",
        "has(confidence) && confidence < 0.7",
        "has(args.to) && args.to.endsWith('@example.com')",
        "has(args.to) && args.to.startsWith('a') && args.to.contains('@') && args.to.size() == 13",
        "size(args.items) == 2 && args.items[1].price == 20 && args.items[1.0].sku == 'b' && args.items[0].tags == ['x']",
        "args.items.all(i, i.price > 0)",
        "args.items.exists(i, has(i.price) && i.price >= 20)",
        "args.items.exists_one(i, i.sku == 'a')",
        "args.items.filter(i, i.price > 10).size() == 1",
        "args.items.map(i, i.price) == [5, 20]",
        "args.items.map(i, i.sku) + ['c'] == ['a', 'b', 'c']",
        "args.customer.all(k, k in ['tier', 'age'])",
        "args['odd key'] == 'k' && has(args['odd key'])",
        "has(args.customer.tier) && args.customer.tier == 'gold'",
        "!has(args.nothing.at.all)",
        "'to' in args && args.to != ''",
        "'email' in pii && !('card' in pii)",
        "args.none == null && args.n != null",
        "args.flag && !false",
        "args.neg == -2 && args.neg < -1.5 && args.neg == - 2",
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 % 4 == 3 && 7 / 2 == 3.5 && 2 - 1 - 1 == 0",
        "0.1 + 0.2 == 0.3 && 1e3 == 1000 && 1.5E-2 == 0.015 && .5 == 0.5",
        "'a' + 'b' == 'ab' && 'é'.size() == 1 && 'ABC'.lowerAscii() == 'abc' && 'abc'.upperAscii() == 'ABC'",
        r"'\u00e9\x41\101\n'.size() == 4 && '\u00e9\x41\101' == 'éAA'",
        r"r'\d' == '\\d'",
        "now.getFullYear() == 2026 && now.getMonth() == 10 && now.getDate() == 21 && now.getHours() == 7",
        "now.getDayOfWeek() == 6 && now.getMinutes() == 0 && now.getDayOfMonth() == 20",
        "now >= timestamp('2026-11-21T07:00:00Z') && now < timestamp('2026-11-21T08:00:00.000001+01:00')",
        "now - timestamp('2026-11-21T06:00:00Z') == duration('1h') && duration('90m') == duration('1h30m')",
        "timestamp(args.at) + duration('60m') == now",
        "now.getHours() >= 7 && now.getHours() < 18",
        "false && args.absent || true",
        "args.absent == 1 || true",
        "true || 1 / 0 == 1",
        "(args.n == 3 ? 'a' : 'b') == 'a'",
        "-0 == 0 && [1, 2, 3].exists(x, [2, 9].exists(y, x == y))",
        "args.n in [1, 2, 3] && !(args.n in [])",
        "agent.id == 'support' && action == 'issue_refund' && access == 'write'",
        "has(agent.labels.team) && agent.labels.team == 'x'",
    ] {
        assert_eq!(eval(source, REFUND), Ok(true), "{source}");
        assert_eq!(eval(&format!("!({source})"), REFUND), Ok(false), "not {source}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_an_error_that_names_the_path() {
    for (source, message) in [
        ("args.absent == 1", "`args.absent` is absent"),
        ("args.customer.absent == 'x'", "`args.customer.absent` is absent"),
        ("args.to.x == 1", "`args.to` is a string, not a map"),
        ("args.n == 'three'", "`args.n` is a number, not a string"),
        ("args.to > 3", "`args.to` is a string, not a number"),
        ("args.to + 1 == 2", "`args.to` is a string, not a number"),
        ("args.n.startsWith('3')", "`args.n` is a number, not a string"),
        ("args.n && true", "`args.n` is a number, not a bool"),
        ("args.n in ['a']", "`args.n` is a number, not a string"),
        ("args.n / 0 == 1", "division by zero"),
        ("args.n % 0 == 1", "division by zero"),
        ("args.items[2].price == 1", "`args.items` has no member 2"),
        ("args.items[0.5] == 1", "0.5 is not a place in a list"),
        ("args.items.all(i, i.rebate > 0)", "`i.rebate` is absent"),
        ("args.items.exists(i, i.sku > 0)", "`i.sku` is a string, not a number"),
        ("has(args.to.domain)", "`args.to` is a string, not a map"),
        (
            "args.n * 79228162514264337593543950335 > 0",
            "number overflow: the result has more than 28 digits",
        ),
        (
            "args.n * 0.0000000000000001 * 0.0000000000000001 > 0",
            "number overflow: the result has more than 28 digits",
        ),
        ("args.n + 79228162514264337593543950330.5 > 0", "number_out_of_range"),
        ("timestamp(args.to) < now", "the text of `args.to` is not a timestamp"),
    ] {
        if message == "number_out_of_range" {
            assert!(refused(source).starts_with(message), "{source}");
            continue;
        }
        assert_eq!(eval(source, REFUND), Err(message.to_owned()), "{source}");
    }
    assert_eq!(eval("env == 'production'", "{}"), Err("`env` is absent".to_owned()));
}

#[test]
fn mistakes_that_would_silently_be_false_do_not_load() {
    for (source, wanted) in [
        (
            "has(amount) && amount == \"500\"",
            "wrong_type at amount == \"500\": `amount` is a number and `\"500\"` a string: they are never equal [write `500` without quotes]",
        ),
        (
            "amount > 5",
            "may_be_absent at amount: `amount` may be absent [write `has(amount) && …`]",
        ),
        (
            "amount > 5 && has(amount)",
            "may_be_absent at amount: `amount` may be absent [write `has(amount) && …`]",
        ),
        (
            "has(amount) || amount > 5",
            "may_be_absent at amount: `amount` may be absent [write `has(amount) && …`]",
        ),
        (
            "has(amount) && true || amount > 5",
            "may_be_absent at amount: `amount` may be absent [write `has(amount) && …`]",
        ),
        (
            "agent.team == 'x'",
            "may_be_absent at agent.team: `agent.team` may be absent [write `has(agent.team) && …`]",
        ),
        (
            "has(tool) && tool.class == 'x'",
            "may_be_absent at tool.class: `tool.class` may be absent [write `has(tool.class) && …`]",
        ),
        (
            "!action == 'production'",
            "wrong_type at action: `!` takes true or false, `action` is a string [to negate a comparison write `!=`, or `!(…)` around it]",
        ),
        (
            "env = 'production'",
            "syntax at =: `=` is not an operator [did you mean `==`?]",
        ),
        (
            "env == 'a' and true",
            "syntax at and: expected an operator or the end, found `and` [did you mean `&&`?]",
        ),
        (
            "env == 'a' or true",
            "syntax at or: expected an operator or the end, found `or` [did you mean `||`?]",
        ),
        (
            "not true",
            "syntax at not: `not` is not an operator [did you mean `!(…)`?]",
        ),
        (
            "true & true",
            "syntax at &: `&` is not an operator [did you mean `&&`?]",
        ),
        ("1 <> 2", "syntax at <>: `<>` is not an operator [did you mean `!=`?]"),
        ("1 => 2", "syntax at =>: `=>` is not an operator [did you mean `>=`?]"),
        (
            "1 === 2",
            "syntax at ===: `===` is not an operator [did you mean `==`?]",
        ),
        (
            "env == production",
            "unknown_name at production: unknown name `production` [text is quoted: `'production'`; arguments are read as `args.production`]",
        ),
        (
            "args.n == NaN",
            "unknown_name at NaN: unknown name `NaN` [text is quoted: `'NaN'`; arguments are read as `args.NaN`]",
        ),
        (
            "args.flag == True",
            "unknown_name at True: unknown name `True` [did you mean `true`?]",
        ),
        (
            "amuont > 5",
            "unknown_name at amuont: unknown name `amuont` [did you mean `amount`?]",
        ),
        (
            "has(agent.tema)",
            "unknown_field at agent.tema: `agent` has no field `tema` [did you mean `agent.team`?]",
        ),
        (
            "has(tool.reversible) && tool.reversible == 'true'",
            "wrong_type at tool.reversible == 'true': `tool.reversible` is a bool and `'true'` a string: they are never equal [write `true` without quotes]",
        ),
        (
            "has(tool) && tool == 'aws'",
            "wrong_type at tool == 'aws': `tool` is a map and `'aws'` a string: they are never equal [did you mean `tool.id`?]",
        ),
        ("has(amount) && amount in [500, '600']", ""),
        (
            "has(amount) && amount in ['500']",
            "wrong_type at amount in ['500']: `amount` is a number, the members are strings",
        ),
        (
            "has(amount) && amount > [500]",
            "wrong_type at [500]: `[500]` is a list, which has no order",
        ),
        (
            "has(amount) && amount == [500]",
            "wrong_type at amount == [500]: `amount` is a number and `[500]` a list: they are never equal",
        ),
        (
            "has(amount) && amount == null",
            "wrong_type at amount == null: `amount` is a number and `null` null: they are never equal [to ask whether it is there write `has(amount)`]",
        ),
        (
            "pii == 'email'",
            "wrong_type at pii == 'email': `pii` is a list and `'email'` a string: they are never equal [write `'email' in …`]",
        ),
        (
            "pii.contains('email')",
            "wrong_type at pii: `contains` takes a string, `pii` is a list [write `… in pii`]",
        ),
        (
            "action in 'issue_refund'",
            "wrong_type at action in 'issue_refund': `in` takes a list or a map, `'issue_refund'` is a string [write `'issue_refund'.contains(action)`]",
        ),
        (
            "action < 5",
            "wrong_type at action < 5: `action` is a string and `5` a number",
        ),
        (
            "true + 1 == 2",
            "wrong_type at true + 1: a bool `+` a number has no meaning",
        ),
        (
            "true > false",
            "wrong_type at true: `true` is a bool, which has no order",
        ),
        (
            "action",
            "wrong_type at action: a condition is true or false, this is a string",
        ),
        (
            "action && true",
            "wrong_type at action: `&&` takes true or false, `action` is a string [compare it: `action == …`]",
        ),
        (
            "1 < 2 < 3",
            "wrong_type at 1 < 2: `1 < 2` is a bool, which has no order",
        ),
        (
            "action.matches('a.*')",
            "unknown_function at matches: unknown method `matches` [use `startsWith`, `endsWith`, `contains` or `in`]",
        ),
        (
            "action.startswith('a')",
            "unknown_function at startswith: unknown method `startswith` [did you mean `startsWith`?]",
        ),
        (
            "startsWith(action, 'a')",
            "unknown_function at startsWith: unknown function `startsWith` [write `action.startsWith(…)`]",
        ),
        (
            "exists(pii)",
            "unknown_function at exists: unknown function `exists` [write `pii.exists(…)`]",
        ),
        (
            "timestamp('yesterday') < now",
            "invalid_literal at 'yesterday': 'yesterday' is not a timestamp [write it like `2026-11-21T07:00:00Z`]",
        ),
        (
            "now > '2026-01-01T00:00:00Z'",
            "wrong_type at now > '2026-01-01T00:00:00Z': `now` is a timestamp and `'2026-01-01T00:00:00Z'` a string [write `timestamp('2026-01-01T00:00:00Z')`]",
        ),
        (
            "pii.exists(env, env == 'x')",
            "name_taken at env: `env` already means something else here [use another name for the variable]",
        ),
        (
            "args.n == 007",
            "syntax at 007: `007` has a leading zero [identifiers are strings: put them in quotes]",
        ),
        (
            "args.n == 5u",
            "syntax at 5u: `5u` is not a number [numbers have no suffix: write `5`]",
        ),
        (
            "args.n > 5m",
            "syntax at 5m: `5m` is not a number [a duration is written `duration('5m')`, text in quotes]",
        ),
        (
            "env == ‘production’",
            "syntax at ‘: unexpected character `\\u{2018}` [strings are quoted with `'` or `\"`]",
        ),
        (
            "env == 'production",
            "syntax at 'production: this string has no end [close it with `'`]",
        ),
        ("(true", "syntax at : expected `)`, found the end"),
        ("", "syntax at : expected a value, found the end"),
        (
            "has(1)",
            "wrong_type at 1: `has` takes a name or a field, not `1` [write `has(amount)` or `has(args.to)`]",
        ),
    ] {
        if wanted.is_empty() {
            assert!(Condition::compile(source, &Declarations::default()).is_ok(), "{source}");
            continue;
        }
        assert_eq!(refused(source), wanted, "{source}");
    }
}

#[test]
fn an_unguarded_env_or_argument_loads_with_a_warning() {
    for (source, path) in [
        ("env == 'production'", "env"),
        ("env in ['a', 'b']", "env"),
        ("args.to == 'x'", "args.to"),
    ] {
        let found = findings(source);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert!(
            found
                .iter()
                .all(|f| f.severity == Severity::Warning && f.code == "may_be_absent")
        );
        assert_eq!(found[0].help, Some(format!("write `has({path}) && …`")));
    }
    assert!(refused("env.startsWith('prod')").starts_with("may_be_absent"));
    for source in [
        "has(env) && env == 'x'",
        "has(args.a.b) && args.a.b == args.a.b",
        "!has(args.x) || args.x == 1",
        "has(args.x) ? args.x == 1 : true",
        "!(!has(args.x)) && args.x == 1",
        "(has(args.x) || 'x' in args) && args.x == 1",
        "!has(args.x) ? true : args.x > 1",
        "has(args.list) && args.list.all(i, has(i.x) && i.x == 1)",
    ] {
        assert_eq!(findings(source), [], "{source}");
    }
}

#[test]
fn a_tools_schema_types_its_arguments() {
    let fields = [
        ("to".to_owned(), Field::always(Type::String)),
        ("cc".to_owned(), Field::optional(Type::List(Type::String.into()))),
    ];
    let record = Record {
        fields: fields.into_iter().collect(),
        open: false,
    };
    let mut declarations = Declarations::default();
    declarations.set(Root::Args, Field::always(Type::Record(record.into())));
    let check = |source| Condition::compile(source, &declarations).map(|(_, warnings)| warnings);
    assert_eq!(check("args.to == 'x' && (!has(args.cc) || 'x' in args.cc)"), Ok(vec![]));
    assert_eq!(check("args.too == 'x'").unwrap_err()[0].code, "unknown_field");
    assert_eq!(check("args.to == 1").unwrap_err()[0].code, "wrong_type");
    assert_eq!(check("'x' in args.cc").unwrap_err()[0].code, "may_be_absent");
}

#[test]
fn every_mistake_is_reported_in_the_order_of_the_source() {
    let codes: Vec<_> = findings("amount > 5 && agent.tema == 'x' && foo()")
        .iter()
        .map(|f| f.code)
        .collect();
    assert_eq!(codes, ["may_be_absent", "unknown_field", "unknown_function"]);
}

#[test]
fn reads_and_explain_name_the_paths_and_the_operand_that_failed() {
    let source = "has(amount) && amount > 5 && args.to == 'b' && env == 'x' && args['odd key'] == 'k'";
    let (condition, _) = Condition::compile(source, &Declarations::default()).unwrap();
    assert_eq!(condition.reads(), ["amount", "args.to", "args[\"odd key\"]", "env"]);
    assert_eq!(condition.source(), source);
    let roots = roots(r#"{"amount":9.50,"args":{"to":"a"}}"#);
    let mut facts = Facts::default();
    roots.iter().for_each(|(root, value)| facts.set(*root, value));
    let why = condition.explain(&facts);
    let shown: Vec<String> = why
        .values
        .iter()
        .map(|(path, value)| format!("{path} = {value}"))
        .collect();
    assert_eq!(
        shown,
        [
            "amount = 9.5",
            "args.to = \"a\"",
            "args[\"odd key\"] = absent",
            "env = absent"
        ]
    );
    assert_eq!(why.failed.as_deref(), Some("args.to == 'b'"));
}

#[test]
fn bombs_are_refused_or_stopped_quickly_on_a_small_stack() {
    let sums = "1+".repeat(2047) + "1 > 0";
    let long = "1+".repeat(900) + "1 > 0";
    let many = |open: &str, close: &str, n: usize| format!("{}true{}", open.repeat(n), close.repeat(n));
    let deep = vec![
        sums,
        many("(", ")", 2000),
        many("!", "", 4000),
        many("[", "]", 2000),
        many("!(", ")", 1300),
        many("true ? ", " : true", 290),
        many("true ? true : ", "", 290),
        many("true && (", ")", 300),
        format!("args{} == 1", ".a".repeat(2000)),
        format!("args{} == 1", "[0]".repeat(1300)),
        "args.a.size()".to_owned() + &".size()".repeat(500),
        "true == ".repeat(500) + "true",
        "-".repeat(4000) + "1",
        "has(".repeat(1000),
        "args.l.all(a, args.l.all(b, args.l.all(c, true)))".to_owned(),
        "x".repeat(5000),
    ];
    let work = move || {
        let start = std::time::Instant::now();
        assert_eq!(eval(&long, "{}"), Ok(true));
        assert_eq!(eval(&many("(", ")", 30), "{}"), Ok(true));
        assert_eq!(eval(&many("!(", ")", 14), "{}"), Ok(true));
        let list = many("[", "]", 25);
        assert_eq!(eval(&format!("{list} == {list}"), "{}"), Ok(true));
        for source in deep {
            let codes: Vec<_> = findings(&source).iter().map(|finding| finding.code).collect();
            let bounded = codes
                .iter()
                .any(|code| matches!(*code, "too_deep" | "too_large" | "syntax"));
            assert!(bounded, "{} {codes:?}", &source[..30.min(source.len())]);
        }
        assert!(start.elapsed().as_secs() < 2);
    };
    // What is optimized needs little. What is not has far larger frames, of the same number.
    let stack = if cfg!(debug_assertions) {
        2 * 1024 * 1024
    } else {
        128 * 1024
    };
    std::thread::Builder::new()
        .stack_size(stack)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn fuel_ends_nested_macros_over_large_inputs() {
    let list: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    let json = format!(r#"{{"args":{{"l":[{}]}}}}"#, list.join(","));
    let start = std::time::Instant::now();
    for source in [
        "args.l.all(a, args.l.all(b, a + b >= 0))",
        "args.l.all(a, args.l == args.l)",
        "args.l.map(a, args.l.map(b, args.l)).size() > 0",
        "args.l.all(a, !(a + 10000 in args.l))",
    ] {
        let error = eval(source, &json).unwrap_err();
        assert!(error.starts_with("fuel exhausted"), "{source}: {error}");
    }
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
    assert_eq!(eval("args.l.all(a, a >= 0)", &json), Ok(true));
}
