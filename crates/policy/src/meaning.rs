//! Why a finding matters: one sentence for each kind, for reviewers who see it for the first time.

use crate::problem::{Problem, Severity};

/// Findings that need more than their message, by code.
const MEANINGS: [(&str, &str); 24] = [
    (
        "always_denied",
        "the document reads as if something were allowed that no agent will ever get",
    ),
    ("audit_off", "what agents do is always recorded"),
    (
        "below_floor",
        "a rule that the organization lives by keeps payloads longer than this document says",
    ),
    (
        "beyond_mandate",
        "a mandate is a ceiling, and this rule goes through it",
    ),
    (
        "contradiction",
        "two fields say what cannot both be, and nobody can tell which one was meant",
    ),
    ("looked_at_in_part", "findings may be missing"),
    (
        "may_be_absent",
        "where the value is absent, the condition cannot be evaluated, and the rule denies",
    ),
    (
        "never_false",
        "a condition that tells nothing apart is most often one with a wrong `||`, `!=` or sign",
    ),
    (
        "never_together",
        "every action that both rules are about is denied, though both of them grant",
    ),
    (
        "never_true",
        "the rule never does what it says; somebody relies on a rule that is not there",
    ),
    (
        "no_catalogue",
        "nothing is allowed where every tool has to be known and none is",
    ),
    (
        "no_currency",
        "the bound is taken in whatever currency the organization was set up with",
    ),
    ("no_effect", "the document says something that changes nothing"),
    (
        "not_supported",
        "a document that loads means what it says, so what is not enforced is not accepted",
    ),
    ("reported_only", "an agent that states another value gets the grant"),
    (
        "shadowed",
        "the rule changes no decision; somebody relies on a rule that is not there",
    ),
    ("similar_id", "people take one of the names for the other"),
    ("unknown_agent", "a name that nobody has selects nothing"),
    ("unknown_class", "a name that nothing has selects nothing"),
    ("unknown_field", "a field that is not known would not be enforced"),
    ("unknown_team", "a name that nobody has selects nobody"),
    ("unknown_tool", "a name that nothing has selects nothing"),
    (
        "unreachable",
        "the rule never speaks; somebody relies on a rule that is not there",
    ),
    (
        "unresolved_name",
        "the people who are meant are not asked; the default route is",
    ),
];

impl Problem {
    /// Why it matters, in one sentence.
    pub fn why(&self) -> &'static str {
        let known = MEANINGS.iter().find(|(code, _)| *code == self.code);
        match (known, self.severity) {
            (Some((_, why)), _) => why,
            (None, Severity::Error) => {
                "what cannot be understood is not loaded, so that nothing is enforced by guessing"
            }
            (None, Severity::Warning) => "the document loads, and may not mean what its author thinks",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_sorted_and_each_is_there_once() {
        assert!(MEANINGS.is_sorted_by(|left, right| left.0 < right.0));
    }
}
