//! People: who they are, what they may do, and how they get in.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::routing::{get, post};
use countersign_api::operations::DoneAnswer;
use countersign_api::registry::{AddedUser, PersonAnswer, UserAnswer, UsersAnswer};
use countersign_api::sessions::InvitationAnswer;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::once::{Invite, Secret, once};
use super::settings::{Parts, parts};
use crate::Console;
use crate::api::Quoted;
use crate::form::Fields;
use crate::messages;
use crate::page::{Chrome, Page, see_other, show, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/settings/people", get(people))
        .route("/settings/people/new", get(blank).post(add))
        .route("/settings/people/edit/{id}", get(person).post(change))
        .route("/settings/people/invite/{id}", post(invite))
        .route("/settings/people/remove/{id}", post(remove))
}

#[derive(Template)]
#[template(path = "people.html")]
struct People {
    chrome: Chrome,
    parts: Parts,
    may_add: bool,
    /// Only people whose id, roles, teams or duties contain this.
    search: String,
    rows: Vec<Row>,
    /// How many more there are.
    more: usize,
}

struct Row {
    id: Html,
    href: String,
    roles: Vec<&'static str>,
    teams: Html,
    duties: Html,
    manager: Html,
    zone: Html,
}

#[derive(Deserialize, Default)]
struct Asked {
    q: Option<String>,
}

/// People that one page lists at most.
const LISTED_AT_MOST: usize = 200;

async fn people(visit: Visit, Query(asked): Query<Asked>) -> Page {
    let known: UsersAnswer = visit.get("/v1/users").await?;
    let search = asked.q.unwrap_or_default();
    let wanted = search.trim();
    let found: Vec<&UserAnswer> = known.users.iter().filter(|user| is_about(user, wanted)).collect();
    let row = |user: &UserAnswer| Row {
        id: said(&user.id),
        href: format!("/settings/people/edit/{}", Quoted(&user.id)),
        roles: user.roles.iter().map(|role| messages::role_name(role)).collect(),
        teams: said(&user.teams.join(", ")),
        duties: said(&user.duties.join(", ")),
        manager: said(user.manager.as_deref().unwrap_or_default()),
        zone: said(user.zone.as_deref().unwrap_or_default()),
    };
    show(&People {
        chrome: visit.chrome(),
        parts: parts(&visit, "/settings/people"),
        may_add: visit.may("add_user"),
        rows: (found.iter().take(LISTED_AT_MOST)).map(|user| row(user)).collect(),
        more: found.len().saturating_sub(LISTED_AT_MOST),
        search,
    })
}

fn is_about(user: &UserAnswer, wanted: &str) -> bool {
    let mut names = [&user.roles, &user.teams, &user.duties].into_iter().flatten();
    user.id.contains(wanted) || names.any(|name| name.contains(wanted))
}

#[derive(Template)]
#[template(path = "person.html")]
struct Person {
    chrome: Chrome,
    /// Nothing for somebody who is added.
    known: Option<Html>,
    action: String,
    quoted: String,
    is_me: bool,
    roles: Vec<Role>,
    form: Form,
    failure: Option<Failure>,
}

struct Role {
    word: &'static str,
    name: &'static str,
    may: &'static str,
    given: bool,
}

/// What stands in the fields.
#[derive(Default)]
struct Form {
    id: String,
    name: String,
    email: String,
    slack_id: String,
    roles: Vec<String>,
    teams: String,
    duties: String,
    manager: String,
    zone: String,
}

impl Form {
    fn of(known: &PersonAnswer) -> Form {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Form {
            id: known.user.id.clone(),
            name: text(&known.name),
            email: text(&known.email),
            slack_id: text(&known.slack_id),
            roles: known.user.roles.clone(),
            teams: known.user.teams.join(", "),
            duties: known.user.duties.join(", "),
            manager: text(&known.user.manager),
            zone: text(&known.user.zone),
        }
    }

    fn sent(fields: &Fields) -> Form {
        let text = |name: &str| fields.text(name).trim().to_owned();
        Form {
            id: text("id"),
            name: text("name"),
            email: text("email"),
            slack_id: text("slack_id"),
            roles: fields.all("role").to_vec(),
            teams: text("teams"),
            duties: text("duties"),
            manager: text("manager"),
            zone: text("zone"),
        }
    }

