//! Signing in and out, and what guards a session.

use serde_json::json;

use crate::stand::Stand;

const PASSWORD: &str = "correct horse battery staple";

#[tokio::test]
async fn without_a_session_every_page_leads_to_signing_in_and_back() {
    let stand = Stand::start().await;
    let page = stand.stranger().get("/inbox?of=all").await;
    assert_eq!(page.status, 303);
    assert_eq!(page.header("location"), "/sign-in?to=%2Finbox%3Fof%3Dall");
    let mut browser = stand.stranger();
    let key = stand.people["dana"].clone();
    let page = browser
        .post("/sign-in", &[("key", &key), ("to", "/inbox?of=all")])
        .await;
    assert_eq!(page.header("location"), "/inbox?of=all");
    browser.get("/inbox?of=all").await.good();
}

#[tokio::test]
async fn the_cookie_is_for_this_host_alone_and_no_script_reads_it() {
    let stand = Stand::start().await;
    let mut browser = stand.stranger();
    let key = stand.people["dana"].clone();
    let page = browser.post("/sign-in", &[("key", &key)]).await;
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Host-countersign=cs_user_"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains(&key), "the browser gets a session, not the key");
}

#[tokio::test]
async fn an_invitation_signs_in_once_and_a_password_is_chosen() {
    let stand = Stand::start().await;
    let invited = stand
        .api(&stand.admin, "POST", "/v1/invitations", Some(json!({"user": "dana"})))
        .await;
    let invitation = invited["invitation"].as_str().unwrap();
    let path = format!("/sign-in/{invitation}");
    assert!(invited["url"].as_str().unwrap().ends_with(&path));

    let mut browser = stand.stranger();
    browser.get(&path).await.good();
    browser.get(&path).await.good();
    assert_eq!(browser.post(&path, &[]).await.header("location"), "/settings/password");
    browser.get("/inbox").await.good();
    assert_eq!(stand.stranger().post(&path, &[]).await.status, 401, "it is used up");

    let session = browser.cookie.clone().unwrap();
    let (_, key) = session.split_once('=').unwrap();
    stand
        .api(
            key,
            "PUT",
            "/v1/authenticators/password",
            Some(json!({"password": PASSWORD})),
        )
        .await;
    let mut other = stand.stranger();
    let page = other
        .post("/sign-in", &[("user", "dana"), ("password", PASSWORD)])
        .await;
    assert_eq!(page.status, 303, "{}", page.html);
    other.get("/inbox").await.good();
}

#[tokio::test]
async fn an_invitation_is_good_for_nothing_but_a_session() {
    let stand = Stand::start().await;
    let invited = stand
        .api(&stand.admin, "POST", "/v1/invitations", Some(json!({"user": "dana"})))
        .await;
    let mut browser = stand.stranger();
    browser.cookie = Some(format!(
        "__Host-countersign={}",
        invited["invitation"].as_str().unwrap()
    ));
    assert_eq!(browser.get("/inbox").await.status, 303, "it opens no page");
}

#[tokio::test]
async fn whoever_guesses_passwords_has_to_wait_and_another_password_ends_other_sessions() {
    let stand = Stand::start().await;
    let mut first = stand.invited("dana").await;
    let second = stand.browser("dana").await;
    let shown = first.get("/settings/password").await.good();
    let twice = [("password", PASSWORD), ("again", PASSWORD)];
    let set = first.submit(&shown, "/settings/password", &twice).await;
    assert_eq!(set.status, 303, "{}", set.html);
    first.get("/inbox").await.good();
    assert_eq!(second.get("/inbox").await.status, 303, "a session of before has ended");

    for _ in 0..5 {
        let page = first
            .post("/sign-in", &[("user", "dana"), ("password", "not the password")])
            .await;
        assert_eq!(page.status, 401);
        assert!(
            page.html.contains("The name or the password is not right."),
            "{}",
            page.html
        );
        assert!(!page.html.contains("not the password"));
    }
    let page = first
        .post("/sign-in", &[("user", "dana"), ("password", PASSWORD)])
        .await;
    assert_eq!(page.status, 429, "{}", page.html);
    let nobody = first
        .post("/sign-in", &[("user", "nobody"), ("password", "not the password")])
        .await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.html.contains("The name or the password is not right."));
}

#[tokio::test]
async fn signing_out_ends_the_session_for_whoever_has_the_cookie() {
    let stand = Stand::start().await;
    let mut browser = stand.browser("dana").await;
    let stolen = browser.cookie.clone();
    let shown = browser.get("/inbox").await.good();
    let page = browser.submit(&shown, "/sign-out", &[]).await;
    assert_eq!(page.header("location"), "/sign-in?done=signed_out");
    assert_eq!(browser.cookie, None);
    let mut thief = stand.stranger();
    thief.cookie = stolen;
    assert_eq!(thief.get("/inbox").await.status, 303);
}

#[tokio::test]
async fn a_form_of_another_site_or_without_its_token_does_nothing() {
    let stand = Stand::start().await;
    let id = stand.ask(json!({"action": "pay", "amount": "5"})).await;
    let mut browser = stand.browser("dana").await;
    let shown = browser.get(&format!("/approvals/{id}")).await.good();
    let (token, digest) = (shown.field("token"), shown.field("action_digest"));
    let (snapshot, seen) = (shown.field("snapshot"), shown.field("presentation_digest"));
    let vote = [
        ("token", token.as_str()),
        ("verb", "approve"),
        ("action_digest", &digest),
        ("snapshot", &snapshot),
        ("presentation_digest", &seen),
    ];
    let path = format!("/approvals/{id}/votes");
    assert_eq!(browser.post_from(&path, &vote, "cross-site").await.status, 403);
    assert_eq!(browser.post(&path, &vote[1..]).await.status, 403);
    let mut forged = vote;
    forged[0].1 = "somebody-elses";
    assert_eq!(browser.post(&path, &forged).await.status, 403);
    let request = stand
        .api(&stand.admin, "GET", &format!("/v1/approvals/{id}"), None)
        .await;
    assert_eq!(request["votes"], json!([]));
    assert_eq!(browser.post(&path, &vote).await.status, 303);
}

#[tokio::test]
async fn every_page_is_guarded_by_the_same_headers() {
    let stand = Stand::start().await;
    let browser = stand.browser("dana").await;
    for page in [
        browser.get("/inbox").await,
        stand.stranger().get("/sign-in").await,
        browser.get("/approvals/apr_x").await,
    ] {
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
        assert!(
            !page.html.contains("<script>") && !page.html.contains("style=\""),
            "{}",
            page.html
        );
    }
}

#[tokio::test]
async fn assets_are_kept_for_good_and_the_api_is_behind_the_pages() {
    let stand = Stand::start().await;
    let browser = stand.browser("dana").await;
    let html = browser.get("/inbox").await.good().html;
    let (_, style) = html.split_once("<link rel=\"stylesheet\" href=\"").unwrap();
    let style = browser.get(style.split_once('"').unwrap().0).await.good();
    assert!(style.header("cache-control").contains("immutable"));
    assert_eq!(browser.get("/assets/console.css").await.status, 404);
    assert_eq!(browser.get("/healthz").await.status, 200);
    assert_eq!(
        browser.get("/v1/whoami").await.status,
        401,
        "a cookie is no credential of the API"
    );
}
