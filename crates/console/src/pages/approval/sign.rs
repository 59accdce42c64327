//! The signature of a passkey over a decision, where a route wants to know surely who approves.

use askama::Template;
use countersign_api::sessions::{AuthenticatorsAnswer, vote_challenge};
use serde_json::{Map, Value, json};

use super::page;
use crate::form::Fields;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, show_as};
use crate::pages::failure::Failure;
use crate::said::{Html, said};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "sign.html")]
struct Sign {
    chrome: Chrome,
    id: String,
    verb: Html,
    fields: Vec<(String, String)>,
    challenge: String,
    site: String,
    credentials: String,
}

/// Where a route wants to know surely who approves: the signature that came with the form, or the page that asks for it.
pub(super) async fn signature(
    visit: &Visit,
    id: &str,
    fields: &Fields,
    body: &mut Map<String, Value>,
) -> Result<Option<Page>, Trouble> {
    let verb = fields.text("verb");
    if fields.given("assurance").is_none() || !matches!(verb, "approve" | "edit") {
        return Ok(None);
    }
    let parts: Map<String, Value> = (fields.under("assertion:"))
        .map(|(name, text)| (name.to_owned(), json!(text)))
        .collect();
    if !parts.is_empty() {
        body.insert("assertion".to_owned(), Value::Object(parts));
        return Ok(None);
    }
    let known: AuthenticatorsAnswer = visit.get("/v1/authenticators").await?;
    if known.passkeys.is_empty() {
        let failure = Failure::ours(messages::NO_PASSKEY).hint(messages::NO_PASSKEY_HINT);
        return Ok(Some(
            page(visit, id, Some(failure), fields.text("comment").to_owned()).await,
        ));
    }
    let challenge = vote_challenge(&visit.who.organization, &visit.who.id, id, body).map_err(Trouble::internal)?;
    let sign = Sign {
        chrome: visit.chrome(),
        id: id.to_owned(),
        verb: said(if verb == "edit" {
            messages::SIGN_EDIT
        } else {
            messages::SIGN_APPROVE
        }),
        fields: (fields.pairs().filter(|(name, _)| *name != "token"))
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
        challenge,
        site: known.site,
        credentials: known
            .passkeys
            .iter()
            .map(|passkey| passkey.credential.as_str())
            .collect::<Vec<_>>()
            .join(" "),
    };
    Ok(Some(show_as(200, &sign)))
}
