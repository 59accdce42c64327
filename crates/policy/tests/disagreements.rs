//! Documents about disagreements between agents.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod bundle;

use countersign_policy::{Action, Resolve, Side, Value};

use bundle::load;

const WHOLE: &str = "name: a, subject: args.order, for: [refund, 'pay_*'], against: [hold, pay_back], within: 1h";

fn refused(rest: &str) -> Vec<(&'static str, u32)> {
    bundle::refused(&[format!("disagreements:\n  - {{ {rest} }}\n")])
}

#[test]
fn an_operation_is_for_or_against_and_what_is_both_is_against() {
    let snapshot = load(&[format!("disagreements:\n  - {{ {WHOLE}, tool: 'shop/*' }}\n")]);
    let rule = snapshot.disagreement("a").unwrap();
    let side = |operation: &str| rule.side(Some("shop/orders"), operation);
    assert_eq!((side("refund"), side("pay_out")), (Some(Side::For), Some(Side::For)));
    assert_eq!(
        (side("hold"), side("pay_back")),
        (Some(Side::Against), Some(Side::Against))
    );
    assert_eq!(
        (side("read"), rule.side(Some("crm"), "refund"), rule.side(None, "hold")),
        (None, None, None)
    );
    assert_eq!((rule.resolve(), rule.within()), (&Resolve::DenyWins, 3_600_000_000));
}

#[test]
fn a_subject_is_compared_by_its_value_and_has_to_be_stated() {
    let snapshot = load(&[format!("disagreements:\n  - {{ {WHOLE} }}\n")]);
    let rule = snapshot.disagreement("a").unwrap();
    let with = |order: Value| Action {
        args: Value::Map([("order".to_owned(), order)].into()),
        ..Action::of("refund")
    };
    let number = with(Value::Number(7.into()));
    let text = with(Value::from(" 7 "));
    assert_eq!(rule.subject(&number), rule.subject(&text));
    assert_eq!(rule.subject(&Action::of("refund")), Err("args.order".to_owned()));
}

#[test]
fn an_order_names_agents_and_teams_and_a_quorum_how_many_agree() {
    let text = format!(
        "disagreements:\n  - {{ {WHOLE}, resolve: priority, order: ['team:risk', 'desk-*'] }}\n  - {{ {}, resolve: quorum, agree: 2 }}\n",
        WHOLE.replace("name: a", "name: b")
    );
    let snapshot = load(&[text]);
    let Resolve::Priority(order) = snapshot.disagreement("a").unwrap().resolve() else {
        panic!("an order is written")
    };
    assert!(order[0].is_of("x", Some("risk")) && !order[0].is_of("team:risk", None));
    assert!(order[1].is_of("desk-1", None) && !order[1].is_of("desk", None));
    assert_eq!(snapshot.disagreement("b").unwrap().resolve(), &Resolve::Quorum(2));
}

#[test]
fn what_no_disagreement_can_mean_is_refused_where_it_stands() {
    let whole = |rest: &str| refused(&format!("{WHOLE}, {rest}"));
    assert_eq!(
        refused("name: a, for: x, against: y, within: 1h"),
        [("missing_field", 2)]
    );
    assert_eq!(
        refused("name: a, subject: args.x, against: y, within: 1h"),
        [("missing_field", 2)]
    );
    assert_eq!(
        refused("name: a, subject: args.x, for: y, within: 1h"),
        [("missing_field", 2)]
    );
    assert_eq!(
        refused("name: a, subject: args.x, for: y, against: z"),
        [("missing_field", 2)]
    );
    assert_eq!(
        refused("name: a, subject: amount, for: y, against: z, within: 1h"),
        [("unknown_value", 2)]
    );
    assert_eq!(
        refused("name: a, subject: args, for: y, against: z, within: 1h"),
        [("unknown_value", 2)]
    );
    assert_eq!(
        refused("name: a, subject: args.x, for: y, against: [z, y], within: 1h"),
        [("contradiction", 2)]
    );
    assert_eq!(
        refused("name: a, subject: args.x, for: [], against: z, within: 1h"),
        [("empty", 2)]
    );
    assert_eq!(
        refused("name: a, subject: args.x, for: y, against: z, within: 367d"),
        [("invalid_value", 2)]
    );
    assert_eq!(whole("resolve: priority"), [("missing_field", 2)]);
    assert_eq!(whole("resolve: quorum"), [("missing_field", 2)]);
    assert_eq!(whole("resolve: quorum, agree: 1"), [("wrong_type", 2)]);
    assert_eq!(whole("order: [a]"), [("no_effect", 2)]);
    assert_eq!(whole("agree: 2"), [("no_effect", 2)]);
    assert_eq!(whole("approvers: [x]"), [("no_effect", 2)]);
    assert_eq!(whole("resolve: nobody"), [("unknown_value", 2)]);
    let twice = format!("disagreements:\n  - {{ {WHOLE} }}\n  - {{ {WHOLE} }}\n");
    assert_eq!(bundle::refused(&[twice]), [("duplicate_document", 3)]);
    assert_eq!(bundle::refused(&["disagreements: []\n"]), [("empty", 1)]);
}

#[test]
fn what_may_be_decided_over_which_channel_stands_in_the_organization() {
    let snapshot =
        load(&["organization: acme\nchannels: { mail: { decide: low_risk }, pager: { decide: nothing } }\n"]);
    let organization = snapshot.organization().unwrap();
    assert!(
        organization.decides_over("mail") && !organization.decides_over("pager") && !organization.decides_over("x")
    );
    let wrong = |text: &str| bundle::refused(&[format!("organization: acme\nchannels: {text}\n")]);
    assert_eq!(wrong("{ mail: { decide: everything } }"), [("unknown_value", 2)]);
    assert_eq!(wrong("{ mail: {} }"), [("missing_field", 2)]);
    assert_eq!(wrong("{ mail: { decide: low_risk, x: 1 } }"), [("unknown_field", 2)]);
}
