//! Tools that an agent is not shown, as policy denies them to it whatever it says: taken out of the lists of its servers.
//!
//! It spares a model tools that it cannot use; it stops nothing, since a tool that is called all the same is decided like any
//! other. So only what is certain is hidden, and where the server that decides does not answer, nothing is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use countersign_api::always_denied::{AlwaysDeniedBody, OPERATIONS_AT_MOST, OperationBody};
use countersign_api::bounded::Text;
use serde_json::value::RawValue;

use crate::govern::Governor;
use crate::stdio::lock;

/// How long a list waits for what is hidden of it.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest name that is asked about.
const NAME_CHARS: usize = 200;
/// Tools that are remembered, to notice when policy hides others.
const REMEMBERED: usize = 2000;

/// Hides tools of one server from one agent.
pub(crate) struct Hiding {
    server: String,
    env: Option<String>,
    shown: Mutex<Shown>,
}

/// What the agent was shown last.
#[derive(Default)]
struct Shown {
    /// The policy that it went by.
    snapshot: Option<String>,
    /// Tools of the lists, and whether they were hidden.
    tools: BTreeMap<String, bool>,
}

impl Hiding {
    pub(crate) fn new(server: &str, env: Option<&str>) -> Hiding {
        Hiding {
            server: server.to_owned(),
            env: env.map(str::to_owned),
            shown: Mutex::default(),
        }
    }

    /// A list of tools without those that are hidden; everything else of it stays as it was written.
    pub(crate) async fn filtered(&self, governor: &Governor, line: Vec<u8>) -> Vec<u8> {
        let Some(names) = names(&line) else { return line };
        let Some((snapshot, hidden)) = self.hidden(governor, &names).await else {
            return line;
        };
        {
            let mut shown = lock(&self.shown);
            shown.snapshot = snapshot;
            let fresh = names.into_iter().map(|name| {
                let hides = hidden.contains(&name);
                (name, hides)
            });
            shown.tools.extend(fresh);
            while shown.tools.len() > REMEMBERED {
                shown.tools.pop_last();
            }
        }
        without(&line, &hidden).unwrap_or(line)
    }

    /// Whether other tools are hidden since policy is the one that a decision cites. Asked once for each policy.
    pub(crate) async fn differs(&self, governor: &Governor, snapshot: &str) -> bool {
        let names: BTreeSet<String> = {
            let mut shown = lock(&self.shown);
            if shown.snapshot.is_none() || shown.snapshot.as_deref() == Some(snapshot) {
                return false;
            }
            shown.snapshot = Some(snapshot.to_owned());
            shown.tools.keys().cloned().collect()
        };
        let Some((_, hidden)) = self.hidden(governor, &names).await else {
            return false;
        };
        let mut shown = lock(&self.shown);
        let mut differs = false;
        for (name, was) in &mut shown.tools {
            let hides = hidden.contains(name);
            differs |= std::mem::replace(was, hides) != hides;
        }
        differs
    }

    /// Which of these tools are hidden, and by which policy; nothing if that cannot be told now.
    async fn hidden(
        &self,
        governor: &Governor,
        names: &BTreeSet<String>,
    ) -> Option<(Option<String>, BTreeSet<String>)> {
        let asked: Vec<&String> = names.iter().filter(|name| is_asked(name)).collect();
        let mut found = (None, BTreeSet::new());
        let all = async {
            for some in asked.chunks(OPERATIONS_AT_MOST) {
                let operation = |name: &&String| OperationBody {
                    action: Text((*name).clone()),
                    tool: Some(Text(format!("{}/{name}", self.server))),
                };
                let body = AlwaysDeniedBody {
                    agent: None,
                    env: self.env.clone().map(Text),
                    operations: some.iter().map(operation).collect(),
                };
                let answer = governor.always_denied(body).await.ok()?;
                let denied = some.iter().zip(answer.always_denied).filter(|(_, denied)| *denied);
                found.1.extend(denied.map(|(name, _)| (*name).clone()));
                found.0 = answer.snapshot;
            }
            Some(())
        };
        tokio::time::timeout(PATIENCE, all).await.ok()??;
        Some(found)
    }
}

/// What no rule can name is not asked about.
fn is_asked(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= NAME_CHARS
}

/// The name of a tool on a list.
fn name_of(tool: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Tool {
        name: String,
    }
    serde_json::from_str::<Tool>(tool.get()).ok().map(|tool| tool.name)
}

/// Parts of an answer with a list of tools.
#[derive(serde::Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: List<'a>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(borrow)]
    cache_scope: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl_ms: Option<&'a RawValue>,
}

/// The tools of a list, if the message is one.
fn names(line: &[u8]) -> Option<BTreeSet<String>> {
    let answer: Answer<'_> = serde_json::from_slice(line).ok()?;
    Some(answer.result.tools.iter().filter_map(|tool| name_of(tool)).collect())
}

/// The list without some tools. It is one for this agent now, which a list of the stateless era says.
fn without(line: &[u8], hidden: &BTreeSet<String>) -> Option<Vec<u8>> {
    let answer: Answer<'_> = serde_json::from_slice(line).ok()?;
    let list = answer.result;
    let mut cuts: Vec<(std::ops::Range<usize>, &str)> = Vec::new();
    if let Some(scope) = list.cache_scope {
        cuts.push((place(line, scope)?, "\"private\""));
    }
    if let Some(ttl) = list.ttl_ms {
        cuts.push((place(line, ttl)?, "0"));
    }
    let mut kept_before = false;
    for (at, tool) in list.tools.iter().enumerate() {
        let mut cut = place(line, tool)?;
        if !name_of(tool).is_some_and(|name| hidden.contains(&name)) {
            kept_before = true;
            continue;
        }
        // With the comma before it, or, where nothing before it stays, all up to the next one.
        match (kept_before, list.tools.get(at + 1), at.checked_sub(1)) {
            (true, _, Some(before)) => cut.start = place(line, list.tools.get(before)?)?.end,
            (_, Some(next), _) => cut.end = place(line, next)?.start,
            (_, None, _) => {}
        }
        cuts.push((cut, ""));
    }
    cuts.sort_by_key(|(cut, _)| cut.start);
    let (mut bytes, mut from) = (Vec::with_capacity(line.len()), 0);
    for (cut, instead) in cuts {
        bytes.extend(line.get(from..cut.start)?);
        bytes.extend(instead.bytes());
        from = cut.end;
    }
    bytes.extend(line.get(from..)?);
    Some(bytes)
}

/// Where a part stands in the message that it was read from.
fn place(line: &[u8], part: &RawValue) -> Option<std::ops::Range<usize>> {
    let start = part.get().as_ptr().addr().checked_sub(line.as_ptr().addr())?;
    let end = start.checked_add(part.get().len())?;
    (end <= line.len()).then_some(start..end)
}

#[cfg(test)]
#[path = "hide_tests.rs"]
mod tests;
