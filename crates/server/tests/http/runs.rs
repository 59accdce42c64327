//! Runs: started, shown as a tree, talked to, noted, ended, listed, and held against another policy.

use serde_json::{Value, json};

use crate::support::Acme;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A run of `bot` that a person set off.
async fn started(acme: &Acme) -> String {
    let body = json!({ "trigger": "person", "context": { "ticket": "4521" }, "traceparent": TRACE });
    let answer = acme.server.post(&acme.agent, "/v1/runs", &body).await;
    assert_eq!(answer.status, 201);
    answer.json()["run"].as_str().unwrap().to_owned()
}

async fn reported(acme: &Acme, action: &Value, cost: &str) {
    let path = format!("/v1/actions/{}/outcome", action["id"].as_str().unwrap());
    let outcome = json!({
        "status": "succeeded", "cost": { "amount": cost, "currency": "USD" }, "tokens": { "input": 100 },
    });
    acme.server.post(&acme.agent, &path, &outcome).await.good();
}

#[tokio::test]
async fn a_run_is_shown_as_a_tree_with_what_it_cost_what_it_came_to_and_what_people_say() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    let run = started(&acme).await;
    let first = acme
        .decide(&json!({ "action": "read", "run": run, "step": "look" }))
        .await;
    reported(&acme, &first, "0.10").await;
    let second = json!({ "action": "pay", "amount": "5", "currency": "USD", "run": run, "parent": first["id"] });
    let second = acme.decide(&second).await;
    let below = acme
        .decide(&json!({ "action": "wipe", "run": run, "parent": "look" }))
        .await;
    let other = acme
        .decide(&json!({ "action": "read", "run": run, "step": "end" }))
        .await;
    reported(&acme, &other, "0.205").await;

    let path = format!("/v1/runs/{run}");
    let say = json!({ "text": "go on" });
    server.post(admin, &format!("{path}/input"), &say).await.good();
    server
        .post(admin, &format!("{path}/notes"), &json!({ "text": "odd" }))
        .await
        .good();
    let end = json!({ "status": "succeeded", "output": { "paid": "5" } });
    let ended = server.post(agent, &format!("{path}/end"), &end).await.good();
    let shown = server.get(admin, &path).await.good();
    let mut without_notes = shown.clone();
    without_notes["notes"] = json!([]);
    assert_eq!(ended, without_notes, "notes are for other people");
    assert_eq!(server.get(agent, &path).await.good(), without_notes);
    assert_eq!(
        (
            &shown["state"],
            &shown["status"],
            &shown["trigger"],
            &shown["traceparent"]
        ),
        (&json!("ended"), &json!("succeeded"), &json!("person"), &json!(TRACE))
    );
    assert_eq!(
        (&shown["context"], &shown["output"]),
        (&json!({ "ticket": "4521" }), &json!({ "paid": "5" }))
    );
    assert_eq!(
        (&shown["cost"], &shown["tokens"]),
        (&json!({ "USD": "0.305" }), &json!({ "input": 200 }))
    );
    assert_eq!(shown["actions"], json!({ "pending": 1, "permitted": 2, "refused": 1 }));
    assert_eq!(
        (&shown["inputs"][0]["text"], &shown["inputs"][0]["by"]),
        (&json!("go on"), &json!("alex"))
    );
    assert_eq!(shown["notes"][0]["text"], "odd");
    let steps = shown["steps"].as_array().unwrap();
    let tree: Vec<_> = steps
        .iter()
        .map(|step| (&step["action_id"], &step["depth"], &step["parent"]))
        .collect();
    assert_eq!(
        tree,
        [
            (&first["id"], &json!(0), &Value::Null),
            (&second["id"], &json!(1), &first["id"]),
            (&below["id"], &json!(1), &first["id"]),
            (&other["id"], &json!(0), &Value::Null),
        ]
    );
    assert_eq!(steps[1]["approval"]["state"], "pending");
    assert_eq!(steps[0]["outcome"]["cost"], "0.10");
}

