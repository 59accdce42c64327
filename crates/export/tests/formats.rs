//! One record of every type in every format.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod ledger;

use std::collections::BTreeSet;

use countersign_export::{Bound, ExportError, Extract, Extracted, Range, columns, extract, format};
use ledger::{Ledger, Scratch};
use serde_json::Value;

const ALL: Range = Range {
    from: None,
    to_seq: None,
};

async fn write(ledger: &Ledger, name: &str, range: Range, payloads: bool) -> Result<(Scratch, Extracted), ExportError> {
    let scratch = Scratch::new();
    let wanted = Extract {
        format: format(name).unwrap(),
        range,
        payloads,
        progress: &|_| {},
    };
    let written = extract(ledger, &ledger.key(), &scratch.0, &wanted).await?;
    Ok((scratch, written))
}

fn read(scratch: &Scratch, name: &str) -> String {
    std::fs::read_to_string(scratch.0.join(name)).unwrap()
}

/// RFC 4180, strictly: lines of cells.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut inside = false;
    while let Some(c) = chars.next() {
        match (inside, c) {
            (true, '"') if chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
            (true, '"') => inside = false,
            (true, c) => cell.push(c),
            (false, '"') => {
                assert!(cell.is_empty(), "a quote within a plain cell");
                inside = true;
            }
            (false, ',') => line.push(std::mem::take(&mut cell)),
            (false, '\r') => {
                assert_eq!(chars.next(), Some('\n'), "lines end in CR LF");
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            (false, c) => {
                assert_ne!(c, '\n', "lines end in CR LF");
                cell.push(c);
            }
        }
    }
    assert!(!inside && line.is_empty() && cell.is_empty(), "the last line is whole");
    lines
}

#[tokio::test]
async fn json_lines_are_the_canonical_records() {
    let ledger = Ledger::golden();
    let (scratch, written) = write(&ledger, "jsonl", ALL, false).await.unwrap();
    assert_eq!(read(&scratch, "records.jsonl"), ledger.text());
    assert_eq!((written.first, written.records, written.size), (0, 53, 53));
    assert!(read(&scratch, "checkpoint").starts_with("test/t/0/audit/1\n53\n"));
}

#[tokio::test]
async fn csv_has_a_line_for_each_record_and_the_columns_that_it_promises() {
    let ledger = Ledger::golden();
    let (scratch, _) = write(&ledger, "csv", ALL, false).await.unwrap();
    let mut lines = parse_csv(&read(&scratch, "records.csv"));
    let names = lines.remove(0);
    assert_eq!(names, columns().map(|(name, _)| name).collect::<Vec<_>>());
    assert_eq!(lines.len(), 53);
    let at = |name: &str| names.iter().position(|known| known == name).unwrap();
    let records: Vec<Value> = ledger
        .lines
        .borrow()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut filled = BTreeSet::new();
    for (line, record) in lines.iter().zip(&records) {
        assert_eq!(line.len(), names.len());
        assert_eq!(line[at("seq")], record["seq"].to_string());
        assert_eq!(line[at("type")], record["type"].as_str().unwrap());
        assert_eq!(line[at("data")], record["data"].to_string());
        if record["type"] == "decision.made" {
            assert_eq!(line[at("decision")], record["data"]["decision"].as_str().unwrap());
            assert_eq!(line[at("agent")], record["data"]["agent"].as_str().unwrap());
            let permit = record["data"]["permit"]["id"].as_str().unwrap_or_default();
            assert_eq!(line[at("permit")], permit);
        }
        filled.extend(
            names
                .iter()
                .zip(line)
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(name, _)| name.clone()),
        );
    }
    for name in [
        "amount",
        "currency",
        "approval",
        "permit",
        "user",
        "verb",
        "scope",
        "alert",
        "leaf_hash",
    ] {
        assert!(filled.contains(name), "no record has a {name}");
    }
}

