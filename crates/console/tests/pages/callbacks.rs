//! Receivers of callbacks, and channels to people.

use crate::stand::Stand;

#[tokio::test]
async fn a_receiver_is_registered_with_a_secret_shown_once_and_removed_after_a_second_look() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/callbacks").await.good();
    let refused = root.submit(&shown, "/callbacks/receivers", &[("url", "ftp://x")]).await;
    assert!(
        refused.status == 422 && refused.html.contains("value=\"ftp://x\""),
        "{}",
        refused.html
    );
    let url = "https://hooks.example.com/status";
    let registered = root
        .submit(&shown, "/callbacks/receivers", &[("url", url)])
        .await
        .good();
    assert!(registered.html.contains("whsec_") && registered.html.contains("shown this once"));
    let listed = root.get("/callbacks").await.good();
    assert!(listed.html.contains(url) && !listed.html.contains("whsec_"));
    let (_, rest) = listed.html.split_once("/callbacks/receivers/rcv_").unwrap();
    let path = format!("/callbacks/receivers/rcv_{}/remove", rest.split_once('/').unwrap().0);
    let sure = root.get(&path).await.good();
    assert!(sure.html.contains(url));
    let removed = root.submit(&sure, &path, &[]).await;
    assert_eq!(removed.header("location"), "/callbacks?done=remove_receiver");
    assert!(!root.get("/callbacks").await.good().html.contains(url));
    assert_eq!(root.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_channel_is_registered_tried_and_removed_and_its_secret_is_on_no_page_again() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/callbacks").await.good();
    let mail = [
        ("name", "mail"),
        ("kind", "email"),
        ("email_url", "smtps://u:geheim@mail.example.com"),
        ("email_from", "Countersign <c@example.com>"),
        ("quiet_from", "22:00"),
        ("quiet_to", "07:00"),
        ("quiet_zone", "Europe/Zurich"),
    ];
    let registered = root.submit(&shown, "/callbacks/channels", &mail).await;
    assert_eq!(
        registered.header("location"),
        "/callbacks?done=register_channel",
        "{}",
        registered.html
    );
    let listed = root.get("/callbacks").await.good();
    assert!(
        listed.html.contains("22:00 to 07:00") && !listed.html.contains("geheim"),
        "{}",
        listed.html
    );
    // Whoever asks has no address to send mail to.
    let tried = root.submit(&listed, "/callbacks/channels/mail/test", &[]).await;
    assert!(
        tried.status == 422 && tried.html.contains("role=\"alert\""),
        "{}",
        tried.status
    );
    let sure = root.get("/callbacks/channels/mail/remove").await.good();
    let removed = root.submit(&sure, "/callbacks/channels/mail/remove", &[]).await;
    assert_eq!(removed.header("location"), "/callbacks?done=remove_channel");
    let hook = [
        ("name", "hook"),
        ("kind", "webhook"),
        ("webhook_url", "https://hooks.example.com/n"),
    ];
    let registered = root.submit(&shown, "/callbacks/channels", &hook).await.good();
    assert!(registered.html.contains("whsec_"));
    // A viewer sees which there are, and no form.
    let seen = stand.browser("vera").await.get("/callbacks").await.good();
    assert!(seen.html.contains("hook") && !seen.html.contains("/callbacks/channels/hook/test"));
}