#[tokio::test]
async fn runs_are_listed_newest_first_by_agent_trigger_and_whether_they_are_open() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    let first = started(&acme).await;
    let body = json!({ "trigger": "schedule", "agents": ["bot"] });
    let second = server.post(admin, "/v1/runs", &body).await.good();
    let end = json!({ "status": "failed" });
    server.post(agent, &format!("/v1/runs/{first}/end"), &end).await.good();
    let checkpoint = server.get(admin, "/v1/audit/checkpoint").await.good();
    let size = checkpoint["size"].as_u64().unwrap();
    let list = async |query: &str| {
        let path = format!("/v1/runs?min_seq={}{query}", size - 1);
        let runs = server.get(admin, &path).await.good()["runs"].clone();
        let runs = runs
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["run"].as_str().unwrap().to_owned());
        runs.collect::<Vec<_>>()
    };
    let second = second["run"].as_str().unwrap().to_owned();
    assert_eq!(list("").await, [second.clone(), first.clone()]);
    assert_eq!(list("&open=true").await, std::slice::from_ref(&second));
    assert_eq!(list("&open=false").await, std::slice::from_ref(&first));
    assert_eq!(list("&trigger=person").await, std::slice::from_ref(&first));
    assert_eq!(list("&agent=bot&limit=1").await, [second]);
    assert_eq!(list("&agent=nobody").await, Vec::<String>::new());
    for path in [
        "/v1/runs?agent=",
        "/v1/runs?min_seq=9007199254740992",
        "/v1/runs?limit=0",
    ] {
        assert_eq!(
            server.get(admin, path).await.problem(422),
            "invalid_parameter",
            "{path}"
        );
    }
    let page = server
        .get(admin, &format!("/v1/runs?limit=1&min_seq={}", size - 1))
        .await
        .good();
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(list(&format!("&cursor={cursor}")).await, [first]);
}

#[tokio::test]
async fn a_run_that_nobody_started_is_shown_by_its_name() {
    let acme = Acme::start().await;
    acme.decide(&json!({ "action": "read", "run": "nightly/2026 w48" }))
        .await;
    let path = "/v1/runs/nightly%2F2026%20w48";
    let shown = acme.server.get(&acme.admin, path).await.good();
    assert_eq!(
        (&shown["state"], &shown["run"]),
        (&json!("unstarted"), &json!("nightly/2026 w48"))
    );
    assert_eq!(shown["steps"].as_array().unwrap().len(), 1);
    let note = json!({ "text": "fine" });
    acme.server
        .post(&acme.admin, &format!("{path}/notes"), &note)
        .await
        .good();
    assert_eq!(
        acme.server.get(&acme.admin, path).await.good()["notes"][0]["text"],
        "fine"
    );
    assert_eq!(
        acme.server.get(&acme.admin, "/v1/runs/nothing").await.problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn an_agent_sees_and_ends_only_runs_that_it_acts_in() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let run = started(&acme).await;
    let body = json!({ "id": "other", "owner": "team:ops" });
    let other = server.post(admin, "/v1/agents", &body).await.good()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        server.get(&other, &format!("/v1/runs/{run}")).await.problem(404),
        "not_found"
    );
    let end = json!({ "status": "succeeded" });
    assert_eq!(
        server
            .post(&other, &format!("/v1/runs/{run}/end"), &end)
            .await
            .problem(404),
        "not_found"
    );
    server.post(admin, &format!("/v1/runs/{run}/end"), &end).await.good();
    assert_eq!(
        server
            .post(admin, &format!("/v1/runs/{run}/end"), &end)
            .await
            .problem(409),
        "run_ended"
    );
    assert_eq!(
        server
            .post(admin, &format!("/v1/runs/{run}/input"), &json!({ "text": "x" }))
            .await
            .problem(409),
        "run_ended"
    );
}

#[tokio::test]
async fn a_run_is_held_against_another_policy_and_what_cannot_be_told_is_named() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let run = started(&acme).await;
    acme.decide(&json!({ "action": "read", "run": run })).await;
    acme.decide(&json!({ "action": "pay", "run": run, "args": { "card": "4111 1111 1111 1111" } }))
        .await;
    let gate = "name: gate\nrules:\n- { condition: \"action == 'read'\", decision: deny }\n\
                - { condition: \"has(args.card) && args.card.startsWith('4')\", decision: allow }\n";
    let path = format!("/v1/runs/{run}/replay");
    let answer = server
        .post(admin, &path, &json!({ "files": { "gate.yaml": gate } }))
        .await
        .good();
    assert_eq!(
        (&answer["same"], &answer["differs"], &answer["not_derivable"]),
        (&json!(0), &json!(1), &json!(1))
    );
    let decisions = answer["decisions"].as_array().unwrap();
    assert_eq!(
        (&decisions[0]["before"], &decisions[0]["after"], &decisions[0]["rule"]),
        (&json!("allow"), &json!("deny"), &json!("gate#rules[0]"))
    );
    assert!(
        decisions[1]["gaps"][0].as_str().unwrap().starts_with("args.card: "),
        "{answer:#}"
    );
    let live = server.get(admin, "/v1/policies").await.good()["snapshots"][0]["hash"].clone();
    let same = server.post(admin, &path, &json!({ "snapshot": live })).await.good();
    assert_eq!((&same["same"], &same["differs"]), (&json!(2), &json!(0)));
    let unknown = json!({ "snapshot": format!("sha256:{:064x}", 7) });
    assert_eq!(server.post(admin, &path, &unknown).await.problem(404), "not_found");
    assert_eq!(
        server.post(admin, &path, &json!({})).await.problem(422),
        "missing_field"
    );
    let wrong = json!({ "files": { "gate.yaml": "name: gate\nrules: 7\n" } });
    assert_eq!(server.post(admin, &path, &wrong).await.problem(422), "policy_invalid");
}

