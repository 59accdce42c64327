//! Laws of the state: what holds for every ledger, whatever happens.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::command::{
    AboutCircuit, AboutRun, CloseReview, EndRun, Envelope, NewAbsence, NewOverride, NewRun, Observe, ObservedCall,
    Prune, SetMode, TryCandidate,
};
use countersign_core::digest::Digest;
use countersign_core::event::{
    AgentDescribed, AuthenticatorAdded, AuthenticatorRemoved, Boundary, Cause, ChannelKind, ChannelRegistered,
    Delivery, Description, EpochEnd, EpochOpened, Filtered, Finding, HoldScope, KeyIssued, KeyRotated, Mode,
    NoticeAttempted, NoticeResult, OutcomeStatus, PracticeKind, RunStatus, Scope, ToolApproved, ToolRegistered,
    Trigger, Verb,
};
use countersign_core::ids::{ActionId, DeliveryId};
use countersign_core::policy::Value;
use countersign_core::record::{ActorKind, Half, Idempotency};
use countersign_core::state::{HOLD_RELEASE_SPAN, NewLease};
use countersign_core::{Actor, Answer, Command, Event, Record, Span, State, Time};
use countersign_testkit::{ORIGIN, World, by};
use proptest::prelude::*;

const POLICY: &str = "
name: gate
on: [{ action: 'read' }, { action: 'pay' }, { action: 'ship' }]
rules:
  - { condition: \"action == 'read'\", decision: allow }
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
  - { condition: \"action == 'ship'\", decision: require_approval, evidence_required: true }
";

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.user("erin", &["reviewer"], &["leads"], &[]);
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", POLICY)]);
    world
}

/// What a person says, stored.
fn words() -> countersign_core::command::Sealed {
    let said = countersign_core::stored::store_value(
        &countersign_policy::Value::Map(Default::default()),
        &countersign_core::redact::Redactor::standard(),
        &Default::default(),
        [0; 32],
        "default",
    );
    said.0
}

/// A policy that people have to agree to becomes live, and another one does not.
fn change_the_policy(world: &mut World) {
    let control = "organization: acme\nchange_control: { policies: { approvers: [alex, bea, dana] } }\n";
    world.policy(&[("gate.yaml", POLICY), ("org.yaml", control)]);
    for (org, agrees) in [
        ("organization: acme\nzone: UTC\n", false),
        ("organization: acme\n", true),
    ] {
        let hash = world.upload(&[("gate.yaml", POLICY), ("org.yaml", org)]);
        let wanted = Command::ActivateSnapshot {
            hash: hash.clone(),
            rationale: Some(words()),
        };
        assert_eq!(world.give(by(ActorKind::User, "alex"), wanted).0, Answer::Done);
        let judged = Command::JudgeSnapshot {
            hash,
            proposal: world.state.proposal().and_then(|known| known.id),
            agrees,
            comment: Some(words()),
        };
        assert_eq!(world.give(by(ActorKind::User, "bea"), judged).0, Answer::Done);
    }
    world.policy(&[("gate.yaml", POLICY)]);
    let waived = Command::WaiveTests {
        failing: 1,
        hash: world.upload(&[("gate.yaml", POLICY)]),
        reason: words(),
        untried: 2,
    };
    assert_eq!(world.give(by(ActorKind::User, "alex"), waived).0, Answer::Done);
    let hash = world.upload(&[("gate.yaml", POLICY), ("org.yaml", "organization: acme\n")]);
    let wanted = TryCandidate {
        hash,
        canary: None,
        rationale: None,
    };
    world.done(Command::TryCandidate(Box::new(wanted)));
    let tried = world.submit("bot", r#"{"action":"read"}"#).unwrap();
    assert!(tried.decision.beside.is_some());
    world.done(Command::WithdrawCandidate(None));
}

/// A ledger in which every type of record occurs. Every record goes through its canonical bytes on the way.
/// An agent that is described, active and not looked at again; a tool that changes; a gateway that comes and goes.
fn fill_the_inventory(world: &mut World) {
    let list = || vec!["none".to_owned()];
    let word = || Some("known".to_owned());
    let description = Description {
        boundary: Boundary {
            always_approve: list(),
            never_access: list(),
            owning_team: word(),
            process: word(),
            reads: list(),
            without_approval: list(),
            writes: list(),
        },
        data: list(),
        environments: list(),
        fallback_owner: word(),
        model: word(),
        prompt: word(),
        purpose: word(),
        review_by: Some(world.now + Span::minutes(5)),
        reviewer: word(),
        system: word(),
        technical_owner: word(),
        tools: list(),
    };
    let agent: Arc<str> = "clerk".into();
    world.agent("clerk", "team:ops");
    world.policy(&[
        ("gate.yaml", POLICY),
        (
            "clerk.yaml",
            "agent: clerk\npermissions: [{ action: read, allowed: true }]\n",
        ),
    ]);
    world.done(Command::DescribeAgent(Box::new(AgentDescribed {
        agent: agent.clone(),
        description,
    })));
    world.done(Command::ActivateAgent(agent));
    let schema = Digest([1; 32]);
    for schema in [Digest([0; 32]), schema] {
        world.done(Command::RegisterTool(Box::new(ToolRegistered {
            description: Some(Digest([2; 32])),
            schema,
            tool: "wiki/search".into(),
        })));
    }
    let tool = "wiki/search".into();
    world.done(Command::ApproveTool(Box::new(ToolApproved { schema, tool })));
    world.done(Command::TakeLease(Box::new(NewLease {
        gateway: "edge".into(),
        guards: vec![Scope::Class("payments".into())],
        seconds: 30,
    })));
    world.pass(Span::minutes(10));
    assert!(world.state.leases().next().is_none());
}

/// A person is sent a link, and decides by it.
fn decide_by_a_link(world: &mut World) {
    let org = "organization: acme
teams: [leads]
channels: { post: { decide: low_risk } }
routes: { desk: { steps: [{ to: [leads], within: 30m }], deadline: 1h } }
";
    let gate = POLICY.replace("approvers: [leads]", "approvers: [desk]");
    let tools = "tools: [{ tool: pay, risk: R1 }]\n";
    world.policy(&[("gate.yaml", &gate), ("org.yaml", org), ("tools.yaml", tools)]);
    let pay = world.submit("bot", r#"{"action":"pay","amount":"6"}"#).unwrap();
    let link = world.link("dana", pay.decision.action_id, "post", [7; 32]).unwrap();
    world
        .vote_by_link("dana", pay.decision.action_id, "post", link)
        .unwrap();
    world.policy(&[("gate.yaml", POLICY)]);
}

fn everything() -> World {
    let mut world = world();
    let receiver = match &world.done(Command::RegisterReceiver {
        url: "https://example.com/hook".into(),
    })[0]
        .event
    {
        Event::CallbackRegistered(registered) => registered.receiver,
        other => panic!("{other:?}"),
    };
    let key = KeyIssued {
        expires: Some(world.now + Span::hours(1)),
        fingerprint: "00".into(),
        kid: "k1".into(),
        kind: ActorKind::Agent,
        scopes: vec!["act_for:bot-*".into()],
        subject: "bot".into(),
    };
    world.done(Command::IssueKey(Box::new(key)));
    let callback = r#""callback_url":"https://example.com/hook/1""#;
    let read = world
        .submit("bot", &format!(r#"{{"action":"read",{callback}}}"#))
        .unwrap();
    world.redeem(read.decision.action_id).unwrap();
    assert!(world.redeem(read.decision.action_id).is_err());
    world.store_credential("reader", &["read"], &[], &[]).unwrap();
    world.release_credential(read.decision.action_id, None).unwrap();
    world.done(Command::RemoveCredential("reader".into()));
    world
        .report(read.decision.action_id, OutcomeStatus::Succeeded, Some("1.50"))
        .unwrap();
    let budget = "budgets: [{ name: soft, per: day, limit: 1 USD, at_cap: alert, estimate: 0 }]";
    world.policy(&[("gate.yaml", POLICY), ("budgets.yaml", budget)]);
    world
        .submit("bot", r#"{"action":"read","estimated_cost":"2"}"#)
        .unwrap();
    let outputs = "outputs: [{ name: cards, redact: [card], flag: [email] }]";
    world.policy(&[("gate.yaml", POLICY), ("outputs.yaml", outputs)]);
    let looked_at = world.submit("bot", r#"{"action":"read"}"#).unwrap().decision.action_id;
    let filtered = Filtered {
        flagged: [("email".to_owned(), 1), ("iban".to_owned(), 1)].into(),
        redacted: [("card".to_owned(), 2)].into(),
        ..Filtered::default()
    };
    world
        .report_filtered(looked_at, OutcomeStatus::Succeeded, filtered)
        .unwrap();
    world.policy(&[("gate.yaml", POLICY)]);
    let refused = world
        .submit("bot", r#"{"action":"read","env":"x"}"#)
        .unwrap()
        .decision
        .action_id;
    assert!(
        world
            .redeem_for(refused, countersign_core::digest::Digest([0; 32]))
            .is_err()
    );
    let delivery = delivery(&world);
    for (attempt, result) in [(1, Delivery::Retrying), (2, Delivery::Dead)] {
        let next = (result == Delivery::Retrying).then_some(world.now);
        world.done(Command::NoteDelivery {
            delivery,
            attempt,
            detail: "500".into(),
            result,
            next,
        });
    }
    world.done(Command::Resend(delivery));
    world.done(Command::RegisterChannel(Box::new(ChannelRegistered {
        channel: "mail".into(),
        kind: ChannelKind::Email,
        quiet: None,
        target: "mail.example.com:465".into(),
    })));
    let pay = world
        .submit("bot", r#"{"action":"pay","amount":"5"}"#)
        .unwrap()
        .decision
        .action_id;
    world.pass(Span::minutes(16));
    let less = [("amount".to_owned(), Value::from("4"))];
    world.revise(pay, &less.into()).unwrap();
    world.show("dana", pay, [8; 32]).unwrap();
    world.vote("dana", pay, Verb::Approve, None).unwrap();
    let notice = *world.state.notices().keys().next().unwrap();
    world.done(Command::NoteNotice(Box::new(NoticeAttempted {
        attempt: 1,
        detail: "answered with status 250".into(),
        next: None,
        notice,
        reference: None,
        result: NoticeResult::Delivered,
    })));
    world.done(Command::RemoveChannel("mail".into()));
    let ship = world.submit("bot", r#"{"action":"ship"}"#).unwrap();
    let approval = ship.approval.unwrap().opened.approval;
    let stored = countersign_core::stored::store_value(
        &countersign_policy::Value::Map(Default::default()),
        &countersign_core::redact::Redactor::standard(),
        &Default::default(),
        [0; 32],
        "default",
    );
    let parts = vec!["sources".to_owned()];
    world.done(Command::Answer {
        approval,
        agent: "bot".into(),
        parts,
        stored: stored.0,
        redact: stored.1,
    });
    drop(world.submit("stranger", r#"{"action":"read"}"#));
    for _ in 0..12 {
        drop(world.submit("bot", r#"{"action":"fly"}"#));
    }
    world.pass(Span::seconds(61));
    world.done(Command::Tick);
    let alert = *world.state.alerts().keys().next().unwrap();
    world.done(Command::AcknowledgeAlert(alert));
    world.user("bea", &["admin"], &[], &[]);
    absence_and_override(&mut world);
    world.done(Command::Kill {
        scope: Scope::Tool("shell".into()),
        reason: None,
    });
    // It is engaged: the request is noted for its key's sake.
    world.give_envelope(Envelope {
        actor: by(ActorKind::User, "alex"),
        kid: None,
        idem: Some(Idempotency {
            body: Half([5; 16]),
            key: Half([6; 16]),
        }),
        command: Command::Kill {
            scope: Scope::Tool("shell".into()),
            reason: None,
        },
    });
    for who in ["alex", "bea"] {
        let release = Command::Release {
            scope: Scope::Tool("shell".into()),
            reason: None,
        };
        assert_eq!(world.give(by(ActorKind::User, who), release).0, Answer::Done);
    }
    change_the_policy(&mut world);
    decide_by_a_link(&mut world);
    walk_a_route(&mut world);
    fill_the_inventory(&mut world);
    live_a_run(&mut world);
    break_a_circuit(&mut world);
    see_calls_elsewhere(&mut world);
    earn_autonomy(&mut world);
    draw_a_sample(&mut world);
    practise(&mut world);
    break_the_glass(&mut world);
    vote_without_looking(&mut world);
    let hold = world.hold("alex", HoldScope::default()).unwrap();
    world.release_hold("alex", hold).unwrap();
    world.pass(HOLD_RELEASE_SPAN);
    world.release_hold("bea", hold).unwrap();
    world.erase("alex", "agent:bot").unwrap();
    world.erase("bea", "agent:bot").unwrap();
    world.policy(&[
        ("gate.yaml", POLICY),
        ("org.yaml", "organization: acme\nretention: 90_days\n"),
    ]);
    world.pass(Span::days(91));
    world.destroy_due();
    world.done(Command::Seal);
    let (answer, _) = world.give(
        by(ActorKind::Operator, "operator"),
        Command::Prune(Box::new(prune(&world))),
    );
    assert_eq!(answer, Answer::Done);
    world.done(Command::NoteClockJump { shows: Time(0) });
    world.done(Command::ConfirmClock { by: "operator" });
    world.done(Command::RotateLogKey(Box::new(KeyRotated {
        key: "log".into(),
        old_vkey: "log+00000000+a".into(),
        until: world.now + Span::hours(720),
        vkey: "log+00000001+b".into(),
    })));
    let end = |log: &str, size| EpochEnd {
        log: log.into(),
        root: countersign_core::digest::Digest([1; 32]),
        size,
    };
    let epoch = EpochOpened {
        epoch: 2,
        log: "log/2".into(),
        mark: Some(end("log/1", world.state.next_seq() + 3)),
        previous: end("log/1", world.state.next_seq()),
        vkey: "log/2+00000002+b".into(),
    };
    world.done(Command::OpenEpoch(Box::new(epoch), None));
    world.done(Command::RaiseMinReader(2));
    let password = AuthenticatorAdded {
        authenticator: "password".into(),
        passkey: None,
        user: "erin".into(),
    };
    world.done(Command::AddAuthenticator(Box::new(password)));
    world.done(Command::RemoveAuthenticator(AuthenticatorRemoved {
        authenticator: "password".into(),
        user: "erin".into(),
    }));
    world.done(Command::RevokeKey("k1".into()));
    world.done(Command::RemoveUser("erin".into()));
    world.done(Command::RemoveReceiver(receiver, "requested"));
    world.done(Command::Seal);
    world.done(Command::Close);
    world
}

/// A source tells which calls it has seen.
fn see_calls_elsewhere(world: &mut World) {
    let call = ObservedCall {
        agent: "copilot".into(),
        at: world.now,
        count: 3,
        id: 7,
        tool: "read".into(),
    };
    let ask = Observe {
        calls: vec![call],
        source: "proxy".into(),
    };
    world.done(Command::Observe(Box::new(ask)));
}

/// What fails opens a circuit, a trial closes it, and so does a person.
fn break_a_circuit(world: &mut World) {
    let limits = "limits: [{ name: down, action: read, failures: 1, within: 1h, open_for: 1m }]";
    world.policy(&[("gate.yaml", POLICY), ("limits.yaml", limits)]);
    for (wait, status) in [
        (0, OutcomeStatus::Failed),
        (1, OutcomeStatus::Succeeded),
        (0, OutcomeStatus::Failed),
    ] {
        world.pass(Span::minutes(wait));
        let tried = world.submit("bot", r#"{"action":"read"}"#).unwrap().decision.action_id;
        world.redeem(tried).unwrap();
        world
            .report_because(
                tried,
                status,
                Some(Cause::ConflictingInstructions),
                None,
                Default::default(),
            )
            .unwrap();
    }
    let ask = AboutCircuit {
        circuit: "agent:bot,tool:read".into(),
        limit: "down".into(),
    };
    let closed = Command::CloseCircuit(Box::new(ask), None);
    assert_eq!(world.give(by(ActorKind::User, "alex"), closed).0, Answer::Done);
    world.policy(&[("gate.yaml", POLICY)]);
}

/// A run begins, a person speaks to its agent and notes something, and it ends.
fn live_a_run(world: &mut World) {
    let sealed = || {
        let value = countersign_policy::Value::Map(Default::default());
        let redactor = countersign_core::redact::Redactor::standard();
        countersign_core::stored::store_value(&value, &redactor, &Default::default(), [0; 32], "default").0
    };
    let new = NewRun {
        agents: vec!["bot".into()],
        idle_s: None,
        parent: None,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        trigger: Trigger::Event,
        context: Some(sealed()),
        redact: Default::default(),
    };
    let started = world.done(Command::StartRun(Box::new(new)));
    let Event::RunStarted(started) = &started[0].event else {
        panic!("no run was started");
    };
    let run = started.run;
    world
        .submit(
            "bot",
            &format!(r#"{{"action":"read","run":"{run}","reads":["outside"]}}"#),
        )
        .unwrap();
    for command in [Command::GiveInput, Command::NoteRun] {
        world.done(command(Box::new(AboutRun {
            run: run.to_string().into(),
            started: true,
            seen: true,
            text: sealed(),
        })));
    }
    world.done(Command::EndRun(Box::new(EndRun {
        run,
        agent: None,
        status: RunStatus::Succeeded,
        output: Some(sealed()),
        redact: Default::default(),
    })));
    assert!(world.state.runs().is_empty());
}

/// A step is reminded, asked for an answer in vain, missed, and the next one is; then nobody is left to ask.
fn walk_a_route(world: &mut World) {
    let route = "organization: acme
routes:
  walk:
    steps:
      - { to: [dana], within: 10m }
      - { to: [bea], within: 10m }
    remind_before: 5m
    on_exhausted: hold
    deadline: 1h
";
    let gate = "name: walk\nrules:\n  - { decision: require_approval, approvers: [walk] }\n";
    world.policy(&[("org.yaml", route), ("walk.yaml", gate)]);
    let held = world.submit("bot", r#"{"action":"walk"}"#).unwrap().decision.action_id;
    world.vote("dana", held, Verb::Clarify, Some("which one?")).unwrap();
    world.pass(Span::minutes(45));
    world.vote("bea", held, Verb::Approve, None).unwrap();
    assert_eq!(world.view(held).status, countersign_core::event::Status::Permitted);
}

/// An agent earns a mode, is looked at in vain and then in fact, and is paused for a while.
fn earn_autonomy(world: &mut World) {
    let rules = "organization: acme
autonomy: { to_post_action: { successes: 1, max_error: 5%, days: 0 }, review_within: 1h }
";
    let gate = "name: earn\nrules:\n  - { decision: allow }\n";
    world.policy(&[("org.yaml", rules), ("earn.yaml", gate)]);
    let run = |world: &mut World| {
        let id = world.submit("bot", r#"{"action":"earn"}"#).unwrap().decision.action_id;
        if world.view(id).approval.is_some() {
            world.vote("bea", id, Verb::Approve, None).unwrap();
        }
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, None).unwrap();
    };
    run(world);
    world.done(Command::SetMode(Box::new(SetMode {
        agent: "bot".into(),
        operation: "earn".into(),
        mode: Mode::PostAction,
        why: None,
    })));
    run(world);
    world.pass(Span::hours(2));
    world.done(Command::CloseReview(Box::new(CloseReview {
        review: *world.state.reviews().keys().next().unwrap(),
        user: "dana".into(),
        finding: Finding::Fine,
        comment: None,
    })));
    world.done(Command::PauseAgent("bot".into(), None));
    world.done(Command::ResumeAgent("bot".into(), None));
}

/// A canary that is caught.
fn practise(world: &mut World) {
    let gate = "name: odd\nrules:\n  - { decision: require_approval, approvers: [dana] }\n";
    world.policy(&[("odd.yaml", gate)]);
    let canary = world
        .practise("alex", PracticeKind::Canary, "bot", r#"{"action":"odd"}"#)
        .unwrap();
    world
        .vote("dana", canary.decision.action_id, Verb::Reject, Some("no"))
        .unwrap();
    // One that policy has asked by itself, which nobody answers.
    let daily = "organization: acme
practice: { odd: { kind: drill, every: 1d, agent: bot, actions: [{ action: odd }] } }
";
    world.policy(&[("odd.yaml", gate), ("org.yaml", daily)]);
    world.pass(Span::days(2));
}

/// Everything of a week is drawn, and the week ends.
fn draw_a_sample(world: &mut World) {
    let rules = "organization: acme
autonomy: { modes: [{ mode: periodic_batch, sample: 100%, within: 1h }] }
";
    let gate = "name: drawn\nrules:\n  - { decision: allow }\n";
    world.policy(&[("org.yaml", rules), ("drawn.yaml", gate)]);
    let id = world.submit("bot", r#"{"action":"draw"}"#).unwrap().decision.action_id;
    world.redeem(id).unwrap();
    world.report(id, OutcomeStatus::Succeeded, None).unwrap();
    world.pass(Span::days(7));
    let last = *world.state.reviews().keys().last().unwrap();
    world.done(Command::CloseReview(Box::new(CloseReview {
        review: last,
        user: "dana".into(),
        finding: Finding::Fine,
        comment: None,
    })));
}

/// Somebody approves too often, is suspended, and an admin lets them vote again.
fn vote_without_looking(world: &mut World) {
    let rules = "organization: acme\ntheatre: { streak: { of: 1, then: suspend } }\n";
    let gate = "name: gate\nrules:\n  - { decision: require_approval, approvers: [dana] }\n";
    world.policy(&[("org.yaml", rules), ("gate.yaml", gate)]);
    let mend = world.submit("bot", r#"{"action":"mend"}"#).unwrap().decision.action_id;
    world.vote("dana", mend, Verb::Approve, Some("as listed")).unwrap();
    let why = countersign_core::stored::store_value(
        &countersign_policy::Value::Map(Default::default()),
        &countersign_core::redact::Redactor::standard(),
        &Default::default(),
        [0; 32],
        "default",
    );
    world.done(Command::RestoreReviewer("dana".into(), why.0));
}

/// Somebody breaks the glass, nobody looks in time, and an admin gives the right back.
fn break_the_glass(world: &mut World) {
    let rules = "organization: acme\nbreak_glass: { who: [dana], review: [bea], review_within: 1h }\n";
    let gate = "name: gate\nrules:\n  - { decision: require_approval, approvers: [erin] }\n";
    world.policy(&[("org.yaml", rules), ("gate.yaml", gate)]);
    let mend = world.submit("bot", r#"{"action":"mend"}"#).unwrap().decision.action_id;
    world.break_glass(by(ActorKind::User, "dana"), mend, "inc-7").unwrap();
    world.pass(Span::hours(2));
    world.done(Command::RestoreGlass {
        user: "dana".into(),
        reason: countersign_core::stored::store_value(
            &countersign_policy::Value::Map(Default::default()),
            &countersign_core::redact::Redactor::standard(),
            &Default::default(),
            [0; 32],
            "default",
        )
        .0,
    });
}

/// Both are recorded, and withdrawn again.
fn absence_and_override(world: &mut World) {
    world.policy(&[
        ("gate.yaml", POLICY),
        (
            "org.yaml",
            "organization: acme\nschedules: { oncall: { zone: Europe/Berlin, layers: [{ people: [dana, erin], \
             starts: 2026-01-01T09:00, every: 1w }] } }\n",
        ),
    ]);
    let (from, to) = (world.now, world.now + Span::days(2));
    let mut done = |command| assert_eq!(world.give(by(ActorKind::User, "alex"), command).0, Answer::Done);
    done(Command::RecordAbsence(Box::new(NewAbsence {
        user: "dana".into(),
        from,
        to,
        delegate: Some("erin".into()),
    })));
    done(Command::RecordOverride(Box::new(NewOverride {
        schedule: "oncall".into(),
        user: "erin".into(),
        from,
        to,
        replaces: Some("dana".into()),
    })));
    let absence = *world.state.absences().keys().next().unwrap();
    let other = *world.state.overrides().keys().next().unwrap();
    for command in [Command::WithdrawAbsence(absence), Command::WithdrawOverride(other)] {
        assert_eq!(world.give(by(ActorKind::User, "alex"), command).0, Answer::Done);
    }
}

fn prune(world: &World) -> Prune {
    let words = countersign_policy::Value::Map(Default::default());
    let redactor = countersign_core::redact::Redactor::standard();
    Prune {
        to: 2,
        oldest: world.records[0].ts,
        newest: world.records[1].ts,
        reason: countersign_core::stored::store_value(&words, &redactor, &Default::default(), [0; 32], "default").0,
    }
}

fn delivery(world: &World) -> DeliveryId {
    *world.state.deliveries().keys().next().unwrap()
}

#[test]
fn every_type_of_record_occurs_is_canonical_and_folds_to_the_same_state() {
    let world = everything();
    let seen: BTreeSet<&str> = world.records.iter().map(|record| record.event.kind()).collect();
    let known: BTreeSet<&str> = Event::KINDS.iter().copied().collect();
    assert_eq!(
        known.difference(&seen).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "types that no test writes"
    );
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn what_is_reported_of_a_result_is_recorded_as_far_as_the_rules_of_its_action_speak_of_it() {
    let world = everything();
    let recorded = world.records.iter().find_map(|record| match &record.event {
        Event::OutputFiltered(e) => Some(e),
        _other => None,
    });
    let recorded = recorded.unwrap();
    assert_eq!(recorded.filtered.flagged.keys().collect::<Vec<_>>(), ["email"]);
    assert_eq!(recorded.filtered.redacted.get("card"), Some(&2));
    assert_eq!(recorded.rules, ["outputs#cards"]);
}

#[test]
fn a_ledger_of_every_released_version_folds_to_the_state_that_it_folded_to_then() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/ledgers");
    let (ledger, hash) = (folder.join("0.1.jsonl"), folder.join("0.1.state.sha256"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let world = everything();
        std::fs::create_dir_all(&folder).unwrap();
        let lines: Vec<Vec<u8>> = world
            .records
            .iter()
            .map(|record| record.encode(ORIGIN).unwrap())
            .collect();
        std::fs::write(&ledger, [lines.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
        std::fs::write(&hash, format!("{}\n", world.state.hash())).unwrap();
    }
    let mut state = State::default();
    for line in std::fs::read_to_string(&ledger).unwrap().lines() {
        let (record, origin) = Record::decode(line.as_bytes()).unwrap();
        assert_eq!(origin, ORIGIN);
        state.apply(&record);
    }
    assert_eq!(format!("{}\n", state.hash()), std::fs::read_to_string(&hash).unwrap());
}

#[test]
fn a_loaded_state_goes_on_as_the_one_that_was_stored() {
    let mut world = world();
    let pending = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    let granted = world.submit("bot", r#"{"action":"read"}"#).unwrap().decision.action_id;
    world.redeem(granted).unwrap();
    world.submit("bot", r#"{"action":"ship"}"#).unwrap();
    let approved = world
        .submit("bot", r#"{"action":"pay","amount":"2"}"#)
        .unwrap()
        .decision
        .action_id;
    world.vote("dana", approved, Verb::Approve, None).unwrap();
    let bytes = world.state.to_bytes();
    world.state = State::from_bytes(&bytes).unwrap();
    assert_eq!(world.state.to_bytes(), bytes);
    assert_eq!(world.state.next_due(), world.refolded().next_due());
    world.pass(Span::hours(25));
    assert_eq!(world.view(pending).reason_code.as_deref(), Some("expired"));
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn the_same_request_is_carried_out_once() {
    let mut world = world();
    let idem = |body: u8| {
        Some(Idempotency {
            body: Half([body; 16]),
            key: Half([1; 16]),
        })
    };
    let submit = |world: &mut World, idem| {
        let submit = world.submission("bot", r#"{"action":"read"}"#).unwrap();
        let command = Command::Submit(Box::new(submit));
        world.give_envelope(Envelope {
            actor: by(ActorKind::Agent, "bot"),
            kid: None,
            idem,
            command,
        })
    };
    let (first, records) = submit(&mut world, idem(1));
    assert_eq!(first, Answer::Done);
    assert_eq!(
        submit(&mut world, idem(1)),
        (Answer::Replayed(records[0].seq), Vec::new())
    );
    assert!(
        matches!(submit(&mut world, idem(2)).0, Answer::Refused(refusal) if refusal.code == "idempotency_key_reused")
    );
    world.pass(Span::hours(24));
    world.submit("bot", r#"{"action":"read","env":"a"}"#).unwrap();
    assert_eq!(
        submit(&mut world, idem(2)).0,
        Answer::Done,
        "a key is remembered for a day"
    );
}

#[test]
fn a_revoked_or_expired_key_gives_no_command() {
    let mut world = world();
    for (kid, expires) in [("good", None), ("old", Some(world.now + Span::hours(1)))] {
        let key = KeyIssued {
            expires,
            fingerprint: "00".into(),
            kid: kid.into(),
            kind: ActorKind::Agent,
            scopes: Vec::new(),
            subject: "bot".into(),
        };
        world.done(Command::IssueKey(Box::new(key)));
    }
    let submit = |world: &mut World, kid: &str| {
        let command = Command::Submit(Box::new(world.submission("bot", r#"{"action":"read"}"#).unwrap()));
        let actor = by(ActorKind::Agent, "bot");
        world
            .give_envelope(Envelope {
                actor,
                kid: Some(kid.into()),
                idem: None,
                command,
            })
            .0
    };
    assert_eq!(submit(&mut world, "good"), Answer::Done);
    assert_eq!(submit(&mut world, "old"), Answer::Done);
    world.pass(Span::hours(1));
    assert!(matches!(submit(&mut world, "old"), Answer::Refused(_)));
    world.done(Command::RevokeKey("good".into()));
    assert!(matches!(submit(&mut world, "good"), Answer::Refused(_)));
    assert!(matches!(submit(&mut world, "unheard-of"), Answer::Refused(_)));
}

#[test]
fn a_year_of_work_leaves_a_state_that_holds_only_what_is_open() {
    let mut world = world();
    let mut largest = 0;
    for day in 0..365 {
        for n in 0..4 {
            let body = format!(r#"{{"action":"read","args":{{"day":{day},"n":{n}}}}}"#);
            let id = world.submit("bot", &body).unwrap().decision.action_id;
            world.redeem(id).unwrap();
            if n % 2 == 0 {
                world.report(id, OutcomeStatus::Succeeded, None).unwrap();
            }
        }
        let body = format!(r#"{{"action":"pay","args":{{"day":{day}}}}}"#);
        let id = world.submit("bot", &body).unwrap().decision.action_id;
        if day % 2 == 0 {
            world.vote("dana", id, Verb::Approve, None).unwrap();
        }
        for alert in world.state.alerts().keys().copied().collect::<Vec<_>>() {
            world.done(Command::AcknowledgeAlert(alert));
        }
        world.pass(Span::hours(24));
        largest = largest.max(world.state.to_bytes().len());
    }
    assert!(world.records.len() > 365 * 12, "{} records", world.records.len());
    assert!(largest < 40_000, "the state grew to {largest} bytes");
}

#[test]
fn while_the_clock_is_in_doubt_no_timer_fires_and_decisions_go_on() {
    let mut world = world();
    let id = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    world.done(Command::NoteClockJump {
        shows: world.now + Span::hours(48),
    });
    world.pass(Span::hours(48));
    assert_eq!(world.view(id).status, countersign_core::event::Status::Pending);
    assert!(world.submit("bot", r#"{"action":"read"}"#).is_ok());
    world.done(Command::ConfirmClock { by: "operator" });
    world.pass(Span::seconds(1));
    assert_eq!(world.view(id).reason_code.as_deref(), Some("expired"));
}

#[derive(Clone, Debug)]
enum Step {
    Submit(u8, u16),
    Vote(u8, u8, u8),
    Redeem(u8),
    Report(u8),
    Cancel(u8),
    Pass(u16),
    Kill(u8),
    Release,
    Policy(u8),
    Deliver(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), any::<u16>()).prop_map(|(kind, n)| Step::Submit(kind, n)),
        4 => (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(id, who, verb)| Step::Vote(id, who, verb)),
        3 => any::<u8>().prop_map(Step::Redeem),
        2 => any::<u8>().prop_map(Step::Report),
        1 => any::<u8>().prop_map(Step::Cancel),
        3 => (0_u16..2000).prop_map(Step::Pass),
        1 => any::<u8>().prop_map(Step::Kill),
        1 => Just(Step::Release),
        1 => any::<u8>().prop_map(Step::Policy),
        1 => any::<u8>().prop_map(Step::Deliver),
    ]
}

/// Plays random steps. `approving` lets people say yes.
fn play(steps: &[Step], approving: bool) -> World {
    let mut world = world();
    let mut ids: Vec<ActionId> = Vec::new();
    let pick = |ids: &[ActionId], n: u8| ids.get(usize::from(n) % ids.len().max(1)).copied();
    for step in steps {
        match step {
            Step::Submit(kind, n) => {
                let action = ["read", "pay", "ship", "fly"][usize::from(kind % 4)];
                let principal = if kind % 3 == 0 { r#","principal":"dana""# } else { "" };
                let body = format!(r#"{{"action":"{action}","args":{{"n":{n}}}{principal}}}"#);
                ids.extend(world.submit("bot", &body).ok().map(|view| view.decision.action_id));
            }
            Step::Vote(id, who, verb) => {
                let verbs = [Verb::Reject, Verb::Abstain, Verb::Comment, Verb::Approve];
                let verb = verbs[usize::from(*verb) % if approving { 4 } else { 3 }];
                let who = ["dana", "erin", "alex", "mallory"][usize::from(who % 4)];
                if let Some(id) = pick(&ids, *id).filter(|id| world.view(*id).approval.is_some()) {
                    drop(world.vote(who, id, verb, Some("because")));
                }
            }
            Step::Redeem(id) => drop(pick(&ids, *id).map(|id| world.redeem(id))),
            Step::Report(id) => drop(pick(&ids, *id).map(|id| world.report(id, OutcomeStatus::Succeeded, None))),
            Step::Cancel(id) => {
                let approval = pick(&ids, *id).and_then(|id| world.view(id).approval);
                if let Some(approval) = approval.map(|approval| approval.opened.approval) {
                    drop(world.give(by(ActorKind::User, "alex"), Command::Cancel { approval, agent: None }));
                }
            }
            Step::Pass(seconds) => world.pass(Span::seconds(i64::from(*seconds))),
            Step::Kill(which) => {
                let scope = [
                    Scope::Organization,
                    Scope::Agent("bot".into()),
                    Scope::Tool("pay".into()),
                ];
                world.done(Command::Kill {
                    scope: scope[usize::from(which % 3)].clone(),
                    reason: None,
                });
            }
            Step::Release => {
                for scope in world.state.kills().map(|kill| kill.scope.clone()).collect::<Vec<_>>() {
                    drop(world.give(by(ActorKind::User, "alex"), Command::Release { scope, reason: None }));
                }
            }
            Step::Policy(n) => {
                let comment = format!("# {n}\n{POLICY}");
                world.policy(&[("gate.yaml", &comment)]);
            }
            Step::Deliver(n) => {
                let ghost = DeliveryId(u128::from(*n));
                let note = Command::NoteDelivery {
                    delivery: ghost,
                    attempt: 1,
                    detail: String::new(),
                    result: Delivery::Delivered,
                    next: None,
                };
                drop(world.give(Actor::system(), note));
            }
        }
    }
    world
}

fn permits(world: &World) -> Vec<(&Record, ActionId)> {
    let issued = world.records.iter().filter_map(|record| match &record.event {
        Event::DecisionMade(e) => e.permit.as_ref().map(|_| (record, e.action_id)),
        Event::ApprovalResolved(e) => e.permit.as_ref().map(|_| (record, e.action_id)),
        _ => None,
    });
    issued.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_a_vote_that_approves_nothing_is_ever_approved(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = play(&steps, false);
        world.pass(Span::hours(30));
        for record in &world.records {
            if let Event::ApprovalResolved(resolved) = &record.event {
                prop_assert!(resolved.permit.is_none());
            }
        }
        prop_assert!(world.state.approvals().is_empty(), "every request ends by its deadline");
    }

    #[test]
    fn permits_come_from_decisions_or_votes_are_used_once_and_never_after_a_kill(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let world = play(&steps, true);
        prop_assert_eq!(world.refolded().hash(), world.state.hash());
        let mut used = BTreeSet::new();
        for record in &world.records {
            match &record.event {
                Event::PermitRedeemed(redeemed) => {
                    prop_assert!(used.insert(redeemed.action_id), "used twice");
                    let issued = permits(&world).into_iter().find(|(_, id)| *id == redeemed.action_id);
                    let (issued, _) = issued.expect("a permit that was used was issued");
                    prop_assert!(issued.seq < record.seq);
                    let killed = world.records.iter().any(|kill| {
                        kill.seq > issued.seq && kill.seq < record.seq && matches!(&kill.event,
                            Event::KillEngaged(e) if matches!(&e.scope, Scope::Organization | Scope::Agent(_)))
                    });
                    prop_assert!(!killed, "used after a kill");
                }
                Event::ApprovalResolved(resolved) if resolved.permit.is_some() => {
                    let approved = world.records.iter().any(|vote| vote.seq < record.seq && matches!(&vote.event,
                        Event::ApprovalVoted(v) if v.approval == resolved.approval && v.counted && v.verb == Verb::Approve
                            && v.user != "mallory"));
                    prop_assert!(approved, "approved without a vote that counts");
                }
                Event::ApprovalVoted(vote) if vote.counted && vote.user == "dana" => {
                    let opened = world.records.iter().find_map(|opened| match &opened.event {
                        Event::ApprovalOpened(e) if e.approval == vote.approval => Some(e),
                        _ => None,
                    });
                    let excluded = &opened.expect("a request was opened").excluded;
                    prop_assert!(excluded.iter().all(|out| out.user != "dana"), "the requester voted");
                }
                Event::OutcomeReported(outcome) if outcome.status == OutcomeStatus::Succeeded => {
                    prop_assert!(permits(&world).iter().any(|(issued, id)| *id == outcome.action_id && issued.seq < record.seq));
                }
                _ => {}
            }
        }
        for pair in world.records.windows(2) {
            prop_assert!(pair[0].seq + 1 == pair[1].seq && pair[0].ts < pair[1].ts);
        }
    }
}

#[test]
fn an_outcome_that_nobody_reported_is_told_once_however_late() {
    let mut world = world();
    let read = world.submit("bot", r#"{"action":"read"}"#).unwrap().decision.action_id;
    world.redeem(read).unwrap();
    // Nothing runs while the outcome becomes due, nor for long after.
    world.now = world.now + Span::hours(30);
    world.submit("bot", r#"{"action":"read"}"#).unwrap();
    for _ in 0..3 {
        world.done(Command::Tick);
    }
    let outcomes = |event: &Event| matches!(event, Event::OutcomeReported(e) if e.action_id == read);
    assert_eq!(world.records.iter().filter(|record| outcomes(&record.event)).count(), 1);
    assert!(world.state.next_due().is_none_or(|due| due > world.now));
    assert_eq!(
        State::from_bytes(&world.state.to_bytes()).unwrap().next_due(),
        world.state.next_due()
    );
}

#[test]
fn policy_names_the_kinds_of_redaction_and_the_events_that_exist() {
    use countersign_core::redact::Kind;
    let mut kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, countersign_policy::REDACT_KINDS);
    for event in countersign_policy::ALERT_EVENTS {
        assert!(Event::KINDS.contains(&event), "no record has type `{event}`");
    }
}
