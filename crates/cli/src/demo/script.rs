//! The story: who asks for what, what comes back, and what should have.

mod proof;
mod refund;

use std::sync::PoisonError;

use countersign_client::{Client, ClientError, Method};
use countersign_notify::Secret;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::stage::{AGENT, Stage};
use super::transcript::{Call, Transcript};
use crate::failure::{Failure, Result};

/// A number that passes the check of card numbers and belongs to nobody.
const CARD: &str = "4111 1111 1111 1111";

/// Keys to play with afterwards.
pub(crate) struct Keys {
    pub(crate) agent: String,
    pub(crate) admin: String,
    pub(crate) reviewer: String,
}

/// Somebody with a key.
struct Party {
    name: &'static str,
    client: Client,
    key: String,
}

/// The story and who is in it.
pub(crate) struct Script<'a> {
    stage: &'a Stage,
    transcript: &'a mut Transcript,
    interactive: bool,
    admin: Party,
    agent: Party,
    dana: Party,
    riley: Party,
    receiver: Receiver,
    callback_url: String,
}

/// What came back.
struct Answer {
    status: u16,
    value: Value,
}

impl Answer {
    fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn is(&self, decision: &str, status: &str) -> bool {
        self.status == 200 && self.text("/decision") == decision && self.text("/status") == status
    }

    /// A problem with this status and code.
    fn is_problem(&self, status: u16, code: &str) -> bool {
        self.status == status && self.text("/code") == code
    }

    fn index(&self) -> u64 {
        self.value
            .pointer("/receipt/index")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }
}

