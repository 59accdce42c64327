//! People and what they may do.

use countersign_api::bounded::Id;
use countersign_api::operations::DoneAnswer;
use countersign_api::registry::{
    AddedUser, NewUserBody, OwnProfileBody, PersonAnswer, Role, UserAnswer, UserBody, UsersAnswer,
};
use countersign_core::state::User;
use countersign_engine::{Caller, NewUser};

use super::handlers;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "add_user" => Caller add,
    "users" => Caller users,
    "user" => Caller person,
    "put_user" => Caller put,
    "remove_user" => Caller remove,
    "own_profile" => Caller own,
    "change_own_profile" => Caller change_own,
}

/// How many teams or duties one person may have.
const NAMES_AT_MOST: usize = 64;

fn on_the_wire(id: &str, user: &User) -> UserAnswer {
    UserAnswer {
        id: id.to_owned(),
        roles: user.roles.clone(),
        teams: user.teams.clone(),
        duties: user.duties.clone(),
        manager: user.manager.clone(),
        zone: user.zone.clone(),
    }
}

async fn known(asked: &Asked<Caller>, id: &str) -> Result<UserAnswer, Problem> {
    let wanted = id.to_owned();
    let found = asked.app.engine.look(&asked.caller.org, move |state| {
        state.users().get(&wanted).map(|user| on_the_wire(&wanted, user))
    });
    found.await?.ok_or_else(|| Problem::missing("user", id))
}

fn user(id: String, body: UserBody) -> Result<NewUser, Problem> {
    if body.roles.len() > 6 || body.teams.len() > NAMES_AT_MOST || body.duties.len() > NAMES_AT_MOST {
        let detail = format!("a person has at most 6 roles, {NAMES_AT_MOST} teams and {NAMES_AT_MOST} duties");
        return Err(Problem::invalid("invalid_value", detail));
    }
    let texts = |ids: Vec<Id>| ids.into_iter().map(|id| id.0).collect();
    Ok(NewUser {
        id,
        name: body.name.map(|name| name.0),
        email: body.email.map(|email| email.0),
        slack_id: body.slack_id.map(|id| id.0),
        roles: body
            .roles
            .into_iter()
            .map(|role: Role| role.as_str().to_owned())
            .collect(),
        teams: texts(body.teams),
        duties: texts(body.duties),
        manager: body.manager.map(|manager| manager.0),
        zone: body.zone.map(|zone| zone.0),
    })
}

async fn add(asked: Asked<Caller>) -> Answer {
    let NewUserBody {
        id,
        name,
        email,
        slack_id,
        roles,
        teams,
        duties,
        manager,
        zone,
    } = asked.body()?;
    let added = user(
        id.0.clone(),
        UserBody {
            name,
            email,
            slack_id,
            roles,
            teams,
            duties,
            manager,
            zone,
        },
    )?;
    let registered = asked.app.engine.add_user(&asked.request(), added).await?;
    let (kid, key) = registered.key.map(|key| (key.kid, key.text)).unzip();
    let answer = AddedUser {
        user: known(&asked, &id.0).await?,
        key,
        kid,
    };
    Ok(json(&answer)?.created().replayed(registered.replayed))
}

async fn users(asked: Asked<Caller>) -> Answer {
    let users = asked.app.engine.look(&asked.caller.org, |state| {
        state.users().iter().map(|(id, user)| on_the_wire(id, user)).collect()
    });
    json(&UsersAnswer { users: users.await? })
}

async fn person(asked: Asked<Caller>) -> Answer {
    let id = asked.param().to_owned();
    let found = asked.app.engine.look(&asked.caller.org, move |state| {
        let user = state.users().get(&id)?;
        Some((on_the_wire(&id, user), user.profile))
    });
    let (user, profile) = found.await?.ok_or_else(|| Problem::missing("user", asked.param()))?;
    let profile = match profile {
        Some(seq) => asked.app.engine.profile(&asked.caller.org, seq).await?,
        None => serde_json::Value::Null,
    };
    json(&with_profile(user, &profile))
}

fn with_profile(user: UserAnswer, profile: &serde_json::Value) -> PersonAnswer {
    let text = |name: &str| profile.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    PersonAnswer {
        user,
        name: text("name"),
        email: text("email"),
        slack_id: text("slack_id"),
    }
}

async fn own(asked: Asked<Caller>) -> Answer {
    let (id, user, profile) = asked.app.engine.own_profile(&asked.caller).await?;
    json(&with_profile(on_the_wire(&id, &user), &profile))
}

async fn change_own(asked: Asked<Caller>) -> Answer {
    let OwnProfileBody { name, zone } = asked.body()?;
    if name.is_none() && zone.is_none() {
        return Err(Problem::invalid("missing_field", "`name` or `zone` is needed"));
    }
    let (name, zone) = (name.map(|name| name.0), zone.map(|zone| zone.0));
    asked
        .app
        .engine
        .change_own_profile(&asked.request(), name, zone)
        .await?;
    own(asked).await
}

async fn put(asked: Asked<Caller>) -> Answer {
    let id = asked.param().to_owned();
    let changed = user(id.clone(), asked.body()?)?;
    asked.app.engine.change_user(&asked.request(), changed).await?;
    json(&known(&asked, &id).await?)
}

async fn remove(asked: Asked<Caller>) -> Answer {
    let id = asked.param().to_owned();
    asked.app.engine.remove_user(&asked.request(), id).await?;
    json(&DoneAnswer { done: true })
}
