//! The end of a simulation: everything is mended, everything due comes, and the whole is held against what clients saw.

use countersign_core::Span;
use countersign_core::event::Event;

use super::client::{Call, Want};
use super::world::World;
use crate::history::{self, Saw};

/// How many steps everything that is underway may take once all is mended.
const PATIENCE: u64 = 5000;
/// How often ten minutes pass until everything is told.
const TOLD_WITHIN: u32 = 200;
/// How many steps of telling come in between.
const TELLING: u32 = 12;
/// How often a node is asked whether it goes on.
const TRIES: u32 = 5;

/// Mends everything, lets everything that is due come, and checks the whole.
///
/// # Errors
/// What is wrong.
pub fn end(world: &mut World) -> Result<(), String> {
    if !world.lost.is_empty() {
        return a_loss_is_noticed(world);
    }
    mend(world)?;
    if !world.lost.is_empty() {
        return a_loss_is_noticed(world);
    }
    settle(world)?;
    everything_goes_on_after_faults(world)?;
    confirm_clocks(world);
    drain(world)?;
    i22_every_request_has_ended(world)?;
    i15_everything_is_told(world)?;
    i10_every_reservation_has_ended(world)?;
    world.fold_anew()?;
    i12_nodes_have_the_state_of_the_ledger(world)?;
    i7_i8_the_history_fits_the_ledger(world)
}

/// A disk that lied has lost what was acknowledged: whoever holds a checkpoint from before sees it.
fn a_loss_is_noticed(world: &World) -> Result<(), String> {
    for lost in &world.lost {
        let trail = world.trails.iter().find(|trail| trail.org == lost.org);
        let known = trail.map_or(0, super::trail::Trail::size);
        if known < lost.acknowledged || lost.left >= known {
            return Err(format!("{lost:?} is not noticed by whoever knows {known} records"));
        }
    }
    Ok(())
}

fn mend(world: &mut World) -> Result<(), String> {
    world.note("everything is mended");
    world.network.trouble_per_mille = 0;
    world.telling.trouble_per_mille = 0;
    world.store.faults(super::faults::Faults::heal);
    world.store.lie(false);
    world.store.room(None);
    world.store.clock().set(Span(0));
    for node in 0..world.nodes.len() {
        world.store.cut(node as u64, false);
        world.nodes[node].wall.set(Span(0));
    }
    if !world.store.is_up() {
        let lost = world.store.restart();
        if !lost.is_empty() && !world.setting.lying_disk {
            return Err(format!("invariant 7: an honest disk lost {lost:?}"));
        }
        world.lost.extend(lost);
    }
    for place in 0..world.nodes.len() {
        if world.nodes[place].process.is_none() {
            world.nodes[place].start()?;
        }
    }
    Ok(())
}

/// Carries out everything that is underway.
fn settle(world: &mut World) -> Result<(), String> {
    for _ in 0..PATIENCE {
        if world.network.is_quiet() && !work(world) {
            return Ok(());
        }
        world.step += 1;
        work(world);
        world.timeline.pass(Span(60_000));
        world.look()?;
        world.carry_messages()?;
    }
    let waiting: Vec<_> = world
        .nodes
        .iter()
        .map(|node| node.engine().map(|engine| engine.waiting()))
        .collect();
    let due: Vec<_> = world
        .trails
        .iter()
        .map(|trail| (trail.state.frozen(), trail.state.next_due()))
        .collect();
    let quiet = world.network.is_quiet();
    Err(format!(
        "what is underway does not come to an end: clients are done: {quiet}; waiting {waiting:?}; frozen, due: {due:?}"
    ))
}

fn work(world: &mut World) -> bool {
    let mut worked = false;
    for node in &mut world.nodes {
        worked |= node.step();
    }
    worked
}

/// Every node goes on telling people. It looks for what is due again and again, so this comes to no end by itself.
fn tell(world: &mut World) {
    for node in 0..world.nodes.len() {
        for org in &world.setting.orgs {
            let engine = world.nodes[node].engine();
            world.telling.go_on(node, engine, org, &mut world.dice);
        }
    }
}

/// Invariant 15: everybody who is to be told is told, once channels take it.
fn i15_everything_is_told(world: &mut World) -> Result<(), String> {
    let waits = |world: &World| {
        let notices = world.trails.iter().flat_map(|trail| trail.state.notices());
        notices.filter(|(_, notice)| !notice.dead).map(|(id, _)| *id).next()
    };
    for _ in 0..TOLD_WITHIN {
        if waits(world).is_none() {
            break;
        }
        for _ in 0..TELLING {
            tell(world);
            work(world);
        }
        settle(world)?;
        world.look()?;
        world.timeline.pass(Span::minutes(10));
    }
    if let Some(notice) = waits(world) {
        return Err(format!("invariant 15: `{notice}` is told to nobody"));
    }
    for trail in &world.trails {
        (world.telling.check(trail)).map_err(|why| format!("invariant 15: {why} (`{}`)", trail.org))?;
    }
    Ok(())
}