async fn ask(party: &Party, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
    let bytes = body.map(|body| body.to_string().into_bytes());
    match party.client.send(method, path, bytes, None).await {
        Ok(answer) => {
            let value = serde_json::from_slice(&answer.body).unwrap_or_default();
            Ok(Answer {
                status: answer.status,
                value,
            })
        }
        Err(ClientError::Problem(problem)) => {
            let value = json!({ "code": problem.code, "detail": problem.detail, "hint": problem.hint });
            Ok(Answer {
                status: problem.status,
                value,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes a call that belongs to the preparations.
async fn prepare(party: &Party, path: &str, body: Value) -> Result<Value> {
    let answer = ask(party, Method::POST, path, Some(&body)).await?;
    if answer.status >= 300 {
        return Err(Failure::no(format!(
            "the demonstration cannot be prepared: {path}: {}",
            answer.text("/detail")
        )));
    }
    Ok(answer.value)
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl<'a> Script<'a> {
    /// Registers everybody.
    pub(crate) async fn new(stage: &'a Stage, transcript: &'a mut Transcript, interactive: bool) -> Result<Script<'a>> {
        let receiver = stage.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let receiver = receiver.ok_or_else(|| Failure::unreachable("there is no receiver of callbacks"))?;
        let party = |name, key: String| {
            Ok::<_, Failure>(Party {
                name,
                client: stage.client(&key)?,
                key,
            })
        };
        let admin = party("alex", stage.admin_key.clone())?;
        let dana = json!({ "id": "dana", "roles": ["reviewer"], "teams": ["support"], "duties": ["support-lead"] });
        let riley = json!({ "id": "riley", "roles": ["reviewer"], "duties": ["support-lead"] });
        let dana = prepare(&admin, "/v1/users", dana).await?;
        let riley = prepare(&admin, "/v1/users", riley).await?;
        let agent = prepare(&admin, "/v1/agents", json!({ "id": AGENT, "owner": "team:support" })).await?;
        let callback_url = format!("http://{}/countersign", receiver.address);
        let registered = prepare(&admin, "/v1/callbacks", json!({ "url": callback_url })).await?;
        let secret = Secret::parse(&text(&registered, "secret"));
        receiver.trust(secret.map_err(|error| Failure::no(error.to_string()))?);
        transcript.tell(&format!(
            "In the organization `acme`, alex is the admin; dana and riley are support leads, who decide on refunds;\n\
             `{AGENT}` is an AI agent with a key of its own. Its policy is examples/support-refunds/policies.\n"
        ));
        Ok(Script {
            stage,
            transcript,
            interactive,
            dana: party("dana", text(&dana, "key"))?,
            riley: party("riley", text(&riley, "key"))?,
            agent: party("agent", text(&agent, "key"))?,
            admin,
            receiver,
            callback_url,
        })
    }

    /// Plays it from beginning to end.
    pub(crate) async fn play(&mut self) -> Result<Keys> {
        self.simple_decisions().await?;
        let refund = self.refund().await?;
        self.kill_switch().await?;
        self.proof(&refund).await?;
        Ok(Keys {
            agent: self.agent.key.clone(),
            admin: self.admin.key.clone(),
            reviewer: self.dana.key.clone(),
        })
    }

    /// A call by somebody, shown.
    async fn call(&mut self, who: Who, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let party = match who {
            Who::Agent => &self.agent,
            Who::Alex => &self.admin,
            Who::Dana => &self.dana,
            Who::Riley => &self.riley,
        };
        let answer = ask(party, method.clone(), path, body.as_ref()).await?;
        let shown = body.as_ref().map(shortened);
        let call = Call {
            method: method.as_str(),
            path,
            body: shown.as_ref(),
            who: party.name,
            status: answer.status,
            answer: &answer.value,
        };
        self.transcript.call(&call);
        Ok(answer)
    }

    async fn act(&mut self, action: Value) -> Result<Answer> {
        self.call(Who::Agent, Method::POST, "/v1/actions", Some(action)).await
    }

    async fn simple_decisions(&mut self) -> Result<()> {
        self.transcript
            .step("Reading a ticket is harmless, and the agent's mandate lists it: it is allowed.");
        let answer = self
            .act(json!({ "tool": "crm/read_ticket", "args": { "ticket": "T-881" } }))
            .await?;
        self.transcript
            .expect("allow, permitted", answer.is("allow", "permitted"));

        self.transcript
            .step("A mail to a customer may go out within limits, which travel with the permit.");
        let mail = json!({ "tool": "mail/send", "args": { "to": "ann@example.com", "text": "We look into it." } });
        let answer = self.act(mail).await?;
        self.transcript.expect(
            "allow_with_constraints, permitted",
            answer.is("allow_with_constraints", "permitted"),
        );

        self.transcript
            .step("A note holds a card number. Policy sees it; what is kept does not have it.");
        let note = json!({ "tool": "crm/add_note", "args": { "ticket": "T-881", "text": format!("Card {CARD}, charged twice") } });
        let answer = self.act(note).await?;
        self.transcript
            .expect("allow, permitted", answer.is("allow", "permitted"));
        let path = format!("/v1/audit/payload/{}", answer.index());
        let stored = ask(&self.admin, Method::GET, &path, None).await?;
        let body: Value = serde_json::from_str(stored.text("/body")).unwrap_or_default();
        let kept = body.pointer("/action/args/text").cloned().unwrap_or_default();
        self.transcript.note(&format!("what is kept of the text: {kept}"));
        let bare = stored.value.to_string().contains("1111 1111");
        self.transcript.expect(
            "the stored text without the card number",
            stored.status == 200 && !kept.is_null() && !bare,
        );

        self.transcript
            .step("Deleting a customer is what this agent must never do. A deny is an answer, not an error.");
        let answer = self
            .act(json!({ "tool": "crm/delete_customer", "args": { "customer": "C-7" } }))
            .await?;
        self.transcript.expect("deny, refused", answer.is("deny", "refused"));
        let alerts = self.call(Who::Alex, Method::GET, "/v1/alerts", None).await?;
        let raised = alerts
            .value
            .pointer("/alerts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let raised = raised.filter(|alert| text(alert, "name") == "delete_attempt").count();
        self.transcript.expect("an alert `delete_attempt`", raised == 1);

        self.transcript
            .step("Exporting all customer data is not allowed as asked; policy offers a safer way.");
        let answer = self
            .act(json!({ "tool": "crm/export_customers", "args": { "segment": "all" } }))
            .await?;
        self.transcript
            .expect("remediate, refused", answer.is("remediate", "refused"));
        let alternative = answer.value.pointer("/remedy/alternative").cloned().unwrap_or_default();
        self.transcript.note(&format!("the safer way: {alternative}"));
        self.transcript.expect(
            "a remedy that masks",
            alternative.pointer("/args/masked") == Some(&Value::Bool(true)),
        );

        self.transcript
            .step("The agent says that it takes the safer way, and gets a permit for that one only.");
        let accepting = json!({ "tool": "crm/export_customers", "args": { "segment": "all" }, "accept_remedy": true });
        let answer = self.act(accepting).await?;
        let applied = answer.value.pointer("/remedy/applied") == Some(&Value::Bool(true));
        self.transcript.expect(
            "a permit for the safer way",
            answer.text("/status") == "permitted" && applied,
        );
        Ok(())
    }

    async fn kill_switch(&mut self) -> Result<()> {
        self.transcript
            .step("Something is wrong with the agent: alex pulls the kill switch. It takes effect at once.");
        let kill = json!({ "scope": "agent", "name": AGENT, "reason": "it writes the same mail again and again" });
        let answer = self.call(Who::Alex, Method::POST, "/v1/kill", Some(kill)).await?;
        self.transcript.expect("200", answer.status == 200);
        let read = || json!({ "tool": "crm/read_ticket", "args": { "ticket": "T-882" } });
        let answer = self.act(read()).await?;
        let killed = answer.is("deny", "refused") && answer.text("/reason_code") == "killed";
        self.transcript.expect("deny, refused (killed)", killed);

        self.transcript
            .step("The loop is mended; alex releases the switch, and the agent works again.");
        let release = json!({ "scope": "agent", "name": AGENT, "reason": "the loop is mended" });
        let answer = self
            .call(Who::Alex, Method::POST, "/v1/kill/release", Some(release))
            .await?;
        self.transcript.expect(
            "released",
            answer.value.pointer("/released") == Some(&Value::Bool(true)),
        );
        let answer = self.act(read()).await?;
        self.transcript
            .expect("allow, permitted", answer.is("allow", "permitted"));
        Ok(())
    }
}

/// Who calls.
#[derive(Clone, Copy)]
enum Who {
    Agent,
    Alex,
    Dana,
    Riley,
}

/// A body as it is shown: permits are long.
fn shortened(body: &Value) -> Value {
    let mut shown = body.clone();
    for field in ["permit", "action_digest", "presentation_digest", "snapshot"] {
        if let Some(slot) = shown.get_mut(field)
            && let Some(text) = slot.as_str()
        {
            let head: String = text.chars().take(14).collect();
            *slot = format!("{head}…").into();
        }
    }
    shown
}
