//! The Slack channel: messages of blocks, updated in place, and the signatures of what Slack sends back.
//!
//! Sources: Slack's pages "Block Kit", "chat.postMessage", "chat.update", "Incoming webhooks", "Verifying requests from Slack".

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::address::Target;
use crate::channel::{Attempt, Reason};
use crate::notice::{Notice, clipped, one_line};
use crate::webhook::Sender;

#[cfg(test)]
mod tests;

/// Header with the time at which Slack signed.
pub const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";
/// Header with the signature.
pub const SIGNATURE_HEADER: &str = "x-slack-signature";
/// How far the time may be from ours.
pub const TOLERANCE_S: i64 = 300;

/// The longest text of a block.
const BLOCK_CHARS: usize = 2800;
const AGENT_WORDS: usize = 1500;

/// How messages get to Slack.
#[derive(Clone)]
pub enum Way {
    /// As an app's bot: messages can be updated later.
    Bot {
        /// Where the methods of the API lie, such as `https://slack.com/api`; without a slash at the end.
        post: Target,
        /// `chat.update` beside it.
        update: Target,
        /// `xoxb-…`.
        token: Zeroizing<String>,
        /// Id of the conversation.
        channel: String,
    },
    /// By an incoming webhook, whose URL is the secret: what was posted stays as it is.
    Incoming(Target),
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// How the attempt went.
    pub attempt: Attempt,
    /// By what the message can be updated.
    pub reference: Option<String>,
}

impl From<Attempt> for Posted {
    fn from(attempt: Attempt) -> Self {
        Posted {
            attempt,
            reference: None,
        }
    }
}

/// Why an API method failed, as far as it is worth telling; anything else is `another error`.
const WORDS: [&str; 20] = [
    "account_inactive",
    "cant_update_message",
    "channel_not_found",
    "edit_window_closed",
    "fatal_error",
    "internal_error",
    "invalid_auth",
    "invalid_blocks",
    "is_archived",
    "message_not_found",
    "missing_scope",
    "msg_too_long",
    "no_permission",
    "not_authed",
    "not_in_channel",
    "ratelimited",
    "restricted_action",
    "service_unavailable",
    "token_expired",
    "token_revoked",
];

/// Words after which another attempt may succeed without anybody doing something.
const PASSING: [&str; 4] = ["fatal_error", "internal_error", "ratelimited", "service_unavailable"];

#[derive(Deserialize)]
struct ApiAnswer {
    ok: bool,
    error: Option<String>,
    ts: Option<String>,
}

impl Sender {
    /// Tries once to post a message, or to put it in place of the one that `reference` names.
    pub async fn slack(&self, way: &Way, message: &Value, reference: Option<&str>, now_s: i64) -> Posted {
        let mut body = message.clone();
        let (target, headers) = match way {
            Way::Incoming(target) => (target, Vec::new()),
            Way::Bot {
                post,
                update,
                token,
                channel,
            } => {
                body["channel"] = json!(channel);
                if let Some(reference) = reference {
                    body["ts"] = json!(reference);
                }
                let authorization = vec![("authorization", format!("Bearer {}", **token))];
                (if reference.is_some() { update } else { post }, authorization)
            }
        };
        let answered = match self.post(target, &headers, body.to_string().as_bytes(), now_s).await {
            Ok(answered) => answered,
            Err(attempt) => return attempt.into(),
        };
        match (way, &answered.attempt) {
            // Of a bot's message only the body says whether it was taken.
            (Way::Bot { .. }, Attempt::Delivered { .. }) => taken(&answered.body, answered.attempt),
            // A webhook that is gone has to be made anew by a person.
            (_, Attempt::Gone) => rejected(Reason::Status(410)).into(),
            (
                Way::Incoming(_),
                Attempt::Retry {
                    reason: Reason::Status(status @ (400 | 403 | 404)),
                    ..
                },
            ) => rejected(Reason::Status(*status)).into(),
            _ => answered.attempt.into(),
        }
    }
}

fn rejected(reason: Reason) -> Attempt {
    Attempt::Rejected { reason }
}

fn taken(body: &[u8], attempt: Attempt) -> Posted {
    let Ok(answer) = serde_json::from_slice::<ApiAnswer>(body) else {
        return crate::webhook::retry(Reason::Broken).into();
    };
    if answer.ok {
        return Posted {
            attempt,
            reference: answer.ts.filter(|ts| ts.len() <= 64),
        };
    }
    let said = answer.error.unwrap_or_default();
    let word = WORDS.into_iter().find(|word| *word == said).unwrap_or("another error");
    let reason = Reason::Word(word);
    if PASSING.contains(&word) {
        crate::webhook::retry(reason).into()
    } else {
        rejected(reason).into()
    }
}

