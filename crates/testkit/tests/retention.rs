//! Laws of what is kept, over random histories: hold beats erasure, erasure beats retention, and floors hold.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeMap;

use countersign_core::event::HoldScope;
use countersign_core::retention::kept_for;
use countersign_core::{Event, Span, Time};
use countersign_testkit::{Left, Lying, World};
use proptest::prelude::*;

const ORG: &str = "organization: acme\nretention: 90_days\n";
const GATE: &str = "name: gate\nrules: [{ decision: allow }]\n";
const AGENTS: [&str; 2] = ["bot", "other"];
const PEOPLE: [&str; 2] = ["maria", "tom"];
const ADMINS: [&str; 2] = ["alex", "bea"];

#[derive(Clone, Debug)]
enum Step {
    Submit {
        agent: usize,
        principal: Option<usize>,
    },
    Hold {
        agent: Option<usize>,
        subject: Option<usize>,
        days: Option<i64>,
    },
    Release {
        admin: usize,
    },
    Erase {
        admin: usize,
        person: usize,
    },
    Pass {
        days: i64,
    },
    DestroyDue,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize, prop::option::of(0..2_usize)).prop_map(|(agent, principal)| Step::Submit { agent, principal }),
        1 => (prop::option::of(0..2_usize), prop::option::of(0..2_usize), prop::option::of(-100..100_i64))
            .prop_map(|(agent, subject, days)| Step::Hold { agent, subject, days }),
        2 => (0..2_usize).prop_map(|admin| Step::Release { admin }),
        3 => (0..2_usize, 0..2_usize).prop_map(|(admin, person)| Step::Erase { admin, person }),
        2 => (1..120_i64).prop_map(|days| Step::Pass { days }),
        2 => Just(Step::DestroyDue),
    ]
}

/// Carries a step out; that it is refused is fine.
fn carry_out(world: &mut World, step: &Step) {
    match step {
        Step::Submit { agent, principal } => {
            let principal = principal.map(|person| format!(r#","principal":"{}""#, PEOPLE[person]));
            let body = format!(r#"{{"action":"read"{}}}"#, principal.unwrap_or_default());
            world.submit(AGENTS[*agent], &body).unwrap();
        }
        Step::Hold { agent, subject, days } => {
            let scope = HoldScope {
                agent: agent.map(|agent| AGENTS[agent].to_owned()),
                from: days.map(|days| Time(world.now.0 + Span::days(days).0)),
                subject: subject.map(|person| world.subject(PEOPLE[person])),
                to: None,
            };
            world.hold("alex", scope).unwrap();
        }
        Step::Release { admin } => {
            if let Some(hold) = world.state.holds().keys().next().copied() {
                drop(world.release_hold(ADMINS[*admin], hold));
            }
        }
        Step::Erase { admin, person } => drop(world.erase(ADMINS[*admin], PEOPLE[*person])),
        Step::Pass { days } => world.pass(Span::days(*days)),
        Step::DestroyDue => world.destroy_due(),
    }
}

fn lying(world: &World) -> BTreeMap<u64, Lying> {
    world.lying().map(|(seq, lying)| (seq, lying.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn hold_beats_erasure_beats_retention(two in any::<bool>(), steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        if two {
            world.user("bea", &["admin"], &[], &[]);
        }
        world.policy(&[("gate.yaml", GATE), ("org.yaml", ORG)]);
        for step in &steps {
            let before = lying(&world);
            let left: BTreeMap<u64, Left> = before.keys().map(|seq| (*seq, world.left(*seq))).collect();
            let holds: Vec<HoldScope> = world.state.holds().values().map(|hold| hold.scope.clone()).collect();
            let records = world.records.len();
            carry_out(&mut world, step);
            for (seq, payload) in &before {
                let now = world.left(*seq);
                if now == left[seq] {
                    continue;
                }
                match now {
                    Left::Erased | Left::Destroyed => {
                        let held = holds.iter().any(|hold| hold.covers(&payload.covered));
                        prop_assert!(!held, "{seq} was covered by a hold and is {now:?}");
                    }
                    Left::Restricted => {}
                    Left::Kept => prop_assert!(false, "{seq} was {:?} and came back", left[seq]),
                }
                if now == Left::Destroyed {
                    let kept = kept_for(&payload.class, world.live()).unwrap();
                    prop_assert!(payload.covered.to + kept <= world.now, "{seq} was destroyed before its time");
                }
            }
            for record in &world.records[records..] {
                let Event::SubjectErased(erased) = &record.event else { continue };
                let restricted = world.records.iter().rev().find(|other| {
                    matches!(&other.event, Event::SubjectRestricted(e) if e.subject == erased.subject)
                });
                let since = restricted.unwrap().seq;
                for (seq, payload) in lying(&world) {
                    if payload.covered.subjects.contains(&erased.subject) && seq <= since {
                        prop_assert_eq!(world.left(seq), Left::Erased, "{} was left", seq);
                    }
                }
            }
        }
        prop_assert_eq!(world.refolded().hash(), world.state.hash());
    }
}
