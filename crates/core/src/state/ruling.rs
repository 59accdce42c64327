//! What becomes of an action: the answer of policy, then of whatever may tighten it.

use std::collections::BTreeMap;

use countersign_policy::verdict::{ConstraintValue, PermitUse};
use countersign_policy::{Decision, Demand, Outputs, Reason, Verdict};

use super::guard::{Found, Objection, Stricter};
use crate::event::{AccountRead, ActsIn, SaidBeside, Status, WindowRead};

/// What was decided, before it becomes records.
pub struct Ruling {
    /// What policy says.
    pub decision: Decision,
    /// What the caller needs.
    pub status: Status,
    /// Why it is refused.
    pub reason_code: Option<&'static str>,
    /// What matched and spoke for something.
    pub reasons: Vec<Reason>,
    /// Limits that travel with the grant.
    pub constraints: BTreeMap<String, ConstraintValue>,
    /// What its result may let out.
    pub outputs: Outputs,
    /// Evidence that is missing.
    pub missing: Vec<String>,
    /// What the grant rests on that only the agent says.
    pub reported: Vec<String>,
    /// A grant beyond the agent's mandate was used.
    pub beyond_mandate: bool,
    /// How much of what the agent does is looked at.
    pub acts_in: Option<ActsIn>,
    /// Policy was asked: nothing above it had decided.
    pub(super) by_policy: bool,
    /// What another policy says that is tried.
    pub(super) beside: Option<SaidBeside>,
    pub(super) demands: Vec<Demand>,
    pub(super) remedy: Option<countersign_policy::Remedy>,
    pub(super) alerts: Vec<String>,
    pub(super) retention: Option<String>,
    pub(super) permit_use: PermitUse,
    /// What the guards found.
    pub(super) found: Found,
}

impl Ruling {
    /// Accounts of budgets that the action would take from, as they were read.
    pub fn budgets(&self) -> &[AccountRead] {
        &self.found.accounts
    }

    /// Windows of limits that the action would fall into, as they were read.
    pub fn windows(&self) -> &[WindowRead] {
        &self.found.windows
    }

    /// A denial that needs no policy.
    pub(super) fn deny(code: &'static str, rule: &str, message: String) -> Ruling {
        let reason = Reason {
            code: code.into(),
            column: 0,
            decision: Decision::Deny,
            document: String::new(),
            line: 0,
            message,
            rule: rule.into(),
        };
        Ruling {
            decision: Decision::Deny,
            status: Status::Refused,
            reason_code: Some(if code == "killed" { "killed" } else { "denied" }),
            reasons: vec![reason],
            constraints: BTreeMap::new(),
            outputs: Outputs::default(),
            by_policy: false,
            beside: None,
            demands: Vec::new(),
            missing: Vec::new(),
            remedy: None,
            alerts: Vec::new(),
            beyond_mandate: false,
            acts_in: None,
            reported: Vec::new(),
            retention: None,
            permit_use: PermitUse::Redeem,
            found: Found::default(),
        }
    }

    pub(super) fn of(verdict: Verdict) -> Ruling {
        let (status, reason_code) = match verdict.decision {
            Decision::Allow | Decision::AllowWithConstraints => (Status::Permitted, None),
            // A remedy that was applied has the decision of its alternative.
            Decision::Remediate => (Status::Refused, Some("remedy_offered")),
            Decision::RequireApproval => (Status::Pending, None),
            Decision::Deny => (Status::Refused, Some("denied")),
        };
        Ruling {
            decision: verdict.decision,
            status,
            reason_code,
            reasons: verdict.reasons,
            constraints: verdict.constraints,
            outputs: verdict.outputs,
            by_policy: false,
            beside: None,
            demands: verdict.demands,
            missing: verdict.missing_evidence,
            remedy: verdict.remedy,
            alerts: verdict.alerts,
            beyond_mandate: verdict.beyond_mandate,
            acts_in: None,
            reported: verdict.reported,
            retention: verdict.retention,
            permit_use: verdict.permit_use,
            found: Found::default(),
        }
    }

    /// Offers a remedy that was to be applied.
    pub(super) fn offer(&mut self) {
        let Some(remedy) = self.remedy.as_mut().filter(|remedy| remedy.applied) else {
            return;
        };
        remedy.applied = false;
        self.decision = Decision::Remediate;
        self.status = Status::Refused;
        self.reason_code = Some("remedy_offered");
        self.demands.clear();
        self.acts_in = None;
    }

    /// Takes an objection in. The answer is as strict as before or stricter.
    pub(super) fn tighten(&mut self, objection: Objection) {
        self.reasons.insert(0, objection.reason);
        match objection.stricter {
            Stricter::Ask(demand) => {
                if self.decision < Decision::RequireApproval {
                    self.decision = Decision::RequireApproval;
                    self.status = Status::Pending;
                }
                self.demands.push(demand);
            }
            Stricter::Deny => {
                self.decision = Decision::Deny;
                self.status = Status::Refused;
                self.reason_code = Some("denied");
                self.constraints.clear();
                self.outputs = Outputs::default();
                self.demands.clear();
                self.missing.clear();
                self.remedy = None;
                self.acts_in = None;
            }
        }
    }
}
