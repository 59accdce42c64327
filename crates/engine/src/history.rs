//! What was before a request. The search index leads to the last actions of the same kind; a few of them are read, however
//! long the ledger is and however much is open.

use countersign_api::convert;
use countersign_api::history::{
    DECIDED_AT_MOST, HistoryAnswer, LastAllowed, RECORD_OF, Verdict, allowed_at, compared, decided_before,
    last_allowed, record, rejection, verdict,
};
use countersign_core::event::{DecisionMade, Event};
use countersign_core::ids::ApprovalId;
use countersign_core::policy::{Decision, Value};
use countersign_core::stored::stored_member;
use countersign_core::view::ActionView;
use countersign_core::{Record, Refusal, Time};
use countersign_store::Query;

use crate::auth::Caller;
use crate::error::EngineError;
use crate::payload::{Kept, Purpose};
use crate::{Engine, Inner, blocking};

/// So many actions that policy allowed by itself are looked at.
const ALLOWED: usize = RECORD_OF;
/// So many that people were asked about. Of one agent 60 may be open at once, so some that were decided are among them.
const ASKED: usize = 80;

/// What is looked for.
struct Wanted<'a> {
    org: &'a str,
    /// The action that the request is about.
    view: &'a ActionView,
    /// When the request ended.
    until: Option<Time>,
    /// An agent asks, which sees no practice.
    by_agent: bool,
}

/// What was found before a request.
struct Found {
    views: Vec<ActionView>,
    looked_at: u64,
    complete: bool,
}

impl Engine {
    /// What was before a request: what its agent was last allowed of the same kind, what people said to requests like it.
    pub async fn history(&self, caller: &Caller, id: ApprovalId) -> Result<HistoryAnswer, EngineError> {
        let view = self.view_of_approval(&caller.org, id).await?;
        self.check_reader(caller, &view)
            .map_err(|_| Refusal::missing("approval", id))?;
        // While the index is made anew, what was before is told as far as it is known.
        let indexed = self.is_indexed(&caller.org, view.seq).await?;
        let live = self.live_policy(caller).await?;
        let (agent, operation) = (view.decision.agent.clone(), operation(&view.decision));
        let standing = self.look(&caller.org, move |state| {
            let rules = live.as_ref().and_then(|live| live.organization()?.autonomy());
            let shown = state.standing(&agent, &operation)?;
            Some(convert::standing(&operation, shown, rules, state.last_ts()))
        });
        let standing = standing.await?;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        let by_agent = caller.agent().is_some();
        blocking(move || {
            let wanted = Wanted {
                org: &org,
                view: &view,
                until: ended(&view),
                by_agent,
            };
            let mut answer = inner.history(id, &wanted)?;
            answer.complete &= indexed;
            answer.standing = standing;
            Ok(answer)
        })
        .await
    }
}

/// With what an agent acts, as its standings name it.
fn operation(decision: &DecisionMade) -> String {
    if let Some(acts_in) = &decision.acts_in {
        return acts_in.operation.clone();
    }
    let tool = decision.tool.as_ref().map(|tool| format!("{tool}:"));
    let env = decision.env.as_ref().map(|env| format!("@{env}"));
    format!(
        "{}{}{}",
        tool.unwrap_or_default(),
        decision.action,
        env.unwrap_or_default()
    )
}

/// When a request ended.
fn ended(view: &ActionView) -> Option<Time> {
    let (at, _) = view.approval.as_ref()?.resolved.as_ref()?;
    Some(*at)
}

impl Inner {
    fn history(&self, id: ApprovalId, wanted: &Wanted<'_>) -> Result<HistoryAnswer, EngineError> {
        let found = self.before(wanted)?;
        let mut allowed: Vec<(Time, &ActionView)> = (found.views.iter())
            .filter_map(|view| Some((allowed_at(view)?, view)))
            .collect();
        allowed.sort_by_key(|(at, view)| std::cmp::Reverse((*at, view.seq)));
        let mut decided: Vec<(Time, Verdict, &ActionView)> = (found.views.iter())
            .filter_map(|view| verdict(view).map(|(at, verdict)| (at, verdict, view)))
            .collect();
        decided.sort_by_key(|(at, _, view)| std::cmp::Reverse((*at, view.seq)));
        let last = allowed.first().map(|(at, last)| (last_allowed(last, *at), *last));
        let mut told = Vec::new();
        for (at, verdict, before) in decided.iter().take(DECIDED_AT_MOST) {
            let rejected = before.approval.as_ref().and_then(rejection);
            let why = rejected.filter(|_| *verdict == Verdict::Rejected);
            let comment = why.map(|cast| self.text_payload(wanted.org, cast.seq)).transpose()?;
            told.push(decided_before(before, *at, *verdict, comment.flatten()));
        }
        Ok(HistoryAnswer {
            approval: id.to_string(),
            until: wanted.until.map(|at| at.to_string()),
            looked_at: found.looked_at,
            complete: found.complete,
            last_allowed: last
                .map(|(last, before)| self.compare(wanted, last, before))
                .transpose()?,
            decided: told,
            record: record(&allowed, &decided),
            standing: None,
        })
    }

