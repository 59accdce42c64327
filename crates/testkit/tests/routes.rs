//! Laws of routes over random histories: nothing but votes of distinct, entitled people approves; every request ends by its
//! deadline; the state machine agrees with trying every way to seat the voters.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::event::{ApprovalState, StepReason, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::verdict::Quorum;
use countersign_core::view::{ActionView, StepFact};
use countersign_core::{Event, Span};
use countersign_testkit::World;
use proptest::prelude::*;

/// Who is there: a name, a team, a duty.
const PEOPLE: [(&str, &str, &str); 5] = [
    ("ada", "red", "lead"),
    ("ben", "red", "oncall"),
    ("cleo", "blue", "oncall"),
    ("dora", "blue", "lead"),
    ("ed", "green", "counsel"),
];
/// What a slot may ask.
const NAMES: [&str; 6] = [
    "team:red",
    "team:blue",
    "role:lead",
    "role:oncall",
    "user:ed",
    "role:nobody",
];

#[derive(Clone, Debug)]
struct Step {
    slots: Vec<(usize, u32)>,
    approved: bool,
    within: Option<u32>,
    repeat: u32,
    rejections: u32,
}

#[derive(Clone, Debug)]
enum Deed {
    Say(usize, Verb),
    HandOver(usize, usize),
    Answer,
    Pass(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let slots = prop::collection::vec((0..NAMES.len(), 1_u32..3), 1..3);
    (slots, any::<bool>(), 1_u32..20, 0_u32..3, 1_u32..3).prop_map(|(slots, approved, within, repeat, rejections)| {
        Step {
            slots,
            approved,
            within: Some(within),
            repeat,
            rejections,
        }
    })
}

fn deed(approving: bool) -> impl Strategy<Value = Deed> {
    let verbs = if approving {
        vec![
            Verb::Approve,
            Verb::Approve,
            Verb::Approve,
            Verb::Reject,
            Verb::Clarify,
            Verb::Abstain,
        ]
    } else {
        vec![
            Verb::Reject,
            Verb::Clarify,
            Verb::Abstain,
            Verb::Claim,
            Verb::Release,
            Verb::Comment,
        ]
    };
    prop_oneof![
        6 => (0..PEOPLE.len(), prop::sample::select(verbs)).prop_map(|(who, verb)| Deed::Say(who, verb)),
        1 => (0..PEOPLE.len(), 0..PEOPLE.len()).prop_map(|(who, to)| Deed::HandOver(who, to)),
        1 => Just(Deed::Answer),
        3 => (1_u32..25).prop_map(Deed::Pass),
    ]
}

fn document(steps: &[Step], exhausted: &str) -> String {
    let mut text =
        format!("organization: acme\nroutes:\n  route:\n    deadline: 2h\n    on_exhausted: {exhausted}\n    steps:\n");
    for (index, step) in steps.iter().enumerate() {
        let slots: Vec<String> = (step.slots.iter())
            .map(|(name, count)| format!("{{ to: [\"{}\"], count: {count} }}", NAMES[*name]))
            .collect();
        text += &format!(
            "      - slots: [{}]\n        reject_after: {}\n",
            slots.join(", "),
            step.rejections
        );
        if step.approved && index > 0 {
            text += "        when: approved\n";
        }
        if let Some(within) = step.within {
            text += &format!("        within: {within}m\n");
        }
        if step.repeat > 0 {
            text += &format!("        repeat: {}\n", step.repeat);
        }
    }
    text
}

fn opened(steps: &[Step], exhausted: &str) -> (World, ActionId) {
    let mut world = World::new();
    for (id, team, duty) in PEOPLE {
        world.user(id, &["reviewer"], &[team], &[duty]);
    }
    world.user("zoe", &["admin"], &[], &[]);
    world.agent("bot", "team:support");
    let gate = "name: gate\nrules:\n  - { decision: require_approval, approvers: [route] }\n";
    let document = document(steps, exhausted);
    world.policy(&[("acme.yaml", &document), ("gate.yaml", gate)]);
    let id = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    (world, id)
}

fn play(world: &mut World, id: ActionId, deeds: &[Deed], mut after: impl FnMut(&World)) {
    if world.view(id).approval.is_none() {
        // Nobody can be asked: it was refused.
        return;
    }
    for deed in deeds {
        match deed {
            Deed::Say(who, verb) => drop(world.vote(PEOPLE[*who].0, id, *verb, Some("because"))),
            Deed::HandOver(who, to) => drop(world.hand_over(PEOPLE[*who].0, PEOPLE[*to].0, id)),
            Deed::Answer => drop(world.answer_question(id)),
            Deed::Pass(minutes) => world.pass(Span::minutes(i64::from(*minutes))),
        }
        after(world);
    }
}

/// People whom a name means; nobody changes teams here.
fn meant(name: &str) -> BTreeSet<&'static str> {
    let people = PEOPLE
        .iter()
        .filter(|(id, team, duty)| match name.split_once(':').unwrap() {
            ("team", wanted) => *team == wanted,
            ("role", wanted) => *duty == wanted,
            (_, wanted) => *id == wanted,
        });
    people.map(|(id, ..)| *id).collect()
}

