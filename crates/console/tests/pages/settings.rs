//! Settings: oneself, people, keys.

use crate::stand::Stand;

const PASSWORD: &str = "correct horse battery staple";

#[tokio::test]
async fn a_password_is_chosen_and_changed_and_then_signs_in() {
    let stand = Stand::start().await;
    let mut dana = stand.invited("dana").await;
    let shown = dana.get("/settings/password").await.good();
    assert!(!shown.html.contains("name=\"current\""), "there is none yet");
    let other = [("password", PASSWORD), ("again", "correct horse battery stable")];
    let refused = dana.submit(&shown, "/settings/password", &other).await;
    assert_eq!(refused.status, 422);
    assert!(refused.html.contains("role=\"alert\"") && refused.html.contains("not the same"));
    let weak = dana.submit(
        &shown,
        "/settings/password",
        &[("password", "password1234"), ("again", "password1234")],
    );
    let weak = weak.await;
    assert!(weak.status == 422 && weak.html.contains("tried first"), "{}", weak.html);
    let twice = [("password", PASSWORD), ("again", PASSWORD)];
    let set = dana.submit(&shown, "/settings/password", &twice).await;
    assert_eq!((set.status, set.header("location")), (303, "/settings?done=password"));
    let shown = dana.get("/settings/password").await.good();
    assert!(shown.html.contains("name=\"current\""));
    let wrong = [
        ("current", "wrong wrong wrong"),
        ("password", "five other words of mine"),
        ("again", "five other words of mine"),
    ];
    assert_eq!(dana.submit(&shown, "/settings/password", &wrong).await.status, 422);
    let mut again = stand.stranger();
    let signed_in = again
        .post("/sign-in", &[("user", "dana"), ("password", PASSWORD)])
        .await;
    assert_eq!(signed_in.status, 303);
}

#[tokio::test]
async fn another_session_is_ended_from_here_and_then_shows_nothing() {
    let stand = Stand::start().await;
    let (mut here, there) = (stand.browser("vera").await, stand.browser("vera").await);
    let shown = here.get("/settings").await.good();
    let (_, rest) = shown.html.split_once("action=\"/settings/sessions/").unwrap();
    let kid = rest.split_once('/').unwrap().0.to_owned();
    assert_eq!(
        shown.html.matches("/settings/sessions/").count(),
        1,
        "not the one that looks"
    );
    let ended = here.submit(&shown, &format!("/settings/sessions/{kid}/end"), &[]).await;
    assert_eq!(ended.header("location"), "/settings?done=end_session");
    assert_eq!(there.get("/settings").await.status, 303);
    here.get("/settings").await.good();
}

#[tokio::test]
async fn a_person_is_added_invited_changed_and_removed() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/settings/people/new").await.good();
    let fields = [
        ("id", "gil"),
        ("name", "Gil <b>"),
        ("email", "gil@example.com"),
        ("role", "viewer"),
        ("teams", "ops, leads"),
        ("zone", "Nowhere/At_All"),
    ];
    let refused = root.submit(&shown, "/settings/people/new", &fields).await;
    assert!(
        refused.status == 422 && refused.html.contains("value=\"gil@example.com\""),
        "{}",
        refused.html
    );
    let added = root.submit(&shown, "/settings/people/new", &fields[..5]).await.good();
    assert!(added.html.contains("cs_user_") && added.html.contains("shown this once"));
    let invited = root.submit(&added, "/settings/people/invite/gil", &[]).await.good();
    let (_, rest) = invited.html.split_once("/sign-in/").unwrap();
    let link = format!("/sign-in/{}", rest.split_once('<').unwrap().0);
    let mut gil = stand.stranger();
    let came = gil.post(&link, &[]).await;
    assert_eq!((came.status, came.header("location")), (303, "/settings/password"));
    let shown = gil.get("/settings/password").await.good();
    let set = gil
        .submit(
            &shown,
            "/settings/password",
            &[("password", PASSWORD), ("again", PASSWORD)],
        )
        .await;
    assert_eq!(set.status, 303);
    // Who may not change people sees them, and no way to change them.
    let list = gil.get("/settings/people").await.good();
    assert!(
        list.html.contains("gil") && !list.html.contains("/settings/people/edit/"),
        "{}",
        list.html
    );
    assert_eq!(gil.get("/settings/people/edit/dana").await.status, 403);
    // What is not typed anew stays: name and address come back with the form.
    let edit = root.get("/settings/people/edit/gil").await.good();
    assert!(
        edit.html.contains("Gil &#60;b&#62;") && edit.html.contains("value=\"leads, ops\""),
        "{}",
        edit.html
    );
    let changes = [
        ("email", "gil@example.com"),
        ("role", "viewer"),
        ("role", "auditor"),
        ("teams", "ops"),
    ];
    let changed = root.submit(&edit, "/settings/people/edit/gil", &changes).await;
    assert_eq!(changed.header("location"), "/settings/people?done=change_person");
    let known = stand.api(&stand.admin, "GET", "/v1/users/gil", None).await;
    assert_eq!(known["email"], "gil@example.com");
    assert_eq!(known["user"]["roles"], serde_json::json!(["auditor", "viewer"]));
    let mistyped = root
        .submit(&edit, "/settings/people/remove/gil", &[("typed", "gill")])
        .await;
    assert!(mistyped.status == 422 && mistyped.html.contains("not the id"));
    let removed = root
        .submit(&edit, "/settings/people/remove/gil", &[("typed", "gil")])
        .await;
    assert_eq!(removed.header("location"), "/settings/people?done=remove_person");
    assert_eq!(gil.get("/settings").await.status, 303, "what gil had open is over");
}

