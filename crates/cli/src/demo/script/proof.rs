//! The record: five sentences about the refund, an export, and what verifies it.

use std::fs;
use std::path::Path;
use std::process::Command;

use countersign_tlog::bundle::verify;

use super::Script;
use super::refund::Refund;
use crate::bundle::{self, Disk, Wanted};
use crate::failure::{Failure, Result};
use crate::sentences;

impl Script<'_> {
    pub(super) async fn proof(&mut self, refund: &Refund) -> Result<()> {
        self.transcript
            .step("Later somebody asks what happened with that refund. The record answers in five sentences.");
        let sentences = sentences::of(&self.admin.client, &refund.id).await?;
        for (question, answer) in &sentences {
            self.transcript.note(&format!("{question} {answer}"));
        }
        self.transcript.expect("five answers", sentences.len() == 5);

        self.transcript
            .step("An auditor trusts nobody: the whole record is exported, with proofs.");
        let out = self.stage.folder.join("export");
        let wanted = Wanted {
            out: &out,
            payloads: true,
            since: None,
            witnesses: &[],
        };
        let written = bundle::write(&self.admin.client, &wanted).await?;
        self.transcript.note(&format!(
            "{} records and {} disclosures are in {}",
            written.size,
            written.disclosed,
            out.display()
        ));
        self.transcript.expect(
            "the log's key that was shown at the beginning",
            written.vkey == self.stage.vkey,
        );

        self.transcript.step("It is verified with the key that was noted at the very beginning: by this program, and by a page of Python that shares no code with it.");
        self.verified(&out, true)?;

        self.transcript
            .step("Now one byte of the record is changed, in a copy. Both see it.");
        let copy = self.stage.folder.join("tampered");
        copy_folder(&out, &copy)?;
        tamper(&copy.join("entries"))?;
        self.verified(&copy, false)?;
        if let Err(error) = fs::remove_dir_all(&copy) {
            return Err(Failure::io("remove", &copy, &error));
        }
        Ok(())
    }

    /// Runs both verifiers.
    fn verified(&mut self, folder: &Path, should_hold: bool) -> Result<()> {
        let vkey = self.stage.vkey.clone();
        let holds = match verify(&vkey, &Disk::open(folder)?, None) {
            Ok(report) => {
                self.transcript.note(&format!(
                    "Rust    verified {} records, root {}",
                    report.size, report.root
                ));
                true
            }
            Err(error) => {
                self.transcript.note(&format!("Rust    refused: {error}"));
                false
            }
        };
        self.transcript.expect(
            if should_hold { "that it holds" } else { "a refusal" },
            holds == should_hold,
        );
        // From this program, not from the bundle: whoever changed the bundle could have changed its verifier.
        let verifier = self.stage.folder.join("verify.py");
        fs::write(&verifier, countersign_tlog::VERIFY_PY).map_err(|error| Failure::io("write", &verifier, &error))?;
        match Command::new("python3").arg(&verifier).arg(&vkey).arg(folder).output() {
            Err(_) => self
                .transcript
                .note("Python  is not installed here; the verifier is verify.py in the export"),
            Ok(output) => {
                let said = if output.stdout.is_empty() {
                    &output.stderr
                } else {
                    &output.stdout
                };
                let said = String::from_utf8_lossy(said);
                let holds = output.status.success();
                let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                self.transcript.note(&format!(
                    "Python  {}: {last}",
                    if holds { "verified" } else { "refused" }
                ));
                self.transcript.expect(
                    if should_hold { "that it holds" } else { "a refusal" },
                    holds == should_hold,
                );
            }
        }
        Ok(())
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let failed = |error: std::io::Error| Failure::io("copy", from, &error);
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(failed)?;
        }
    }
    Ok(())
}

/// Changes one letter in the middle of a file.
fn tamper(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path).map_err(|error| Failure::io("read", path, &error))?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    fs::write(path, bytes).map_err(|error| Failure::io("write", path, &error))
}
