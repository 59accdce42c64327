//! What was before a request. The search index leads to the last actions of the same kind; a few of them are read, however
//! long the ledger is and however much is open.

use std::cmp::Reverse;
use std::sync::Arc;

use countersign_api::autonomy::StandingAnswer;
use countersign_api::convert;
use countersign_api::history::{
    DECIDED_AT_MOST, HistoryAnswer, LastAllowed, RECORD_OF, Verdict, allowed_at, compared, decided_before,
    last_allowed, record, rejection, verdict,
};
use countersign_core::event::{DecisionMade, Event};
use countersign_core::ids::{ActionId, ApprovalId};
use countersign_core::policy::{Decision, Value};
use countersign_core::stored::stored_member;
use countersign_core::view::ActionView;
use countersign_core::{Record, Refusal, Time};
use countersign_store::{Org, Query};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::payload::{Kept, Purpose};
use crate::{Engine, Inner, blocking};

/// What policy says to an action that nobody is asked about, and how many such actions are looked at.
const BY_ITSELF: (&[Decision], usize) = (
    &[Decision::Allow, Decision::AllowWithConstraints, Decision::Remediate],
    RECORD_OF,
);
/// The same of what people were asked about. Of one agent 60 may be open at once, so some that were decided are among them.
const BY_PEOPLE: (&[Decision], usize) = (&[Decision::RequireApproval], 80);

/// What is looked for.
struct Wanted {
    org: Org,
    /// The action that the request is about.
    view: ActionView,
    /// When the request ended.
    until: Option<Time>,
    /// An agent asks, which sees no practice.
    by_agent: bool,
}