/// Invariant 26: once there is room again, every node decides and answers.
fn everything_goes_on_after_faults(world: &mut World) -> Result<(), String> {
    for org in 0..world.setting.orgs.len() {
        for node in 0..world.nodes.len() {
            goes_on(world, org, node)?;
        }
    }
    Ok(())
}

/// Asks one node for a decision. Another may hold the ledger at that moment, so it is asked again.
fn goes_on(world: &mut World, org: usize, node: usize) -> Result<(), String> {
    for number in 0..TRIES {
        let call = Call {
            org,
            credential: world.known[org]
                .agents
                .first()
                .map(|(_, key)| key.clone())
                .unwrap_or_default(),
            route: "POST /v1/actions".into(),
            key: format!("last-{node}-{number}"),
            body: br#"{"action":"fly"}"#.to_vec(),
            want: Want::Decide,
        };
        let step = world.step;
        world.network.send(call, node, step, &mut world.dice);
        settle(world)?;
        let last = world.history[org].last();
        if last.is_some_and(|last| matches!(last.saw, Saw::Appended { .. })) {
            return Ok(());
        }
    }
    let org = &world.setting.orgs[org];
    Err(format!(
        "invariant 26: node {node} decides nothing for `{org}` any more"
    ))
}

/// A clock that was wrong when a process first read it is right only for whoever says so. By now every node has heard
/// what the clock that counts shows.
fn confirm_clocks(world: &mut World) {
    if !world.setting.clocks_jump {
        return;
    }
    for node in &world.nodes {
        if let Some(engine) = node.engine() {
            engine.confirm_clock();
        }
    }
    world.trails.iter_mut().for_each(|trail| trail.clocks_are_known = false);
}

/// Lets more than a day pass, so that every timer is due; more than two where records may be a day ahead.
fn drain(world: &mut World) -> Result<(), String> {
    let hours = if world.setting.clocks_jump { 60 } else { 30 };
    for span in [1, 5, 10, 20]
        .map(Span::minutes)
        .into_iter()
        .chain((0..hours / 3).map(|_| Span::hours(3)))
    {
        world.timeline.pass(span);
        settle(world)?;
    }
    Ok(())
}

fn i22_every_request_has_ended(world: &World) -> Result<(), String> {
    for trail in &world.trails {
        if trail.state.frozen() {
            return Err(format!("invariant 22: the timers of `{}` stand still", trail.org));
        }
        if let Some((id, _)) = trail.state.approvals().first_key_value() {
            return Err(format!("invariant 22: `{id}` has not ended"));
        }
        let open = trail.opened.keys().find(|id| !trail.ended.contains_key(*id));
        if let Some(id) = open {
            return Err(format!("invariant 22: nothing says how `{id}` ended"));
        }
        let outcomes = trail.records.iter().filter_map(|record| match &record.event {
            Event::OutcomeReported(e) => Some(e.action_id),
            _other => None,
        });
        let told: std::collections::BTreeSet<_> = outcomes.collect();
        if let Some(id) = trail.redeemed.iter().find(|id| !told.contains(*id)) {
            return Err(format!("invariant 22: nothing says how `{id}` went"));
        }
    }
    Ok(())
}

fn i10_every_reservation_has_ended(world: &World) -> Result<(), String> {
    let now = world.timeline.now();
    for trail in &world.trails {
        trail.accounts.rest(now).map_err(|why| format!("invariant 10: {why}"))?;
        if let Some(lease) = trail.state.leases().next() {
            return Err(format!("invariant 22: gateway `{}` still guards", lease.gateway));
        }
    }
    Ok(())
}

fn i12_nodes_have_the_state_of_the_ledger(world: &mut World) -> Result<(), String> {
    for org in 0..world.setting.orgs.len() {
        for node in 0..world.nodes.len() {
            let call = Call {
                org,
                credential: world.known[org].admins[0].clone(),
                route: "state".into(),
                key: String::new(),
                body: Vec::new(),
                want: Want::State,
            };
            let step = world.step;
            world.network.send(call, node, step, &mut world.dice);
        }
    }
    settle(world)
}

/// Invariants 7 and 8, and the order of everything that clients saw.
fn i7_i8_the_history_fits_the_ledger(world: &World) -> Result<(), String> {
    for ((org, history), trail) in world.setting.orgs.iter().zip(&world.history).zip(&world.trails) {
        let breaches = history::check(history, &trail.lines);
        if let Some(first) = breaches.first() {
            return Err(format!(
                "invariants 7 and 8: `{org}`: {first} ({} in all)",
                breaches.len()
            ));
        }
    }
    Ok(())
}