    /// What the API takes. All of it: what is left out there is empty afterwards.
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        for (name, text) in [
            ("name", &self.name),
            ("email", &self.email),
            ("slack_id", &self.slack_id),
            ("manager", &self.manager),
            ("zone", &self.zone),
        ] {
            if !text.is_empty() {
                body.insert(name.to_owned(), json!(text));
            }
        }
        body.insert("roles".to_owned(), json!(self.roles));
        body.insert("teams".to_owned(), json!(names(&self.teams)));
        body.insert("duties".to_owned(), json!(names(&self.duties)));
        body
    }
}

/// Names between commas.
fn names(text: &str) -> Vec<&str> {
    let names = text.split([',', '\n']).map(str::trim);
    names.filter(|name| !name.is_empty()).collect()
}

fn form_page(visit: &Visit, id: Option<&str>, form: Form, failure: Option<Failure>) -> Page {
    let role = |(word, name, may): &(&'static str, &'static str, &'static str)| Role {
        word,
        name,
        may,
        given: form.roles.iter().any(|given| given == word),
    };
    let quoted = id.map(|id| Quoted(id).to_string()).unwrap_or_default();
    let status = if failure.is_some() { 422 } else { 200 };
    let page = Person {
        chrome: visit.chrome(),
        action: match id {
            Some(_) => format!("/settings/people/edit/{quoted}"),
            None => "/settings/people/new".to_owned(),
        },
        quoted,
        is_me: id == Some(&visit.who.id),
        known: id.map(said),
        roles: messages::ROLES.iter().map(role).collect(),
        form,
        failure,
    };
    show_as(status, &page)
}

async fn blank(visit: Visit) -> Page {
    form_page(&visit, None, Form::default(), None)
}

async fn add(Posted { visit, fields }: Posted) -> Page {
    let form = Form::sent(&fields);
    let mut body = form.body();
    body.insert("id".to_owned(), json!(form.id));
    let added: Result<AddedUser, _> = visit.post("/v1/users", &body).await;
    let added = match added {
        Ok(added) => added,
        Err(trouble) => return form_page(&visit, None, form, Some(Failure::of(trouble)?)),
    };
    let key = added.key.map(|key| Secret {
        name: messages::API_KEY,
        text: said(&key),
    });
    let invite = visit.may("invite").then(|| Invite {
        user: said(&added.user.id),
        action: format!("/settings/people/invite/{}", Quoted(&added.user.id)),
    });
    let texts = (messages::PERSON_ADDED, messages::KEY_OF_PERSON, "/settings/people");
    once(&visit, texts, said(&added.user.id), key.into_iter().collect(), invite)
}

async fn person(visit: Visit, Path(id): Path<String>) -> Page {
    let known: PersonAnswer = visit.get(&format!("/v1/users/{}", Quoted(&id))).await?;
    form_page(&visit, Some(&id), Form::of(&known), None)
}

async fn change(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let form = Form::sent(&fields);
    let changed: Result<UserAnswer, _> = visit.put(&format!("/v1/users/{}", Quoted(&id)), &form.body()).await;
    match changed {
        Ok(_) => Ok(see_other("/settings/people?done=change_person")),
        Err(trouble) => form_page(&visit, Some(&id), form, Some(Failure::of(trouble)?)),
    }
}

async fn invite(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let body = json!({ "user": id, "reset": fields.given("reset").is_some() });
    let made: InvitationAnswer = visit.post("/v1/invitations", &body).await?;
    let link = Secret {
        name: messages::INVITATION,
        text: said(&made.url),
    };
    let texts = (messages::INVITED, messages::INVITATION_NOTE, "/settings/people");
    once(&visit, texts, said(&id), vec![link], None)
}

async fn remove(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let path = format!("/v1/users/{}", Quoted(&id));
    let failure = if fields.text("typed").trim() == id {
        let removed: Result<DoneAnswer, _> = visit.delete(&path).await;
        match removed {
            Ok(_) => return Ok(see_other("/settings/people?done=remove_person")),
            Err(trouble) => Failure::of(trouble)?,
        }
    } else {
        Failure::ours(messages::TYPE_THE_NAME)
    };
    let known: PersonAnswer = visit.get(&path).await?;
    form_page(&visit, Some(&id), Form::of(&known), Some(failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_brings_all_that_the_api_would_empty_if_it_were_left_out() {
        let fields = Fields::parse(
            b"name=Dana+D&email=d%40x.example&slack_id=&role=admin&role=viewer&teams=a%2C+b+%2C&duties=&manager=&zone=UTC",
        );
        let body = Value::Object(Form::sent(&fields).body());
        assert_eq!(
            body,
            json!({
                "name": "Dana D", "email": "d@x.example", "roles": ["admin", "viewer"], "teams": ["a", "b"], "duties": [],
                "zone": "UTC",
            })
        );
    }
}