#[tokio::test]
async fn what_an_agent_writes_is_no_formula_in_csv() {
    let line = |seq: u64, action: &str| {
        format!(
            "{{\"actor\":{{\"auth\":\"key:k\",\"id\":\"bot\",\"kind\":\"agent\",\"verified\":true}},\"data\":{{\"action\":{},\"amount\":\"-4.50\"}},\
             \"log\":\"{}\",\"prov\":\"reported\",\"seq\":{seq},\"ts\":\"2026-01-05T09:00:00.00000{seq}Z\",\"type\":\"decision.made\",\"v\":1}}",
            Value::from(action),
            ledger::ORIGIN
        )
    };
    let actions = ["=cmd|' /C calc'!A0", "+1", "-1+1", "@x", "\t=1", "\r=1,\"2\"", "fine"];
    let ledger = Ledger::of(actions.iter().zip(0..).map(|(action, seq)| line(seq, action)).collect());
    let (scratch, _) = write(&ledger, "csv", ALL, false).await.unwrap();
    let mut lines = parse_csv(&read(&scratch, "records.csv"));
    let names = lines.remove(0);
    let at = |name: &str| names.iter().position(|known| known == name).unwrap();
    for (line, action) in lines.iter().zip(actions) {
        for cell in line.iter().filter(|cell| !cell.is_empty() && **cell != "-4.50") {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
        let cell = &line[at("action")];
        assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), action);
        assert_eq!(line[at("amount")], "-4.50", "a number stays a number");
    }
}

#[tokio::test]
async fn ocsf_events_have_what_the_class_requires() {
    let ledger = Ledger::golden();
    let (scratch, _) = write(&ledger, "ocsf", ALL, true).await.unwrap();
    let text = read(&scratch, "events.ocsf.jsonl");
    assert_eq!(text.lines().count(), 53);
    let mut activities = BTreeSet::new();
    for (line, record) in text.lines().zip(ledger.lines.borrow().iter()) {
        let event: Value = serde_json::from_str(line).unwrap();
        let record: Value = serde_json::from_str(record).unwrap();
        assert_eq!((&event["class_uid"], &event["category_uid"]), (&6003.into(), &6.into()));
        let activity = event["activity_id"].as_u64().unwrap();
        assert_eq!(event["type_uid"], 600_300 + activity);
        assert_eq!(event["metadata"]["version"], "1.9.0");
        assert_eq!(event["metadata"]["product"]["name"], "Countersign");
        assert!(event["time"].as_u64().unwrap() > 1_700_000_000_000, "milliseconds");
        assert!(event["severity_id"].is_u64() && event["status_id"].is_u64());
        assert!(!event["actor"]["user"]["uid"].as_str().unwrap().is_empty());
        assert!(!event["api"]["operation"].as_str().unwrap().is_empty());
        assert!(!event["src_endpoint"]["uid"].as_str().unwrap().is_empty());
        assert_eq!(event["unmapped"]["data"], record["data"], "nothing is lost");
        activities.insert(activity);
        let control = event["action_id"].is_u64();
        let profiles = event["metadata"]["profiles"].as_array().unwrap();
        assert_eq!(profiles.contains(&"security_control".into()), control);
        if record["type"] == "decision.made" {
            let stopped = event["action_id"] == 2;
            assert_eq!(stopped, record["data"]["status"] == "refused");
            assert_eq!(event["ai_agent"]["uid"], record["data"]["agent"]);
        }
    }
    assert_eq!(activities, BTreeSet::from([1, 3, 4, 99]));
}

#[tokio::test]
async fn a_range_by_index_or_time_leads_to_the_signed_root() {
    let ledger = Ledger::golden();
    let all = ledger.text();
    let lines: Vec<&str> = all.lines().collect();
    for first in 0..53 {
        for last in [first, (first + 5).min(52), 52] {
            let range = Range {
                from: Some(Bound::Seq(first)),
                to_seq: Some(last),
            };
            let (scratch, written) = write(&ledger, "jsonl", range, false).await.unwrap();
            let expected = &lines[first as usize..=last as usize];
            assert_eq!(read(&scratch, "records.jsonl").lines().collect::<Vec<_>>(), expected);
            assert_eq!(written.records, last - first + 1);
        }
    }
    let record: Value = serde_json::from_str(lines[30]).unwrap();
    let from = record["ts"].as_str().unwrap().parse::<Bound>().unwrap();
    let (scratch, written) = write(
        &ledger,
        "jsonl",
        Range {
            from: Some(from),
            to_seq: None,
        },
        false,
    )
    .await
    .unwrap();
    assert_eq!((written.first, written.records), (30, 23));
    assert_eq!(read(&scratch, "records.jsonl").lines().next(), Some(lines[30]));
    let late = "2099-01-01T00:00:00Z".parse::<Bound>().unwrap();
    let (_, written) = write(
        &ledger,
        "jsonl",
        Range {
            from: Some(late),
            to_seq: None,
        },
        false,
    )
    .await
    .unwrap();
    assert_eq!(written.records, 0);
    let beyond = Range {
        from: None,
        to_seq: Some(53),
    };
    assert!(matches!(
        write(&ledger, "jsonl", beyond, false).await,
        Err(ExportError::Usage { .. })
    ));
}

