//! The key figures that are told, in the order in which they are shown.

use super::KpiUnit::{PerMille, Seconds};
use super::KpiWindow::{Happened, Now, Opened, ThirtyDays};
use super::{Kpi, KpiUnit, KpiWindow};

const fn kpi(
    group: &'static str,
    id: &'static str,
    name: &'static str,
    (unit, window): (KpiUnit, KpiWindow),
    about: &'static str,
) -> Kpi {
    Kpi {
        id,
        group,
        name,
        unit,
        window,
        about,
    }
}

const DONE: (KpiUnit, KpiWindow) = (PerMille, Happened);
const OPENED: (KpiUnit, KpiWindow) = (PerMille, Opened);
const STANDS: (KpiUnit, KpiWindow) = (PerMille, Now);

/// The key figures that are told.
pub static KPIS: &[Kpi] = &[
    kpi(
        "decisions",
        "decided_without_people",
        "Decided without people",
        DONE,
        "Decisions that policy made alone, of all decisions.",
    ),
    kpi(
        "decisions",
        "denied",
        "Denied",
        DONE,
        "Actions that policy denied, of all decisions.",
    ),
    kpi(
        "decisions",
        "remedy_offered",
        "Safer action offered",
        DONE,
        "Decisions that offered a safer action in place of the one asked for, of all decisions.",
    ),
    kpi(
        "decisions",
        "remedy_taken",
        "Safer action taken",
        DONE,
        "Safer actions that were taken at once, of those that were offered.",
    ),
    kpi(
        "decisions",
        "within_limits",
        "Granted within limits",
        DONE,
        "Grants that carry limits, of all that policy granted alone.",
    ),
    kpi(
        "decisions",
        "proven_agents",
        "Proven agents",
        DONE,
        "Decisions about an agent that its own key had proven, of all decisions. The others were named by a gateway.",
    ),
    kpi(
        "decisions",
        "beyond_mandate",
        "Beyond the mandate",
        DONE,
        "Decisions that used a grant beyond the agent's mandate, of all decisions.",
    ),
    kpi(
        "people",
        "decision_time_median",
        "Time to a decision, median",
        (Seconds, Opened),
        "After how long half of the requests are approved or rejected. Those without an answer count as still waiting \
         (Kaplan-Meier), so that missing them does not make it look faster.",
    ),
    kpi(
        "people",
        "decision_time_p95",
        "Time to a decision, 95 of 100",
        (Seconds, Opened),
        "After how long 95 of 100 requests are approved or rejected, counted in the same way.",
    ),
    kpi(
        "people",
        "answer_time_p95",
        "Time to an answer, 95 of 100",
        (Seconds, Opened),
        "The same of requests that people answered, and of nothing else: what is missed does not show in it.",
    ),
    kpi(
        "people",
        "first_look_median",
        "Time to the first look, median",
        (Seconds, Opened),
        "After how long half of the requests that anybody looked at were looked at for the first time.",
    ),
    kpi(
        "people",
        "answered_in_time",
        "Answered in time",
        DONE,
        "Requests that people answered by the time that policy wants, of those that they answered or that ended unanswered.",
    ),
    kpi(
        "people",
        "rejected",
        "Rejected",
        OPENED,
        "Requests that people rejected, of those that they approved or rejected.",
    ),
    kpi(
        "people",
        "edited",
        "Approved with changes",
        OPENED,
        "Requests that people narrowed before they were approved, of those that were approved.",
    ),
    kpi(
        "people",
        "expired",
        "Ended without an answer",
        OPENED,
        "Requests that nobody answered in time, of all requests.",
    ),
    kpi(
        "people",
        "escalated",
        "Escalated",
        OPENED,
        "Requests for which somebody else was asked, as the people before did not answer or could not be reached, of all requests.",
    ),
    kpi(
        "people",
        "steps_missed",
        "Steps missed",
        DONE,
        "Steps of routes that let their time pass, of those whose people were asked.",
    ),
    kpi(
        "people",
        "steps_unreachable",
        "Steps that reached nobody",
        DONE,
        "Steps of routes in whose place others were asked, as nobody could be reached, of those whose people were asked.",
    ),
    kpi(
        "people",
        "asked_back",
        "Asked back",
        OPENED,
        "Questions that people asked the agent, for each 1,000 requests.",
    ),
    kpi(
        "review",
        "too_fast",
        "Too fast to be read",
        DONE,
        "Approvals that came sooner than policy takes for reading, of all that count.",
    ),
    kpi(
        "review",
        "late_votes",
        "Votes that came late",
        DONE,
        "Votes for what had ended already, of all votes that decide.",
    ),
    kpi(
        "review",
        "not_theirs",
        "Votes of others",
        DONE,
        "Votes of people who may not decide on the request, of all votes that decide.",
    ),
    kpi(
        "review",
        "canaries_caught",
        "Canaries caught",
        DONE,
        "Requests made to be rejected that nobody approved, of those on which somebody decided.",
    ),
    kpi(
        "review",
        "broken_glass",
        "Glass broken",
        OPENED,
        "Requests that one person let through in place of those who were asked, of all requests.",
    ),
    kpi(
        "review",
        "glass_looked_at",
        "Broken glass looked at in time",
        DONE,
        "Looks at broken glass that were taken in time, of those that were due.",
    ),
    kpi(
        "review",
        "looked_at",
        "Looked at in time",
        DONE,
        "Looks at what has run that were taken in time, of those that were due.",
    ),
    kpi(
        "review",
        "found_faulty",
        "Found faulty",
        DONE,
        "Looks that found that what had run was not right, of all that were taken.",
    ),
    kpi(
        "effects",
        "permits_refused",
        "Permits refused",
        DONE,
        "Permits that were shown and refused, of all that were shown.",
    ),
    kpi(
        "effects",
        "digest_mismatch",
        "Something else was to run",
        DONE,
        "Permits refused as what was about to run was not what was decided, of all that were shown.",
    ),
    kpi(
        "effects",
        "policy_changed",
        "Another policy since",
        DONE,
        "Permits refused as the policy of now does not grant the action any more, of all that were shown.",
    ),
    kpi(
        "effects",
        "outcomes_known",
        "Outcome known",
        DONE,
        "Actions whose outcome was reported, of those whose outcome was due.",
    ),
    kpi(
        "effects",
        "failed",
        "Failed",
        DONE,
        "Outcomes that failed, of all that were reported.",
    ),
    kpi(
        "effects",
        "broke_limits",
        "Limits broken",
        DONE,
        "Outcomes that broke a limit of their grant, of all that were reported.",
    ),
    kpi(
        "effects",
        "callbacks_delivered",
        "Callbacks delivered",
        DONE,
        "Callbacks that arrived, of those that arrived or were given up.",
    ),
    kpi(
        "effects",
        "callbacks_first_try",
        "Delivered at once",
        DONE,
        "Callbacks that arrived with the first try, of those that arrived.",
    ),
    kpi(
        "reach",
        "governed",
        "Calls governed",
        (PerMille, ThirtyDays),
        "Calls seen elsewhere that had a permit, of all that were seen. The rest went past Countersign.",
    ),
    kpi(
        "reach",
        "agents_registered",
        "Agents registered",
        STANDS,
        "Agents that somebody registered, of all that are known.",
    ),
    kpi(
        "reach",
        "agents_reviewed",
        "Agents reviewed in time",
        STANDS,
        "Registered agents whose review is not overdue, of all registered ones.",
    ),
    kpi(
        "reach",
        "rules_tested",
        "Rules tested",
        STANDS,
        "Rules of the live policy that a test of its own shows at work, of all of its rules.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_figure_has_a_word_of_its_own_and_a_sentence_and_groups_stand_together() {
        let ids: BTreeSet<&str> = KPIS.iter().map(|kpi| kpi.id).collect();
        assert_eq!(ids.len(), KPIS.len());
        let mut groups: Vec<&str> = KPIS.iter().map(|kpi| kpi.group).collect();
        groups.dedup();
        assert_eq!(groups, ["decisions", "people", "review", "effects", "reach"]);
        for kpi in KPIS {
            assert!(kpi.about.ends_with('.') && !kpi.about.contains("  "), "{}", kpi.id);
        }
    }

    #[test]
    fn each_figure_is_defined_in_the_documentation_in_the_same_words() {
        let documentation = include_str!("../../../../docs/kpis.md");
        for kpi in KPIS {
            let row = format!("| `{}` | {} | {} |", kpi.id, kpi.name, kpi.about);
            assert!(documentation.contains(&row), "docs/kpis.md lacks {row}");
        }
    }
}
