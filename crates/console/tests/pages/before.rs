//! What was before a request, on its page; and that the decision stands before everything that is long.

use serde_json::json;

use crate::stand::Stand;

/// Where something begins on a page.
#[track_caller]
fn at(html: &str, what: &str) -> usize {
    html.find(what).unwrap_or_else(|| panic!("no {what} in {html}"))
}

/// The part of a page about what was before.
fn before(html: &str) -> &str {
    let (from, to) = (at(html, "id=\"h-before\""), at(html, "id=\"h-said\""));
    &html[from..to]
}

#[tokio::test]
async fn what_was_never_asked_before_is_called_the_first_time() {
    let stand = Stand::start().await;
    let id = stand
        .ask(json!({"action": "pay", "amount": "340", "currency": "USD"}))
        .await;
    let dana = stand.browser("dana").await;
    let page = dana.get(&format!("/approvals/{id}")).await.good();
    assert!(before(&page.html).contains("This is the first time"), "{}", page.html);
}

#[tokio::test]
async fn a_request_is_held_against_what_was_allowed_last_line_by_line() {
    let stand = Stand::start().await;
    let first = stand
        .ask(json!({"action": "pay", "amount": "340", "currency": "USD", "args": {"to": "a", "memo": "June"}}))
        .await;
    stand.vote("dana", &first, "approve", "as agreed").await;
    let rejected = stand
        .ask(json!({"action": "pay", "amount": "9000", "currency": "USD"}))
        .await;
    stand.vote("eli", &rejected, "reject", "ten times the order").await;
    let id = stand
        .ask(json!({"action": "pay", "amount": "350", "currency": "USD", "args": {"to": "b"}, "env": "production"}))
        .await;
    let dana = stand.browser("dana").await;
    let page = dana.get(&format!("/approvals/{id}")).await.good();
    let told = before(&page.html);
    for wanted in [
        "`dana` approved it; nothing says that it ran.",
        &format!("href=\"/approvals/{first}\""),
        "<code>/amount</code></th><td data-label=\"Then\">340</td><td data-label=\"Now\">350</td>",
        "<code>/args/memo</code></th><td data-label=\"Then\">June</td><td data-label=\"Now\"><span class=\"quiet\">nothing</span></td>",
        "<code>/args/to</code></th><td data-label=\"Then\">a</td><td data-label=\"Now\">b</td>",
        "<code>/env</code></th><td data-label=\"Then\"><span class=\"quiet\">nothing</span></td><td data-label=\"Now\">production</td>",
        &format!("href=\"/approvals/{rejected}\""),
        "9000 USD by <strong>eli</strong>",
        "ten times the order",
        "the last 2 requests: 1 approved, 1 rejected, since",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
}

#[tokio::test]
async fn the_decision_comes_after_what_and_why_and_before_everything_else() {
    let stand = Stand::start().await;
    let short = stand.ask(json!({"action": "pay", "args": {"to": "a"}})).await;
    let memo = "word ".repeat(200);
    let long = stand.ask(json!({"action": "pay", "args": {"memo": memo}})).await;
    let dana = stand.browser("dana").await;
    let page = dana.get(&format!("/approvals/{short}")).await.good().html;
    let order = [
        "<h1>",
        "h-what",
        "<h3>With</h3>",
        "h-why",
        "id=\"decide\"",
        "id=\"h-before\"",
        "id=\"h-said\"",
    ];
    let places: Vec<usize> = order.iter().map(|what| at(&page, what)).collect();
    assert!(places.is_sorted(), "{places:?}");
    let page = dana.get(&format!("/approvals/{long}")).await.good().html;
    let order = [
        "h-what",
        "href=\"#with\"",
        "id=\"decide\"",
        "id=\"with\"",
        "id=\"h-before\"",
    ];
    let places: Vec<usize> = order.iter().map(|what| at(&page, what)).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[tokio::test]
async fn sources_that_disagree_stand_among_what_the_agent_says() {
    let stand = Stand::start().await;
    let id = stand
        .ask(json!({
            "action": "pay", "confidence": 0.65, "run": "r-7",
            "conflicts": [{"source": "crm", "says": "30 days"}, {"source": "mail", "says": "45 days"}],
        }))
        .await;
    let dana = stand.browser("dana").await;
    let page = dana.get(&format!("/approvals/{id}")).await.good();
    let said = &page.html[at(&page.html, "id=\"h-said\"")..];
    for wanted in ["sources that disagree", "30 days", "45 days", "0.65"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    for (link, words) in [("/agents/bot", "bot"), ("/runs/r-7", "r-7")] {
        assert!(
            page.html.contains(&format!("<a href=\"{link}\">{words}</a>")),
            "{}",
            page.html
        );
        dana.get(link).await.good();
    }
}