#[tokio::test]
async fn a_changed_record_is_a_finding_wherever_the_range_begins() {
    for first in [0, 1, 7, 20, 32] {
        let ledger = Ledger::golden();
        let honest = ledger.lines.borrow()[40].clone();
        struct Liar(Ledger, String);
        impl countersign_export::Source for Liar {
            async fn checkpoint(&self) -> Result<String, countersign_export::SourceError> {
                self.0.checkpoint().await
            }
            async fn records(&self, from: u64, limit: u64) -> Result<String, countersign_export::SourceError> {
                let page = self.0.records(from, limit).await?;
                Ok(page.replace(&self.1, &self.1.replace("\"v\":1", "\"v\":9")))
            }
            async fn consistency(
                &self,
                from: u64,
                to: u64,
            ) -> Result<Vec<countersign_tlog::Hash>, countersign_export::SourceError> {
                self.0.consistency(from, to).await
            }
            async fn inclusion(
                &self,
                index: u64,
            ) -> Result<countersign_export::Inclusion, countersign_export::SourceError> {
                self.0.inclusion(index).await
            }
            async fn payload(
                &self,
                index: u64,
            ) -> Result<countersign_export::Payload, countersign_export::SourceError> {
                self.0.payload(index).await
            }
        }
        let liar = Liar(ledger, honest);
        let scratch = Scratch::new();
        let wanted = Extract {
            format: format("jsonl").unwrap(),
            range: Range {
                from: Some(Bound::Seq(first)),
                to_seq: None,
            },
            payloads: false,
            progress: &|_| {},
        };
        let key = liar.0.key();
        let refused = extract(&liar, &key, &scratch.0, &wanted).await.unwrap_err();
        assert!(matches!(refused, ExportError::Finding(_)), "{refused}");
    }
}

#[tokio::test]
async fn records_that_were_pruned_and_payloads_that_were_erased_are_left_out_and_counted() {
    let ledger = Ledger::golden();
    let having: Vec<u64> = ledger
        .lines
        .borrow()
        .iter()
        .zip(0..)
        .filter(|(line, _)| line.contains("\"$commit\""))
        .map(|(_, seq)| seq)
        .collect();
    assert!(having.len() > 3, "{having:?}");
    let (erased, kept) = (having[having.len() - 1], having[having.len() - 2]);
    let restricted = having[having.len() - 3];
    ledger.restricted.set(Some(restricted));
    ledger.pruned.set(having[0] + 1);
    ledger.erased.borrow_mut().insert(erased);
    let (scratch, written) = write(&ledger, "jsonl", ALL, true).await.unwrap();
    assert_eq!((written.first, written.records), (having[0] + 1, 52 - having[0]));
    assert_eq!((written.opened, written.gone), (having.len() as u64 - 3, 1));
    assert_eq!(written.restricted, 1);
    let payloads = read(&scratch, "payloads.jsonl");
    assert!(
        payloads.contains(&format!("{{\"index\":{erased},\"state\":\"gone\"}}")),
        "{payloads}"
    );
    assert!(
        payloads.contains(&format!("\"body\":\"{{\\\"of\\\":{kept}}}\"")),
        "{payloads}"
    );
    let line = format!("{{\"index\":{restricted},\"state\":\"restricted\"}}");
    assert!(payloads.contains(&line), "{payloads}");
    for (name, file) in [("csv", "records.csv"), ("ocsf", "events.ocsf.jsonl")] {
        let (scratch, _) = write(&ledger, name, ALL, true).await.unwrap();
        let text = read(&scratch, file);
        assert!(
            ["gone", "open", "restricted"].iter().all(|state| text.contains(state)),
            "{text}"
        );
    }
}

#[cfg(not(feature = "parquet"))]
#[tokio::test]
async fn a_build_without_parquet_says_which_feature_it_lacks() {
    let refused = write(&Ledger::golden(), "parquet", ALL, false).await.err().unwrap();
    assert!(
        matches!(refused, ExportError::MissingFeature { feature: "parquet", .. }),
        "{refused}"
    );
}
