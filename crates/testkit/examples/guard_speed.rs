//! What the guards cost a decision beside the policy alone, and what the windows of many agents take: budgets and limits over as
//! many agents as the argument says (100,000 when left out), each with live windows.
//!
//! `cargo run --release --package countersign-testkit --no-default-features --example guard_speed -- 100000`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measurement fails loudly and says what it measured"
)]

use std::process::Command;
use std::time::Instant;

use countersign_core::event::OutcomeStatus;
use countersign_core::{Span, State};
use countersign_testkit::World;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GATE: &str = "name: gate\nrules: [{ decision: allow }]\n";
const BUDGETS: &str = "
budgets:
  - { name: day, per: day, limit: 1000000 USD, estimate: 0 }
  - { name: all, per: month, of: organization, limit: 1000000000 USD, estimate: 0 }
";
const LIMITS: &str = "
limits:
  - { name: rate, count: 1000, within: 1d }
  - { name: customer, per: args.customer, count: 100, sum: 100000 USD, within: 1d }
  - { name: order, same: [args.customer, args.order], within: 1d, at_cap: alert }
";
/// Decisions that are timed.
const TIMED: usize = 20_000;

fn main() {
    let argument = std::env::args().nth(1);
    if let Some(file) = argument.as_deref().filter(|text| text.ends_with(".state")) {
        return println!("{}", load(file));
    }
    let agents: usize = argument.map_or(100_000, |text| text.parse().unwrap());
    let (bare, guarded) = (filled(agents, false), filled(agents, true));
    let (alone, all) = (timed(&bare, agents, "n"), timed(&guarded, agents, "n"));
    println!(
        "a decision by the policy alone {alone:.2} µs, with all guards {all:.2} µs: the guards {:.2} µs",
        all - alone
    );
    let repeated = timed(&guarded, agents, "o");
    println!(
        "where each repeats an order, which is told: with all guards {repeated:.2} µs, the guards {:.2} µs",
        repeated - alone
    );
    let windows = guarded.state.windows().len();
    let (without, with) = (resident(&bare.state, "bare"), resident(&guarded.state, "guarded"));
    let bytes = with.saturating_sub(without) as f64 / windows as f64;
    // Nobody counts a window by less than what tells it apart (a keyed digest as text), a time and a sum.
    let least = (36 + 8 + 16) as f64;
    println!(
        "{agents} agents with {windows} live windows take {:.0} MiB of memory more than without: {bytes:.0} bytes a window, {:.1} \
         times the {least:.0} that each has to keep",
        with.saturating_sub(without) as f64 / 1_048_576.0,
        bytes / least
    );
}

/// A world in which each agent has done one thing, which is over; with limits its windows are still live.
fn filled(agents: usize, guards: bool) -> World {
    let mut world = World::new();
    let files = [("gate.yaml", GATE), ("budgets.yaml", BUDGETS), ("limits.yaml", LIMITS)];
    world.policy(if guards { &files } else { &files[..1] });
    for number in 0..agents {
        let agent = format!("bot-{number}");
        world.agent(&agent, "team:ops");
        let done = world.submit(&agent, &body(number, "o")).unwrap().decision.action_id;
        world.redeem(done).unwrap();
        world.report(done, OutcomeStatus::Succeeded, None).unwrap();
    }
    // What is over leaves.
    world.pass(Span::minutes(20));
    world.submit("bot-0", &body(agents, "o")).unwrap();
    world
}

/// A refund to a customer of before; `kind` is `o` for the order of before, and something else for another one.
fn body(number: usize, kind: &str) -> String {
    format!(r#"{{"action":"refund","amount":"4.99","args":{{"customer":"c{number}","order":"{kind}{number}"}}}}"#)
}

/// Microseconds of a decision, without what comes before and after it.
fn timed(world: &World, agents: usize, kind: &str) -> f64 {
    let submits: Vec<_> = (0..TIMED)
        .map(|place| {
            let number = place * 7919 % agents;
            world.submission(&format!("bot-{number}"), &body(number, kind)).unwrap()
        })
        .collect();
    let begun = Instant::now();
    let mut permitted = 0;
    for submit in &submits {
        let ruling = world.preview(submit);
        permitted += u32::from(ruling.reason_code.is_none());
    }
    let took = begun.elapsed();
    assert_eq!(permitted as usize, TIMED);
    took.as_secs_f64() * 1e6 / TIMED as f64
}

/// How many bytes of memory a process takes that loads this state.
fn resident(state: &State, name: &str) -> u64 {
    let file = std::env::temp_dir().join(format!("countersign-{name}-{}.state", std::process::id()));
    std::fs::write(&file, state.to_bytes()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(file).unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn load(file: &str) -> u64 {
    let resident = || {
        let told = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = told.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    let bytes = std::fs::read(file).unwrap();
    let before = resident();
    let state = State::from_bytes(&bytes).unwrap();
    let after = resident();
    assert!(!state.agents().is_empty());
    after.saturating_sub(before)
}
