//! A secret that is shown this once: on the page that answers the form, and nowhere else afterwards.

use askama::Template;

use crate::page::{Chrome, Page, show};
use crate::said::Html;
use crate::visit::Visit;

/// What is shown once.
pub(super) struct Secret {
    /// What it is.
    pub name: &'static str,
    pub text: Html,
}

/// Whom to invite from here.
pub(super) struct Invite {
    pub user: Html,
    pub action: String,
}

#[derive(Template)]
#[template(path = "once.html")]
struct Once<'a> {
    chrome: Chrome,
    title: &'a str,
    about: Html,
    secrets: Vec<Secret>,
    note: &'a str,
    back: &'a str,
    invite: Option<Invite>,
}

/// The page with secrets that are never shown again.
pub(super) fn once(
    visit: &Visit,
    (title, note, back): (&str, &str, &str),
    about: Html,
    secrets: Vec<Secret>,
    invite: Option<Invite>,
) -> Page {
    show(&Once {
        chrome: visit.chrome(),
        title,
        about,
        secrets,
        note,
        back,
        invite,
    })
}
