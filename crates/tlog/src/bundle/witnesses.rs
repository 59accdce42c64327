//! Witnesses that the caller demands: each must have cosigned the bundle's checkpoint, or its `checkpoint.witnessed`.

use super::{Bundle, BundleError};
use crate::checkpoint::Checkpoint;
use crate::cosignature::WitnessKey;
use crate::note::{Note, NoteError};

/// The checkpoint that was cosigned last, where that is not the bundle's own.
pub(super) const WITNESSED: &str = "checkpoint.witnessed";

/// What a demanded witness cosigned.
pub(super) struct Witnessed {
    key: WitnessKey,
    /// In the order of the files that were looked at; a witness may have cosigned both.
    found: Vec<(&'static str, u64, u64)>,
}

/// The keys, each once.
pub(super) fn keys(demanded: &[&str]) -> Result<Vec<Witnessed>, BundleError> {
    let mut keys: Vec<Witnessed> = Vec::new();
    for vkey in demanded {
        let key: WitnessKey = vkey
            .trim_end()
            .parse()
            .map_err(|error| BundleError::new("WITNESS", error))?;
        if keys.iter().all(|known| known.key != key) {
            keys.push(Witnessed { key, found: Vec::new() });
        }
    }
    Ok(keys)
}

/// Looks for the cosignatures on a checkpoint of the bundle, whose text is `text`.
pub(super) fn look(
    bundle: &mut Bundle<'_>,
    name: &'static str,
    checkpoint: &Checkpoint,
    witnesses: &mut [Witnessed],
) -> Result<(), BundleError> {
    let text = bundle.read_text(name)?;
    let note = Note::parse(&text).map_err(|error| BundleError::new(name, error))?;
    for witness in witnesses {
        match witness.key.verify(&note) {
            Ok(time) => witness.found.push((name, checkpoint.size, time)),
            Err(NoteError::Unsigned(_)) => {}
            Err(error) => return Err(BundleError::new(name, error)),
        }
        let lines = note.signatures.iter();
        let own = lines.filter(|line| line.name == witness.key.name() && line.id == witness.key.id());
        bundle.foreign_signatures = bundle.foreign_signatures.saturating_sub(own.count());
    }
    Ok(())
}

/// Demands one of each. `head` is how many records the bundle has; `lost` says of a file that it covers records that are lost.
/// Gives what was checked, and what a witness has not seen.
pub(super) fn demand(
    witnesses: &[Witnessed],
    head: u64,
    lost: impl Fn(&str) -> bool,
) -> Result<(Vec<String>, Vec<String>), BundleError> {
    let (mut checked, mut unseen) = (Vec::new(), Vec::new());
    for witness in witnesses {
        let name = witness.key.name();
        let Some((file, size, time)) = witness.found.iter().find(|(file, ..)| !lost(file)) else {
            let what = match witness.found.first() {
                Some((file, ..)) => format!("the witness `{name}` vouches for records in {file} that are lost"),
                None => format!("no cosignature by the witness `{name}`"),
            };
            return Err(BundleError::new("checkpoint", what));
        };
        checked.push(format!(
            "{file}: the witness `{name}` cosigned its {size} records, {time} seconds after the beginning of 1970"
        ));
        if *size < head {
            unseen.push(format!(
                "the last {} records: the witness `{name}` had seen the first {size} when it cosigned",
                head - size
            ));
        }
    }
    Ok((checked, unseen))
}
