//! Documents of limits, and rates of mandates.

mod bundle;

use countersign_policy::{AtCap, Decimal, Key, as_compared};

use bundle::{load, refused};

#[test]
fn the_rate_of_a_mandate_is_a_limit_of_its_agent() {
    let snapshot = load(&["agent: bot\nlimits: { rate: [60/1m, 1000/1d], at_cap: pause }\n"]);
    let names: Vec<_> = snapshot.limits().iter().map(|limit| limit.name().as_ref()).collect();
    assert_eq!(names, ["bot/rate", "bot/rate[1]"]);
    let (minute, day) = (&snapshot.limits()[0], &snapshot.limits()[1]);
    assert_eq!((minute.count(), minute.within()), (Some(60), 60_000_000));
    assert_eq!((day.count(), day.within()), (Some(1000), 86_400_000_000));
    assert_eq!((minute.at_cap(), minute.keys()), (AtCap::Pause, &[Key::Agent][..]));
    assert_eq!(snapshot.limits_of("bot", None, None, "x").count(), 2);
    assert_eq!(snapshot.limits_of("other", None, None, "x").count(), 0);
    // A rate alone is a limit as well, and denies unless it says otherwise.
    let alone = load(&["agent: bot\nlimits: { rate: 1/1s }\n"]);
    assert_eq!(alone.limits()[0].at_cap(), AtCap::Deny);
}

#[test]
fn what_is_written_has_windows_and_bounds_of_its_own() {
    let text = "limits:
  - { name: a, action: issue_refund, per: [agent, args.to.account], count: 10, sum: 4500.00 USD, within: 24h, at_cap: ask, approvers: [x] }
  - { name: b, same: [args.vendor, args.lines, amount], within: 30d }
  - { name: c, per: organization, retries: 5, within: 1h }
  - { name: d, per: run, count: 50 }
";
    let snapshot = load(&[text]);
    let [a, b, c, d] = snapshot.limits() else {
        panic!("four limits are listed")
    };
    let part = |path: &[&str]| Key::Part(path.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(a.keys(), [Key::Agent, part(&["args", "to", "account"])]);
    assert_eq!(a.sum(), Some((Decimal::from(4500), Some("USD"))));
    assert_eq!(
        (b.count(), b.looks_for_repetitions(), b.at_cap()),
        (Some(1), true, AtCap::Ask)
    );
    assert_eq!(b.keys().len(), 3);
    assert_eq!((c.keys().len(), c.counts_retries(), c.count()), (0, true, Some(5)));
    assert_eq!(d.within(), 7 * 86_400_000_000);
}

#[test]
fn what_no_limit_can_mean_is_refused_where_it_stands() {
    let one = |rest: &str| refused(&[format!("limits:\n  - {{ name: a, {rest} }}\n")]);
    assert_eq!(refused(&["limits: []\n"]), [("empty", 1)]);
    assert_eq!(one("within: 1h"), [("missing_field", 2)]);
    assert_eq!(one("count: 5"), [("missing_field", 2)]);
    assert_eq!(one("count: 0, within: 1h"), [("wrong_type", 2)]);
    assert_eq!(one("count: 5, within: 1ms"), [("invalid_value", 2)]);
    assert_eq!(one("count: 5, within: 367d"), [("invalid_value", 2)]);
    assert_eq!(one("count: 5, within: 1h, per: customer"), [("unknown_value", 2)]);
    assert_eq!(
        one("count: 5, within: 1h, per: [agent, organization]"),
        [("unknown_value", 2)]
    );
    assert_eq!(one("count: 5, within: 1h, per: args."), [("unknown_value", 2)]);
    assert_eq!(one("count: 5, within: 1h, approvers: [x]"), [("no_effect", 2)]);
    assert_eq!(one("count: 5, retries: 2, within: 1h"), [("contradiction", 2)]);
    assert_eq!(one("count: 5, same: amount, within: 1h"), [("no_effect", 2)]);
    assert_eq!(one("sum: -1 USD, within: 1h"), [("wrong_type", 2)]);
    assert_eq!(one("sum: 1.0000000001 USD, within: 1h"), [("invalid_value", 2)]);
    assert_eq!(one("count: 5, within: 1h, at_cap: stop"), [("unknown_value", 2)]);
    let twice = "limits:\n  - { name: a, count: 5, within: 1h }\n  - { name: a, count: 6, within: 1h }\n";
    assert_eq!(refused(&[twice]), [("duplicate_document", 3)]);
    for rate in ["60", "60/m", "0/1m", "x/1m", "60/0s", "60/1ms"] {
        let text = format!("agent: a\nlimits: {{ rate: {rate} }}\n");
        assert_eq!(refused(&[text]), [("invalid_value", 2)], "{rate}");
    }
    assert_eq!(refused(&["agent: a\nlimits: { at_cap: deny }\n"]), [("empty", 2)]);
}

#[test]
fn values_are_compared_without_regard_to_how_they_are_written() {
    for (text, compared) in [
        (" Cust_7 ", "cust_7"),
        ("7", "7"),
        ("7.0", "7"),
        ("007x", "007x"),
        ("ÄPFEL", "äpfel"),
    ] {
        assert_eq!(as_compared(text), compared);
    }
}
