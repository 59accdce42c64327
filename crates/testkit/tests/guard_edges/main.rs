//! Guards at their edges: the last action that they let through, the first that they do not, and what they forget.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod autonomy;
mod budgets;
mod limits;
mod shown;
mod standing;

use countersign_core::Span;
use countersign_core::event::{OutcomeStatus, Verb};
use countersign_core::ids::ActionId;
use countersign_testkit::World;

const GATE: &str = "name: gate\nrules:\n  - { decision: allow }\n";

const MICROSECOND: Span = Span(1);

/// Asks, lets a person approve where one is asked, uses the permit and reports.
fn run_as(world: &mut World, agent: &str, action: &str, status: OutcomeStatus) -> ActionId {
    let asked = world.submit(agent, &format!(r#"{{"action":"{action}"}}"#)).unwrap();
    let id = asked.decision.action_id;
    if asked.decision.permit.is_none() {
        world.vote("dana", id, Verb::Approve, None).unwrap();
    }
    world.redeem(id).unwrap();
    world.report(id, status, None).unwrap();
    id
}

fn run(world: &mut World, agent: &str, action: &str) -> ActionId {
    run_as(world, agent, action, OutcomeStatus::Succeeded)
}

const DAY: &str = "budgets:\n  - { name: day, per: day, limit: 10.00 USD, zone: UTC }\n";

fn budgeted(budgets: &str) -> World {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", GATE), ("budgets.yaml", budgets)]);
    world
}

const TEN: &str = r#"{"action":"buy","estimated_cost":"10.00","currency":"USD"}"#;
