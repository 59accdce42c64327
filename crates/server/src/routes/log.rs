//! The log: its tiles, and what the operator at the machine does with its epochs and its key.

use std::sync::Arc;

use countersign_api::audit::{LogEnd, NewEpochBody, OpenedEpochAnswer, ReaderAnswer, RotatedKeyAnswer};
use countersign_engine::{Caller, Request, Tile};

use super::handlers;
use crate::authorize::Operator;
use crate::problem::Problem;
use crate::query::id;
use crate::reply::{Answer, Reply, json};
use crate::way::Asked;

handlers! {
    "log_checkpoint" => Caller checkpoint,
    "log_tile" => Caller tile,
    "open_epoch" => Operator open_epoch,
    "rotate_log_key" => Operator rotate_log_key,
    "least_reader" => Operator least_reader,
    "raise_min_reader" => Operator raise_min_reader,
}

async fn checkpoint(asked: Asked<Caller>) -> Answer {
    let (_, checkpoint) = asked.app.engine.checkpoint(&asked.caller).await?;
    Ok(Reply::bytes("text/plain; charset=utf-8", checkpoint.into_bytes()))
}

async fn tile(asked: Asked<Caller>) -> Answer {
    let tile: Tile = id("tile", asked.param())?;
    let bytes = asked.app.engine.tile(&asked.caller, tile).await?;
    let mut reply = Reply::bytes("application/octet-stream", bytes);
    reply.lasts = tile.is_full();
    Ok(reply)
}

async fn open_epoch(asked: Asked<Operator>) -> Answer {
    let NewEpochBody { why } = asked.body()?;
    let caller = operator_of(&asked).await?;
    let opened = asked.app.engine.open_epoch(&request(&caller), &why.0).await?;
    let answer = OpenedEpochAnswer {
        epoch: opened.epoch,
        origin: opened.origin,
        vkey: opened.vkey,
        size: opened.size,
        mark: opened.mark.map(|mark| LogEnd {
            origin: mark.log,
            root: mark.root.to_string(),
            size: mark.size,
        }),
    };
    Ok(json(&answer)?.created())
}

async fn rotate_log_key(asked: Asked<Operator>) -> Answer {
    let caller = operator_of(&asked).await?;
    let rotated = asked.app.engine.rotate_log_key(&request(&caller)).await?;
    let answer = RotatedKeyAnswer {
        vkey: rotated.vkey,
        old_vkey: rotated.old_vkey,
        until: rotated.until.to_string(),
    };
    Ok(json(&answer)?.created())
}

async fn least_reader(asked: Asked<Operator>) -> Answer {
    let caller = operator_of(&asked).await?;
    let engine = &asked.app.engine;
    let least = engine.least_reader(&caller.org).await?.reader;
    json(&ReaderAnswer {
        least,
        own: engine.own_reader(),
    })
}

async fn raise_min_reader(asked: Asked<Operator>) -> Answer {
    let caller = operator_of(&asked).await?;
    let engine = &asked.app.engine;
    let least = engine.raise_min_reader(&request(&caller)).await?.reader;
    json(&ReaderAnswer {
        least,
        own: engine.own_reader(),
    })
}

/// The operator, in the organization that the path names.
async fn operator_of(asked: &Asked<Operator>) -> Result<Caller, Problem> {
    let rows = asked.app.engine.organizations().await?;
    let named = rows
        .into_iter()
        .map(|row| row.name)
        .find(|name| **name == *asked.param());
    let org: Arc<str> = named.ok_or_else(|| Problem::missing("organization", asked.param()))?;
    Ok(Caller::operator(org))
}

fn request(caller: &Caller) -> Request<'_> {
    Request {
        caller,
        route: "log",
        idempotency_key: None,
        body: &[],
    }
}
