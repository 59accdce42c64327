#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use super::*;
use crate::notice::What;

/// The example of Slack's page "Verifying requests from Slack".
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const AT: &str = "1531420618";
const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

#[test]
fn what_slack_signed_within_five_minutes_is_believed_and_nothing_else() {
    let at: i64 = AT.parse().unwrap();
    for now in [at - 300, at, at + 300] {
        assert_eq!(verify(SECRET, AT, SIGNED, BODY, now), Ok(()));
    }
    for now in [at - 301, at + 301, i64::MIN] {
        assert_eq!(verify(SECRET, AT, SIGNED, BODY, now), Err(NotFromSlack::Old));
    }
    let wrong = Err(NotFromSlack::Signature);
    assert_eq!(verify("another", AT, SIGNED, BODY, at), wrong);
    assert_eq!(verify(SECRET, "1531420619", SIGNED, BODY, at), wrong);
    assert_eq!(verify(SECRET, AT, SIGNED, BODY.strip_suffix(b"c").unwrap(), at), wrong);
    for signature in ["", "v0=", "v0=zz", &SIGNED[3..], &SIGNED[..66], &format!("{SIGNED}00")] {
        assert_eq!(verify(SECRET, AT, signature, BODY, at), wrong, "{signature}");
    }
}

#[test]
fn what_an_agent_writes_is_no_markup_and_is_marked() {
    let notice = Notice {
        decide: Some("https://cs.example.com/v1/links/apr_1.00/acme".into()),
        id: "ntc_1".into(),
        what: What::Opened,
        approval: "apr_1".into(),
        sentence: "agent `<!channel>` asks to run `pay`".into(),
        agent_says: Some("*ok* <https://evil.example|click>".into()),
        asked: vec!["leads".into()],
        rules: vec!["gate#payments".into()],
        said: Vec::new(),
        deadline: None,
        outcome: None,
        link: "https://countersign.example.com/v1/approvals/apr_1".into(),
    };
    let sent = message(&notice, Some("apr_1 digest snapshot"));
    assert_eq!(
        sent["text"],
        "Your decision is wanted: agent `&lt;!channel&gt;` asks to run `pay`"
    );
    assert!(!sent.to_string().contains("mrkdwn"), "{sent}");
    let blocks = sent["blocks"].as_array().unwrap();
    let context = blocks.iter().find(|block| block["type"] == "context").unwrap();
    let words = context["elements"][0]["text"].as_str().unwrap();
    assert!(
        words.starts_with("The agent says, and nobody has checked: *ok*"),
        "{words}"
    );
    let buttons = blocks.last().unwrap()["elements"].as_array().unwrap().clone();
    assert_eq!(buttons[0]["value"], "apr_1 digest snapshot");
    assert_eq!(buttons[1]["url"], notice.link.as_str());
    assert_eq!(
        message(&notice, None)["blocks"][4]["elements"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn the_press_of_a_button_is_read() {
    let payload = r#"{"type":"block_actions","user":{"id":"U1","team_id":"T1"},"trigger_id":"1.2","response_url":"https://hooks.slack.com/actions/1","container":{"message_ts":"1.0","channel_id":"C1"},"actions":[{"action_id":"approve","block_id":"apr_1","value":"a b+c","action_ts":"3.4"}]}"#;
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", payload)
        .finish();
    let read = interaction(body.as_bytes()).unwrap();
    assert_eq!(
        (&*read.user, &*read.action, &*read.value, &*read.trigger),
        ("U1", "approve", "a b+c", "1.2")
    );
    assert_eq!(interaction(b"payload=%7B%7D"), None);
    assert_eq!(interaction(BODY), None);
}
