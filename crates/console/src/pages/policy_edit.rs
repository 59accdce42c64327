//! Writing policy: documents are pasted or changed, checked with what is found beside them, compared and tried on recorded
//! actions, and stored. Nothing that is stored here decides anything before it is made live.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use countersign_api::policies::{PolicyCheckAnswer, PolicyProblem, SnapshotFilesAnswer, SnapshotsAnswer};
use countersign_api::simulate::DiffAnswer;
use countersign_api::visible::visible;
use serde::Deserialize;
use serde_json::json;

use super::documents::{Difference, difference, finding};
use super::failure::Failure;
use super::policies::short;
use super::policy_simulate::{Simulated, Since, simulate};
use crate::Console;
use crate::api::Quoted;
use crate::form::Fields;
use crate::page::{Chrome, Page, Trouble, see_other, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/policies/new", get(edit).post(change))
}

/// Documents that one form has at most.
const DOCUMENTS_AT_MOST: usize = 60;

#[derive(Template)]
#[template(path = "policy_edit.html")]
struct Edit {
    chrome: Chrome,
    from: Option<String>,
    documents: Vec<Document>,
    checked: Option<Checked>,
    differences: Option<Vec<Difference>>,
    simulated: Option<Simulated>,
    since: &'static str,
    windows: &'static [Since],
    failure: Option<Failure>,
    may_try: bool,
}

/// A document of the form.
struct Document {
    at: usize,
    name: String,
    text: String,
    rows: usize,
    /// It has characters that are not seen in a field.
    unseen: bool,
    findings: Vec<Found>,
}

struct Found {
    line: u32,
    excerpt: Html,
    note: Html,
}

struct Checked {
    loads: bool,
    hash: Option<String>,
    problems: usize,
    failed: Vec<Html>,
    untried: Vec<(Html, Html)>,
}

#[derive(Deserialize)]
struct Asked {
    from: Option<String>,
}

/// What is in the form.
#[derive(Default)]
struct Written {
    documents: Vec<(String, String)>,
    findings: Vec<PolicyProblem>,
}

async fn edit(visit: Visit, Query(asked): Query<Asked>) -> Page {
    let from = match asked.from {
        Some(hash) => Some(hash),
        None => {
            let stored: SnapshotsAnswer = visit.get("/v1/policies").await?;
            stored
                .snapshots
                .into_iter()
                .find(|known| known.live)
                .map(|known| known.hash)
        }
    };
    let mut written = Written::default();
    if let Some(hash) = &from {
        let known: SnapshotFilesAnswer = visit.get(&format!("/v1/policies/{}", Quoted(hash))).await?;
        written.documents.extend(known.files);
    }
    // What does not fit the form must not be dropped by storing the rest.
    let many = written.documents.len();
    let failure = (many >= DOCUMENTS_AT_MOST).then(|| {
        let why = format!("this version has {many} documents, more than the console edits");
        Failure::ours(&why).hint("change the files and use `countersign policy upload`")
    });
    if failure.is_some() {
        written.documents.clear();
    }
    let from = from.filter(|_| failure.is_none());
    show_as(
        200,
        &page(&visit, from.map(|hash| short(&hash)), &written, "7d", failure),
    )
}

fn page(visit: &Visit, from: Option<String>, written: &Written, since: &str, failure: Option<Failure>) -> Edit {
    let empty = (String::new(), String::new());
    let documents = written
        .documents
        .iter()
        .chain(std::iter::once(&empty))
        .take(DOCUMENTS_AT_MOST);
    Edit {
        chrome: visit.chrome(),
        from,
        documents: documents
            .enumerate()
            .map(|(at, (name, text))| Document {
                at,
                name: name.clone(),
                text: text.clone(),
                rows: text.lines().count().clamp(6, 28),
                unseen: visible(text) != *text,
                findings: (written.findings.iter())
                    .filter(|found| found.file == *name)
                    .map(|problem| Found {
                        line: problem.line,
                        excerpt: said(&problem.excerpt),
                        note: Html::of_ours(finding(problem)),
                    })
                    .collect(),
            })
            .collect(),
        checked: None,
        differences: None,
        simulated: None,
        since: Since::known(since).word,
        windows: Since::ALL,
        failure,
        may_try: visit.may("simulate_policy"),
    }
}

