//! What happened to a request, told to somebody who was not there: one sentence for each record, and the five questions
//! of an audit answered from them.
//!
//! Names that others chose stand between backticks and words of others between quotation marks, which neither can close.

mod notice;
mod questions;
mod sentence;

use std::collections::BTreeMap;

use countersign_core::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEntry {
    /// When.
    pub at: String,
    /// Index of the record that proves it.
    pub index: u64,
    /// In plain words.
    pub sentence: String,
    /// The record's type.
    pub kind: String,
}

/// A question of an audit, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnsweredQuestion {
    /// The question.
    pub question: String,
    /// Its answer, in sentences.
    pub answer: String,
}

/// What happened to a request, from the action that wanted it to its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineAnswer {
    /// The request.
    pub approval: String,
    /// Where it stands.
    pub state: String,
    /// Who wanted what; what stopped it and why; who was asked and when; who decided what, having seen what; what happened
    /// afterwards and where the proof is.
    pub questions: Vec<AnsweredQuestion>,
    /// In the order of the ledger.
    pub entries: Vec<TimelineEntry>,
}

/// What a timeline is made of.
pub struct Told<'a> {
    /// The ledger's name.
    pub log: &'a str,
    /// The records of one action and of its callbacks, in the order of the ledger.
    pub records: &'a [Record],
    /// What people and agents said, by the index of the record that it lies beside.
    pub words: &'a BTreeMap<u64, String>,
}

/// One entry for each record that says something about the request.
pub fn entries(told: &Told<'_>) -> Vec<TimelineEntry> {
    let entry = |record: &Record| {
        Some(TimelineEntry {
            at: record.ts.to_string(),
            index: record.seq,
            sentence: sentence::of(record, told)?,
            kind: record.event.kind().to_owned(),
        })
    };
    told.records.iter().filter_map(entry).collect()
}

/// The five questions and their answers.
pub fn questions(told: &Told<'_>) -> Vec<AnsweredQuestion> {
    questions::answered(told)
}

#[cfg(test)]
mod tests;
