//! The keys of an authorization server: read from a file or fetched from its address, kept for a while, and looked for anew
//! when a token names one that is not known.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use countersign_client::{Method, Streaming};
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use crate::stdio::lock;

/// How long what is used, and waited for.
#[derive(Clone, Copy)]
struct Pace {
    /// How long keys are used without a look whether they are others now.
    fresh: Duration,
    /// How long they are used at most while nobody can look.
    stale: Duration,
    /// How long after one look the next one is: whoever makes names of keys up has nobody asked.
    pause: Duration,
    /// How long the issuer may take.
    patience: Duration,
}

const USUAL: Pace = Pace {
    fresh: Duration::from_secs(10 * 60),
    stale: Duration::from_secs(60 * 60),
    pause: Duration::from_secs(10),
    patience: Duration::from_secs(10),
};
/// The longest set of keys.
const LONGEST: usize = 256 * 1024;

/// What a token says of the key that signed it.
pub(super) struct Sought<'a> {
    pub(super) kid: Option<&'a str>,
    pub(super) algorithm: Algorithm,
}

enum Source {
    File(PathBuf),
    Address(Streaming),
}

struct Key {
    jwk: Jwk,
    key: DecodingKey,
}

#[derive(Default)]
struct Known {
    keys: Vec<Key>,
    /// When they were got.
    since: Option<Instant>,
}

/// The keys of one issuer.
pub(super) struct Keys {
    source: Source,
    pace: Pace,
    known: Mutex<Known>,
    /// When it was last tried to get them. Who holds it gets them; whoever has a key that is good does not wait for that.
    tried: tokio::sync::Mutex<Option<Instant>>,
}

fn age(at: Option<Instant>) -> Duration {
    at.map_or(Duration::MAX, |at| at.elapsed())
}

impl Keys {
    /// The keys at an address, or in a file.
    pub(super) fn new(place: &str) -> Result<Keys, String> {
        let mut known = Known::default();
        let source = if place.contains("://") {
            Source::Address(Streaming::new(place).map_err(|error| error.to_string())?)
        } else {
            let path = PathBuf::from(place);
            known.keys = read(&file(&path)?)?;
            known.since = Some(Instant::now());
            Source::File(path)
        };
        Ok(Keys {
            source,
            pace: USUAL,
            known: Mutex::new(known),
            tried: tokio::sync::Mutex::default(),
        })
    }

    /// The key that a token says it is signed by; nothing if there is none.
    ///
    /// # Errors
    /// If it cannot be looked for.
    pub(super) async fn find(&self, sought: &Sought<'_>) -> Result<Option<DecodingKey>, String> {
        if let Some(key) = self.within(self.pace.fresh, sought) {
            return Ok(Some(key));
        }
        let mut tried = match (self.tried.try_lock(), self.within(self.pace.stale, sought)) {
            (Ok(tried), _) => tried,
            // Somebody else is looking, and this one is still good.
            (Err(_), Some(key)) => return Ok(Some(key)),
            (Err(_), None) => self.tried.lock().await,
        };
        if let Some(key) = self.within(self.pace.fresh, sought) {
            return Ok(Some(key));
        }
        if age(*tried) >= self.pace.pause {
            let got = self.get().await;
            // The pause is from the end on: an issuer that hangs is not asked by one waiter after the other.
            *tried = Some(Instant::now());
            match got {
                Ok(keys) => {
                    let since = Some(Instant::now());
                    *lock(&self.known) = Known { keys, since };
                }
                Err(why) if age(lock(&self.known).since) >= self.pace.stale => return Err(why),
                // They were good a while ago.
                Err(_) => {}
            }
        }
        if age(lock(&self.known).since) >= self.pace.stale {
            return Err("the keys of the authorization server are not known".to_owned());
        }
        Ok(self.within(self.pace.stale, sought))
    }

    /// No key is fresh, and the issuer may take no more than an instant.
    #[cfg(test)]
    pub(super) fn impatient(&mut self) {
        self.pace.fresh = Duration::ZERO;
        self.pace.patience = Duration::from_millis(200);
    }

    /// As if it had not been looked for a while.
    #[cfg(test)]
    pub(super) async fn paused(&self) {
        *self.tried.lock().await = None;
    }

    fn within(&self, limit: Duration, sought: &Sought<'_>) -> Option<DecodingKey> {
        let known = lock(&self.known);
        known.find(sought).filter(|_| age(known.since) < limit)
    }

    async fn get(&self) -> Result<Vec<Key>, String> {
        match &self.source {
            // Where the file is, is not for whoever shows a token.
            Source::File(path) => {
                let text = file(path).map_err(|_| "the keys of the authorization server cannot be read".to_owned());
                read(&text?)
            }
            Source::Address(http) => {
                let fetched = tokio::time::timeout(self.pace.patience, fetch(http)).await;
                read(&fetched.map_err(|_| "the authorization server takes too long to give its keys".to_owned())??)
            }
        }
    }
}

impl Known {
    /// The one key that a token may be signed by. Two that may are none.
    fn find(&self, sought: &Sought<'_>) -> Option<DecodingKey> {
        let mut fit = self.keys.iter().filter(|key| key.fits(sought));
        let (first, second) = (fit.next(), fit.next());
        first.filter(|_| second.is_none()).map(|key| key.key.clone())
    }
}

impl Key {
    fn fits(&self, sought: &Sought<'_>) -> bool {
        let of = &self.jwk.common;
        let signs = of
            .public_key_use
            .as_ref()
            .is_none_or(|for_what| *for_what == PublicKeyUse::Signature);
        let algorithm = of
            .key_algorithm
            .as_ref()
            .is_none_or(|only| same(only, sought.algorithm));
        let named = sought.kid.is_none_or(|kid| of.key_id.as_deref() == Some(kid));
        named && signs && algorithm && self.key.family() == sought.algorithm.family()
    }
}

fn same(only: &KeyAlgorithm, algorithm: Algorithm) -> bool {
    only.to_string()
        .parse::<Algorithm>()
        .is_ok_and(|only| only == algorithm)
}

fn file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("the keys in `{}` cannot be read: {error}", path.display()))
}

async fn fetch(http: &Streaming) -> Result<Vec<u8>, String> {
    let unreachable = |error: countersign_client::ClientError| error.to_string();
    let accept = [(
        "accept".to_owned(),
        "application/jwk-set+json, application/json".to_owned(),
    )];
    let mut answer = http.send(Method::GET, &accept, None).await.map_err(unreachable)?;
    if answer.status != 200 {
        return Err(format!(
            "the authorization server answers with status {} for its keys",
            answer.status
        ));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.piece().await.map_err(unreachable)? {
        body.extend(piece);
        if body.len() > LONGEST {
            return Err("the keys of the authorization server are too many".to_owned());
        }
    }
    Ok(body)
}

/// The keys of a set that are of a kind that is taken. Others are left out: sets hold keys for other ends too.
fn read(text: &[u8]) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| format!("the keys are no JSON: {error}"))?;
    let listed = set.get("keys").and_then(Value::as_array);
    let listed = listed.ok_or("there is no list `keys` among the keys of the authorization server")?;
    let keys = listed.iter().filter_map(|one| {
        let jwk: Jwk = serde_json::from_value(one.clone()).ok()?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Key { jwk, key })
    });
    Ok(keys.collect())
}
