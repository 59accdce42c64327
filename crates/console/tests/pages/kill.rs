//! Stopping, and letting go again.

use serde_json::json;

use crate::stand::Stand;

#[tokio::test]
async fn a_stop_takes_a_reason_and_a_tick_and_a_release_takes_two_people() {
    let mut stand = Stand::start().await;
    let zoe = json!({"id": "zoe", "roles": ["admin"]});
    let zoe = stand.api(&stand.admin, "POST", "/v1/users", Some(zoe)).await;
    stand.people.insert("zoe".into(), zoe["key"].as_str().unwrap().into());
    let mut root = stand.browser("root").await;
    let shown = root.get("/kill?scope=agent&name=bot").await.good();
    assert!(shown.html.contains("Nothing is stopped.") && shown.html.contains("name=\"name\" value=\"bot\""));
    let bot = [("scope", "agent"), ("name", "bot")];
    for (more, wanted) in [(("reason", "loops"), "tick"), (("sure", "1"), "reason")] {
        let page = root.submit(&shown, "/kill", &[bot[0], bot[1], more]).await;
        assert_eq!(page.status, 422);
        assert!(
            page.html.contains("role=\"alert\"") && page.html.contains(wanted),
            "{}",
            page.html
        );
    }
    assert_eq!(stand.act(json!({"action": "read"})).await["status"], "permitted");

    let form = [bot[0], bot[1], ("reason", "loops"), ("sure", "1")];
    let done = root.submit(&shown, "/kill", &form).await;
    assert_eq!(done.header("location"), "/kill?done=killed");
    assert_eq!(stand.act(json!({"action": "read"})).await["reason_code"], "killed");
    let agent = root.get("/agents/bot").await.good();
    assert!(agent.html.contains("root stopped agent bot"), "{}", agent.html);

    let release = [bot[0], bot[1], ("reason", "mended")];
    let asked = root.submit(&shown, "/kill/release", &release).await;
    assert_eq!(asked.header("location"), "/kill?done=release_asked");
    let waits = root.get("/kill").await.good();
    assert!(
        waits
            .html
            .contains("root wants it released; somebody else has to confirm it")
    );
    assert!(!waits.html.contains("action=\"/kill/release\""), "{}", waits.html);
    let mut zoe = stand.browser("zoe").await;
    let shown = zoe.get("/kill").await.good();
    assert!(shown.html.contains("Confirm the release"), "{}", shown.html);
    let done = zoe.submit(&shown, "/kill/release", &release).await;
    assert_eq!(done.header("location"), "/kill?done=released");
    assert_eq!(stand.act(json!({"action": "read"})).await["status"], "permitted");
}

#[tokio::test]
async fn who_may_only_look_sees_what_is_stopped_and_no_form() {
    let stand = Stand::start().await;
    let everything = json!({"scope": "organization", "reason": "drill"});
    stand.api(&stand.admin, "POST", "/v1/kill", Some(everything)).await;
    let mut vera = stand.browser("vera").await;
    let shown = vera.get("/kill").await.good();
    assert!(shown.html.contains("everything") && !shown.html.contains("action=\"/kill"));
    let form = [("scope", "organization"), ("reason", "x"), ("sure", "1")];
    let page = vera.submit(&shown, "/kill", &form).await;
    assert_eq!(page.status, 422);
    assert!(page.html.contains("this key may not do this"), "{}", page.html);
}
