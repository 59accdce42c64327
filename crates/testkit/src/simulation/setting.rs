//! What kind of world a seed makes, and its beginning: organizations, people, agents, policies.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use countersign_engine::{Credential, Engine, EngineError, NewOrganization, Request};
use countersign_store::Org;

use super::client::{agent_of, person_of};
use super::dice::Dice;
use super::node::Node;
use super::plan::Known;
use super::sabotage::Sabotage;
use super::scene;

/// What kind of world it is.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Names of the organizations.
    pub orgs: Vec<Org>,
    /// How many nodes there are; on a store of one owner, one.
    pub nodes: usize,
    /// The nodes share their store.
    pub shared: bool,
    /// The disk lies about its syncs for a while.
    pub lying_disk: bool,
    /// Clocks are set while it runs.
    pub clocks_jump: bool,
    /// Processes and machines die.
    pub deaths: bool,
    /// So many in a thousand appends fail.
    pub faults_per_mille: u64,
    /// So many in a thousand messages are lost, doubled or late.
    pub network_per_mille: u64,
    /// How many steps it has before everything is mended.
    pub steps: u64,
    /// What is wrong in it on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Setting {
    /// The world of some dice.
    pub fn of(dice: &mut Dice) -> Setting {
        let shared = dice.happens(500);
        let orgs = ["acme", "globex"];
        let count = 1 + dice.place(2);
        let calm = |dice: &mut Dice, often: &[u64]| dice.one_of(often).copied().unwrap_or_default();
        Setting {
            orgs: orgs.iter().take(count).map(|name| Org::from(*name)).collect(),
            nodes: if shared { 1 + dice.place(3) } else { 1 },
            shared,
            lying_disk: dice.happens(80),
            clocks_jump: dice.happens(300),
            deaths: dice.happens(700),
            faults_per_mille: calm(dice, &[0, 20, 60, 150]),
            network_per_mille: calm(dice, &[0, 50, 150, 300]),
            steps: 250 + dice.below(250),
            sabotage: None,
        }
    }
}

/// Steps a node until a use case has come to its end.
///
/// # Errors
/// If it fails, or does not come to an end.
pub fn finish<T>(node: &mut Node, work: impl Future<Output = Result<T, EngineError>>) -> Result<T, String> {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(result) => return result.map_err(|error| error.to_string()),
            Poll::Pending => drop(node.step()),
        }
    }
    Err("a use case does not come to its end".into())
}

/// Makes an organization with everybody in it, and a policy that is live.
///
/// # Errors
/// If any of it is refused.
pub fn found(node: &mut Node, org: &Org) -> Result<Known, String> {
    let engine: Engine = node.engine().ok_or("the node does not run")?.clone();
    let new = NewOrganization {
        name: org.to_string(),
        instance: None,
        currency: "USD".into(),
        zone: "UTC".into(),
        admin: scene::FOUNDER.into(),
    };
    let opened = finish(node, engine.create_organization(new))?;
    let mut known = Known::default();
    known.admins.push(opened.admin_key.text.clone());
    known.people.push(opened.admin_key.text.clone());
    let founder = finish(node, engine.authenticate(Credential(&opened.admin_key.text)))?;
    let request = Request {
        caller: &founder,
        route: "setting",
        idempotency_key: None,
        body: b"{}",
    };
    for (id, roles, teams) in scene::PEOPLE {
        let teams = teams.iter().map(|team| (*team).to_owned()).collect();
        let added = finish(node, engine.add_user(&request, person_of(id, roles, teams)))?;
        let key = added.key.ok_or("a new person has no key")?.text;
        if roles.contains(&"admin") {
            known.admins.push(key.clone());
        }
        known.people.push(key);
    }
    for (id, owner, team) in scene::AGENTS {
        let added = finish(node, engine.register_agent(&request, agent_of(id, owner, team)))?;
        let key = added.key.ok_or("a new agent has no key")?.text;
        known.agents.push((id.to_owned(), key));
    }
    for variant in scene::variants() {
        finish(node, engine.upload_policies(&request, variant.files.clone()))?;
    }
    finish(
        node,
        engine.activate_policy(&request, &scene::variants()[0].hash, Some("first")),
    )?;
    Ok(known)
}
