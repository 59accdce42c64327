//! `countersign policy simulate` and `policy diff`, on a server and on its export.

use countersign_client::{Client, Credential, Method};
use serde_json::{Value, json};

use crate::scene::{Scene, text};

const GATE: &str = "
name: gate
on: [{ agent: bot }]
rules:
  - { name: small, condition: \"has(amount) && amount <= 500\", decision: allow }
  - { name: large, condition: \"has(amount) && amount > 500\", decision: require_approval, approvers: [leads] }
  - { name: charged, condition: \"has(args.card) && args.card.startsWith('4')\", decision: deny }
";

/// A server that decided on four refunds, one of them with something that was not kept.
async fn refunded() -> (Scene, crate::scene::Server, String, String) {
    let (scene, made) = Scene::initialised();
    scene.write("p/gate.yaml", GATE);
    scene
        .run(&[
            "policy",
            "upload",
            "p",
            "--activate",
            "--reason",
            "first",
            "--data",
            "data",
            "--json",
        ])
        .json();
    let added = [
        "agents", "add", "bot", "--owner", "team:ops", "--data", "data", "--json",
    ];
    let bot = text(&scene.run(&added).json(), "/key");
    let server = scene.serve(&[]);
    let client = Client::new(&server.url, &Credential::Key(bot)).expect("a client");
    for body in [
        r#"{"action":"refund","amount":"100","currency":"USD","principal":"kim"}"#,
        r#"{"action":"refund","amount":"600","currency":"USD","principal":"kim"}"#,
        r#"{"action":"refund","amount":"900","currency":"USD"}"#,
        r#"{"action":"refund","amount":"40","currency":"USD","args":{"card":"4111111111111111"}}"#,
    ] {
        let sent = client.send(Method::POST, "/v1/actions", Some(body.as_bytes().to_vec()), None);
        sent.await.unwrap_or_else(|error| panic!("{body}: {error}"));
    }
    let admin = text(&made, "/admin_key");
    let vkey = text(&made, "/vkey");
    (scene, server, admin, vkey)
}

#[tokio::test]
async fn a_policy_is_tried_on_a_server_and_on_its_export_with_the_same_result() {
    let (scene, server, admin, vkey) = refunded().await;
    scene.write("q/gate.yaml", &GATE.replace("500", "750"));
    let at = ["--server", server.url.as_str(), "--key", admin.as_str()];
    let simulate = |more: &[&str]| scene.run(&[&["policy", "simulate", "--json", "--candidate"], more].concat());

    let ran = simulate(&[&["q", "--since", "30d"], at.as_slice()].concat());
    let there = ran.json();
    let report = &there["report"];
    assert_eq!(report["flips"], json!({ "require_approval to allow": 1 }), "{there:#}");
    assert_eq!((&report["decisions"], &report["not_derivable"]), (&json!(4), &json!(1)));
    assert_eq!(report["unknown"][0]["field"], "args.card");
    assert_eq!(report["by_principal"]["kim"]["loosened"], 1);

    let exported = scene.run(&[
        "audit",
        "export",
        "--out",
        "b",
        "--payloads",
        "--server",
        &server.url,
        "--key",
        &admin,
    ]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let here = simulate(&["q", "--bundle", "b", "--vkey", &vkey]).json();
    assert_eq!(here["report"], there["report"]);
    assert_eq!(
        (&here["candidate"], &here["against"]),
        (&there["candidate"], &there["against"])
    );

    // A budget of the candidate is used up by what the candidate lets through.
    scene.write("r/gate.yaml", &GATE.replace("500", "750"));
    scene.write(
        "r/budgets.yaml",
        "budgets: [{ name: day, per: day, limit: 650 USD, count: purchases }]\n",
    );
    let on_the_export = [
        "r",
        "--bundle",
        "b",
        "--vkey",
        &vkey,
        "--refold",
        "--fail-on",
        "loosened",
    ];
    assert_eq!(simulate(&on_the_export).code, 1, "of one nobody can say");
    let refolded = simulate(&[&on_the_export[..], &["--accept-gaps"]].concat());
    assert_eq!(refolded.code, 0, "{}", refolded.err);
    let refolded = refolded.json();
    assert_eq!(
        refolded["report"]["flips"],
        json!({ "require_approval to deny": 2 }),
        "{refolded:#}"
    );
    assert_eq!(refolded["report"]["listed"][0]["rule"], "budgets#day");
    assert_eq!(
        refolded["taken"],
        json!({ "approved": 0, "ran": 0, "not_approved": 0, "as_it_was": 1 })
    );
    let on_a_server = simulate(&[&["r", "--refold"], at.as_slice()].concat());
    assert_ne!(on_a_server.code, 0, "{}", on_a_server.out);

    // What is live is not changed by itself, whatever it is held against.
    for against in ["live", "recorded"] {
        let ran = simulate(
            &[
                &["p", "--against", against, "--fail-on", "any", "--accept-gaps"],
                at.as_slice(),
            ]
            .concat(),
        );
        assert_eq!(
            ran.json()["report"]["changed"],
            json!({ "loosened": 0, "tightened": 0, "terms": 0 })
        );
    }
}

#[tokio::test]
async fn what_a_pipeline_wants_to_know_is_the_exit_code() {
    let (scene, server, admin, _) = refunded().await;
    scene.write("q/gate.yaml", &GATE.replace("500", "750"));
    let at = ["--server", server.url.as_str(), "--key", admin.as_str()];
    let code = |candidate: &str, more: &[&str]| {
        let simulate = ["policy", "simulate", "--candidate", candidate];
        scene.run(&[&simulate[..], more, &at[..]].concat()).code
    };
    assert_eq!(code("q", &[]), 0, "without --fail-on it only tells");
    assert_eq!(code("q", &["--fail-on", "loosened", "--accept-gaps"]), 1);
    assert_eq!(code("q", &["--fail-on", "tightened", "--accept-gaps"]), 0);
    assert_eq!(code("p", &["--fail-on", "any", "--accept-gaps"]), 0);
    assert_eq!(code("p", &["--fail-on", "any"]), 1, "what nobody can say is not fine");
    // What is different where nobody looks is not fine either, whatever the decisions are held against.
    scene.write("r/gate.yaml", GATE);
    scene.write("r/budgets.yaml", "budgets:\n- { name: day, per: day, limit: 5 USD }\n");
    for against in ["live", "recorded"] {
        let wanted = ["--against", against, "--fail-on", "any", "--accept-gaps"];
        assert_eq!(code("r", &wanted), 1, "{against}");
        assert_eq!(
            code("r", &[&wanted[..], &["--accept-outside"]].concat()),
            0,
            "{against}"
        );
    }
    assert_eq!(code("nowhere", &[]), 3);
    assert_eq!(code("q", &["--since", "soon"]), 2);

    let page = ["policy", "simulate", "--candidate", "q", "--html", "report.html"];
    let ran = scene.run(&[&page[..], &at[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.contains("1 less strict") && ran.out.contains("gate#large"),
        "{}",
        ran.out
    );
    let page = scene.read("report.html");
    assert!(page.contains("gate#large") && !page.contains("<script"), "{page}");
}

#[tokio::test]
async fn an_action_is_explained_by_the_rules_that_spoke_and_by_what_would_have_changed_the_answer() {
    let (scene, server, admin, _) = refunded().await;
    let at = ["--server", server.url.as_str(), "--key", admin.as_str()];
    let listed = scene
        .run(&[&["approvals", "list", "--json"][..], &at[..]].concat())
        .json();
    let rows = listed["approvals"].as_array().expect("a list");
    let amount = |row: &&Value| row.to_string().contains("\"900\"");
    let asked = text(
        rows.iter().find(amount).expect("the refund of 900 is asked for"),
        "/action/id",
    );
    let told = scene.run(&[&["policy", "explain", &asked][..], &at[..]].concat());
    assert_eq!(told.code, 0, "{}", told.err);
    for words in [
        "require_approval",
        "+ gate#large, line 6: require_approval:",
        "- gate#small, line 5: allow: `amount <= 500` is false",
        "    amount = 900",
        "allow, if `/amount` were 500 instead of 900",
    ] {
        assert!(told.out.contains(words), "{words} is not in\n{}", told.out);
    }
    let unknown = scene.run(
        &[
            &["policy", "explain", "act_0198f2c4a1b27c3d8e4f5a6b7c8d9e0f"][..],
            &at[..],
        ]
        .concat(),
    );
    assert!(
        unknown.code == 1 && unknown.out.is_empty(),
        "{} {}",
        unknown.code,
        unknown.out
    );
}

#[tokio::test]
async fn two_policies_are_told_apart_with_the_actions_that_it_is_about() {
    let (scene, server, admin, _) = refunded().await;
    scene.write(
        "q/gate.yaml",
        &GATE.replace("500", "750").replace("[leads]", "[finance]"),
    );
    let local = scene.run(&["policy", "diff", "p", "q", "--json"]).json();
    let told = |value: &Value| {
        let all = value["differences"].as_array().expect("a list").iter();
        all.map(|one| text(one, "/sentence")).collect::<Vec<_>>()
    };
    assert_eq!(told(&local).len(), 3, "{local:#}");
    let at = ["--server", server.url.as_str(), "--key", admin.as_str()];
    let arguments = ["policy", "diff", "live", "q", "--since", "7d", "--json"];
    let counted = scene.run(&[&arguments[..], &at[..]].concat()).json();
    assert_eq!(told(&counted), told(&local));
    let about = |rule: &str| {
        let all = counted["differences"].as_array().expect("a list").iter();
        all.filter(|one| one["before"] == rule)
            .map(|one| one["actions"].clone())
            .next()
    };
    assert_eq!(
        about("gate#large"),
        Some(json!({ "loosened": 1, "tightened": 0, "terms": 1 }))
    );
    let same = scene.run(&["policy", "diff", "p", "p"]);
    assert_eq!(same.out.trim(), "nothing is different");
}