#[tokio::test]
async fn what_a_tool_reads_raises_what_follows_until_a_person_speaks() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let files = json!({
        "tools.yaml": "tools: { read: { reads: [outside] }, mail: { class: routine, when_tainted: { class: risky } } }\n",
        "gate.yaml": "name: gate\nrules: [{ condition: \"true\", decision: allow }]\n",
        "risky.yaml": "name: risky\non: [{ class: risky }]\nrules: [{ condition: \"true\", decision: deny }]\n",
    });
    server.policy(admin, &files).await;
    let run = started(&acme).await;
    let mail = json!({ "tool": "mail", "run": run });
    assert_eq!(acme.decide(&mail).await["decision"], "allow");
    acme.decide(&json!({ "tool": "read", "run": run })).await;
    assert_eq!(acme.decide(&mail).await["decision"], "deny");
    let shown = server.get(admin, &format!("/v1/runs/{run}")).await.good();
    assert_eq!(shown["reads"], json!(["outside"]));
    server
        .post(
            admin,
            &format!("/v1/runs/{run}/input"),
            &json!({ "text": "seen, go on" }),
        )
        .await
        .good();
    assert_eq!(acme.decide(&mail).await["decision"], "allow");
    assert_eq!(
        acme.decide(&json!({ "tool": "mail", "run": run, "reads": ["outside"] }))
            .await["decision"],
        "deny"
    );
}

#[tokio::test]
async fn an_agent_is_told_nothing_of_a_run_by_asking_for_something_in_its_name() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let run = started(&acme).await;
    acme.decide(&json!({ "action": "read", "run": run })).await;
    acme.decide(&json!({ "action": "read", "run": "nightly" })).await;
    let stranger = server.agent(admin, "stranger").await;
    for (run, steps) in [(run.as_str(), None), ("nightly", Some(1))] {
        let path = format!("/v1/runs/{run}");
        assert_eq!(server.get(&stranger, &path).await.problem(404), "not_found");
        let body = json!({ "action": "read", "run": run });
        server.post(&stranger, "/v1/actions", &body).await.good();
        let shown = server.get(&stranger, &path).await;
        match steps {
            None => assert_eq!(shown.problem(404), "not_found", "{run}"),
            Some(own) => assert_eq!(
                shown.good()["steps"].as_array().unwrap().len(),
                own,
                "{run}: only its own"
            ),
        }
    }
}

#[tokio::test]
async fn what_is_told_of_a_run_is_bounded_and_says_what_it_leaves_off() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    let run = started(&acme).await;
    for _ in 0..2 {
        let batch = json!({ "actions": vec![json!({ "action": "read", "run": run }); 1000] });
        server.post(agent, "/v1/actions:batch", &batch).await.good();
    }
    let path = format!("/v1/runs/{run}");
    let shown = server.get(admin, &path).await.good();
    assert_eq!(shown["steps"].as_array().unwrap().len(), 2000);
    assert_eq!(shown["complete"], true);
    assert_eq!(
        shown["left_off"],
        json!({ "steps": 0, "inputs": 0, "notes": 0, "at_least": false })
    );

    for _ in 0..3 {
        acme.decide(&json!({ "action": "read", "run": run })).await;
    }
    for number in 0..201 {
        let said = json!({ "text": format!("note {number}") });
        server.post(admin, &format!("{path}/notes"), &said).await.good();
    }
    let end = json!({ "status": "succeeded", "output": { "all": "read" } });
    let ended = server.post(agent, &format!("{path}/end"), &end).await.good();
    assert_eq!(
        (&ended["state"], &ended["output"], &ended["complete"]),
        (&json!("ended"), &json!({ "all": "read" }), &json!(false)),
        "its end is told, however much comes before it"
    );
    assert_eq!(ended["steps"].as_array().unwrap().len(), 2000);
    assert_eq!(
        ended["left_off"],
        json!({ "steps": 3, "inputs": 0, "notes": 0, "at_least": false }),
        "an agent is told nothing of notes"
    );
    let shown = server.get(admin, &path).await.good();
    assert_eq!(
        shown["left_off"],
        json!({ "steps": 3, "inputs": 0, "notes": 1, "at_least": false })
    );
    let notes = shown["notes"].as_array().unwrap();
    assert_eq!(
        (notes.len(), &notes[199]["text"]),
        (200, &json!("note 200")),
        "the last of them"
    );
}