async fn change(Posted { visit, fields }: Posted) -> Page {
    let from = fields.given("from").map(str::to_owned);
    let mut written = Written {
        documents: documents(&fields),
        findings: Vec::new(),
    };
    let files: BTreeMap<&str, &str> = (written.documents.iter())
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let wrong = match (files.is_empty(), files.len() < written.documents.len()) {
        (true, _) => Some("there is no document: give one a name and a text"),
        (false, true) => Some("two documents have the same name"),
        (false, false) => None,
    };
    if let Some(wrong) = wrong {
        let failure = Failure::ours(wrong);
        return show_as(422, &page(&visit, from, &written, fields.text("since"), Some(failure)));
    }
    let body = json!({ "files": files });
    let done = work(&visit, &fields, &body).await;
    match done {
        Ok(Worked::Stored(hash)) => Ok(see_other(&format!("/policies/{}?done=stored", Quoted(&hash)))),
        Ok(Worked::Checked(found)) => {
            written.findings = found.problems.clone();
            let mut shown = page(&visit, from, &written, fields.text("since"), None);
            shown.checked = Some(checked(found));
            show_as(200, &shown)
        }
        Ok(Worked::Compared(answer)) => {
            let mut shown = page(&visit, from, &written, fields.text("since"), None);
            shown.differences = Some(answer.differences.iter().map(difference).collect());
            show_as(200, &shown)
        }
        Ok(Worked::Simulated(simulated)) => {
            let mut shown = page(&visit, from, &written, fields.text("since"), None);
            shown.simulated = Some(*simulated);
            show_as(200, &shown)
        }
        Err(Trouble::Problem(problem)) if !problem.problems.is_empty() => {
            written.findings = problem.problems.clone();
            let failure = Failure::of(Trouble::Problem(problem))?;
            show_as(422, &page(&visit, from, &written, fields.text("since"), Some(failure)))
        }
        Err(trouble) => {
            let failure = Failure::of(trouble)?;
            show_as(422, &page(&visit, from, &written, fields.text("since"), Some(failure)))
        }
    }
}

/// What came of a button.
enum Worked {
    Stored(String),
    Checked(PolicyCheckAnswer),
    Compared(DiffAnswer),
    Simulated(Box<Simulated>),
}

async fn work(visit: &Visit, fields: &Fields, body: &serde_json::Value) -> Result<Worked, Trouble> {
    match fields.text("verb") {
        "store" => {
            let stored: PolicyCheckAnswer = visit.post("/v1/policies", body).await?;
            let hash = stored
                .hash
                .ok_or_else(|| Trouble::internal("a stored policy has no hash"))?;
            Ok(Worked::Stored(hash))
        }
        "compare" => visit.post("/v1/policies:diff", body).await.map(Worked::Compared),
        "simulate" => {
            let simulated = simulate(visit, body.clone(), Since::known(fields.text("since")), "live").await?;
            Ok(Worked::Simulated(Box::new(simulated)))
        }
        _check => visit.post("/v1/policies:check", body).await.map(Worked::Checked),
    }
}

/// Names and texts of the form; what has neither is left out.
fn documents(fields: &Fields) -> Vec<(String, String)> {
    let named =
        (0..DOCUMENTS_AT_MOST).map(|at| (fields.text(&format!("name:{at}")), fields.text(&format!("text:{at}"))));
    let there = named.filter(|(name, text)| !name.trim().is_empty() && !text.trim().is_empty());
    there
        .map(|(name, text)| (name.trim().to_owned(), text.to_owned()))
        .collect()
}

fn checked(found: PolicyCheckAnswer) -> Checked {
    Checked {
        loads: found.hash.is_some(),
        hash: found.hash.as_deref().map(short),
        problems: found.problems.len(),
        failed: found.failed_tests.iter().map(|sentence| said(sentence)).collect(),
        untried: (found.untried.iter())
            .map(|rule| {
                let place = format!("{}:{} {}#{}", rule.file, rule.line, rule.document, rule.rule);
                (said(&place), said(&rule.untried.join(", ")))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_exact_text_and_those_without_name_or_text_are_left_out() {
        let form = b"name:0=a.yaml&text:0=%0Aname:+a%0D%0A&name:1=&text:1=lost&name:2=gone.yaml&text:2=+";
        assert_eq!(
            documents(&Fields::parse(form)),
            [("a.yaml".to_owned(), "\nname: a\n".to_owned())]
        );
    }
}
