//! What was before, in words: the console and the command line say the same.

use super::{HistoryAnswer, LastAllowed, RecordBefore, Verdict};
use crate::visible::named;

impl HistoryAnswer {
    /// That nothing of the kind was allowed, as far as that is known; nothing where something was.
    pub fn never(&self) -> Option<String> {
        if self.last_allowed.is_some() {
            return None;
        }
        Some(match (self.complete, self.looked_at) {
            (true, 0) => "This is the first time: the agent has asked for nothing like it before.".to_owned(),
            (true, _) => "It would be the first time: nothing like it was ever allowed to this agent.".to_owned(),
            (false, 0) => "Nothing like it is found, and not everything could be looked at.".to_owned(),
            (false, count) => format!("Of the last {count} like it none was allowed."),
        })
    }
}

impl LastAllowed {
    /// Who allowed it.
    pub fn how(&self) -> String {
        let people: Vec<String> = self.by.iter().map(|person| named(person)).collect();
        let people = people.join(", ");
        match (&self.approval, self.break_glass, self.edited) {
            (None, _, _) => "policy allowed it, without a person".to_owned(),
            (Some(_), true, _) => format!("{people} let it through in place of those who were asked"),
            (Some(_), false, true) => format!("{people} approved it, with less than was asked for"),
            (Some(_), false, false) => format!("{people} approved it"),
        }
    }

    /// What came of it.
    pub fn what_came(&self) -> &'static str {
        match (self.outcome.as_deref(), &self.redeemed_at) {
            (Some("succeeded"), _) => "it went well",
            (Some("failed"), _) => "it failed",
            (Some(_), _) => "nobody said how it went",
            (None, Some(_)) => "it ran, and nobody has said how it went",
            (None, None) => "nothing says that it ran",
        }
    }

    /// How it can be compared with what is asked, where that takes words.
    pub fn comparison(&self) -> Option<String> {
        match self.gone.as_deref() {
            Some("erased") => Some("They cannot be compared: the data of one of them was erased.".to_owned()),
            Some("restricted") => Some("They cannot be compared: the data of one of them is to be erased.".to_owned()),
            Some(_) => Some("They cannot be compared: the data of one of them is not kept any more.".to_owned()),
            None if self.changes.is_empty() && self.not_kept.is_empty() => {
                Some("What would run is the same as then.".to_owned())
            }
            None if self.changes.is_empty() => Some("Everything else is the same as then.".to_owned()),
            None if self.more > 0 => Some(format!("{} more places are other than then.", self.more)),
            None => None,
        }
    }
}

impl Verdict {
    /// What people said.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Approved => "approved",
            Verdict::Edited => "approved with less",
            Verdict::Rejected => "rejected",
            Verdict::Expired => "expired",
        }
    }
}

impl RecordBefore {
    /// How the last ones that were allowed went.
    pub fn how_it_went(&self) -> Option<String> {
        let of = counted(self.allowed, "the last one that was allowed", "that were allowed")?;
        let parts = [
            (self.succeeded, "went well"),
            (self.failed, "failed"),
            (self.unknown, "of which nothing is known"),
        ];
        Some(format!("{of}: {}", those(&parts)))
    }

    /// What people said to the last requests.
    pub fn what_people_said(&self) -> Option<String> {
        let of = counted(self.decided, "the last request", "requests")?;
        let verdicts = [
            (self.approved, Verdict::Approved),
            (self.edited, Verdict::Edited),
            (self.rejected, Verdict::Rejected),
            (self.expired, Verdict::Expired),
        ];
        Some(format!(
            "{of}: {}",
            those(&verdicts.map(|(count, verdict)| (count, verdict.words())))
        ))
    }
}

fn counted(count: u64, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(one.to_owned()),
        _ => Some(format!("the last {count} {many}")),
    }
}

/// How many of each kind there are, without kinds of which there is none.
fn those(parts: &[(u64, &str)]) -> String {
    let there = parts.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = there.map(|(count, words)| format!("{count} {words}")).collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_what_there_is_and_nothing_of_what_there_is_not() {
        let mut record = RecordBefore::default();
        assert_eq!((record.how_it_went(), record.what_people_said()), (None, None));
        (record.allowed, record.succeeded, record.unknown) = (20, 18, 2);
        (record.decided, record.rejected) = (1, 1);
        assert_eq!(
            record.how_it_went().as_deref(),
            Some("the last 20 that were allowed: 18 went well, 2 of which nothing is known")
        );
        assert_eq!(
            record.what_people_said().as_deref(),
            Some("the last request: 1 rejected")
        );
    }
}
