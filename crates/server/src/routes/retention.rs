//! Legal holds and erasures.

use countersign_api::bounded::Moment;
use countersign_api::retention::{
    ErasureAnswer, ErasureBody, ErasuresAnswer, HoldAnswer, HoldBody, HoldReleaseAnswer, HoldsAnswer, LeafHashesAnswer,
    PruneAnswer, PruneBody, WaitingErasure, WhyBody,
};
use countersign_core::Time;
use countersign_core::ids::HoldId;
use countersign_core::state::Hold;
use countersign_engine::{Caller, Erasure, HoldWanted, Request};

use super::handlers;
use crate::authorize::Operator;
use crate::problem::Problem;
use crate::query::{Page, id, time, whole, within};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "holds" => Caller holds,
    "place_hold" => Caller place_hold,
    "release_hold" => Caller release_hold,
    "erasures" => Caller erasures,
    "erase" => Caller erase,
    "leaf_hashes" => Caller leaf_hashes,
    "prune" => Operator prune,
}

fn moment(name: &str, moment: Option<Moment>) -> Result<Option<Time>, Problem> {
    time(name, moment.as_ref().map(|moment| moment.0.as_str()))
}

fn on_the_wire((id, hold): &(HoldId, Hold)) -> HoldAnswer {
    HoldAnswer {
        id: id.to_string(),
        agent: hold.scope.agent.clone(),
        from: hold.scope.from.map(|from| from.to_string()),
        subject: hold.scope.subject.map(|subject| subject.to_string()),
        to: hold.scope.to.map(|to| to.to_string()),
        by: hold.by.clone(),
        placed: hold.placed.to_string(),
        release_requested_by: hold.release.as_ref().map(|(who, _)| who.clone()),
        release_from: hold.release.as_ref().map(|(_, ready)| ready.to_string()),
    }
}

async fn holds(asked: Asked<Caller>) -> Answer {
    let holds = asked.app.engine.holds(&asked.caller).await?;
    json(&HoldsAnswer {
        holds: holds.iter().map(on_the_wire).collect(),
    })
}

async fn place_hold(asked: Asked<Caller>) -> Answer {
    let body: HoldBody = asked.body()?;
    let wanted = HoldWanted {
        agent: body.agent.map(|agent| agent.0),
        from: moment("from", body.from)?,
        subject: body.subject.map(|subject| subject.0),
        to: moment("to", body.to)?,
    };
    let placed = (asked.app.engine)
        .place_hold(&asked.request(), wanted, &body.why.0)
        .await?;
    json(&on_the_wire(&placed))
}

async fn release_hold(asked: Asked<Caller>) -> Answer {
    let body: WhyBody = asked.body()?;
    let hold: HoldId = id("hold", asked.param())?;
    let left = (asked.app.engine)
        .release_hold(&asked.request(), hold, &body.why.0)
        .await?;
    let ready = left.as_ref().and_then(|hold| hold.release.as_ref());
    json(&HoldReleaseAnswer {
        released: left.is_none(),
        release_from: ready.map(|(_, ready)| ready.to_string()),
    })
}

async fn erasures(asked: Asked<Caller>) -> Answer {
    let erasures = asked.app.engine.look(&asked.caller.org, |state| {
        let waiting = state.restricted().iter().map(|(subject, known)| WaitingErasure {
            subject: subject.to_string(),
            by: known.by.clone(),
            confirmed: known.confirmed,
            legal_basis: known.legal_basis.clone(),
            until: known.until.map(|until| until.to_string()),
        });
        waiting.collect()
    });
    json(&ErasuresAnswer {
        erasures: erasures.await?,
    })
}

async fn erase(asked: Asked<Caller>) -> Answer {
    let body: ErasureBody = asked.body()?;
    let basis = body.legal_basis.map(|basis| basis.0);
    let engine = &asked.app.engine;
    let subject = engine.subject(&asked.caller.org, &body.subject.0)?;
    let erasure = engine
        .erase_subject(&asked.request(), &body.subject.0, basis, &body.why.0)
        .await?;
    let (state, until, payloads) = match erasure {
        Erasure::Asked => ("asked", None, None),
        Erasure::Restricted { until } => ("restricted", Some(until.to_string()), None),
        Erasure::Erased { payloads } => ("erased", None, Some(payloads)),
    };
    json(&ErasureAnswer {
        state: state.to_owned(),
        subject: subject.to_string(),
        until,
        payloads,
    })
}

async fn leaf_hashes(asked: Asked<Caller>) -> Answer {
    let Page { from, limit } = asked.query()?;
    let from = whole("from", from)?;
    let limit = within("limit", limit, 1000, 10_000)?;
    let known = asked.app.engine.leaf_hashes(&asked.caller, from, limit).await?;
    json(&LeafHashesAnswer {
        pruned: known.pruned,
        hashes: known.hashes,
        first: known.first,
    })
}

async fn prune(asked: Asked<Operator>) -> Answer {
    let body: PruneBody = asked.body()?;
    let name = asked.param();
    let engine = &asked.app.engine;
    // Only an organization that is there has a scope.
    engine.origin(&name.into())?;
    let caller = Caller::operator(name.into());
    let request = Request {
        caller: &caller,
        route: "prune",
        idempotency_key: None,
        body: &[],
    };
    let before = moment("before", Some(body.before))?.unwrap_or_default();
    let (from, to) = engine.prune(&request, before, &body.why.0).await?;
    json(&PruneAnswer { from, to })
}
