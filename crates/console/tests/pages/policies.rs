//! Policies: written, checked, stored, made live, tried and taken back in a browser.

use serde_json::{Value, json};

use crate::stand::{Browser, Page, Stand};

const LOOSER: &str = "
name: gate
on:
- action: read
- action: pay
rules:
- condition: \"action == 'read' || action == 'pay'\"
  decision: allow
";

/// Makes documents live.
pub async fn make_live(stand: &Stand, files: Value) {
    let stored = stand
        .api(&stand.admin, "POST", "/v1/policies", Some(json!({ "files": files })))
        .await;
    let path = format!("/v1/policies/{}/activate", stored["hash"].as_str().unwrap());
    stand
        .api(&stand.admin, "POST", &path, Some(json!({ "rationale": "a test" })))
        .await;
}

/// Stores a text as the only document; the path of its page.
async fn store(browser: &mut Browser<'_>, text: &str) -> String {
    let form = browser.get("/policies/new").await.good();
    let fields = [("name:0", "gate.yaml"), ("text:0", text), ("verb", "store")];
    let done = browser.submit(&form, "/policies/new", &fields).await;
    assert_eq!(done.status, 303, "{}", done.html);
    let to = done.header("location").to_owned();
    to.split('?').next().unwrap().to_owned()
}

async fn with_reason(browser: &mut Browser<'_>, shown: &Page, path: &str, more: &[(&str, &str)]) -> Page {
    let mut fields = vec![("reason", "people asked for <it>")];
    fields.extend_from_slice(more);
    browser.submit(shown, path, &fields).await
}

#[tokio::test]
async fn a_policy_is_written_from_what_is_live_made_live_with_a_reason_and_rolled_back() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let form = root.get("/policies/new").await.good();
    assert!(
        form.html.contains("gate.yaml") && form.html.contains("action: wipe"),
        "{}",
        form.html
    );

    let path = store(&mut root, LOOSER).await;
    let shown = root.get(&path).await.good();
    // What is different, in words, and the lines of the document.
    assert!(
        shown.html.contains("looser") && shown.html.contains("id=\"l7\""),
        "{}",
        shown.html
    );
    let without = root
        .submit(&shown, &format!("{path}/activate"), &[("reason", " ")])
        .await;
    assert_eq!(without.status, 422, "{}", without.html);
    assert!(without.html.contains("there is no reason"), "{}", without.html);
    assert_eq!(
        stand.act(json!({"action": "pay"})).await["decision"],
        "require_approval"
    );

    let done = with_reason(&mut root, &shown, &format!("{path}/activate"), &[]).await;
    assert_eq!(
        done.header("location"),
        format!("{path}?done=activated"),
        "{}",
        done.html
    );
    assert_eq!(stand.act(json!({"action": "pay"})).await["decision"], "allow");
    let overview = root.get("/policies").await.good();
    assert!(
        overview.html.contains("people asked for &lt;it&gt;"),
        "{}",
        overview.html
    );

    let live = root.get(&path).await.good();
    assert!(
        live.html.contains("What was live before decides again"),
        "{}",
        live.html
    );
    let done = with_reason(&mut root, &live, &format!("{path}/rollback"), &[]).await;
    assert_eq!(done.header("location"), "/policies?done=rolled_back", "{}", done.html);
    assert_eq!(
        stand.act(json!({"action": "pay"})).await["decision"],
        "require_approval"
    );
    // The page that was shown is of something that is not live any more.
    let again = with_reason(&mut root, &live, &format!("{path}/rollback"), &[]).await;
    assert_eq!(again.status, 422);
    assert!(again.html.contains("role=\"alert\""), "{}", again.html);
}

#[tokio::test]
async fn what_a_check_finds_stands_beside_the_text_which_is_kept() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let form = root.get("/policies/new").await.good();
    let wrong = LOOSER.replace("decision: allow", "decsion: </textarea><script>");
    let fields = [("name:0", "gate.yaml"), ("text:0", wrong.as_str()), ("verb", "check")];
    let page = root.submit(&form, "/policies/new", &fields).await.good();
    assert!(
        page.html.contains("does not load") && page.html.contains("Line 8"),
        "{}",
        page.html
    );
    assert!(
        page.html.contains("decsion: &#60;/textarea&#62;") || page.html.contains("decsion: &lt;/textarea&gt;"),
        "{}",
        page.html
    );
    assert!(!page.html.contains("</textarea><script>"), "{}", page.html);
    let fields = [("name:0", "gate.yaml"), ("text:0", wrong.as_str()), ("verb", "store")];
    let refused = root.submit(&form, "/policies/new", &fields).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.html.contains("role=\"alert\"") && refused.html.contains("Line 8"),
        "{}",
        refused.html
    );
}

