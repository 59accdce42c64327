//! What a simulation found: on an export without a server, in words, and as a page.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use countersign_api::visible::html;
use countersign_core::replay::Policies as _;
use countersign_core::simulate::{Against, Cited, Group, Refold, Report, Simulation, TakenAs};
use countersign_core::{Event, Time};
use countersign_engine::outside;
use countersign_policy::Snapshot;
use countersign_tlog::bundle::{Files as _, Report as Verified};
use serde_json::{Value, json};

use crate::bundle::Disk;
use crate::console::{table, visible};
use crate::failure::{Failure, Result};
use crate::policies;
use crate::replay::{each_disclosed, each_record};

/// Lines of a table that text shows.
const SHOWN: usize = 10;
/// Changes that text lists.
const LISTED: usize = 20;

/// What was found, and of what.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) candidate: String,
    pub(crate) against: String,
    pub(crate) outside: Vec<String>,
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) report: Report,
    /// What nobody did then, and what it is taken as, where what follows from decisions went on from the candidate's own.
    pub(crate) taken: Option<TakenAs>,
}

impl Found {
    pub(crate) fn value(&self) -> Value {
        let mut value = json!({
            "candidate": self.candidate, "against": self.against, "outside": self.outside,
            "from": self.from, "until": self.until, "report": self.report,
        });
        if let (Some(taken), Some(fields)) = (self.taken, value.as_object_mut()) {
            fields.insert("taken".to_owned(), json!(taken));
        }
        value
    }

    /// What had to be taken as something, a sentence each.
    fn taken(&self) -> Vec<String> {
        let Some(taken) = self.taken else { return Vec::new() };
        let told = [
            (
                taken.approved,
                "ran, and people would be asked: as approved, and used at once",
            ),
            (
                taken.ran,
                "were refused, and would be let through: as used at once, without an outcome",
            ),
            (
                taken.not_approved,
                "were refused, and people would be asked: as not approved",
            ),
            (taken.as_it_was, "of which nobody can say: as they were"),
        ];
        let told = told.into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} {what}")).collect()
    }
}

/// Snapshots of an export.
struct Exported<'d> {
    disk: &'d Disk,
    known: RefCell<BTreeMap<Arc<str>, Option<Arc<Snapshot>>>>,
}

impl<'d> Exported<'d> {
    fn of(disk: &'d Disk) -> Exported<'d> {
        Exported {
            disk,
            known: RefCell::default(),
        }
    }

    fn stored(&self, hash: &str) -> Result<Arc<Snapshot>> {
        self.snapshot(&hash.into()).ok_or_else(|| {
            Failure::no(format!(
                "the bundle does not hold snapshot `{hash}`, or this version does not load it"
            ))
            .next("name a folder of documents, or a snapshot that a decision in the bundle cites")
        })
    }

    /// The policy that is tried: a snapshot of the export, or a folder of documents.
    fn candidate(&self, named: &str) -> Result<Arc<Snapshot>> {
        if named.starts_with("sha256:") {
            return self.stored(named);
        }
        let folder = Path::new(named);
        Ok(Arc::new(policies::load(folder, &policies::read(folder)?)?))
    }
}

impl Cited for Exported<'_> {
    fn snapshot(&self, hash: &Arc<str>) -> Option<Arc<Snapshot>> {
        let mut known = self.known.borrow_mut();
        let load = || {
            let files = self.disk.files(hash).ok()?;
            let (snapshot, _) = Snapshot::load(&files).ok()?;
            (snapshot.hash_text() == &**hash).then(|| Arc::new(snapshot))
        };
        known.entry(hash.clone()).or_insert_with(load).clone()
    }
}

/// Tries a policy on an export that was verified.
pub(crate) fn simulate_bundle(
    disk: &Disk,
    verified: &Verified,
    candidate: &str,
    against: &str,
    since: Option<Time>,
) -> Result<Found> {
    let exported = Exported::of(disk);
    let stored = |hash: &str| exported.stored(hash);
    let candidate = exported.candidate(candidate)?;
    let (mut live, mut currency) = (None, String::new());
    each_record(disk, verified, |record| match record.event {
        Event::SnapshotActivated(activated) => live = Some(activated.hash),
        Event::LedgerOpened(opened) => currency = opened.currency,
        _other => {}
    })?;
    // What was recorded was decided by many snapshots; what will be is by the one that is live.
    let told = match (against, &live) {
        ("recorded", Some(live)) => Some(stored(live)?),
        _other => None,
    };
    let held = match against {
        "recorded" => None,
        "live" => Some(stored(&live.ok_or_else(|| {
            Failure::no("no policy was live in this bundle")
                .next("hold it against what was decided: --against recorded")
        })?)?),
        hash => Some(stored(hash)?),
    };
    let mut simulation = Simulation::new(
        &candidate,
        held.as_deref().map_or(Against::Recorded, Against::Snapshot),
        &exported,
        &currency,
    );
    let mut report = Report::default();
    let mut first = None;
    each_disclosed(disk, verified, |record, payload| {
        if since.is_none_or(|since| record.ts >= since) {
            first.get_or_insert(record.seq);
            simulation.record(&record, payload.as_ref(), &mut report);
        }
    })?;
    Ok(Found {
        candidate: candidate.hash_text().to_owned(),
        against: held.as_deref().map_or("recorded", Snapshot::hash_text).to_owned(),
        outside: (held.as_deref().or(told.as_deref()))
            .map(|held| outside(held, &candidate))
            .unwrap_or_default(),
        from: first.unwrap_or(verified.size),
        until: verified.size,
        report,
        taken: None,
    })
}

