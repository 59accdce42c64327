//! What the demonstration says: a sentence, the request in a line, the answer in a line.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::console::say;

/// The longest request that is shown in a line.
const WIDTH: usize = 150;

/// Everything that was shown, and whether it was as it should be.
pub(crate) struct Transcript {
    quiet: bool,
    steps: Vec<Value>,
    failures: usize,
    calls: usize,
}

/// One call, as it is shown.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) who: &'a str,
    pub(crate) status: u16,
    pub(crate) answer: &'a Value,
}

impl Transcript {
    pub(crate) fn new(quiet: bool) -> Transcript {
        Transcript {
            quiet,
            steps: Vec::new(),
            failures: 0,
            calls: 0,
        }
    }

    /// Says something.
    pub(crate) fn tell(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// Begins a step.
    pub(crate) fn step(&mut self, sentence: &str) {
        self.steps
            .push(json!({ "step": self.steps.len() + 1, "what": sentence, "calls": [], "ok": true }));
        self.tell(&format!("{:>2}. {sentence}", self.steps.len()));
    }

    /// Shows a call and its answer.
    pub(crate) fn call(&mut self, call: &Call<'_>) {
        self.calls += 1;
        let body = call
            .body
            .map(|body| format!("  {}", clip(&body.to_string())))
            .unwrap_or_default();
        self.tell(&format!("    → {} {} {}{body}", call.who, call.method, clip(call.path)));
        self.tell(&format!("    ← {} {}", call.status, words(call.answer)));
        let shown = json!({
            "who": call.who, "method": call.method, "path": call.path, "status": call.status,
            "answer": words(call.answer),
        });
        if let Some(calls) = self
            .last()
            .and_then(|step| step.get_mut("calls"))
            .and_then(Value::as_array_mut)
        {
            calls.push(shown);
        }
    }

    /// Adds a line to the step.
    pub(crate) fn note(&mut self, text: &str) {
        for line in text.lines() {
            self.tell(&format!("      {line}"));
        }
        if let Some(fields) = self.last().and_then(Value::as_object_mut) {
            let noted = fields
                .get("note")
                .and_then(Value::as_str)
                .map(|noted| format!("{noted}\n"))
                .unwrap_or_default();
            fields.insert("note".into(), format!("{noted}{text}").into());
        }
    }

    /// Holds what came against what should have come.
    pub(crate) fn expect(&mut self, what: &str, is_so: bool) {
        if is_so {
            return;
        }
        self.failures += 1;
        self.tell(&format!("    ✗ this is not what should happen: expected {what}"));
        if let Some(fields) = self.last().and_then(Value::as_object_mut) {
            fields.insert("ok".into(), false.into());
            fields.insert("expected".into(), what.into());
        }
    }

    fn last(&mut self) -> Option<&mut Value> {
        self.steps.last_mut()
    }

    pub(crate) fn failures(&self) -> usize {
        self.failures
    }

    pub(crate) fn steps(&self) -> &[Value] {
        &self.steps
    }

    pub(crate) fn summary(&self) -> String {
        let (steps, calls) = (self.steps.len(), self.calls);
        match self.failures {
            0 => format!("\n{steps} steps, {calls} calls over HTTP, and every one came out as it should."),
            failures => {
                format!("\n{steps} steps, {calls} calls over HTTP; {failures} did NOT come out as they should.")
            }
        }
    }
}

/// A line that fits.
fn clip(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let head: String = text.chars().take(WIDTH - 2).collect();
    format!("{head} …")
}

/// What an answer says, in a line or two.
fn words(answer: &Value) -> String {
    let field = |name: &str| answer.get(name).and_then(Value::as_str);
    if let Some(code) = field("code") {
        return format!("{code}: {}", field("detail").unwrap_or_default());
    }
    // A request for a decision holds its action.
    let action = if answer.get("slots").is_some() {
        answer.get("action").unwrap_or(answer)
    } else {
        answer
    };
    let field = |name: &str| action.get(name).and_then(Value::as_str);
    if let (Some(decision), Some(status)) = (field("decision"), field("status")) {
        let mut text = format!("decision {decision}, status {status}");
        if let Some(code) = field("reason_code") {
            let _ = write!(text, " ({code})");
        }
        if let Some(state) = answer.get("state").and_then(Value::as_str) {
            let _ = write!(text, ", request {state}");
        }
        if let Some(constraints) = action
            .get("constraints")
            .and_then(Value::as_object)
            .filter(|limits| !limits.is_empty())
        {
            let limits = serde_json::to_string(constraints).unwrap_or_default();
            let _ = write!(text, ", limits {limits}");
        }
        if let Some(outcome) = action.pointer("/outcome/status").and_then(Value::as_str) {
            let _ = write!(text, ", outcome {outcome}");
        }
        if action.pointer("/remedy/applied") == Some(&Value::Bool(true)) {
            text.push_str(", for the safer way");
        }
        let permit = if field("permit").is_some() {
            ", with a permit"
        } else {
            ""
        };
        text.push_str(permit);
        let reasons = action.get("reasons").and_then(Value::as_array);
        let reason = reasons.and_then(|reasons| {
            reasons
                .iter()
                .find(|reason| reason.get("decision") == action.get("decision"))
                .or(reasons.first())
        });
        if let Some(reason) = reason {
            let _ = write!(text, "\n      because {}", because(reason));
        }
        return text;
    }
    if answer.get("go") == Some(&Value::Bool(true)) {
        return "go: it may run now, this once".to_owned();
    }
    if let Some(alerts) = answer.get("alerts").and_then(Value::as_array) {
        let names = alerts.iter().filter_map(|alert| {
            Some(format!(
                "{}: {}",
                alert.get("name")?.as_str()?,
                alert.get("summary")?.as_str()?
            ))
        });
        let names: Vec<String> = names.collect();
        return clip(&format!("{} open: {}", names.len(), names.join("; ")));
    }
    if let (Some(scope), Some(by)) = (
        answer.get("scope").and_then(Value::as_str),
        answer.get("by").and_then(Value::as_str),
    ) {
        return format!(
            "stopped: {scope} {}, by {by}",
            answer.get("name").and_then(Value::as_str).unwrap_or_default()
        );
    }
    if answer.get("released") == Some(&Value::Bool(true)) {
        return "released".to_owned();
    }
    clip(&answer.to_string())
}

fn because(reason: &Value) -> String {
    let text = |name: &str| reason.get(name).and_then(Value::as_str).unwrap_or_default();
    let line = reason.get("line").and_then(Value::as_u64).unwrap_or_default();
    if text("document").is_empty() || line == 0 {
        return text("message").to_owned();
    }
    format!("{} [{} line {line}]", text("message"), text("document"))
}