/// An action of the same kind.
struct Alike {
    id: ActionId,
    approval: Option<ApprovalId>,
    practice: bool,
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
        let standing = self.standing_of(caller, &view.decision).await?;
        let wanted = Arc::new(Wanted {
            org: caller.org.clone(),
            until: ended(&view),
            view,
            by_agent: caller.agent().is_some(),
        });
        let mut found = self.before(&wanted).await?;
        found.complete &= indexed;
        let inner = self.inner.clone();
        blocking(move || {
            let mut answer = inner.history(id, &wanted, &found)?;
            answer.standing = standing;
            Ok(answer)
        })
        .await
    }

    /// Where the agent stands with what it asks for.
    async fn standing_of(
        &self,
        caller: &Caller,
        decision: &DecisionMade,
    ) -> Result<Option<StandingAnswer>, EngineError> {
        let live = self.live_policy(caller).await?;
        let (agent, operation) = (decision.agent.clone(), operation(decision));
        self.look(&caller.org, move |state| {
            let rules = live.as_ref().and_then(|live| live.organization()?.autonomy());
            let shown = state.standing(&agent, &operation)?;
            Some(convert::standing(&operation, shown, rules, state.last_ts()))
        })
        .await
    }

    /// The last actions of the same agent with the same operation and tool, as they stood when the request ended.
    async fn before(&self, wanted: &Arc<Wanted>) -> Result<Found, EngineError> {
        let mut found = Found {
            views: Vec::new(),
            looked_at: 0,
            complete: true,
        };
        for (decisions, at_most) in [BY_ITSELF, BY_PEOPLE] {
            let (inner, asked) = (self.inner.clone(), wanted.clone());
            let (seqs, all) = blocking(move || inner.lines(&asked, decisions, at_most)).await?;
            found.complete &= all;
            let mut known = 0;
            for part in seqs.chunks(RECORD_OF) {
                if known >= RECORD_OF {
                    found.complete = false;
                    break;
                }
                let views = self.views(wanted, part.to_vec(), &mut found.looked_at).await?;
                let tells = |view: &&ActionView| verdict(view).is_some() || allowed_at(view).is_some();
                known += views.iter().filter(tells).count();
                found.views.extend(views);
            }
        }
        Ok(found)
    }

    /// The actions of the same kind among these decisions, but for those that wait for people now, which are only counted.
    async fn views(
        &self,
        wanted: &Arc<Wanted>,
        seqs: Vec<u64>,
        looked_at: &mut u64,
    ) -> Result<Vec<ActionView>, EngineError> {
        let (inner, asked) = (self.inner.clone(), wanted.clone());
        let alike = blocking(move || inner.alike(&asked, &seqs)).await?;
        let (waits, known) = if wanted.until.is_none() {
            self.look(&wanted.org, move |state| {
                let waits = |alike: &Alike| alike.approval.is_some_and(|id| state.approvals().contains_key(&id));
                alike.into_iter().partition::<Vec<_>, _>(waits)
            })
            .await?
        } else {
            (Vec::new(), alike)
        };
        let (inner, asked) = (self.inner.clone(), wanted.clone());
        let views = blocking(move || inner.as_they_stood(&asked, known)).await?;
        *looked_at += (waits.len() + views.len()) as u64;
        Ok(views)
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
    fn history(&self, id: ApprovalId, wanted: &Wanted, found: &Found) -> Result<HistoryAnswer, EngineError> {
        let mut allowed: Vec<(Time, &ActionView)> = (found.views.iter())
            .filter_map(|view| Some((allowed_at(view)?, view)))
            .collect();
        allowed.sort_by_key(|(at, view)| Reverse((*at, view.seq)));
        let mut decided: Vec<(Time, Verdict, &ActionView)> = (found.views.iter())
            .filter_map(|view| verdict(view).map(|(at, verdict)| (at, verdict, view)))
            .collect();
        decided.sort_by_key(|(at, _, view)| Reverse((*at, view.seq)));
        let last = allowed.first().map(|(at, last)| (last_allowed(last, *at), *last));
        let mut told = Vec::new();
        for (at, verdict, before) in decided.iter().take(DECIDED_AT_MOST) {
            let rejected = before.approval.as_ref().and_then(rejection);
            let why = rejected.filter(|_| *verdict == Verdict::Rejected);
            let comment = why.map(|cast| self.text_payload(&wanted.org, cast.seq)).transpose()?;
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

    /// Where the last decisions like these are, the newest first, and whether those are all that there were.
    fn lines(&self, wanted: &Wanted, decisions: &[Decision], at_most: usize) -> Result<(Vec<u64>, bool), EngineError> {
        let own = &wanted.view.decision;
        let mut all = self.store.pruned(&wanted.org)? == 0;
        let mut seqs = Vec::new();
        for decision in decisions {
            let query = Query {
                action: Some(own.action.clone()),
                agent: Some(own.agent.to_string()),
                decision: Some(decision.as_str().to_owned()),
                limit: at_most,
                to: wanted.until,
                ..Query::default()
            };
            let lines = self.store.search(&wanted.org, &query)?;
            all &= lines.len() < at_most;
            seqs.extend(lines.into_iter().map(|line| line.seq));
        }
        seqs.sort_unstable_by_key(|seq| Reverse(*seq));
        seqs.truncate(at_most);
        Ok((seqs, all))
    }

    /// Those of these decisions that are about an action of the same kind.
    fn alike(&self, wanted: &Wanted, seqs: &[u64]) -> Result<Vec<Alike>, EngineError> {
        let own = &wanted.view.decision;
        let mut alike = Vec::new();
        for seq in seqs {
            let stored = self.store.records(&wanted.org, *seq, 1)?;
            // Of what was pruned a line may be left, and the record after it is another.
            let Some(stored) = stored.first().filter(|stored| stored.seq == *seq) else {
                continue;
            };
            let (record, _) = Record::decode(&stored.leaf).map_err(EngineError::internal)?;
            let Event::DecisionMade(decision) = record.event else {
                continue;
            };
            let practice = decision.practice.is_some();
            let is_told = !(practice && wanted.by_agent);
            if decision.action_id != own.action_id && decision.tool == own.tool && is_told {
                alike.push(Alike {
                    id: decision.action_id,
                    approval: decision.approval,
                    practice,
                });
            }
        }
        Ok(alike)
    }

    /// Actions as they stood when the request ended.
    fn as_they_stood(&self, wanted: &Wanted, alike: Vec<Alike>) -> Result<Vec<ActionView>, EngineError> {
        let mut views = Vec::new();
        for Alike { id, practice, .. } in alike {
            let mut records = Vec::new();
            for stored in self.store.by_subject(&wanted.org, id.0)? {
                let (record, _) = Record::decode(&stored.leaf).map_err(EngineError::internal)?;
                if wanted.until.is_none_or(|until| record.ts < until) {
                    records.push(record);
                }
            }
            // Until it is over, people must not tell practice from any other request by its being left out.
            let is_told = |view: &ActionView| !practice || ended(view).is_none();
            views.extend(ActionView::fold(&records).filter(is_told));
        }
        Ok(views)
    }

    /// The same with what is other now.
    fn compare(&self, wanted: &Wanted, mut last: LastAllowed, before: &ActionView) -> Result<LastAllowed, EngineError> {
        match (self.runs(&wanted.org, before)?, self.runs(&wanted.org, &wanted.view)?) {
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
