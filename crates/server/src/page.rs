//! Pages for people who follow a link: what is asked, and a form to decide. No script, one style, nothing from elsewhere.
//!
//! All words of others go through [`html`]: markup in them is text, and what is not seen is written out.

use std::fmt::Write as _;

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use countersign_api::ApprovalAnswer;
use countersign_api::visible::html;
use sha2::{Digest as _, Sha256};

use crate::reply::Reply;

const STYLE: &str = include_str!("page.css");

/// What comes of a form is shown by the page that it is sent to; nothing else is loaded, framed or told where it came from.
fn policy() -> HeaderValue {
    let hash = BASE64.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    // Base 64 is visible ASCII, so this is a header.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// What a link is for, before anybody has said that they are a person: as much as the mail said.
pub(crate) fn glimpse(sentence: &str, answer: &ApprovalAnswer, user: &str) -> Reply {
    let body = format!(
        "<h1>Your decision is wanted</h1><p>{}.</p><p>Until {}. This link is for {} alone, and decides once.</p>\
         <form method=\"post\"><button name=\"what\" value=\"read\">Read it</button></form>",
        html(sentence),
        html(&answer.deadline),
        code(user),
    );
    page(200, "A decision is wanted", &body)
}

/// The whole request, and where it can still be decided, the form to do so.
pub(crate) fn request(sentence: &str, answer: &ApprovalAnswer, told: Option<&str>) -> Reply {
    let mut body = String::with_capacity(4096);
    if let Some(told) = told {
        let _ = write!(body, "<p class=\"told\">{}</p>", html(told));
    }
    let _ = write!(body, "<h1>{}</h1>", html(sentence));
    facts(&mut body, answer);
    let _ = write!(
        body,
        "<h2>What the agent says</h2><p>Nobody has checked it.</p><pre>{}</pre>",
        json(&answer.stored)
    );
    for given in &answer.answers {
        let _ = write!(body, "<p>Later:</p><pre>{}</pre>", json(given));
    }
    votes(&mut body, answer);
    form(&mut body, answer);
    page(200, "A decision is wanted", &body)
}

/// What came of a vote.
pub(crate) fn after(answer: &ApprovalAnswer, verb: &str) -> Reply {
    let stands = match &answer.why {
        Some(why) => format!("The request has ended as {}: {why}.", answer.state),
        None => "The request goes on: others have to decide as well.".to_owned(),
    };
    let body = format!(
        "<h1>Your decision is on record</h1><p>You said {} to {}.</p><p>{}</p><p>The link works no more.</p>",
        code(verb),
        code(&answer.id),
        html(&stands),
    );
    page(200, "Decided", &body)
}

/// Why nothing came of it.
pub(crate) fn refused(status: u16, why: &str, hint: Option<&str>) -> Reply {
    let mut body = format!("<h1>Nothing was decided</h1><p>{}.</p>", html(why));
    if let Some(hint) = hint {
        let _ = write!(body, "<p>{}.</p>", html(hint));
    }
    body.push_str(
        "<p>Decide with a key of your own: <code>countersign approvals list</code> shows what waits for you, and \
         <code>countersign approvals show</code> all of a request.</p>",
    );
    page(status, "Nothing was decided", &body)
}

fn page(status: u16, title: &str, body: &str) -> Reply {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    );
    let mut reply = Reply::bytes("text/html; charset=utf-8", html.into_bytes());
    reply.status = status;
    reply.policy = Some(policy());
    reply
}

fn facts(body: &mut String, answer: &ApprovalAnswer) {
    body.push_str("<table>");
    let mut row = |label: &str, text: &str| {
        let _ = write!(body, "<tr><th>{label}</th><td>{}</td></tr>", html(text));
    };
    row("Answer until", &answer.deadline);
    for reason in &answer.action.reasons {
        let rule = format!("{} {}: {}", reason.document, reason.rule, reason.message);
        row("Because of", rule.trim_start());
    }
    for slot in &answer.slots {
        let names = if slot.names.is_empty() {
            "the admins".to_owned()
        } else {
            slot.names.join(", ")
        };
        row("Asked", &format!("{} of {names}", slot.quorum));
    }
    for (name, value) in &answer.action.constraints {
        row("Only within", &format!("{name}: {value}"));
    }
    for sentence in &answer.if_unanswered {
        row("If nobody answers", sentence);
    }
    body.push_str("</table>");
}

fn votes(body: &mut String, answer: &ApprovalAnswer) {
    if answer.votes.is_empty() {
        return;
    }
    body.push_str("<h2>Said so far</h2><ul>");
    for vote in &answer.votes {
        let words = vote
            .comment
            .as_ref()
            .map(|words| format!(": {words}"))
            .unwrap_or_default();
        let not = if vote.counted { "" } else { " (does not count)" };
        let _ = write!(
            body,
            "<li>{} {}{not}{}</li>",
            code(&vote.user),
            html(&vote.verb),
            html(&words)
        );
    }
    body.push_str("</ul>");
}

fn form(body: &mut String, answer: &ApprovalAnswer) {
    let (Some(snapshot), Some(presentation)) = (&answer.snapshot, &answer.presentation_digest) else {
        body.push_str("<p>It cannot be decided here now, as what you were shown could not be recorded. Try again.</p>");
        return;
    };
    body.push_str("<h2>Your decision</h2><form method=\"post\">");
    for (name, value) in [
        ("action_digest", &answer.action_digest),
        ("snapshot", snapshot),
        ("presentation_digest", presentation),
    ] {
        let _ = write!(
            body,
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
            html(value)
        );
    }
    body.push_str(
        "<label>Why<textarea name=\"comment\" rows=\"3\" maxlength=\"4096\"></textarea></label>\
         <p>A rejection needs words.</p>\
         <button name=\"what\" value=\"approve\">Approve</button> <button name=\"what\" value=\"reject\">Reject</button></form>",
    );
}

/// JSON of others, as text for people.
fn json(value: &serde_json::Value) -> String {
    html(&serde_json::to_string_pretty(value).unwrap_or_default())
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", html(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_sent_as_json_is_text() {
        assert_eq!(json(&serde_json::json!("</pre>")), "&quot;&lt;/pre&gt;&quot;");
    }
}
