//! Calls about people's decisions: requests, votes, what agents have earned, looks at what has run.

use Method::{Get, Post};
use Permission::Voter;

use super::params::{flag, id_of, page, path, query, queued, week};
use super::table::{AGENT, READERS, RUNNERS, USER, agents_and_keys_of, agents_or, people};
use super::{Call, Method, Param, Permission, Role};
use crate::action::ApprovalAnswer;
use crate::approvals::{AnswersBody, ApprovalsAnswer, VoteRequestBody, VotesAnswer, VotesBody};
use crate::autonomy::{
    AutonomyAnswer, CriteriaAnswer, FindingBody, ModeBody, PauseAnswer, PauseBody, PlanAnswer, ReviewAnswer,
    ReviewsAnswer, StandingAnswer,
};
use crate::economics::EconomicsAnswer;
use crate::evidence_pack::EvidencePack;
use crate::glass::{BreakGlassBody, GlassAnswer, RestoreGlassBody};
use crate::history::HistoryAnswer;
use crate::practice::{PracticeAnswer, PracticeBody, PracticesAnswer};
use crate::reviewers::{RestoreReviewerBody, ReviewerAnswer, ReviewersAnswer};
use crate::revisions::ReviseBody;
use crate::samples::SampleAnswer;
use crate::timeline::TimelineAnswer;

/// Those who see how people vote.
const WATCHERS: &[Role] = &[Role::Admin, Role::Auditor];
const APPROVAL: Param = path("id", "The request.", || id_of("apr"));

