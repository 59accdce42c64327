//! The task of `serve` that brings each log's newest checkpoint to its witnesses, beside everything else: nothing waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_engine::{Caller, Engine};

use crate::cosign::{REFUSED, WitnessAt};
use crate::failure::{Failure, Result};

/// How long a witness has for a checkpoint: the others wait.
const PATIENCE: Duration = Duration::from_secs(15);

/// Goes round for ever, every `interval`.
pub(crate) async fn bring(engine: Engine, witnesses: Vec<WitnessAt>, interval: Duration) {
    let (mut vouching, mut failing) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let rows = engine.organizations().await.unwrap_or_default();
        for org in rows.into_iter().map(|row| row.name) {
            for witness in &witnesses {
                let place = (org.to_string(), witness.name().to_owned());
                match one(&engine, &Caller::operator(org.clone()), witness).await {
                    Ok(()) => {
                        failing.remove(&place);
                        if vouching.insert(place) {
                            tracing::info!(organization = %org, witness = witness.name(), "a witness vouches for a log");
                        }
                    }
                    Err(failure) => {
                        if failure.code == REFUSED {
                            engine.count_witness_refusal();
                        }
                        // Once, not every minute.
                        if failing.insert(place) {
                            let hint = failure.next.unwrap_or_default();
                            tracing::warn!(organization = %org, witness = witness.name(), hint, "{}", failure.what);
                        }
                    }
                }
            }
        }
        tokio::time::sleep(interval).await;
    }
}

async fn one(engine: &Engine, caller: &Caller, witness: &WitnessAt) -> Result<()> {
    let (_, checkpoint) = engine.plain_checkpoint(caller).await?;
    let prover = (engine, caller);
    let asked = tokio::time::timeout(PATIENCE, witness.cosign(&prover, &checkpoint));
    let Ok(lines) = asked.await else {
        let what = format!("the witness `{}` did not answer in time", witness.name());
        return Err(Failure::unreachable(what));
    };
    let lines = lines?;
    engine
        .keep_cosignature(&caller.org, &checkpoint, witness.name(), &lines)
        .await;
    Ok(())
}
