//! What agents say is inert on a page, and what of it is not seen is shown.

use serde_json::json;

use crate::stand::Stand;

/// Markup and what browsers make of it.
const MARKUP: &[&str] = &[
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "\"><button formaction=/sign-out>Approve</button>",
    "' onmouseover='alert(1)",
    "<a href=\"javascript:alert(1)\">proof</a>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content=\"0;url=//evil.example\">",
    "<base href=//evil.example/>",
    "<form action=//evil.example><input name=token>",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<!-- <script> -->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "{{ chrome.token }}",
    "{% include \"layout.html\" %}",
    "${alert(1)}",
    "<details open ontoggle=alert(1)>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<input name=\"verb\" value=\"approve\">",
    "[click](javascript:alert(1))",
    "<dialog open>Approved by root</dialog>",
];

/// Characters that are not seen, or turn others around.
const UNSEEN: &[&str] = &[
    "refund \u{202e}000,1\u{202c} USD",
    "\u{2066}safe\u{2069}",
    "zero\u{200b}width\u{200c}join\u{200d}ers",
    "\u{feff}bom",
    "soft\u{ad}hyphen",
    "tag\u{e0041}\u{e0042}characters",
    "line\u{2028}and paragraph\u{2029}ends",
    "bell\u{7} and escape\u{1b}[2J",
    "\u{200e}left\u{200f}right",
    "mongolian\u{180e}vowel",
    "invisible\u{2062}times",
    "arabic\u{61c}mark",
];

/// Letters that pretend to be others.
const ALIKE: &[&str] = &[
    "p\u{430}ypal",
    "\u{441}ountersign",
    "g\u{3bf}\u{3bf}gle",
    "\u{ff50}\u{ff41}\u{ff59}",
    "\u{1d429}\u{1d41a}\u{1d432}",
    "adm\u{456}n",
];

/// More than anybody reads.
fn long() -> Vec<String> {
    vec![
        "a".repeat(20_000),
        "wide ".repeat(4_000),
        "\n".repeat(3_000),
        "é".repeat(9_000),
    ]
}

/// Everything that a page of ours may hold of a payload: nothing that a browser would act on.
fn is_inert(html: &str) -> Result<(), String> {
    let lower = html.to_lowercase();
    for tag in [
        "<script>",
        "<img src=x",
        "<svg/",
        "<iframe",
        "<style",
        "<meta http-equiv",
        "<base",
        "<math",
        "<template",
        "<dialog open",
        "onerror=alert(1)>",
        "<a href=\"javascript:",
        "<details open ontoggle",
    ] {
        if lower.contains(tag) {
            return Err(format!("`{tag}`"));
        }
    }
    let unseen = html.chars().find(|c| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
            || (c.is_control() && *c != '\n')
    });
    unseen.map_or(Ok(()), |c| Err(c.escape_unicode().to_string()))
}

async fn pages_with(stand: &Stand, payload: &str) -> Vec<String> {
    let mut action = json!({
        "action": "pay", "amount": "5", "currency": "USD",
        "args": {"note": payload, "list": [payload]},
    });
    // What has to be a name or a sentence takes less than arguments do.
    let plain = payload.chars().count() < 100 && !payload.chars().any(char::is_control);
    if plain {
        action["resource"] = json!({"type": "order", "id": payload});
        action["evidence"] = json!({"reason": payload, "sources": [payload]});
    }
    let asked = stand.send_as_agent(&action).await;
    let Some(id) = asked else { return Vec::new() };
    let answer = stand
        .api(&stand.admin, "GET", &format!("/v1/approvals/{id}"), None)
        .await;
    let action = answer["action"]["id"].as_str().unwrap();
    let record = answer["action"]["receipt"]["index"].as_u64().unwrap();
    let dana = stand.browser("dana").await;
    let root = stand.browser("root").await;
    let mut pages = vec![dana.get(&format!("/approvals/{id}")).await.good().html];
    pages.push(dana.get("/inbox").await.good().html);
    // What was allowed once is shown with the next request, which is harmless itself.
    stand.vote("dana", &id, "approve", "fine").await;
    let next = stand
        .ask(json!({"action": "pay", "amount": "5", "currency": "USD"}))
        .await;
    let shown = dana.get(&format!("/approvals/{next}")).await.good().html;
    assert!(shown.contains("Last allowed") && shown.contains("/args"), "{shown}");
    pages.push(shown);
    let why: String = format!("no: {payload}").chars().take(1_000).collect();
    stand.vote("dana", &next, "reject", &why).await;
    let after = stand
        .ask(json!({"action": "pay", "amount": "6", "currency": "USD"}))
        .await;
    let shown = dana.get(&format!("/approvals/{after}")).await.good().html;
    assert!(shown.contains("How people decided"), "{shown}");
    pages.push(shown);
    for path in [
        format!("/actions/{action}"),
        format!("/audit/records/{record}"),
        "/audit?agent=bot".into(),
        "/agents/bot".into(),
        "/overview".into(),
    ] {
        pages.push(root.get(&path).await.good().html);
    }
    pages
}