#[tokio::test]
async fn a_candidate_is_tried_its_differences_counted_and_it_is_taken_back() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let path = store(&mut root, LOOSER).await;
    let shown = root.get(&path).await.good();
    let done = with_reason(&mut root, &shown, &format!("{path}/shadow"), &[]).await;
    assert_eq!(done.header("location"), format!("{path}?done=shadow"), "{}", done.html);
    stand.act(json!({"action": "pay"})).await;
    let overview = root.get("/policies").await.good();
    for wanted in [
        "shadow",
        "1 action was put to both",
        "needs approval becomes allowed: 1",
    ] {
        assert!(overview.html.contains(wanted), "{wanted}: {}", overview.html);
    }
    let share = [
        ("share", "12.5"),
        ("of", "agents"),
        ("denied", "5"),
        ("asked", "100"),
        ("erred", "0"),
    ];
    let done = with_reason(&mut root, &shown, &format!("{path}/canary"), &share).await;
    assert_eq!(done.header("location"), format!("{path}?done=canary"), "{}", done.html);
    let tried = root.get(&path).await.good();
    assert!(tried.html.contains("decides for 12.5% of the agents"), "{}", tried.html);
    let wrong = with_reason(
        &mut root,
        &shown,
        &format!("{path}/canary"),
        &[("share", "a bit"), ("of", "agents")],
    )
    .await;
    assert_eq!(wrong.status, 422, "{}", wrong.html);
    let done = with_reason(&mut root, &tried, &format!("{path}/withdraw"), &[]).await;
    assert_eq!(
        done.header("location"),
        format!("{path}?done=taken_back"),
        "{}",
        done.html
    );
    let late = with_reason(&mut root, &tried, &format!("{path}/withdraw"), &[]).await;
    assert_eq!(late.header("location"), format!("{path}?done=not_tried"));
}

#[tokio::test]
async fn people_agree_to_a_change_whoever_wants_it_does_not() {
    let stand = Stand::start().await;
    let control = "organization: acme\nteams: [leads]\nchange_control: { policies: { approvers: [team:leads] } }\n";
    make_live(
        &stand,
        json!({ "gate.yaml": crate::stand::POLICY, "org.yaml": control }),
    )
    .await;
    let (mut root, mut dana) = (stand.browser("root").await, stand.browser("dana").await);
    let path = store(&mut root, LOOSER).await;
    let shown = root.get(&path).await.good();
    let done = with_reason(&mut root, &shown, &format!("{path}/activate"), &[]).await;
    assert_eq!(
        done.header("location"),
        format!("{path}?done=proposed"),
        "{}",
        done.html
    );
    let mine = root.get("/policies").await.good();
    assert!(mine.html.contains("You want it, so others decide."), "{}", mine.html);
    let theirs = dana.get("/policies").await.good();
    assert!(
        theirs.html.contains("0 of 1 agreed") && theirs.html.contains("people asked for &lt;it&gt;"),
        "{}",
        theirs.html
    );
    let proposal = theirs.field("proposal");
    let vote = [("proposal", proposal.as_str()), ("verb", "approve")];
    let done = dana.submit(&theirs, &format!("{path}/votes"), &vote).await;
    assert_eq!(
        done.header("location"),
        format!("{path}?done=agreed_last"),
        "{}",
        done.html
    );
    assert_eq!(stand.act(json!({"action": "pay"})).await["decision"], "allow");
}

#[tokio::test]
async fn recorded_actions_are_held_against_what_is_stored_and_what_is_only_written() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    for order in 0..3 {
        stand.act(json!({"action": "pay", "args": {"order": order}})).await;
    }
    let path = store(&mut root, LOOSER).await;
    let hash = path.strip_prefix("/policies/").unwrap();
    let before = root.get(&format!("/policies/simulate?snapshot={hash}")).await.good();
    assert!(
        !before.html.contains("What would have been otherwise"),
        "{}",
        before.html
    );
    let page = root
        .get(&format!("/policies/simulate?snapshot={hash}&since=7d&against=live"))
        .await
        .good();
    assert!(
        page.html.contains("needs approval becomes allowed: <strong>3</strong>"),
        "{}",
        page.html
    );
    let form = root.get("/policies/new").await.good();
    let fields = [
        ("name:0", "gate.yaml"),
        ("text:0", LOOSER),
        ("verb", "simulate"),
        ("since", "1d"),
    ];
    let page = root.submit(&form, "/policies/new", &fields).await.good();
    assert!(
        page.html.contains("needs approval becomes allowed: <strong>3</strong>"),
        "{}",
        page.html
    );
    assert!(
        page.html.contains("action == &#39;pay&#39;") || page.html.contains("action == &#x27;pay&#x27;"),
        "{}",
        page.html
    );
}

#[tokio::test]
async fn whoever_only_looks_sees_documents_and_no_buttons() {
    let stand = Stand::start().await;
    let vera = stand.browser("vera").await;
    let overview = vera.get("/policies").await.good();
    assert!(!overview.html.contains("/policies/new"), "{}", overview.html);
    let hash = stand.api(&stand.admin, "GET", "/v1/policies", None).await["snapshots"][0]["hash"].clone();
    let page = vera.get(&format!("/policies/{}", hash.as_str().unwrap())).await.good();
    assert!(
        page.html.contains("action: wipe") && !page.html.contains("name=\"reason\""),
        "{}",
        page.html
    );
    assert_eq!(vera.get("/policies/new").await.status, 200);
    assert_eq!(vera.get("/playground").await.status, 200);
}
