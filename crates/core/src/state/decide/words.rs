//! The words of a decision's record: bounded, and without what must not be kept.

use countersign_policy::Reason;

use super::{REASONS_AT_MOST, TEXT_BYTES};
use crate::event::RemedyOffered;
use crate::redact::Kinds;
use crate::state::Ctx;
use crate::stored::Shown;

/// Reasons as a record shows them: bounded, and without what must not be kept.
pub(in crate::state) fn shortened(reasons: Vec<Reason>, kinds: &Kinds, ctx: &Ctx<'_>) -> Vec<Reason> {
    let mut reasons = reasons;
    reasons.truncate(REASONS_AT_MOST);
    for reason in &mut reasons {
        let text = ctx.redactor.redact_text(&reason.message, kinds).text;
        reason.message = bounded(text);
    }
    reasons
}

/// For whom a permit is: the tool that will run, or the operation where there is none.
pub(in crate::state) fn audience(offered: Option<&RemedyOffered>, shown: &Shown) -> String {
    match offered.filter(|remedy| remedy.applied) {
        Some(remedy) => remedy.tool.clone(),
        None => shown.tool.clone().unwrap_or_else(|| shown.action.clone()),
    }
}

/// The text, or as much of it as a record shows.
pub(in crate::state) fn bounded(text: String) -> String {
    let end = (0..=TEXT_BYTES.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or_default();
    let mut text = text;
    text.truncate(end);
    text
}

pub(in crate::state) fn first_message(reasons: &[Reason]) -> &str {
    reasons.first().map_or("", |reason| reason.message.as_str())
}

/// Names of approvers mean nobody.
pub(in crate::state) fn nobody_known(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("no one is known as {}", names.join(", "))
}
