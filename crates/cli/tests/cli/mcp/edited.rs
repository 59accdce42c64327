//! A reviewer approves less than an agent asked for: the tool gets that, and nothing else.

use serde_json::{Value, json};

use super::{Driver, Shop, clients, said, servers, wrapped};

/// Who decides on a refund may make it smaller.
const NARROWED: &str = "
name: refunds
on: [{ tool: shop/refund }]
rules:
  - condition: has(args.amount) && args.amount > 500
    decision: require_approval
    editable: [/args/amount]
";

#[test]
fn a_tool_gets_the_arguments_that_a_reviewer_has_narrowed_whichever_client_called() {
    let shop = Shop::open();
    shop.activate("p/refunds.yaml", NARROWED);
    let log = shop.scene.path("log").display().to_string();
    let (_, command) = servers(&log).remove(1);
    for (at, (client, program)) in clients().into_iter().enumerate() {
        let mut governed = Driver::start(&shop, &program, &wrapped("30s", "shop", &command));
        let order = format!("order {at}");
        let asked = json!({ "order": order, "amount": 900 });
        governed.begin(&json!({ "do": "call", "name": "refund", "arguments": asked }));
        let request = shop.the_one();
        shop.as_person(&[
            "approvals",
            "edit",
            &request,
            "--set",
            "/args/amount=120",
            "--comment",
            "less will do",
        ]);
        let refunded = governed.result();
        assert_eq!(
            said(&refunded),
            format!("refunded 120 for {order}"),
            "{client}: {refunded}"
        );
        let ran: Vec<Value> = (shop.ran("log").iter())
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(ran.len(), at + 1, "{client}: {ran:?}");
        assert_eq!(
            ran[at],
            json!({ "tool": "refund", "order": order, "amount": 120 }),
            "{client}"
        );
    }
}
