//! `countersign approvals break-glass`, `org break-glass`, `org restore-glass`: letting an action through at once.

use clap::Args;
use countersign_api::ApprovalAnswer;
use countersign_api::glass::{GlassAnswer, GlassPerson};
use countersign_client::segment;
use serde_json::json;

use crate::connect::{About, Connection, Session};
use crate::console::{Console, named, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct BreakGlass {
    /// The request, apr_…
    id: String,
    /// The incident, as it is called elsewhere
    #[arg(long, value_name = "NAME")]
    incident: String,
    /// Why the action cannot wait
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Breakers {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Restore {
    /// Who may do so again
    user: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

impl BreakGlass {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let body = json!({ "incident": self.incident, "reason": self.reason });
        let path = format!("/v1/approvals/{}/break_glass", segment(&self.id));
        let call = async |session: &Session| Ok(session.client.post::<ApprovalAnswer>(&path, &body).await?);
        let approval = self.connection.with(About::Organization, call).await?;
        let review = approval.break_glass.as_ref().map(|broken| broken.review.clone());
        let text = format!(
            "{}: {}; the action is {}; somebody else is to look at it: {}",
            approval.id,
            approval.state,
            approval.action.status,
            review.unwrap_or_default()
        );
        console.answer(&json!(approval), text);
        Ok(())
    }
}

impl Breakers {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let read = async |session: &Session| Ok(session.client.get::<GlassAnswer>("/v1/org/break_glass").await?);
        let glass = self.connection.with(About::Organization, read).await?;
        console.answer(&json!(glass), in_words(&glass));
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let body = json!({ "user": self.user, "reason": self.reason });
        let call = async |session: &Session| {
            let path = "/v1/org/break_glass:restore";
            Ok(session.client.post::<GlassAnswer>(path, &body).await?)
        };
        let glass = self.connection.with(About::Organization, call).await?;
        console.answer(
            &json!(glass),
            format!("{} may break the glass again", named(&self.user)),
        );
        Ok(())
    }
}

fn in_words(glass: &GlassAnswer) -> String {
    let Some(rules) = &glass.rules else {
        return "the live policy says nothing of who may break the glass: nobody may".to_owned();
    };
    let row = |person: &GlassPerson| {
        let stands = match (&person.suspended_for, person.named) {
            (Some(why), _) => format!("suspended ({why})"),
            (None, true) => "may".to_owned(),
            (None, false) => "is not named".to_owned(),
        };
        vec![person.user.clone(), format!("{}/{}", person.uses, rules.times), stands]
    };
    table(
        &["PERSON", "USED", "STANDING"],
        &glass.people.iter().map(row).collect::<Vec<_>>(),
    )
}