/// What a person reads where a browser was given this.
fn read(html: &str) -> String {
    let written = [
        ("&lt;", "<"),
        ("&#60;", "<"),
        ("&gt;", ">"),
        ("&#62;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
    ];
    let mut text = html.replace("&#39;", "'").replace("&#x27;", "'");
    for (entity, meant) in written {
        text = text.replace(entity, meant);
    }
    text.replace("&#38;", "&").replace("&amp;", "&")
}

async fn all_are_inert(payloads: &[String]) {
    let stand = Stand::start().await;
    for payload in payloads {
        let pages = pages_with(&stand, payload).await;
        assert!(!pages.is_empty(), "the API did not take {payload:?}");
        for html in pages {
            if let Err(what) = is_inert(&html) {
                panic!("{payload:?} is not inert: {what} in {html}");
            }
        }
    }
}

fn owned(payloads: &[&str]) -> Vec<String> {
    payloads.iter().map(|payload| (*payload).to_owned()).collect()
}

#[test]
fn there_are_fifty_of_them() {
    assert!(MARKUP.len() + UNSEEN.len() + ALIKE.len() + long().len() >= 50);
}

#[tokio::test]
async fn markup_is_shown_as_text() {
    all_are_inert(&owned(MARKUP)).await;
    let stand = Stand::start().await;
    for payload in MARKUP {
        let pages = pages_with(&stand, payload).await;
        assert!(
            read(&pages[0]).contains(payload),
            "{payload} is not seen in {}",
            pages[0]
        );
        let acts = payload.contains(['<', '>', '"', '\'']);
        for html in pages.iter().filter(|_| acts) {
            assert!(!html.contains(payload), "{payload} stands as it is in {html}");
        }
    }
    let pages = pages_with(&stand, "<b>bold</b>").await;
    for page in [&pages[0], &pages[2], &pages[3]] {
        assert!(page.contains("&lt;b&gt;bold&lt;/b&gt;"), "{page}");
    }
}

#[tokio::test]
async fn what_is_not_seen_is_written_out() {
    all_are_inert(&owned(UNSEEN)).await;
    let stand = Stand::start().await;
    let pages = pages_with(&stand, "pay \u{202e}001 now").await;
    assert!(pages[0].contains("\\u{202e}</mark>"), "{}", pages[0]);
}

#[tokio::test]
async fn letters_that_pretend_to_be_others_are_marked() {
    let stand = Stand::start().await;
    for payload in ALIKE {
        let pages = pages_with(&stand, payload).await;
        assert!(pages[0].contains("<mark class=\"mixed\""), "{payload}: {}", pages[0]);
    }
}

#[tokio::test]
async fn what_is_very_long_is_folded_and_the_page_stays_small() {
    let payloads = long();
    all_are_inert(&payloads).await;
    let stand = Stand::start().await;
    let pages = pages_with(&stand, &payloads[0]).await;
    assert!(pages[0].contains("19400 more characters"), "the exact count is told");
}