    /// The last actions of the same agent with the same operation and tool, as they stood when the request ended.
    fn before(&self, wanted: &Wanted<'_>) -> Result<Found, EngineError> {
        let decision = &wanted.view.decision;
        let mut found = Found {
            views: Vec::new(),
            looked_at: 0,
            complete: self.store.pruned(wanted.org)? == 0,
        };
        let by_itself = [Decision::Allow, Decision::AllowWithConstraints, Decision::Remediate];
        for (decisions, at_most) in [(&by_itself[..], ALLOWED), (&[Decision::RequireApproval], ASKED)] {
            let mut seqs = Vec::new();
            for said in decisions {
                let query = Query {
                    action: Some(decision.action.clone()),
                    agent: Some(decision.agent.to_string()),
                    decision: Some(said.as_str().to_owned()),
                    limit: at_most,
                    to: wanted.until,
                    ..Query::default()
                };
                let lines = self.store.search(wanted.org, &query)?;
                found.complete &= lines.len() < at_most;
                seqs.extend(lines.into_iter().map(|line| line.seq));
            }
            seqs.sort_unstable_by(|a, b| b.cmp(a));
            seqs.truncate(at_most);
            let mut known = 0;
            for seq in seqs {
                if known == RECORD_OF {
                    found.complete = false;
                    break;
                }
                let Some(before) = self.like(seq, wanted)? else {
                    continue;
                };
                found.looked_at += 1;
                known += usize::from(verdict(&before).is_some() || allowed_at(&before).is_some());
                found.views.push(before);
            }
        }
        Ok(found)
    }

    /// The action of a decision, where it is of the same kind as that of the request.
    fn like(&self, seq: u64, wanted: &Wanted<'_>) -> Result<Option<ActionView>, EngineError> {
        let stored = self.store.records(wanted.org, seq, 1)?;
        // Of what was pruned a line may be left, and the record after it is another.
        let Some(stored) = stored.first().filter(|stored| stored.seq == seq) else {
            return Ok(None);
        };
        let (record, _) = Record::decode(&stored.leaf).map_err(EngineError::internal)?;
        let Event::DecisionMade(decision) = record.event else {
            return Ok(None);
        };
        let own = &wanted.view.decision;
        if decision.action_id == own.action_id || decision.tool != own.tool {
            return Ok(None);
        }
        let mut records = Vec::new();
        for stored in self.store.by_subject(wanted.org, decision.action_id.0)? {
            let (record, _) = Record::decode(&stored.leaf).map_err(EngineError::internal)?;
            if wanted.until.is_none_or(|until| record.ts < until) {
                records.push(record);
            }
        }
        let view = ActionView::fold(&records);
        // Until it is over, people must not tell practice from any other request by its being left out.
        let is_told = |view: &ActionView| decision.practice.is_none() || !(wanted.by_agent || ended(view).is_some());
        Ok(view.filter(is_told))
    }

    /// The same with what is other now.
    fn compare(
        &self,
        wanted: &Wanted<'_>,
        mut last: LastAllowed,
        before: &ActionView,
    ) -> Result<LastAllowed, EngineError> {
        match (self.runs(wanted.org, before)?, self.runs(wanted.org, wanted.view)?) {
            (Ok(before), Ok(now)) => Ok(compared(last, &before, &now)),
            (Err(gone), _) | (_, Err(gone)) => {
                last.gone = Some(gone.to_owned());
                Ok(last)
            }
        }
    }

    /// What runs of an action, as it is kept, or the word for why nobody can say.
    fn runs(&self, org: &str, view: &ActionView) -> Result<Result<Value, &'static str>, EngineError> {
        let applied = view.decision.remedy.as_ref().is_some_and(|remedy| remedy.applied);
        let member = if applied { "alternative" } else { "action" };
        Ok(match self.kept(org, view.form(), Purpose::Work)? {
            Kept::Whole(payload) => stored_member(&payload.body, member).ok_or("destroyed"),
            Kept::Nothing => Err("destroyed"),
            Kept::Restricted => Err("restricted"),
            Kept::Erased => Err("erased"),
        })
    }
}