#[tokio::test]
async fn a_key_is_issued_once_and_revoked_after_a_second_look() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/settings/keys").await.good();
    let neither = root.submit(&shown, "/settings/keys", &[("scopes", "redeem")]).await;
    assert!(neither.status == 422 && neither.html.contains("value=\"redeem\""));
    let fields = [("agent", "bot"), ("scopes", "redeem, outcome"), ("days", "30")];
    let issued = root.submit(&shown, "/settings/keys", &fields).await.good();
    let (_, rest) = issued.html.split_once("cs_agent_").unwrap();
    let key = format!("cs_agent_{}", rest.split_once('<').unwrap().0);
    stand.api(&key, "GET", "/v1/whoami", None).await;
    let listed = root.get("/settings/keys?q=bot").await.good();
    assert!(!listed.html.contains(&key) && listed.html.contains("redeem, outcome"));
    let kid = stand.api(&key, "GET", "/v1/whoami", None).await["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    let sure = root.get(&format!("/settings/keys/revoke/{kid}")).await.good();
    let revoked = root.submit(&sure, &format!("/settings/keys/revoke/{kid}"), &[]).await;
    assert_eq!(revoked.header("location"), "/settings/keys?done=revoke_key");
    let gone = root.get(&format!("/settings/keys/revoke/{kid}")).await;
    assert_eq!(gone.status, 404);
    // A reviewer may not see whose keys there are.
    assert_eq!(stand.browser("dana").await.get("/settings/keys").await.status, 403);
}

#[tokio::test]
async fn nothing_is_done_without_the_token_of_a_page() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    for path in [
        "/settings/password",
        "/settings/profile",
        "/settings/passkeys",
        "/settings/passkeys/x/remove",
        "/settings/sessions/AAAAAAAA/end",
        "/settings/people/new",
        "/settings/people/edit/dana",
        "/settings/people/invite/dana",
        "/settings/people/remove/dana",
        "/settings/keys",
        "/settings/keys/revoke/AAAAAAAA",
        "/settings/reviewers/restore",
        "/settings/reviewers/restore_glass",
        "/overview/alerts/x/acknowledge",
        "/audit/records/0/payload",
        "/callbacks/receivers",
        "/callbacks/receivers/x/remove",
        "/callbacks/deliveries/x/resend",
        "/callbacks/notices/x/resend",
        "/callbacks/channels",
        "/callbacks/channels/x/test",
        "/callbacks/channels/x/remove",
    ] {
        let page = root.post(path, &[("token", "x")]).await;
        assert_eq!(page.status, 403, "{path}");
        assert!(page.html.contains("not from here"), "{path}");
    }
}

#[tokio::test]
async fn reviewers_are_seen_by_those_who_may_and_the_glass_by_everybody() {
    let stand = Stand::start().await;
    let root = stand.browser("root").await.get("/settings/reviewers").await.good();
    assert!(root.html.contains("How people vote") && root.html.contains("Who may break the glass"));
    let vera = stand.browser("vera").await.get("/settings/reviewers").await.good();
    assert!(!vera.html.contains("How people vote") && vera.html.contains("Who may break the glass"));
}

#[tokio::test]
async fn a_person_chooses_a_zone_and_pages_tell_times_in_it() {
    let stand = Stand::start().await;
    let mut dana = stand.browser("dana").await;
    let shown = dana.get("/settings").await.good();
    assert!(shown.html.contains("value=\"UTC\"") && shown.html.contains("<option value=\"Asia/Kolkata\">"));
    let fields = [("name", "Dana <b>"), ("zone", "Nowhere/At_All")];
    let refused = dana.submit(&shown, "/settings/profile", &fields).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.html.contains("role=\"alert\"") && refused.html.contains("value=\"Nowhere/At_All\""),
        "{}",
        refused.html
    );
    let fields = [("name", "Dana <b>"), ("zone", "Asia/Kolkata")];
    let saved = dana.submit(&shown, "/settings/profile", &fields).await;
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, "/settings?done=change_profile")
    );
    let shown = dana.get("/settings?done=change_profile").await.good();
    assert!(
        shown.html.contains("It is saved") && shown.html.contains("Dana &#60;b&#62;"),
        "{}",
        shown.html
    );
    stand.act(serde_json::json!({"action": "wipe"})).await;
    let page = dana.get("/overview").await.good();
    let times = page
        .html
        .split("<time ")
        .skip(1)
        .map(|time| time.split_once("</time>").unwrap().0);
    let time = times.into_iter().find(|time| !time.contains("data-until")).unwrap();
    // The title has UTC: the same moment, half past or a half before.
    let minute = |text: &str| text.rsplit_once(':').map(|(_, rest)| rest[..2].parse::<u32>().unwrap());
    let (head, told) = time.split_once('>').unwrap();
    let utc = head.split_once("datetime=\"").unwrap().1.split_once('"').unwrap().0;
    let at = utc[14..16].parse::<u32>().unwrap();
    assert_eq!(minute(told), Some((at + 30) % 60), "{time}");
    let own = stand.api(&stand.admin, "GET", "/v1/users/dana", None).await;
    assert_eq!(
        (&own["name"], &own["user"]["zone"]),
        (&"Dana <b>".into(), &"Asia/Kolkata".into())
    );
}