/// The message of a notice. `approve` is what the button to approve carries; without it there is none.
///
/// Names and words stand in blocks of plain text, in which Slack reads no markup: nobody is mentioned, nothing is linked.
pub fn message(notice: &Notice, approve: Option<&str>) -> Value {
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(notice.what.headline()) }),
        json!({ "type": "section", "text": plain(&notice.sentence) }),
    ];
    let facts = notice.facts();
    if !facts.is_empty() {
        let fields: Vec<_> = facts
            .iter()
            .map(|(label, text)| plain(&clipped(&format!("{label}: {text}"), 500)))
            .collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if let Some(words) = &notice.agent_says {
        let words = format!(
            "The agent says, and nobody has checked: {}",
            clipped(words, AGENT_WORDS)
        );
        blocks.push(json!({ "type": "context", "elements": [plain(&words)] }));
    }
    let mut buttons = Vec::new();
    if let Some(value) = approve {
        buttons.push(json!({
            "type": "button", "action_id": APPROVE, "style": "primary", "text": plain("Approve"), "value": value,
            "confirm": {
                "title": plain("Approve?"), "text": plain(&clipped(&notice.sentence, 280)),
                "confirm": plain("Approve"), "deny": plain("Back"),
            },
        }));
    }
    buttons.push(json!({
        "type": "button", "action_id": "open", "text": plain("Open in Countersign"), "url": notice.link,
    }));
    blocks.push(json!({ "type": "actions", "block_id": notice.approval, "elements": buttons }));
    let text = format!("{}: {}", notice.what.headline(), notice.sentence);
    json!({ "text": fallback(&text), "blocks": blocks, "unfurl_links": false })
}

/// A few words for one person, which nobody else in the conversation sees and which leave the message as it is.
pub fn whisper(text: &str) -> Value {
    json!({ "response_type": "ephemeral", "replace_original": false, "text": fallback(text) })
}

/// A message in place of the one that somebody has pressed a button of.
pub fn in_place(mut message: Value) -> Value {
    message["replace_original"] = json!(true);
    message
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": clipped(&one_line(text), BLOCK_CHARS), "emoji": false })
}

/// The text beside blocks is markup: its three special characters are escaped.
fn fallback(text: &str) -> String {
    let text = clipped(&one_line(text), BLOCK_CHARS);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Checks that Slack sent this: `v0=` and the hexadecimal HMAC-SHA256 of `v0:time:body`, signed within five minutes of `now_s`.
///
/// # Errors
///
/// Why it is not believed.
pub fn verify(secret: &str, timestamp: &str, signature: &str, body: &[u8], now_s: i64) -> Result<(), NotFromSlack> {
    let at: i64 = timestamp.parse().map_err(|_| NotFromSlack::Signature)?;
    let given = signature
        .strip_prefix("v0=")
        .and_then(unhex)
        .ok_or(NotFromSlack::Signature)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| NotFromSlack::Signature)?;
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    // Takes the same time wherever they differ.
    mac.verify_slice(&given).map_err(|_| NotFromSlack::Signature)?;
    if now_s.saturating_sub(at).saturating_abs() > TOLERANCE_S {
        return Err(NotFromSlack::Old);
    }
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

/// Why a request is not taken as Slack's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFromSlack {
    /// The signature is missing, malformed or another one.
    #[error("the signature is not Slack's")]
    Signature,
    /// It was signed too long ago, or in the future.
    #[error("the request was signed more than five minutes ago")]
    Old,
}

/// `action_id` of the button to approve.
pub const APPROVE: &str = "approve";

/// What somebody did with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// Slack's id of who it was.
    pub user: String,
    /// Which button.
    pub action: String,
    /// What the button carries.
    pub value: String,
    /// Unique for this press of the button.
    pub trigger: String,
    /// Where an answer goes.
    pub response_url: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: Person,
    #[serde(default)]
    actions: Vec<Pressed>,
    trigger_id: Option<String>,
    response_url: Option<String>,
}

#[derive(Deserialize)]
struct Person {
    id: String,
}

#[derive(Deserialize)]
struct Pressed {
    action_id: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    action_ts: String,
}

/// Reads the form that Slack posts when somebody presses a button: `payload=` and JSON. `None` if it is something else.
pub fn interaction(body: &[u8]) -> Option<Interaction> {
    let (_, payload) = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    let payload: Payload = serde_json::from_str(&payload).ok()?;
    if payload.kind != "block_actions" {
        return None;
    }
    let pressed = payload.actions.into_iter().next()?;
    Some(Interaction {
        user: payload.user.id,
        trigger: payload.trigger_id.unwrap_or(pressed.action_ts),
        action: pressed.action_id,
        value: pressed.value,
        response_url: payload.response_url,
    })
}
