//! Leading a client's user to the page on which people decide (elicitation by an address).
//!
//! Whatever the client answers decides nothing: whoever is at the page signs in there, and only a vote counts. So an answer
//! that says yes goes on waiting like any other client, and one that says anything else ends the call without running it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use countersign_api::ActionAnswer;
use serde_json::{Value, json};

use crate::answer;
use crate::govern::Waiting;
use crate::stdio::lock;
use crate::wire::Call;

/// The name of our question among what a client is asked.
const QUESTION: &str = "countersign";
/// A user is not led to the same page again so soon, however often an agent repeats its call.
const AGAIN: Duration = Duration::from_secs(10 * 60);
/// Nor to more than so many pages within this time, whatever an agent asks for.
const AT_MOST: usize = 5;
const WITHIN: Duration = Duration::from_secs(60);

/// What is said of a call whose user did not want to be led to the page.
pub(crate) const TURNED_DOWN: &str = "The page where people decide was not opened, so this call is not waited for any more. Nothing \
     was run. The request to people stays: call the same tool again with identical arguments once it is approved.";

/// The page of a request, for a user who may be among those who decide.
#[derive(Debug)]
pub(crate) struct Page {
    url: String,
    message: String,
}

impl Page {
    /// The page of what an answer says that people have to decide; nothing where none of them has been asked, or where the
    /// page would come by a way that others can read or change.
    pub(crate) fn of(answer: &ActionAnswer, tool: &str) -> Option<Page> {
        let approval = answer.approval.as_ref()?;
        let asked = matches!(approval.state.as_str(), "pending" | "held");
        (asked && is_safe(&approval.url)).then(|| Page {
            url: approval.url.clone(),
            message: format!(
                "{} has to decide on `{}` (request {}). The page is for those people: they sign in there. To open it decides \
                 nothing.",
                approval.waiting_for,
                shown(tool),
                approval.id
            ),
        })
    }
}

fn shown(tool: &str) -> String {
    tool.chars().take(80).flat_map(char::escape_default).collect()
}

/// Whether a page comes from who it says, to nobody else: by TLS, or from this machine.
fn is_safe(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return url.starts_with("https://");
    };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let host = match place.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        Some(_) | None => place,
    };
    ["127.0.0.1", "localhost", "[::1]"].contains(&host)
}

/// Whether a client, in a later round, says that its user does not want to be led to the page, or says what nobody understands.
pub(crate) fn turned_down(state: Option<&str>, responses: Option<&Value>) -> bool {
    let response = responses.and_then(|responses| responses.get(QUESTION));
    let ours = state.and_then(answer::round).is_some();
    ours && response.is_some_and(|response| response.get("action").and_then(Value::as_str) != Some("accept"))
}

/// The pages that users were led to lately, by whose agents they are.
pub(crate) struct Elicitation {
    wanted: bool,
    led: Mutex<BTreeMap<String, Vec<(String, Instant)>>>,
}

impl Elicitation {
    /// Leads users to pages only where that is `wanted`.
    pub(crate) fn new(wanted: bool) -> Elicitation {
        Elicitation {
            wanted,
            led: Mutex::default(),
        }
    }

    /// How long a call is held while people decide: a user who may be one of them is led to the page at once.
    pub(crate) fn hold(&self, call: &Call, hold: Duration) -> Duration {
        match self.wanted && call.elicits {
            true => Duration::ZERO,
            false => hold,
        }
    }

    /// What the client of a call is asked: to lead its user to the page. Once for a request, and not too often.
    pub(crate) fn question(&self, owner: &str, call: &Call, waiting: &Waiting) -> Option<Value> {
        let page = waiting.page.as_ref().filter(|_| self.wanted && call.elicits)?;
        self.leads(owner, &waiting.id, Instant::now()).then(|| {
            let params = json!({ "mode": "url", "url": page.url, "message": page.message });
            json!({ QUESTION: { "method": "elicitation/create", "params": params } })
        })
    }

    /// Whether the user is led to the page of an action now.
    fn leads(&self, owner: &str, action: &str, now: Instant) -> bool {
        let mut led = lock(&self.led);
        led.retain(|_, pages| {
            pages.retain(|(_, at)| now.saturating_duration_since(*at) < AGAIN);
            !pages.is_empty()
        });
        let pages = led.entry(owner.to_owned()).or_default();
        let lately = |at: &Instant| now.saturating_duration_since(*at) < WITHIN;
        let many = pages.iter().filter(|(_, at)| lately(at)).count() >= AT_MOST;
        if many || pages.iter().any(|(led, _)| led == action) {
            return false;
        }
        pages.push((action.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_led_to_a_page_once_in_a_while_and_to_few_pages_at_a_time() {
        let (pages, start) = (Elicitation::new(true), Instant::now());
        assert!(pages.leads("a", "act_1", start));
        assert!(!pages.leads("a", "act_1", start + WITHIN), "again and again");
        assert!(pages.leads("b", "act_1", start), "somebody else's agent");
        for other in 2..6 {
            assert!(pages.leads("a", &format!("act_{other}"), start), "{other}");
        }
        assert!(!pages.leads("a", "act_6", start), "too many at a time");
        assert!(pages.leads("a", "act_6", start + WITHIN));
        assert!(pages.leads("a", "act_1", start + AGAIN));
        assert_eq!(lock(&pages.led).get("b"), None, "what is over is forgotten");
    }

    #[test]
    fn only_a_page_that_nobody_on_the_way_can_change_is_shown() {
        for good in [
            "https://countersign.example.com/approvals/apr_1",
            "http://127.0.0.1:7878/approvals/apr_1",
            "http://localhost/approvals/apr_1",
            "http://[::1]:80/a",
        ] {
            assert!(is_safe(good), "{good}");
        }
        for bad in [
            "http://countersign.example.com/approvals/apr_1",
            "http://localhost.evil.example/a",
            "http://127.0.0.1:80@evil.example/a",
            "http://localhost@evil.example/a",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!is_safe(bad), "{bad}");
        }
    }

    #[test]
    fn only_a_yes_to_our_own_question_goes_on_and_what_a_server_asked_is_not_ours() {
        let (ours, theirs) = (Some("countersign:1"), Some("of the server"));
        let said = |action: Value| json!({ QUESTION: { "action": action } });
        for no in [
            json!("decline"),
            json!("cancel"),
            json!("Accept"),
            json!(1),
            Value::Null,
        ] {
            assert!(turned_down(ours, Some(&said(no.clone()))), "{no}");
            assert!(!turned_down(theirs, Some(&said(no.clone()))), "{no}");
            assert!(!turned_down(None, Some(&said(no.clone()))), "{no}");
        }
        assert!(!turned_down(ours, Some(&said(json!("accept")))));
        assert!(!turned_down(ours, Some(&json!({ "other": { "action": "decline" } }))));
        assert!(!turned_down(ours, None));
    }
}