pub(super) static CALLS: &[Call] = &[
    Call::new("approvals", Get, "/v1/approvals", agents_or(READERS))
        .about("Lists requests that have not ended; for an agent its own.")
        .with(&[
            query("mine", "Only those that you may decide.", flag),
            query("team", "Only those that ask a team of yours, or somebody in it.", flag),
            query("cursor", "`next_cursor` of the page before.", queued),
            query("limit", "How many at most; 100 when left out.", || page(100)),
        ])
        .answers::<ApprovalsAnswer>(),
    Call::new("approval", Get, "/v1/approvals/{id}", agents_or(READERS))
        .about("Shows one request with its action, evidence and votes. What a person is shown is recorded, unless it is a glance.")
        .with(&[APPROVAL, query("glance", "Nobody reads what comes: nothing is recorded, and no vote can name it.", flag)])
        .answers::<ApprovalAnswer>(),
    Call::new("timeline", Get, "/v1/approvals/{id}/timeline", agents_or(READERS))
        .about("Tells what happened to a request, in sentences, and answers the five questions of an audit.")
        .with(&[APPROVAL])
        .answers::<TimelineAnswer>(),
    Call::new("approval_history", Get, "/v1/approvals/{id}/history", agents_or(READERS))
        .about(
            "Tells what was before a request: what its agent was last allowed of the same kind and what is other now, how people \
             decided on requests like it, and what came of them.",
        )
        .with(&[APPROVAL])
        .answers::<HistoryAnswer>(),
    Call::new(
        "evidence_pack",
        Get,
        "/v1/approvals/{id}/evidence-pack",
        agents_or(READERS),
    )
    .about("Shows the evidence of one decision: what was asked, what stopped it, who was asked, who decided, what came of it.")
    .with(&[APPROVAL])
    .answers::<EvidencePack>(),
    Call::new("vote", Post, "/v1/approvals/{id}/votes", Voter)
        .about("Casts a person's vote for exactly what the person saw.")
        .idempotent()
        .with(&[APPROVAL])
        .takes::<VoteRequestBody>(concat!(
            r#"{"verb": "approve", "comment": "checked against the invoice", "action_digest": ""#,
            r#"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", "snapshot": "sha256:"#,
            r#"fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"}"#
        ))
        .answers::<ApprovalAnswer>()
        .problems(&[
            (403, "agents_cannot_vote"),
            (403, "operator_cannot_vote"),
            (403, "self_approval"),
            (403, "not_eligible"),
            (403, "reviewer_suspended"),
            (409, "approval_closed"),
            (409, "digest_mismatch"),
            (409, "snapshot_mismatch"),
            (409, "needs_evidence"),
            (409, "already_voted"),
            (409, "revision_refused"),
            (410, "expired"),
            (422, "comment_required"),
            (422, "edit_required"),
            (422, "not_editable"),
            (422, "not_narrower"),
            (422, "nothing_changed"),
            (422, "reason_required"),
            (503, "policy_unavailable"),
        ]),
    Call::new("votes", Post, "/v1/approvals/votes", Voter)
        .about("Casts the same vote on up to 20 requests of one kind. Each has a result of its own.")
        .idempotent()
        .takes::<VotesBody>(concat!(
            r#"{"verb": "approve", "items": [{"approval": "apr_01a21afe005770018ec8e5ddd971e256", "action_digest": ""#,
            r#"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", "snapshot": "sha256:"#,
            r#"fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"}]}"#
        ))
        .answers::<VotesAnswer>()
        .problems(&[
            (403, "agents_cannot_vote"),
            (403, "operator_cannot_vote"),
            (422, "batch_size"),
            (422, "high_risk"),
            (422, "mixed_batch"),
            (422, "reason_required"),
            (422, "repeated_item"),
        ]),
    Call::new(
        "answer_approval",
        Post,
        "/v1/approvals/{id}/answers",
        agents_and_keys_of("act_for:"),
    )
    .about("Completes the evidence of a request.")
    .idempotent()
    .with(&[APPROVAL])
    .takes::<AnswersBody>(r#"{"evidence": {"reason": "the customer was charged twice", "sources": ["ticket 4521"]}}"#)
    .answers::<ApprovalAnswer>()
    .problems(&[(409, "evidence_is_complete"), (410, "expired")]),
    Call::new(
        "revise_approval",
        Post,
        "/v1/approvals/{id}/revisions",
        agents_and_keys_of("act_for:"),
    )
    .about("Changes what a request is about. Policy decides anew, and whoever had approved is asked again.")
    .idempotent()
    .with(&[APPROVAL])
    .takes::<ReviseBody>(r#"{"action": {"action": "issue_refund", "amount": "300", "currency": "EUR"}}"#)
    .answers::<ApprovalAnswer>()
    .problems(&[
        (409, "action_gone"),
        (409, "another_action"),
        (409, "needs_evidence"),
        (409, "revision_refused"),
        (409, "unroutable"),
        (410, "expired"),
        (422, "nothing_changed"),
        (429, "too_many_revisions"),
    ]),
    Call::new("cancel_approval", Post, "/v1/approvals/{id}/cancel", agents_or(RUNNERS))
        .about("Withdraws a request; an agent its own.")
        .idempotent()
        .with(&[APPROVAL])
        .answers::<ApprovalAnswer>(),
    Call::new("break_glass", Post, "/v1/approvals/{id}/break_glass", Voter)
        .about("Lets an action through that waits for others. Somebody else looks at it afterwards.")
        .idempotent()
        .with(&[APPROVAL])
        .takes::<BreakGlassBody>(r#"{"incident": "inc-4521", "reason": "the shop is down, and nobody answers"}"#)
        .answers::<ApprovalAnswer>()
        .problems(&[
            (403, "agents_cannot_vote"),
            (403, "not_eligible"),
            (403, "operator_cannot_vote"),
            (403, "right_suspended"),
            (403, "self_approval"),
            (409, "agent_inactive"),
            (409, "killed"),
            (409, "needs_evidence"),
            (409, "no_break_glass"),
            (409, "no_reviewer"),
            (409, "over_budget"),
            (409, "policy_changed"),
            (410, "expired"),
            (422, "reason_required"),
            (429, "quota_used"),
        ]),
    Call::new("glass", Get, "/v1/org/break_glass", people(READERS))
        .about("Shows who may let an action through at once, how often each did, and who may not any more.")
        .answers::<GlassAnswer>(),
    Call::new(
        "restore_glass",
        Post,
        "/v1/org/break_glass:restore",
        people(&[Role::Admin]),
    )
    .about("Lets a person break the glass again whose right was suspended.")
    .idempotent()
    .takes::<RestoreGlassBody>(r#"{"user": "mara", "reason": "the incident was real; the comment came late"}"#)
    .answers::<GlassAnswer>()
    .problems(&[(403, "self_approval"), (422, "reason_required")]),
    Call::new("practise", Post, "/v1/practice", people(&[Role::Admin]))
        .about("Makes a drill or a canary: a request like any other to those who are asked, which cannot come to anything.")
        .idempotent()
        .takes::<PracticeBody>(concat!(
            r#"{"kind": "drill", "agent": "customer_support", "action": {"action": "issue_refund", "amount": "900.00", "#,
            r#""currency": "USD"}, "reason": "who answers on a Friday evening"}"#
        ))
        .answers::<PracticeAnswer>()
        .problems(&[(409, "nobody_asked"), (422, "reason_required")]),
    Call::new("practices", Get, "/v1/practice", people(WATCHERS))
        .about("Shows which drills and canaries policy has asked by itself, and how everybody who may decide does in drills.")
        .answers::<PracticesAnswer>(),
    Call::new("practice", Get, "/v1/practice/{id}", people(WATCHERS))
        .about("Shows who answered to a drill or a canary, and how soon.")
        .with(&[APPROVAL])
        .answers::<PracticeAnswer>(),
    Call::new("reviewers", Get, "/v1/reviewers", people(WATCHERS))
        .about("Shows how everybody voted in the last seven days, and what of that is conspicuous.")
        .answers::<ReviewersAnswer>(),
    Call::new("reviewer", Get, "/v1/reviewers/{id}", people(WATCHERS))
        .about("Shows how a person voted in the last seven days, and what of that is conspicuous.")
        .with(&[USER])
        .answers::<ReviewerAnswer>(),
    Call::new(
        "restore_reviewer",
        Post,
        "/v1/reviewers:restore",
        people(&[Role::Admin]),
    )
    .about("Lets a person vote again who was suspended, and forgets how that person voted before.")
    .idempotent()
    .takes::<RestoreReviewerBody>(r#"{"user": "mara", "reason": "we talked about what a review is"}"#)
    .answers::<ReviewerAnswer>()
    .problems(&[(403, "self_approval"), (422, "reason_required")]),
    Call::new("economics", Get, "/v1/reviews/economics", people(WATCHERS))
        .about("Shows what review costs and what it stops: reading, rejections, who decides for whom, what could be looked at less.")
        .answers::<EconomicsAnswer>(),
    Call::new("criteria", Get, "/v1/autonomy", agents_or(READERS))
        .about("Shows what an agent has to show for each mode.")
        .answers::<CriteriaAnswer>(),
    Call::new("plan", Get, "/v1/autonomy:plan", people(READERS))
        .about("Shows week by week how much waited for people and how much ran unasked, and whether that goes as planned.")
        .answers::<PlanAnswer>(),
    Call::new("autonomy", Get, "/v1/autonomy/{id}", agents_or(READERS))
        .about("Shows where an agent stands with each operation, and what is missing for the next mode.")
        .with(&[AGENT])
        .answers::<AutonomyAnswer>(),
    Call::new("set_mode", Post, "/v1/autonomy/{id}", Voter)
        .about("Grants an agent the next mode with an operation, if it is earned, or takes autonomy away.")
        .idempotent()
        .with(&[AGENT])
        .takes::<ModeBody>(
            r#"{"operation": "issue_refund", "mode": "post_action", "reason": "a hundred clean refunds"}"#,
        )
        .answers::<StandingAnswer>()
        .problems(&[
            (403, "agents_cannot_vote"),
            (403, "operator_cannot_vote"),
            (409, "no_autonomy"),
            (409, "not_earned"),
            (422, "reason_required"),
        ]),
    Call::new("pause_agent", Post, "/v1/agents:pause", people(RUNNERS))
        .about("Pauses an agent: it gets no permit and uses none. Doing it twice is fine.")
        .idempotent()
        .takes::<PauseBody>(r#"{"agent": "customer_support", "reason": "sends the same mail again and again"}"#)
        .answers::<PauseAnswer>()
        .problems(&[(422, "reason_required")]),
    Call::new("resume_agent", Post, "/v1/agents:resume", people(RUNNERS))
        .about("Lets a paused agent go on.")
        .idempotent()
        .takes::<PauseBody>(r#"{"agent": "customer_support", "reason": "the loop is mended"}"#)
        .answers::<PauseAnswer>()
        .problems(&[(422, "reason_required")]),
    Call::new("sample", Get, "/v1/samples", people(READERS))
        .about(
            "Shows the sample of a week: what was drawn, what was found, and the key with which everybody draws again.",
        )
        .with(&[query(
            "week",
            "The week, as in `2026-W48`; the last one that is over when left out.",
            week,
        )])
        .answers::<SampleAnswer>(),
    Call::new("reviews", Get, "/v1/reviews", people(READERS))
        .about("Lists actions that have run and that somebody is to look at, by the time until when.")
        .answers::<ReviewsAnswer>(),
    Call::new("close_review", Post, "/v1/reviews/{id}", Voter)
        .about("Says what a look at an action that has run found.")
        .idempotent()
        .with(&[path("id", "The review.", || id_of("rev"))])
        .takes::<FindingBody>(r#"{"finding": "faulty", "comment": "the wrong customer was refunded"}"#)
        .answers::<ReviewAnswer>()
        .problems(&[
            (403, "agents_cannot_vote"),
            (403, "not_eligible"),
            (403, "operator_cannot_vote"),
            (403, "self_approval"),
            (422, "reason_required"),
        ]),
];
