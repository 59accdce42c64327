//! What the clients of a simulation ask for next: of what they have learned, rightly and wrongly.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::digest::Digest;
use countersign_core::event::{OutcomeStatus, Scope, Verb};
use countersign_core::ids::{ActionId, HoldId};

use super::client::{Call, Learned, Want, kid_of};
use super::dice::Dice;
use super::scene;

/// What the clients of one organization have learned.
#[derive(Default)]
pub struct Known {
    /// Keys of admins.
    pub admins: Vec<String>,
    /// Keys of people who may vote.
    pub people: Vec<String>,
    /// Agents and their keys.
    pub agents: Vec<(String, String)>,
    /// Actions, as they were last seen.
    pub actions: BTreeMap<ActionId, Learned>,
    /// Sizes of the ledger that checkpoints showed.
    pub sizes: BTreeSet<u64>,
    /// Holds that stood when the ledger was last looked at.
    pub holds: BTreeSet<HoldId>,
    /// What was stopped at some time.
    pub killed: BTreeSet<Scope>,
    /// How many calls were made.
    asked: u64,
}

impl Known {
    /// Takes in what an answer shows of an action.
    pub fn learn(&mut self, learned: &Learned) {
        self.actions.insert(learned.id, learned.clone());
    }
}

/// The next call.
pub fn next(org: usize, known: &mut [Known], dice: &mut Dice) -> Option<Call> {
    let weights = [26, 18, 16, 7, 3, 3, 3, 2, 4, 4, 2, 1, 2, 5, 8, 4, 3, 2, 1, 3, 2, 2];
    let kind = dice.weighted(&weights);
    let (credential, want) = match kind {
        0 => return Some(decide(org, known, dice)),
        17 => return foreign(org, known, dice),
        kind => wanted(kind, &known[org], dice)?,
    };
    let body = format!("{{\"want\":{}}}", known[org].asked).into_bytes();
    Some(call(org, &mut known[org], credential, route(&want), body, want))
}

fn call(org: usize, known: &mut Known, credential: String, route: String, body: Vec<u8>, want: Want) -> Call {
    known.asked += 1;
    Call {
        org,
        credential,
        route,
        key: format!("key-{}", known.asked),
        body,
        want,
    }
}

fn route(want: &Want) -> String {
    match want {
        Want::Decide => "POST /v1/actions".into(),
        Want::Vote(id, ..) => format!("POST /v1/approvals/{id}/votes"),
        Want::Redeem(..) => "POST /v1/permits/redeem".into(),
        Want::Report(id, ..) => format!("POST /v1/actions/{id}/outcome"),
        Want::Cancel(id) => format!("POST /v1/approvals/{id}/cancel"),
        Want::Answer(id) => format!("POST /v1/approvals/{id}/answers"),
        Want::Kill(scope) => format!("POST /v1/kill {scope}"),
        Want::Release(scope) => format!("POST /v1/kill/release {scope}"),
        Want::TakeLease(gateway, _) => format!("PUT /v1/leases/{gateway}"),
        Want::GiveBackLease(gateway) => format!("DELETE /v1/leases/{gateway}"),
        Want::Tell(name) => format!("POST /v1/channels {name}"),
        Want::Upload(_) => "POST /v1/policies".into(),
        Want::Activate(_) => "POST /v1/policies/activate".into(),
        Want::RollBack => "POST /v1/policies/rollback".into(),
        Want::Revoke(kid) => format!("DELETE /v1/keys/{kid}"),
        Want::Move(person, _) => format!("PUT /v1/users/{person}"),
        Want::Register(agent) => format!("POST /v1/agents {agent}"),
        Want::Erase(whom) => format!("POST /v1/erasures {whom}"),
        Want::Hold(whom) => format!("POST /v1/holds {whom}"),
        Want::LetGo(hold) => format!("POST /v1/holds/{hold}/release"),
        Want::Checkpoint => "GET /v1/audit/checkpoint".into(),
        Want::Look(id) => format!("GET /v1/actions/{id}"),
        Want::Consistency(old, new) => format!("GET /v1/audit/consistency {old} {new}"),
        Want::State => "state".into(),
    }
}

