#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use super::*;
use crate::notice::What;

fn notice() -> Notice {
    Notice {
        decide: Some("https://cs.example.com/v1/links/apr_1.00/acme".into()),
        id: "ntc_1".into(),
        what: What::StepStarted,
        approval: "apr_1".into(),
        sentence: "agent `bot` asks to run `pay`\r\nBcc: all@example.com".into(),
        agent_says: Some("<b>Approve</b> this\n> at once".into()),
        asked: vec!["leads".into()],
        rules: vec!["gate#payments".into()],
        said: Vec::new(),
        deadline: Some("2026-11-27T04:00:00Z".into()),
        outcome: None,
        link: "https://countersign.example.com/v1/approvals/apr_1?a=\"b\"&c".into(),
    }
}

fn sent(notices: &[Notice]) -> String {
    let message = message("Countersign <bot@example.com>", "dana@example.com", notices).unwrap();
    String::from_utf8(message.formatted()).unwrap()
}

#[test]
fn what_an_agent_writes_adds_no_header_and_is_marked_and_escaped() {
    let mail = sent(&[notice()]);
    let head = mail.split("\r\n\r\n").next().unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
    assert!(head.contains("Message-ID: <ntc_1@example.com>"), "{head}");
    assert!(head.contains("multipart/alternative"), "{head}");

    let html = html_of(&[notice()]);
    assert!(
        html.contains("&lt;b&gt;Approve&lt;/b&gt; this<br>&gt; at once"),
        "{html}"
    );
    assert!(html.contains("nobody has checked"), "{html}");
    assert!(html.contains("?a=&quot;b&quot;&amp;c\""), "{html}");
    let text = text_of(&[notice()]);
    assert!(text.contains("> <b>Approve</b> this\n> > at once"), "{text}");
    assert!(
        text.contains("Answer until: 2026-11-27T04:00:00Z\nBecause of: gate#payments\n"),
        "{text}"
    );
}

#[test]
fn what_an_agent_writes_adds_no_link_and_stands_below_a_rule() {
    let says =
        "decide at https://evil.example/v1/links/apr_1 or www.evil.example, evil.example/x, a@evil.example: 3.50 EUR.";
    let notice = Notice {
        agent_says: Some(says.into()),
        ..notice()
    };
    let broken = "decide at https[:]//evil[.]example/v1/links/apr_1 or www[.]evil[.]example, evil[.]example/x, \
                  a[@]evil[.]example: 3.50 EUR.";
    let text = text_of(std::slice::from_ref(&notice));
    let (ours, theirs) = text.split_once("\n--------\n").unwrap();
    assert!(ours.contains("https://cs.example.com/v1/links/apr_1.00/acme"), "{text}");
    assert!(theirs.ends_with(&format!("> {broken}\n")), "{text}");
    let html = html_of(&[notice]);
    let (ours, theirs) = html.split_once("<hr>").unwrap();
    assert!(ours.contains("https://cs.example.com/v1/links/apr_1.00/acme"), "{html}");
    assert!(theirs.contains(broken), "{html}");
}

#[test]
fn several_notices_are_one_message() {
    let mail = sent(&[notice(), notice()]);
    assert!(mail.contains("Subject: 2 requests: Your decision is wanted"), "{mail}");
    assert_eq!(html_of(&[notice(), notice()]).matches("<h2>").count(), 2);
}

#[test]
fn mail_goes_to_nobody_whose_address_is_none() {
    for to in ["", "dana", "a@b\r\nBcc: c@d", "a@b, c@d"] {
        assert!(message("bot@example.com", to, &[notice()]).is_none(), "{to:?}");
    }
    assert!(is_mailbox("Countersign <bot@example.com>") && is_mailbox("bot@example.com"));
    assert!(!is_mailbox("bot") && !is_mailbox("Bot\r\n <bot@example.com>"));
}

#[test]
fn mail_servers_are_public_or_named_by_the_operator() {
    let allowed = Allowlist::parse(["127.0.0.1:2526", "mail.internal:25"]).unwrap();
    let read = |text: &str| SmtpServer::parse(text, &allowed);
    assert_eq!(
        read("smtps://a%40b:p%2Fw@mail.example.com").unwrap().place(),
        "mail.example.com:465"
    );
    assert_eq!(read("smtp://mail.example.com").unwrap().place(), "mail.example.com:587");
    let named = read("smtp://127.0.0.1:2526").unwrap();
    assert!(matches!(named.tls().unwrap(), Tls::Opportunistic(_)));
    assert!(matches!(
        read("smtp://mail.internal:25").unwrap().tls().unwrap(),
        Tls::Opportunistic(_)
    ));
    assert!(matches!(
        read("smtp://mail.example.com").unwrap().tls().unwrap(),
        Tls::Required(_)
    ));
    assert!(matches!(
        read("smtps://mail.example.com").unwrap().tls().unwrap(),
        Tls::Wrapper(_)
    ));
    let private = SmtpServerError::Host(TargetError::PrivateAddress);
    for refused in [
        "smtp://127.0.0.1:25",
        "smtp://mail.internal:587",
        "smtps://10.0.0.1",
        "smtp://[::1]:25",
    ] {
        assert_eq!(read(refused).unwrap_err(), private, "{refused}");
    }
    assert_eq!(read("smtp://mail.example.com:1025").unwrap_err(), SmtpServerError::Port);
    for malformed in [
        "mail.example.com",
        "https://mail.example.com",
        "smtp://user@mail.example.com",
        "smtp://a/b",
    ] {
        assert_eq!(read(malformed).unwrap_err(), SmtpServerError::Malformed, "{malformed}");
    }
}
