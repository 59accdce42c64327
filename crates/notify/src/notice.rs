//! What people are told about a request for their decision: one shape for every channel.
//!
//! Two kinds of words are in it. Countersign's own are put together from names that policy and the ledger know; what the
//! agent says for itself stands apart, and every channel marks it as the agent's.

use serde::Serialize;

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// People are asked to decide.
    Opened,
    /// The people of a step of a route are asked to decide.
    StepStarted,
    /// The time for an answer is nearly over, or the target for it has passed.
    Reminded,
    /// Those who were asked did not answer in time.
    Escalated,
    /// It ended.
    Resolved,
    /// Somebody let it through at once, in place of those who were asked.
    GlassBroken,
    /// Nothing: somebody wants to see whether the channel works.
    Test,
}

impl What {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            What::Opened => "opened",
            What::StepStarted => "step_started",
            What::Reminded => "reminded",
            What::Escalated => "escalated",
            What::Resolved => "resolved",
            What::GlassBroken => "glass_broken",
            What::Test => "test",
        }
    }

    /// A few words that say what is wanted of the reader.
    pub fn headline(self) -> &'static str {
        match self {
            What::Opened | What::StepStarted => "Your decision is wanted",
            What::Reminded => "Your decision is still wanted",
            What::Escalated => "Escalated to you: a decision is overdue",
            What::GlassBroken => "Somebody broke the glass: an action was let through at once",
            What::Resolved => "No decision is wanted any more",
            What::Test => "This channel works",
        }
    }
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Its id; the same over all attempts.
    pub id: String,
    /// What happened.
    pub what: What,
    /// The request.
    pub approval: String,
    /// What it is about, in one sentence of ours.
    pub sentence: String,
    /// What the agent says for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_says: Option<String>,
    /// Names of those who are asked.
    pub asked: Vec<String>,
    /// `document#rule` that asks for a decision.
    pub rules: Vec<String>,
    /// Votes that count so far, such as `dana: approve`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
    /// Until when it is waited for, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Where the person who is told decides without a key, once; it is for nobody else, so no other channel has it.
    #[serde(skip)]
    pub decide: Option<String>,
    /// Where a person reads all of it and decides.
    pub link: String,
}

impl Notice {
    /// What is known about it besides the sentence, as label and text.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if let Some(outcome) = &self.outcome {
            facts.push(("How it ended", outcome.clone()));
        }
        if !self.asked.is_empty() {
            facts.push(("Asked", self.asked.join(", ")));
        }
        if !self.said.is_empty() {
            facts.push(("Said so far", self.said.join(", ")));
        }
        if let Some(deadline) = self.deadline.as_ref().filter(|_| self.outcome.is_none()) {
            facts.push(("Answer until", deadline.clone()));
        }
        if !self.rules.is_empty() {
            facts.push(("Because of", self.rules.join(", ")));
        }
        facts
    }
}

/// Text on one line: what would break a line, end a header or turn the direction of writing becomes a space.
pub(crate) fn one_line(text: &str) -> String {
    let breaks = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if breaks(c) { ' ' } else { c }).collect()
}

/// The first `most` characters, and a sign where there were more.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