/// What would have become of an export that was verified, had a policy been live from its first decision on. What was decided
/// `since` is counted.
pub(crate) fn refold_bundle(disk: &Disk, verified: &Verified, candidate: &str, since: Option<Time>) -> Result<Found> {
    if disk.names().iter().any(|name| name == "pruned.hashes") {
        return Err(
            Failure::no("its first records were pruned, so nobody knows what was spent and counted before")
                .next("try the candidate without --refold"),
        );
    }
    let candidate = Exported::of(disk).candidate(candidate)?;
    let (mut refold, mut report, mut first) = (Refold::new(&candidate), Report::default(), None);
    each_disclosed(disk, verified, |record, payload| {
        let counts = since.is_none_or(|since| record.ts >= since);
        if counts {
            first.get_or_insert(record.seq);
        }
        refold.record(&record, payload.as_ref(), counts.then_some(&mut report));
    })?;
    Ok(Found {
        candidate: candidate.hash_text().to_owned(),
        against: "recorded".to_owned(),
        outside: Vec::new(),
        from: first.unwrap_or(verified.size),
        until: verified.size,
        report,
        taken: Some(refold.taken()),
    })
}

/// The tables of a report with their headings.
fn tables(report: &Report) -> [(&'static str, &BTreeMap<String, Group>); 6] {
    [
        ("AGENT", &report.by_agent),
        ("TEAM", &report.by_team),
        ("RULE", &report.by_rule),
        ("ACTION", &report.by_action),
        ("AMOUNT", &report.by_amount),
        ("ON BEHALF OF", &report.by_principal),
    ]
}

/// The lines of a table, those with the most changes first.
fn lines(table: &BTreeMap<String, Group>) -> Vec<(&str, Group)> {
    let mut lines: Vec<(&str, Group)> = table.iter().map(|(name, group)| (name.as_str(), *group)).collect();
    lines.sort_by_key(|(_, group)| std::cmp::Reverse(group.all()));
    lines
}

/// One sentence that says it all.
fn summary(found: &Found) -> String {
    let report = &found.report;
    let changed = report.changed;
    format!(
        "{} decisions: {} the same, {} less strict, {} stricter, {} in other terms; of {} nobody can say; {} would be \
         denied because a condition cannot be evaluated",
        report.decisions,
        report.same,
        changed.loosened,
        changed.tightened,
        changed.terms,
        report.not_derivable,
        report.erred
    )
}

/// What a person reads.
pub(crate) fn text(found: &Found, failed: &[String]) -> String {
    let report = &found.report;
    let mut text = format!(
        "candidate {}\nagainst   {}\nrecords   {} to {}\n\n{}\n",
        found.candidate,
        found.against,
        found.from,
        found.until,
        summary(found)
    );
    let cells = |name: &str, counts: &[u64]| -> Vec<String> {
        let counts = counts.iter().map(ToString::to_string);
        std::iter::once(visible(name)).chain(counts).collect()
    };
    if !report.flips.is_empty() {
        let lines: Vec<_> = report
            .flips
            .iter()
            .map(|(flip, count)| cells(flip, &[*count]))
            .collect();
        let _ = write!(text, "\n{}\n", table(&["FROM AND TO", "DECISIONS"], &lines));
    }
    for (head, groups) in tables(report) {
        let all = lines(groups);
        let shown: Vec<_> = (all.iter().take(SHOWN))
            .map(|(name, group)| cells(name, &[group.loosened, group.tightened, group.terms]))
            .collect();
        if !shown.is_empty() {
            let _ = write!(text, "\n{}\n", table(&[head, "LOOSER", "STRICTER", "TERMS"], &shown));
        }
        if all.len() > SHOWN {
            let _ = writeln!(text, "… and {} more; --json has all", all.len() - SHOWN);
        }
    }
    if !report.approvers.is_empty() {
        let lines: Vec<_> = (report.approvers.iter())
            .map(|(name, asking)| cells(name, &[asking.newly, asking.no_longer]))
            .collect();
        let _ = write!(text, "\n{}\n", table(&["WHO IS ASKED", "MORE", "NO LONGER"], &lines));
    }
    for change in report.listed.iter().take(LISTED) {
        let amount = (change.amount.as_ref()).map_or_else(String::new, |amount| {
            format!(" {amount} {}", change.currency.as_deref().unwrap_or_default())
        });
        let _ = write!(
            text,
            "\n{}  {} of `{}`{amount}: {} to {} by `{}`: {}",
            change.action_id,
            visible(&change.action),
            visible(&change.agent),
            change.from.as_str(),
            change.to.as_str(),
            visible(&change.rule),
            visible(&change.message)
        );
    }
    if report.listed.len() > LISTED {
        let _ = write!(text, "\n… and more; --json lists {}", report.listed.len());
    }
    for unknown in &report.unknown {
        let _ = write!(
            text,
            "\nnobody can say of {} (the first is record {}): {}: {}",
            unknown.actions,
            unknown.first,
            visible(&unknown.field),
            visible(&unknown.why)
        );
    }
    for sentence in &found.outside {
        let _ = write!(text, "\nnot looked at: {}", visible(sentence));
    }
    for sentence in found.taken() {
        let _ = write!(text, "\ntaken: {sentence}");
    }
    for why in failed {
        let _ = write!(text, "\nFAILED: {why}");
    }
    text.trim_end().to_owned()
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#111;\
background:#fff}table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #bbb;padding:.25rem .6rem;text-align:left}\
code{overflow-wrap:anywhere}@media(prefers-color-scheme:dark){body{color:#eee;background:#111}}";

/// The report as a page that needs nothing else: no script, nothing from elsewhere.
pub(crate) fn page(found: &Found) -> String {
    let report = &found.report;
    let mut body = format!(
        "<h1>What the candidate would have said</h1><p>{}.</p><p>Candidate <code>{}</code>, against <code>{}</code>, records \
         {} to {}.</p>",
        html(&summary(found)),
        html(&found.candidate),
        html(&found.against),
        found.from,
        found.until
    );
    let mut rows = |head: &[&str], rows: &[Vec<String>]| {
        if rows.is_empty() {
            return;
        }
        body.push_str("<table><tr>");
        for cell in head {
            let _ = write!(body, "<th>{}</th>", html(cell));
        }
        body.push_str("</tr>");
        for row in rows {
            body.push_str("<tr>");
            for cell in row {
                let _ = write!(body, "<td>{}</td>", html(cell));
            }
            body.push_str("</tr>");
        }
        body.push_str("</table>");
    };
    let flips: Vec<_> = (report.flips.iter())
        .map(|(flip, count)| vec![flip.clone(), count.to_string()])
        .collect();
    rows(&["From and to", "Decisions"], &flips);
    for (head, groups) in tables(report) {
        let groups: Vec<_> = lines(groups)
            .into_iter()
            .map(|(name, group)| {
                let counts = [group.loosened, group.tightened, group.terms];
                std::iter::once(name.to_owned())
                    .chain(counts.map(|count| count.to_string()))
                    .collect()
            })
            .collect();
        rows(&[head, "Looser", "Stricter", "Other terms"], &groups);
    }
    let asking: Vec<_> = (report.approvers.iter())
        .map(|(name, asking)| vec![name.clone(), asking.newly.to_string(), asking.no_longer.to_string()])
        .collect();
    rows(&["Who is asked", "More", "No longer"], &asking);
    let unknown: Vec<_> = (report.unknown.iter())
        .map(|unknown| {
            vec![
                unknown.field.clone(),
                unknown.why.clone(),
                unknown.actions.to_string(),
                unknown.first.to_string(),
            ]
        })
        .collect();
    rows(&["Nobody can say", "Why", "Actions", "First record"], &unknown);
    let outside: Vec<_> = found.outside.iter().map(|sentence| vec![sentence.clone()]).collect();
    rows(&["Not looked at"], &outside);
    let taken: Vec<_> = found.taken().into_iter().map(|sentence| vec![sentence]).collect();
    rows(&["Taken"], &taken);
    let listed: Vec<_> = (report.listed.iter())
        .map(|change| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            vec![
                change.time.clone(),
                change.action_id.clone(),
                change.agent.clone(),
                change.action.clone(),
                format!("{} {}", text(&change.amount), text(&change.currency)),
                text(&change.principal),
                change.from.as_str().to_owned(),
                change.to.as_str().to_owned(),
                change.rule.clone(),
                change.message.clone(),
            ]
        })
        .collect();
    let head = [
        "Time",
        "Action",
        "Agent",
        "Operation",
        "Amount",
        "On behalf of",
        "From",
        "To",
        "Rule",
        "Why",
    ];
    rows(&head, &listed);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>Policy simulation</title><style>{STYLE}</style></head>\
         <body>{body}</body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_markup_as_text() {
        let mut found = Found {
            outside: vec!["<script>alert('x')</script>".to_owned()],
            ..Found::default()
        };
        found
            .report
            .by_agent
            .insert("<img src=x onerror=\"y\">".to_owned(), Group::default());
        let page = page(&found);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    }
}
