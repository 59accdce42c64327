//! What waits, and deciding it.

use serde_json::json;

use crate::stand::{Browser, Page, Stand};

async fn vote(browser: &mut Browser<'_>, shown: &Page, id: &str, more: &[(&str, &str)]) -> Page {
    let names = ["action_digest", "snapshot", "presentation_digest"];
    let values = names.map(|name| shown.field(name));
    let mut fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    fields.extend_from_slice(more);
    browser.submit(shown, &format!("/approvals/{id}/votes"), &fields).await
}

#[tokio::test]
async fn a_request_is_in_the_inbox_of_those_who_decide_and_goes_when_it_is_decided() {
    let stand = Stand::start().await;
    let id = stand
        .ask(json!({"action": "pay", "amount": "340", "currency": "USD", "env": "production"}))
        .await;
    let mut dana = stand.browser("dana").await;
    let inbox = dana.get("/inbox").await.good();
    assert!(
        inbox.html.contains(&format!("/approvals/{id}")) && inbox.html.contains("340 USD"),
        "{}",
        inbox.html
    );

    let shown = dana.get(&format!("/approvals/{id}")).await.good();
    for wanted in [
        "agent `bot` asks to run `pay` for 340 USD",
        "gate",
        "production",
        "Who decides",
        "If nobody answers",
    ] {
        assert!(shown.html.contains(wanted), "{wanted}: {}", shown.html);
    }
    let done = vote(&mut dana, &shown, &id, &[("verb", "approve"), ("comment", "fine")]).await;
    assert_eq!(done.header("location"), format!("/approvals/{id}?done=approve"));
    let after = dana.get(done.header("location")).await.good();
    assert!(after.html.contains("You approved it."), "{}", after.html);
    assert!(!after.html.contains("Your decision"), "there is nothing left to decide");
    assert!(!dana.get("/inbox").await.good().html.contains(&id));
}

#[tokio::test]
async fn a_rejection_without_a_reason_comes_back_with_what_to_do() {
    let stand = Stand::start().await;
    let id = stand.ask(json!({"action": "pay"})).await;
    let mut dana = stand.browser("dana").await;
    let shown = dana.get(&format!("/approvals/{id}")).await.good();
    let page = vote(&mut dana, &shown, &id, &[("verb", "reject"), ("comment", "  ")]).await;
    assert_eq!(page.status, 422);
    assert!(page.html.contains("role=\"alert\""), "{}", page.html);
    let page = vote(
        &mut dana,
        &page,
        &id,
        &[("verb", "reject"), ("comment", "not this vendor")],
    )
    .await;
    assert_eq!(page.status, 303, "{}", page.html);
}

#[tokio::test]
async fn whoever_may_not_decide_sees_the_request_and_why_not() {
    let stand = Stand::start().await;
    let id = stand.ask(json!({"action": "pay"})).await;
    let vera = stand.browser("vera").await;
    let page = vera.get(&format!("/approvals/{id}")).await.good();
    assert!(
        page.html
            .contains("Only people with the role reviewer or admin decide."),
        "{}",
        page.html
    );
    assert!(!page.html.contains("value=\"approve\""), "{}", page.html);
}

#[tokio::test]
async fn a_place_that_is_narrowed_is_approved_as_it_was_changed() {
    let stand = Stand::start().await;
    let policy = crate::stand::POLICY.replace("approvers: [leads]", "approvers: [leads]\n  editable: [/amount]");
    stand.activate(&policy).await;
    let id = stand
        .ask(json!({"action": "pay", "amount": "340", "currency": "USD"}))
        .await;
    let mut dana = stand.browser("dana").await;
    let shown = dana.get(&format!("/approvals/{id}")).await.good();
    assert!(
        shown.html.contains("name=\"set:/amount\" value=\"340\""),
        "{}",
        shown.html
    );
    let fields = [
        ("verb", "edit"),
        ("was:/amount", "340"),
        ("set:/amount", "300"),
        ("comment", "no more than that"),
    ];
    let page = vote(&mut dana, &shown, &id, &fields).await;
    assert_eq!(page.status, 303, "{}", page.html);
    let request = stand
        .api(&stand.admin, "GET", &format!("/v1/approvals/{id}"), None)
        .await;
    assert_eq!(request["stored"]["amount"], "300");
    assert_eq!(request["state"], "approved");
}

#[tokio::test]
async fn several_of_one_kind_are_decided_at_once() {
    let stand = Stand::start().await;
    let mut ids = Vec::new();
    for order in 1..=3 {
        ids.push(stand.ask(json!({"action": "pay", "args": {"order": order}})).await);
    }
    let mut dana = stand.browser("dana").await;
    let inbox = dana.get("/inbox").await.good();
    let picks: Vec<String> = (inbox.html.split("name=\"pick\" value=\"").skip(1))
        .map(|rest| rest.split_once('"').unwrap().0.to_owned())
        .collect();
    assert_eq!(picks.len(), 3);
    let mut fields = vec![("verb", "approve")];
    fields.extend(picks.iter().map(|pick| ("pick", pick.as_str())));
    let page = dana.submit(&inbox, "/inbox/votes", &fields).await;
    assert_eq!(page.header("location"), "/inbox?done=batch", "{}", page.html);
    for id in ids {
        assert_eq!(
            stand
                .api(&stand.admin, "GET", &format!("/v1/approvals/{id}"), None)
                .await["state"],
            "approved"
        );
    }
}

#[tokio::test]
async fn a_vote_that_comes_too_late_says_so() {
    let stand = Stand::start().await;
    let id = stand.ask(json!({"action": "pay"})).await;
    let (mut dana, mut eli) = (stand.browser("dana").await, stand.browser("eli").await);
    let path = format!("/approvals/{id}");
    let (first, second) = (dana.get(&path).await.good(), eli.get(&path).await.good());
    assert_eq!(vote(&mut dana, &first, &id, &[("verb", "approve")]).await.status, 303);
    let page = vote(&mut eli, &second, &id, &[("verb", "reject"), ("comment", "no")]).await;
    assert_eq!(page.status, 422);
    assert!(
        page.html.contains("role=\"alert\"") && page.html.contains("approved"),
        "{}",
        page.html
    );
}

#[tokio::test]
async fn a_long_inbox_has_pages_and_what_asks_ones_teams_has_a_tab() {
    let stand = Stand::start().await;
    for n in 0..51 {
        stand.ask(json!({"action": "pay", "args": {"n": n}})).await;
    }
    let dana = stand.browser("dana").await;
    for of in ["me", "teams", "all", "nonsense"] {
        let first = dana.get(&format!("/inbox?of={of}")).await.good();
        assert_eq!(first.html.matches("data-row").count(), 50, "{of}");
        let (before, _) = first.html.split_once("\">Later ones</a>").unwrap();
        let (_, later) = before.rsplit_once("href=\"").unwrap();
        let last = dana.get(&later.replace("&#38;", "&")).await.good();
        assert_eq!(last.html.matches("data-row").count(), 1, "{of}");
        assert!(last.html.contains("The nearest deadlines") && !last.html.contains("Later ones"));
    }
    // Whoever may not vote looks at all that is open, and has no tabs of their own.
    let vera = stand.browser("vera").await.get("/inbox?of=teams").await.good();
    assert!(!vera.html.contains("For my teams") && vera.html.matches("data-row").count() == 50);
}
