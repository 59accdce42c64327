//! Organizations: only the operator at the machine makes and closes them. And who is asking.

use std::sync::Arc;

use countersign_api::convert::word;
use countersign_api::registry::{
    ClosedOrganization, CreatedOrganization, NewOrganizationBody, OrganizationAnswer, OrganizationsAnswer, WhoamiAnswer,
};
use countersign_core::ActorKind;
use countersign_engine::{Caller, NewOrganization};

use super::handlers;
use crate::authorize::Operator;
use crate::problem::Problem;
use crate::query::Remove;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "create_organization" => Operator create,
    "organizations" => Operator organizations,
    "close_organization" => Operator close,
    "whoami" => Caller whoami,
}

async fn create(asked: Asked<Operator>) -> Answer {
    let body: NewOrganizationBody = asked.body()?;
    let admin = body.admin.map_or_else(|| "admin".to_owned(), |admin| admin.0);
    let new = NewOrganization {
        name: body.name.0,
        instance: None,
        currency: body.currency.map_or_else(|| "USD".to_owned(), |currency| currency.0),
        zone: body.zone.map_or_else(|| "UTC".to_owned(), |zone| zone.0),
        admin: admin.clone(),
    };
    let opened = asked.app.engine.create_organization(new).await?;
    let answer = CreatedOrganization {
        organization: opened.organization,
        admin,
        admin_key: opened.admin_key.text,
        vkey: opened.vkey,
        origin: opened.origin,
    };
    Ok(json(&answer)?.created())
}

async fn organizations(asked: Asked<Operator>) -> Answer {
    let rows = asked.app.engine.organizations().await?;
    let on_the_wire = |row: countersign_store::OrganizationRow| OrganizationAnswer {
        organization: row.name.to_string(),
        created: row.created.to_string(),
        origin: row.origin,
    };
    json(&OrganizationsAnswer {
        organizations: rows.into_iter().map(on_the_wire).collect(),
    })
}

async fn close(asked: Asked<Operator>) -> Answer {
    let Remove { remove } = asked.query()?;
    let engine = &asked.app.engine;
    let rows = engine.organizations().await?;
    let org: Arc<str> = (rows
        .into_iter()
        .map(|row| row.name)
        .find(|name| **name == *asked.param()))
    .ok_or_else(|| Problem::missing("organization", asked.param()))?;
    // To want it twice is fine.
    let closed = engine.look(&org, |state| state.is_closed()).await?;
    if !closed && !remove {
        engine.close_organization(&org).await?;
    }
    if remove {
        engine.remove_organization(&org).await?;
    }
    json(&ClosedOrganization {
        organization: org.to_string(),
        closed: true,
        removed: remove,
    })
}

async fn whoami(asked: Asked<Caller>) -> Answer {
    let caller = &asked.caller;
    let who = caller.actor.id.clone();
    let is_person = caller.actor.kind == ActorKind::User;
    let zone = asked.app.engine.look(&caller.org, move |state| {
        (state.users().get(&who).filter(|_| is_person)).and_then(|user| user.zone.clone())
    });
    json(&WhoamiAnswer {
        zone: zone.await?,
        organization: caller.org.to_string(),
        kind: word(&caller.actor.kind),
        id: caller.actor.id.clone(),
        kid: caller.kid.as_deref().map(str::to_owned),
        roles: caller.roles.to_vec(),
        scopes: caller.scopes.to_vec(),
    })
}
