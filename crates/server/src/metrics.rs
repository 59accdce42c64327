//! Counters for operators, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_engine::{BUCKETS, DECISIONS, Engine, Histogram};

/// What is counted of requests.
#[derive(Default)]
pub(crate) struct RequestMetrics {
    duration: Histogram,
    by_class: [AtomicU64; 4],
}

const CLASSES: [&str; 4] = ["2xx", "4xx", "429", "5xx"];

impl RequestMetrics {
    pub(crate) fn observe(&self, status: u16, took: Duration) {
        self.duration.observe(took);
        let class = match status {
            429 => 2,
            400..=499 => 1,
            500..=599 => 3,
            _ => 0,
        };
        if let Some(counter) = self.by_class.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The text.
pub(crate) fn text(engine: &Engine, requests: &RequestMetrics) -> String {
    let metrics = engine.metrics();
    let mut out = String::with_capacity(4096);
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    head(
        &mut out,
        "countersign_decisions_total",
        "counter",
        "Decisions, by what policy said.",
    );
    for (decision, counter) in DECISIONS.iter().zip(&metrics.decisions) {
        line(
            &mut out,
            "countersign_decisions_total",
            &[("decision", decision.as_str())],
            read(counter),
        );
    }
    for (name, about, counter) in [
        ("permits_redeemed", "Permits that were used.", &metrics.redeemed),
        (
            "permits_refused",
            "Permits that were shown and not accepted.",
            &metrics.refused,
        ),
        ("votes", "Votes that were recorded.", &metrics.votes),
        ("alerts", "Alerts that were raised.", &metrics.alerts),
        (
            "callback_attempts",
            "Tries to deliver a callback.",
            &metrics.callback_attempts,
        ),
        (
            "unauthenticated",
            "Requests whose credential was not good.",
            &metrics.unauthenticated,
        ),
        (
            "committed_records",
            "Records that were made durable.",
            &metrics.commits.records,
        ),
        (
            "failed_commits",
            "Commits to the store that failed.",
            &metrics.commits.failed,
        ),
    ] {
        let name = format!("countersign_{name}_total");
        head(&mut out, &name, "counter", about);
        line(&mut out, &name, &[], read(counter));
    }
    let name = "countersign_commit_duration_seconds";
    histogram(
        &mut out,
        name,
        "How long commits to the store took.",
        &metrics.commits.duration,
    );
    head(
        &mut out,
        "countersign_waiting_requests",
        "gauge",
        "Requests that wait for the sequencer, by lane.",
    );
    for (lane, depth) in ["urgent", "write", "read"].into_iter().zip(engine.waiting()) {
        line(
            &mut out,
            "countersign_waiting_requests",
            &[("lane", lane)],
            depth as u64,
        );
    }
    let name = "countersign_restored_ledgers";
    head(
        &mut out,
        name,
        "gauge",
        "Ledgers that are not what was signed for, such as from a restored backup: nothing is recorded in them.",
    );
    line(&mut out, name, &[], engine.restored_ledgers() as u64);
    let name = "countersign_witness_refusals_total";
    head(
        &mut out,
        name,
        "counter",
        "Times that a witness did not vouch for a log, because it knows another history of it.",
    );
    line(&mut out, name, &[], engine.witness_refusals());
    if let Some(age) = engine.witness_age() {
        let name = "countersign_witness_age_seconds";
        head(
            &mut out,
            name,
            "gauge",
            "How long ago the log was cosigned whose last cosignature is the oldest.",
        );
        line(&mut out, name, &[], age);
    }
    head(
        &mut out,
        "countersign_http_requests_total",
        "counter",
        "Requests, by class of status.",
    );
    for (class, counter) in CLASSES.into_iter().zip(&requests.by_class) {
        line(
            &mut out,
            "countersign_http_requests_total",
            &[("status", class)],
            read(counter),
        );
    }
    let name = "countersign_http_request_duration_seconds";
    histogram(
        &mut out,
        name,
        "How long requests took, waits included.",
        &requests.duration,
    );
    out
}

fn head(out: &mut String, name: &str, kind: &str, about: &str) {
    let _ = writeln!(out, "# HELP {name} {about}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    let labels = if labels.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", labels.join(","))
    };
    let _ = writeln!(out, "{name}{labels} {value}");
}

fn histogram(out: &mut String, name: &str, about: &str, histogram: &Histogram) {
    let (buckets, count, sum_us) = histogram.read();
    head(out, name, "histogram", about);
    for (bound, bucket) in BUCKETS.iter().zip(buckets) {
        line(out, &format!("{name}_bucket"), &[("le", &bound.to_string())], bucket);
    }
    line(out, &format!("{name}_bucket"), &[("le", "+Inf")], count);
    let _ = writeln!(out, "{name}_sum {}.{:06}", sum_us / 1_000_000, sum_us % 1_000_000);
    line(out, &format!("{name}_count"), &[], count);
}
