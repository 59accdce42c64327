//! What the commands show that only read: budgets, reviewers, coverage of people.

use countersign_client::{Client, Credential, Method};
use serde_json::json;

use crate::scene::{Scene, text};

const POLICY: &str = "
agent: bot
owner: team:support
permissions:
  - tool: shop/buy
    allowed: true
";
const BUDGETS: &str = "
budgets:
  - { name: spend, agent: bot, per: day, limit: 50 USD, count: purchases }
";

#[tokio::test]
async fn budgets_show_what_is_reserved_and_left_and_reviewers_that_nobody_voted() {
    let (scene, _) = Scene::initialised();
    let here = |arguments: &[&str]| scene.run(&[arguments, ["--data", "data"].as_slice()].concat());
    let agent = text(
        &here(&["agents", "add", "bot", "--owner", "team:support", "--json"]).json(),
        "/key",
    );
    assert!(here(&["budgets"]).out.contains("no budgets"));
    scene.write("p/mandate.yaml", POLICY);
    scene.write("p/budgets.yaml", BUDGETS);
    assert_eq!(here(&["policy", "upload", "p", "--activate"]).code, 0);

    let server = scene.serve(&[]);
    let client = Client::new(&server.url, &Credential::Key(agent)).expect("a client");
    let buy = json!({ "tool": "shop/buy", "amount": "12.50", "currency": "USD" });
    let body = Some(buy.to_string().into_bytes());
    client
        .send(Method::POST, "/v1/actions", body, None)
        .await
        .expect("an answer");

    let shown = here(&["budgets", "spend"]).out;
    let account = shown.lines().nth(1).expect("a row");
    let cells: Vec<&str> = account.split_whitespace().collect();
    assert!(cells.contains(&"12.50") && cells.contains(&"37.50"), "{shown}");
    let unknown = here(&["budgets", "nope"]);
    assert_eq!(
        (unknown.code, unknown.err.contains("there is no budget `nope`")),
        (1, true),
        "{}",
        unknown.err
    );

    assert!(here(&["org", "reviewers"]).out.contains("nobody voted"));
    for restore in ["restore-reviewer", "restore-glass"] {
        let refused = here(&["org", restore, "dana", "--reason", "a mistake"]);
        assert_eq!(
            (refused.code, refused.err.contains("`dana`")),
            (1, true),
            "{restore}: {}",
            refused.err
        );
    }
}