/// A decision. Few different arguments, so that refusals repeat and digests meet again.
fn decide(org: usize, known: &mut [Known], dice: &mut Dice) -> Call {
    let known = &mut known[org];
    let action = scene::ACTIONS[dice.weighted(&[6, 3, 6, 4, 3, 3, 5, 6, 4, 2, 2])];
    let (agent, key) = dice.one_of(&known.agents).cloned().unwrap_or_default();
    // What one agent does for another is asked for with the call that proves it, or with something that does not.
    let calls = agent == "triage" && dice.happens(600);
    let chain = match some(known, dice, |learned| learned.agent == "triage") {
        Some(call) if agent == "helper" && dice.happens(850) => {
            format!(r#","delegation":[{{"agent":"triage","action":"{}"}}]"#, call.id)
        }
        _ => String::new(),
    };
    let principal = match dice.below(6) {
        0 => r#","principal":"dana""#,
        1 => r#","principal":"alex""#,
        _ => "",
    };
    let remedy = if dice.happens(700) {
        r#","accept_remedy":true"#
    } else {
        ""
    };
    let cost = match action {
        "cap" => r#","estimated_cost":"1.00""#.to_owned(),
        "spend" | "order" => format!(r#","estimated_cost":"{}""#, money(dice, 400)),
        _ => String::new(),
    };
    let run = match dice.below(3) {
        0 => format!(r#","run":"r{}""#, dice.below(3)),
        _ => String::new(),
    };
    let what = if calls {
        r#""tool":"agent/helper""#.to_owned()
    } else {
        format!(r#""action":"{action}""#)
    };
    let number = dice.below(40);
    let body = format!(r#"{{{what},"args":{{"n":{number}}}{principal}{cost}{run}{chain}{remedy}}}"#);
    let route = route(&Want::Decide);
    call(org, known, key, route, body.into_bytes(), Want::Decide)
}

/// An amount below so many cents.
fn money(dice: &mut Dice, cents: u64) -> String {
    let cents = dice.below(cents);
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn wanted(kind: usize, known: &Known, dice: &mut Dice) -> Option<(String, Want)> {
    let admin = dice.one_of(&known.admins)?.clone();
    let person = dice.one_of(&known.people)?.clone();
    let agent = dice.one_of(&known.agents)?.1.clone();
    Some(match kind {
        1 => (person, vote(known, dice)?),
        2 => redeem(known, dice)?,
        3 => {
            let learned = some(known, dice, |learned| learned.permit.is_some())?;
            let status = [OutcomeStatus::Succeeded, OutcomeStatus::Failed][dice.weighted(&[4, 1])];
            let cost = dice.happens(800).then(|| money(dice, 500));
            (of(known, learned, dice)?, Want::Report(learned.id, status, cost))
        }
        4 => {
            let approval = some(known, dice, |learned| learned.approval.is_some())?.approval?;
            (if dice.happens(500) { agent } else { admin }, Want::Cancel(approval))
        }
        5 | 6 => {
            let learned = some(known, dice, |learned| learned.approval.is_some())?;
            (of(known, learned, dice)?, Want::Answer(learned.approval?))
        }
        7 => (admin, Want::Kill(scope(dice))),
        8 | 9 => (
            admin,
            Want::Release(dice.one_of(&Vec::from_iter(&known.killed))?.to_owned().clone()),
        ),
        10 => (admin, Want::Activate(scene::variants()[dice.place(3)].hash.to_string())),
        11 => (admin, Want::RollBack),
        12 => (admin, Want::Upload(dice.place(3))),
        13 => {
            let size = *dice.one_of(&Vec::from_iter(&known.sizes))?;
            let old = *known.sizes.range(..=size).next()?;
            (admin, Want::Consistency(old, *size))
        }
        14 => (admin, Want::Checkpoint),
        15 => (agent, Want::Look(some(known, dice, |_| true)?.id)),
        16 => (admin, Want::State),
        19 => {
            let gateway = format!("gate-{}", dice.below(3));
            let guards = Want::TakeLease(gateway.clone(), scope(dice));
            (
                agent,
                if dice.happens(750) {
                    guards
                } else {
                    Want::GiveBackLease(gateway)
                },
            )
        }
        20 => (admin, Want::Tell(format!("room-{}", dice.below(2)))),
        21 => (admin, keeping(known, dice)),
        _rarely => rare(known, dice, admin)?,
    })
}

/// What becomes of what is kept about somebody.
fn keeping(known: &Known, dice: &mut Dice) -> Want {
    // Few of them, so that erasures meet holds and find a second person.
    let whom = ["bot", "dana"][dice.place(2)];
    let held = dice.one_of(&Vec::from_iter(&known.holds)).map(|hold| **hold);
    match (dice.weighted(&[5, 1, 2]), held) {
        (1, _) => Want::Hold(whom),
        (2, Some(hold)) => Want::LetGo(hold),
        _erase => Want::Erase(whom),
    }
}

/// What changes who there is.
fn rare(known: &Known, dice: &mut Dice, admin: String) -> Option<(String, Want)> {
    let want = match dice.below(3) {
        // Never the first, so that there is always somebody to go on with.
        0 if known.agents.len() > 2 => Want::Revoke(kid_of(&dice.one_of(&known.agents[1..])?.1)),
        1 => {
            let teams = if dice.happens(500) {
                vec!["leads".to_owned()]
            } else {
                vec!["others".to_owned()]
            };
            Want::Move(2 + dice.place(2), teams)
        }
        _agent => Want::Register(format!("bot-{}", dice.below(6))),
    };
    Some((admin, want))
}

fn some<'a>(known: &'a Known, dice: &mut Dice, fits: impl Fn(&Learned) -> bool) -> Option<&'a Learned> {
    // The newest are worth most: what is old is closed. But not always.
    let fitting: Vec<&Learned> = known.actions.values().filter(|learned| fits(learned)).collect();
    let from = if dice.happens(800) {
        fitting.len().saturating_sub(8)
    } else {
        0
    };
    dice.one_of(&fitting[from..]).copied()
}

fn vote(known: &Known, dice: &mut Dice) -> Option<Want> {
    let learned = some(known, dice, |learned| learned.approval.is_some())?;
    let verbs = [
        Verb::Approve,
        Verb::Reject,
        Verb::Abstain,
        Verb::Comment,
        Verb::HandOver,
        Verb::Claim,
        Verb::Release,
        Verb::Clarify,
    ];
    let verb = verbs[dice.weighted(&[12, 2, 1, 1, 2, 1, 1, 1])];
    let to = (verb == Verb::HandOver).then(|| scene::PEOPLE[dice.place(4)].0.to_owned());
    let digest = if dice.happens(50) {
        Digest([1; 32])
    } else {
        learned.shown
    };
    let snapshot = match dice.below(25) {
        0 => scene::variants()[dice.place(3)].hash.to_string(),
        _ => learned.snapshot.clone(),
    };
    Some(Want::Vote(learned.approval?, verb, digest, snapshot, to))
}

fn redeem(known: &Known, dice: &mut Dice) -> Option<(String, Want)> {
    let learned = some(known, dice, |learned| learned.permit.is_some())?;
    let digest = if dice.happens(60) {
        Digest([2; 32])
    } else {
        learned.digest
    };
    Some((of(known, learned, dice)?, Want::Redeem(learned.permit.clone()?, digest)))
}

/// A key of the agent whose action it is; now and then of another.
fn of(known: &Known, learned: &Learned, dice: &mut Dice) -> Option<String> {
    let own = known.agents.iter().rfind(|(agent, _)| *agent == learned.agent);
    let any = dice.one_of(&known.agents);
    let held = if dice.happens(100) { any } else { own.or(any) };
    held.map(|(_, key)| key.clone())
}

fn scope(dice: &mut Dice) -> Scope {
    match dice.weighted(&[2, 4, 3, 1, 1, 1]) {
        0 => Scope::Organization,
        1 => Scope::Agent(scene::AGENTS[dice.place(4)].0.into()),
        3 => Scope::Team("desk".into()),
        4 => Scope::Class(["reporting", "spending"][dice.place(2)].into()),
        5 => Scope::Run(format!("r{}", dice.below(3))),
        _tool => Scope::Tool(scene::ACTIONS[dice.place(4)].into()),
    }
}

/// An id of another organization: it has to mean nothing.
fn foreign(org: usize, known: &mut [Known], dice: &mut Dice) -> Option<Call> {
    let other = known.iter().enumerate().find(|(place, _)| *place != org)?.1;
    let learned = some(other, dice, |_| true)?.clone();
    let known = &mut known[org];
    let (admin, person) = (dice.one_of(&known.admins)?.clone(), dice.one_of(&known.people)?.clone());
    let agent = dice.one_of(&known.agents)?.1.clone();
    let (credential, want) = match (dice.below(4), learned.approval, learned.permit) {
        (0, Some(approval), _) => (
            person,
            Want::Vote(approval, Verb::Approve, learned.shown, learned.snapshot, None),
        ),
        (1, _, Some(permit)) => (agent, Want::Redeem(permit, learned.digest)),
        (2, _, _) => (agent, Want::Report(learned.id, OutcomeStatus::Succeeded, None)),
        _look => (admin, Want::Look(learned.id)),
    };
    let route = format!("{} foreign", route(&want));
    Some(call(org, known, credential, route, b"{}".to_vec(), want))
}
