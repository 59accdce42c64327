//! A request from beginning to end: a step that nobody answers, an escalation, mail, a question, an edit, two people who
//! approve, a signed callback, a permit for what was made of the action, and the story that is told of it.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use countersign_client::{Client, Credential};
use countersign_notify::Secret;
use serde_json::{Value, json};

use crate::callbacks::{Answer, Seen, receiver};
use crate::channels::MailServer;
use crate::scene::{Scene, Server, text};

const ORGANIZATION: &str = "organization: acme
teams: [leads]
routes:
  refunds:
    steps:
      - { to: [\"user:dana\"], within: 8s }
      - { to: [\"team:leads\"], quorum: 2 }
    deadline: 1h
    editable: [/amount, /args/amount]
";
const GATE: &str = "name: refunds
rules:
  - { condition: \"action == 'refund'\", decision: require_approval, approvers: [refunds] }
";
/// How long something that has to come may take.
const SOON: Duration = Duration::from_secs(60);

struct Desk {
    scene: Scene,
    server: Server,
    admin: String,
    agent: Client,
    people: [Client; 3],
    mail: MailServer,
    callbacks: Receiver<Seen>,
    secret: Secret,
    hook: String,
}

impl Desk {
    async fn start() -> Desk {
        let (mail, (port, callbacks)) = (MailServer::start(), receiver(vec![Answer::Taken]));
        let scene = Scene::new();
        scene.write("p/organization.yaml", ORGANIZATION);
        scene.write("p/refunds.yaml", GATE);
        let made = scene
            .run(&["init", "--data", "data", "--policies", "p", "--json"])
            .json();
        let admin = text(&made, "/admin_key");
        let [to_mail, to_hook] = [mail.port.as_str(), &port.to_string()].map(|port| format!("127.0.0.1:{port}"));
        let server = scene.serve(&["--allow-callbacks-to", &to_mail, "--allow-callbacks-to", &to_hook]);
        scene.write("smtp", &format!("smtp://{to_mail}\n"));
        let run = |arguments: &[&str]| {
            let how = ["--server", &server.url, "--key", &admin, "--json"];
            scene.run(&[arguments, &how[..]].concat()).json()
        };
        let client = |key: String| Client::new(&server.url, &Credential::Key(key)).expect("a client");
        let people = [("dana", "desk"), ("erin", "leads"), ("finn", "leads")].map(|(id, team)| {
            let email = format!("{id}@example.com");
            let add = [
                "users", "add", id, "--roles", "reviewer", "--teams", team, "--email", &email,
            ];
            client(text(&run(&add), "/key"))
        });
        let channel = [
            "channels",
            "add",
            "email",
            "mail",
            "--url-file",
            "smtp",
            "--from",
            "bot@example.com",
        ];
        run(&channel);
        let agent = client(text(&run(&["agents", "add", "bot", "--owner", "team:support"]), "/key"));
        let hook = format!("http://{to_hook}/hook");
        let registered: Value = client(admin.clone())
            .post("/v1/callbacks", &json!({ "url": hook }))
            .await
            .expect("a receiver");
        let secret = Secret::parse(&text(&registered, "/secret")).expect("a secret");
        Desk {
            scene,
            server,
            admin,
            agent,
            people,
            mail,
            callbacks,
            secret,
            hook,
        }
    }

    /// The next callback, which verifies.
    #[track_caller]
    fn told(&self) -> Value {
        let seen = self.callbacks.recv_timeout(SOON).expect("a callback");
        let good = self.secret.sign(&seen.id, seen.at, &seen.body);
        assert!(
            seen.signatures.split(' ').any(|one| one == good),
            "a callback that does not verify"
        );
        serde_json::from_slice(&seen.body).expect("JSON")
    }
}

/// Reads a request and votes for what it shows.
async fn vote(person: &Client, approval: &str, more: Value) -> Value {
    let path = format!("/v1/approvals/{approval}");
    let seen: Value = person.get(&path).await.expect("a request");
    let mut body = json!({
        "action_digest": seen["action_digest"], "snapshot": seen["snapshot"],
        "presentation_digest": seen["presentation_digest"],
    });
    let members = body.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    person
        .post(&format!("{path}/votes"), &body)
        .await
        .expect("a vote that counts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_from_a_missed_step_over_a_question_and_an_edit_to_what_two_people_approved() {
    let desk = Desk::start().await;
    let [_, erin, finn] = &desk.people;
    let asked: Value = desk
        .agent
        .post(
            "/v1/actions",
            &json!({
                "action": "refund", "amount": "340", "currency": "EUR", "args": { "order": "4521", "amount": 340 },
                "callback_url": desk.hook, "evidence": { "reason": "it arrived broken" },
            }),
        )
        .await
        .expect("a decision");
    let (id, approval) = (text(&asked, "/id"), text(&asked, "/approval/id"));

    // Nobody answers the first mail, so the next two are asked.
    desk.mail.next_to("dana@example.com");
    let mut told = [desk.mail.next(), desk.mail.next()].map(|message| message["to"].to_string());
    told.sort();
    assert_eq!(told, [r#"["erin@example.com"]"#, r#"["finn@example.com"]"#]);

    let question = json!({ "verb": "clarify", "comment": "does 340 include the postage?" });
    vote(erin, &approval, question).await;
    assert_eq!(
        desk.told().pointer("/data/action/approval/state"),
        Some(&json!("clarifying"))
    );
    let answer = json!({ "evidence": { "answer": "yes, 40 of it" } });
    let answers = format!("/v1/approvals/{approval}/answers");
    let _: Value = desk.agent.post(&answers, &answer).await.expect("an answer");

    let less =
        json!({ "verb": "edit", "set": { "/amount": "300", "/args/amount": 300 }, "comment": "not the postage" });
    let edited = vote(erin, &approval, less).await;
    assert_eq!(
        (&edited["state"], &edited["action"]["status"]),
        (&json!("pending"), &json!("pending"))
    );
    let approved = vote(finn, &approval, json!({ "verb": "approve" })).await;
    assert_eq!(approved["state"], "approved");

    let told = desk.told();
    let action = told.pointer("/data/action").expect("an action");
    assert_eq!(action["status"], "permitted");
    assert_eq!(action["revision"]["edited_by"], "erin");
    let runs = &action["revision"]["action"];
    assert_eq!(runs["args"], json!({ "order": "4521", "amount": 300 }));
    assert_eq!(runs["amount"], "300");

    let permitted: Value = desk.agent.get(&format!("/v1/actions/{id}")).await.expect("the action");
    assert_eq!(permitted["action_digest"], action["action_digest"]);
    let redeem = |action: &Value| json!({ "permit": permitted["permit"], "action": action });
    let first = json!({
        "action": "refund", "amount": "340", "currency": "EUR", "args": { "order": "4521", "amount": 340 },
    });
    let refused = desk.agent.post::<Value>("/v1/permits/redeem", &redeem(&first)).await;
    assert_eq!(
        refused.expect_err("what was asked for does not run").code(),
        Some("digest_mismatch")
    );
    let _: Value = desk
        .agent
        .post("/v1/permits/redeem", &redeem(runs))
        .await
        .expect("what was approved runs");
    let outcome = json!({ "status": "succeeded" });
    let _: Value = desk
        .agent
        .post(&format!("/v1/actions/{id}/outcome"), &outcome)
        .await
        .expect("an outcome");
    tells_it(&desk, &approval);
    packs_it(finn, &approval).await;
}

/// The five questions, answered in sentences.
fn tells_it(desk: &Desk, approval: &str) {
    let how = ["--server", &desk.server.url, "--key", &desk.admin, "--json"];
    let show = ["approvals", "show", approval, "--timeline"];
    let told = desk.scene.run(&[&show[..], &how[..]].concat()).json();
    let wanted: [&[&str]; 5] = [
        &[
            "Agent `bot` (proven by its own key) wanted `refund`, 340 EUR.",
            "“it arrived broken”",
        ],
        &["Policy demanded that a person decide", "(`refunds`, rules[0], line 3)"],
        &[
            "Route `refunds` began with step 1",
            "Step 1 missed its time of",
            "escalated to step 2",
            "`erin`, `finn`",
        ],
        &[
            "`erin` asked the agent: “does 340 include the postage?”",
            "`erin` narrowed the action at `/amount`, `/args/amount`; the amount is 300 EUR now. This is revision 2",
            "`erin` approved less than was asked for: “not the postage”",
            "`finn` approved. The vote is for the action with digest",
        ],
        &[
            "The request was approved",
            "The permit was used, once,",
            "reported that the action succeeded",
            "The proof is records",
        ],
    ];
    let questions = told["questions"].as_array().expect("five questions");
    assert_eq!(questions.len(), wanted.len());
    for (answered, wanted) in questions.iter().zip(wanted) {
        let answer = text(answered, "/answer");
        for part in wanted {
            assert!(answer.contains(part), "`{part}` is not in: {answer}");
        }
    }
}

/// The 23 fields of the evidence of a decision.
async fn packs_it(person: &Client, approval: &str) {
    let pack: Value = person
        .get(&format!("/v1/approvals/{approval}/evidence-pack"))
        .await
        .expect("a pack");
    let fields = |section: &Value| {
        let fields = section.as_object().expect("a section").keys();
        fields.cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        fields(&pack["request"]),
        [
            "business_object",
            "model_output",
            "proposed_action",
            "tool_target",
            "workflow_id"
        ]
    );
    assert_eq!(fields(&pack["trigger"]), ["reason", "risk", "threshold", "trigger"]);
    assert_eq!(fields(&pack["routing"]), ["fallback", "path", "role", "shift", "sla"]);
    assert_eq!(
        fields(&pack["decisions"][0]),
        ["comment", "context", "decision", "identity", "timestamp"]
    );
    assert_eq!(
        fields(&pack["resumption"]),
        ["delivery", "outcome", "signature", "timeline"]
    );
    assert_eq!(pack["request"]["proposed_action"]["args"]["amount"], 300);
    assert_eq!(pack["request"]["model_output"]["answers"][0]["answer"], "yes, 40 of it");
    assert_eq!(pack["trigger"]["trigger"], json!(["refunds#rules[0]"]));
    assert_eq!(pack["trigger"]["reason"], "it arrived broken");
    assert_eq!(pack["routing"]["shift"], json!(["dana", "erin", "finn"]));
    let decided = pack["decisions"].as_array().expect("decisions").iter();
    let decided: Vec<_> = decided.map(|one| (&one["identity"], &one["decision"])).collect();
    assert_eq!(
        decided,
        [(&json!("erin"), &json!("edit")), (&json!("finn"), &json!("approve"))]
    );
    assert!(decided.len() == 2 && pack["decisions"][1]["context"]["presentation_digest"].is_string());
    assert_eq!(pack["resumption"]["outcome"]["status"], "succeeded");
    assert!(pack["resumption"]["signature"]["redeemed_at"].is_string());
}