/// Whether so many seats can be taken by the voters that are left, tried one by one.
fn seats(seats: &[BTreeSet<&str>], left: &BTreeSet<String>) -> bool {
    let Some((first, rest)) = seats.split_first() else {
        return true;
    };
    first.iter().filter(|person| left.contains(**person)).any(|person| {
        let mut left = left.clone();
        left.remove(*person);
        self::seats(rest, &left)
    })
}

/// Whether the records say that people have approved, by trying everything: each stage has a step that was asked whose
/// seats, with those of the other stages, distinct voters can take.
fn approved_by_trying(view: &ActionView, steps: &[Step]) -> bool {
    let approval = view.approval.as_ref().unwrap();
    let voted = approval.votes.iter().filter(|cast| cast.vote.counted);
    let voters: BTreeSet<String> = voted
        .filter(|cast| cast.vote.verb == Verb::Approve)
        .map(|cast| cast.vote.user.clone())
        .collect();
    let handed: Vec<_> = (approval.votes.iter())
        .map(|cast| &cast.vote)
        .filter(|vote| vote.counted && vote.verb == Verb::HandOver)
        .collect();
    let stage_of = |step: u32| {
        (0..=step)
            .rev()
            .find(|index| *index == 0 || steps[*index as usize].approved)
            .unwrap()
    };
    let last = stage_of(u32::try_from(steps.len() - 1).unwrap());
    let mut asked: BTreeMap<u32, BTreeMap<u32, Vec<BTreeSet<&str>>>> = BTreeMap::new();
    for taken in &approval.steps {
        let StepFact::Started(started) = &taken.what else {
            continue;
        };
        let mut seats = Vec::new();
        for slot in &started.slots {
            let mut people: BTreeSet<&str> = match slot.names.as_slice() {
                [] => ["alex", "zoe"].into(),
                names => names.iter().flat_map(|name| meant(name)).collect(),
            };
            for vote in handed
                .iter()
                .filter(|vote| vote.handed_as.iter().any(|name| slot.names.contains(name)))
            {
                if people.remove(vote.user.as_str()) {
                    people.insert(vote.to.as_deref().unwrap());
                }
            }
            let Quorum::Any(count) = slot.quorum else {
                unreachable!()
            };
            seats.extend(std::iter::repeat_n(people, count as usize));
        }
        asked.entry(stage_of(taken.step)).or_default().insert(taken.step, seats);
    }
    if !asked.contains_key(&last) {
        return false;
    }
    let mut ways: Vec<Vec<BTreeSet<&str>>> = vec![Vec::new()];
    for steps in asked.values() {
        let longer = ways
            .iter()
            .flat_map(|way| steps.values().map(|seats| [way.clone(), seats.clone()].concat()));
        ways = longer.collect();
    }
    ways.iter().any(|way| seats(way, &voters))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn without_a_vote_for_it_nothing_is_ever_approved(
        steps in prop::collection::vec(step(), 1..4),
        exhausted in prop::sample::select(vec!["reject", "hold", "{ safe_fallback: draft }"]),
        deeds in prop::collection::vec(deed(false), 0..25),
    ) {
        let (mut world, id) = opened(&steps, exhausted);
        play(&mut world, id, &deeds, |_| ());
        world.pass(Span::hours(3));
        let granted = |event: &Event| matches!(event, Event::ApprovalResolved(e) if e.state == ApprovalState::Approved);
        prop_assert!(!world.records.iter().any(|record| granted(&record.event)));
        prop_assert!(world.redeem(id).is_err());
    }

    #[test]
    fn every_request_ends_by_its_deadline_and_the_records_fold_to_the_state(
        steps in prop::collection::vec(step(), 1..4),
        exhausted in prop::sample::select(vec!["reject", "hold"]),
        deeds in prop::collection::vec(deed(true), 0..25),
    ) {
        let (mut world, id) = opened(&steps, exhausted);
        play(&mut world, id, &deeds, |_| ());
        world.pass(Span::hours(2));
        prop_assert!(world.state.approvals().is_empty());
        if let Some(approval) = world.view(id).approval {
            // What is told of an approved request later is what became of its permit.
            let first = world.records.iter().find(|record| matches!(record.event, Event::ApprovalResolved(_)));
            prop_assert!(first.is_some_and(|record| record.ts <= approval.opened.deadline));
        }
        prop_assert_eq!(world.refolded().hash(), world.state.hash());
    }

    #[test]
    fn a_request_is_approved_exactly_when_distinct_people_can_take_every_seat(
        steps in prop::collection::vec(step(), 1..4),
        deeds in prop::collection::vec(deed(true), 1..25),
    ) {
        let (mut world, id) = opened(&steps, "hold");
        let (mut wrong, mut known) = (Vec::new(), 0);
        play(&mut world, id, &deeds, |world| {
            let view = world.view(id);
            let Some(approval) = &view.approval else { return };
            // A timer never approves: what it makes possible, the next vote brings about.
            let yes = approval.votes.iter().filter(|cast| cast.vote.counted && cast.vote.verb == Verb::Approve).count();
            if std::mem::replace(&mut known, yes) == yes {
                return;
            }
            let resolved = approval.resolved.as_ref().map(|(_, resolved)| resolved.state);
            let approved = world.records.iter().any(
                |record| matches!(&record.event, Event::ApprovalResolved(e) if e.state == ApprovalState::Approved),
            );
            let open = resolved.is_none();
            if (open || approved) && approved != approved_by_trying(&view, &steps) {
                wrong.push((approved, approval.steps.len()));
            }
        });
        prop_assert!(wrong.is_empty(), "{wrong:?}\n{:#?}", world.view(id).approval);
    }

    #[test]
    fn a_step_is_asked_again_no_more_often_than_the_route_says(
        steps in prop::collection::vec(step(), 1..4),
        deeds in prop::collection::vec(deed(true), 0..25),
    ) {
        let (mut world, id) = opened(&steps, "hold");
        play(&mut world, id, &deeds, |_| ());
        world.pass(Span::hours(3));
        let mut again: BTreeMap<u32, u32> = BTreeMap::new();
        for taken in world.view(id).approval.into_iter().flat_map(|approval| approval.steps) {
            if let StepFact::Started(started) = &taken.what
                && started.reason == StepReason::Repeated
            {
                *again.entry(taken.step).or_default() += 1;
            }
        }
        prop_assert!(again.iter().all(|(step, times)| *times <= steps[*step as usize].repeat), "{again:?}");
    }
}
