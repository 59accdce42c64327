//! Words about what is governed: agents, what they have earned, runs, tools, budgets, limits, kill switches.

/// Where agents stand, for the filter.
pub(crate) const STANDINGS: &[(&str, &str)] = &[
    ("active", "active"),
    ("registered", "registered"),
    ("paused", "paused"),
    ("stopped", "stopped"),
    ("quarantined", "in quarantine"),
    ("seen", "seen elsewhere"),
];

/// What sets runs off, for the filter.
pub(crate) const TRIGGERS: &[(&str, &str)] = &[
    ("person", "a person"),
    ("schedule", "the clock"),
    ("event", "an event"),
    ("agent", "another agent"),
];

/// What a kill switch stops, for the form; the widest comes last.
pub(crate) const SCOPES: &[(&str, &str)] = &[
    ("agent", "one agent"),
    ("team", "all agents of a team"),
    ("tool", "one tool"),
    ("class", "all tools of a class"),
    ("run", "one run"),
    ("organization", "everything"),
];

/// The steps of autonomy that are earned, one after the other.
pub(crate) const LADDER: &[&str] = &["pre_action", "post_action", "exception_only"];

pub(crate) const ANY: &str = "any";
pub(crate) const OPEN: &str = "open";
pub(crate) const ENDED: &str = "over";

fn among(words: &[(&str, &'static str)], word: &str) -> &'static str {
    words
        .iter()
        .find(|(known, _)| *known == word)
        .map_or("", |(_, label)| label)
}

/// Where an agent stands, for people.
pub(crate) fn standing(word: &str) -> &'static str {
    among(STANDINGS, word)
}

/// What set a run off, for people.
pub(crate) fn trigger(word: &str) -> &'static str {
    among(TRIGGERS, word)
}

/// What a kill switch stops, for people.
pub(crate) fn scope(scope: &str, name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    match scope {
        "organization" => "everything".to_owned(),
        "agent" => format!("agent {name}"),
        "team" => format!("all agents of team {name}"),
        "tool" => format!("tool {name}"),
        "class" => format!("all tools of class {name}"),
        "run" => format!("run {name}"),
        other => format!("{other} {name}"),
    }
}

/// Why an agent stands still.
pub(crate) fn stopped(kind: &str, name: Option<&str>, by: &str) -> String {
    format!("{by} stopped {}", scope(kind, name))
}

/// Why an agent is paused.
pub(crate) fn paused(why: &str) -> &str {
    match why {
        "access" => "it reached for what it must not reach",
        "budget" => "its budget is used up",
        "limit" => "it was at the end of a limit",
        "rejections" => "people rejected what it asked for, again and again",
        "review_overdue" => "nobody looked in time at what it did",
        "requested" => "somebody paused it",
        other => other,
    }
}

/// How much of what an agent does is looked at.
pub(crate) fn mode(word: &str) -> &'static str {
    match word {
        "pre_action" => "a person before each",
        "post_action" => "a person after each",
        "exception_only" => "exceptions and a sample",
        "periodic_batch" => "a sample",
        _ => "",
    }
}

/// What has to be known of an agent.
pub(crate) fn field(name: &str) -> &'static str {
    match name {
        "owner" => "Who answers for it",
        "technical_owner" => "Who answers for how it works",
        "fallback_owner" => "Who answers when its owners are gone",
        "reviewer" => "Who reviews what it does",
        "purpose" => "What it is for",
        "system" => "What kind of system it is",
        "model" => "Model and version",
        "prompt" => "Version of its prompt",
        "environments" => "Environments it runs in",
        "tools" => "Tools it uses",
        "data" => "Data it touches",
        "boundary.process" => "The process it is part of",
        "boundary.reads" => "Systems it reads",
        "boundary.writes" => "Systems it writes",
        "boundary.without_approval" => "What needs no approval",
        "boundary.always_approve" => "What always needs an approval",
        "boundary.never_access" => "What it must never reach",
        "boundary.owning_team" => "The team that owns it",
        "review_by" => "When to look at this again",
        "mandate" => "A mandate in the live policy",
        _ => "Something that this console does not know",
    }
}

/// How a run stands or ended.
pub(crate) fn run(word: &str) -> &str {
    match word {
        "unstarted" => "never started",
        "idle" => "ended by itself: nothing was heard of it",
        other => other,
    }
}

/// Where an action stands.
pub(crate) fn status(word: &str) -> &str {
    match word {
        "pending" => "waiting",
        other => other,
    }
}

/// What happened after an action.
pub(crate) fn outcome(word: &str) -> &str {
    match word {
        "succeeded" => "went well",
        "failed" => "failed",
        "unknown" => "nobody knows how it went",
        other => other,
    }
}

/// Whose an account of a budget is.
pub(crate) fn account_of(word: &str) -> &'static str {
    match word {
        "task" => "for each task",
        "agent" => "for each agent",
        "team" => "for each team",
        _ => "for the whole organization",
    }
}

/// What happens at the end of a budget or a limit.
pub(crate) fn at_cap(word: &str) -> &'static str {
    match word {
        "alert" => "people are told",
        "ask" => "a person is asked",
        "deny" => "more is denied",
        "pause" => "the agent is paused",
        _ => "nothing that this console knows",
    }
}

/// How full an account is.
pub(crate) fn fullness(word: &str) -> &'static str {
    match word {
        "within" => "within",
        "told" => "nearly used up",
        "exhausted" => "used up",
        _ => "",
    }
}

/// So much of what a limit counts.
pub(crate) fn counts(count: u32, word: &str) -> String {
    let word = match (count, word) {
        (_, "repetitions") => "of the same",
        (1, "depth") => "step deep",
        (_, "depth") => "steps deep",
        (1, "actions") => "action",
        (1, "retries") => "retry",
        (1, "failures") => "failure",
        (_, other) => other,
    };
    format!("{count} {word}")
}

/// Whose an account, a window or a circuit is, such as `agent:a,tool:t`.
pub(crate) fn whose(text: &str) -> String {
    if text == "organization" {
        return "the whole organization".to_owned();
    }
    let parts: Vec<String> = (text.split(',')).map(|part| part.replacen(':', " ", 1)).collect();
    parts.join(", ")
}

/// Whether a tool may be used as it is.
pub(crate) fn tool(word: &str) -> &'static str {
    match word {
        "changed" => "changed",
        "registered" => "as registered",
        _ => "not registered",
    }
}

/// A column of the register of tools.
pub(crate) fn column(name: &str) -> &'static str {
    match name {
        "class" => "Class",
        "risk" => "Risk",
        "described_for" => "Said to be used by",
        "used_by" => "Used by",
        _ => "",
    }
}

/// What a group of key figures is about, for people.
pub(crate) fn kpi_group(word: &str) -> &'static str {
    const GROUPS: &[(&str, &str)] = &[
        ("decisions", "What policy decides"),
        ("people", "How people answer"),
        ("review", "Whether review is real"),
        ("effects", "What came of it"),
        ("reach", "What is covered"),
    ];
    among(GROUPS, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_something_is_reads_as_words() {
        assert_eq!(whose("agent:sales,tool:crm/read"), "agent sales, tool crm/read");
        assert_eq!(whose("organization"), "the whole organization");
    }

    #[test]
    fn every_scope_of_the_form_has_words() {
        for (word, _) in SCOPES {
            assert!(!scope(word, Some("x")).starts_with(&format!("{word} x ")), "{word}");
            assert!(scope(word, Some("x")) == "everything" || scope(word, Some("x")).ends_with(" x"));
        }
    }
}
