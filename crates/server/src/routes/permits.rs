//! Permits: shown before the action runs, used once.

use countersign_api::approvals::{RedeemAnswer, RedeemBody};
use countersign_api::convert;
use countersign_core::ids::{ActionId, PermitId};
use countersign_engine::{Caller, RedeemRequest};

use super::handlers;
use crate::body;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "redeem" => Caller redeem,
}

async fn redeem(asked: Asked<Caller>) -> Answer {
    let body::Parsed { typed, mut members } = body::parse::<RedeemBody>(asked.bytes())?;
    let what = match (members.remove("action"), typed.action_digest) {
        (Some(action), None) => RedeemRequest::Action(action),
        (None, Some(digest)) => RedeemRequest::Digest(digest.0.parse().map_err(|_| {
            Problem::invalid(
                "invalid_value",
                "`action_digest` is not a digest of 64 hexadecimal digits",
            )
        })?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::invalid(
                "missing_field",
                "one of `action` and `action_digest` is needed, and not both",
            ));
        }
    };
    let (redeemed, replayed) = asked.app.engine.redeem(&asked.request(), &typed.permit.0, what).await?;
    let permit: PermitId = redeemed.claims.jti.parse().map_err(Problem::internal)?;
    let answer = RedeemAnswer {
        go: true,
        action_id: ActionId::from(permit).to_string(),
        agent: redeemed.claims.sub,
        constraints: convert::constraints(&redeemed.claims.cst),
        receipt: redeemed.receipt,
    };
    Ok(json(&answer)?.replayed(replayed))
}
