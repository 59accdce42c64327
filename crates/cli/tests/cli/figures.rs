//! What the commands show that only read: budgets, limits, reviewers, coverage of people.

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
async fn budgets_and_limits_show_what_is_taken_and_left_and_reviewers_that_nobody_voted() {
    let (scene, _) = Scene::initialised();
    let here = |arguments: &[&str]| scene.run(&[arguments, ["--data", "data"].as_slice()].concat());
    let agent = text(
        &here(&["agents", "add", "bot", "--owner", "team:support", "--json"]).json(),
        "/key",
    );
    assert!(here(&["budgets"]).out.contains("no budgets"));
    assert!(here(&["limits"]).out.contains("no limits"));
    scene.write("p/mandate.yaml", POLICY);
    scene.write("p/budgets.yaml", BUDGETS);
    scene.write("p/limits.yaml", "limits: [{ name: pace, count: 2, within: 1m }]\n");
    assert_eq!(here(&["policy", "upload", "p", "--activate"]).code, 0);

    let server = scene.serve(&[]);
    let client = Client::new(&server.url, &Credential::Key(agent)).expect("a client");
    let buy = json!({ "tool": "shop/buy", "amount": "12.50", "currency": "USD" });
    let body = Some(buy.to_string().into_bytes());
    for _ in 0..2 {
        client
            .send(Method::POST, "/v1/actions", body.clone(), None)
            .await
            .expect("an answer");
    }

    let shown = here(&["budgets", "spend"]).out;
    let account = shown.lines().nth(1).expect("a row");
    let cells: Vec<&str> = account.split_whitespace().collect();
    assert!(cells.contains(&"25.00") && cells.contains(&"0.00"), "{shown}");
    let shown = here(&["limits"]).out;
    let pace = shown.lines().nth(1).expect("a row");
    assert!(pace.contains("2 of 2") && pace.contains("agent:bot"), "{shown}");
    assert!(here(&["limits", "pace", "--agent", "bot"]).out.contains("1m"));
    assert!(here(&["limits", "--agent", "nobody"]).out.contains("no limit counts"));
    assert_eq!(here(&["limits", "nope"]).code, 1);
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
