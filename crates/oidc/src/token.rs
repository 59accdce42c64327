//! What an ID token says of a person, and whether it says it to us, now, for this sign-in (Core 3.1.3.7).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value};

use crate::OidcError;

/// How far clocks may differ.
const LEEWAY_S: u64 = 60;

/// What a token has to say.
pub(crate) struct Wanted<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    /// The claim that is the person's id.
    pub claim: &'a str,
    pub now_s: u64,
}

fn refused(why: &str) -> OidcError {
    OidcError::Refused(format!("the identity provider's token {why}"))
}

impl Wanted<'_> {
    /// The person of a token that is good.
    pub(crate) fn user_of(&self, token: &str) -> Result<String, OidcError> {
        let claims = claims(token).ok_or_else(|| refused("cannot be read"))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(self.issuer) {
            return Err(refused("is of another issuer"));
        }
        let for_us = match claims.get("aud") {
            Some(Value::String(one)) => one == self.client_id,
            Some(Value::Array(many)) => {
                let named = many.iter().any(|one| one.as_str() == Some(self.client_id));
                named && (many.len() == 1 || text("azp") == Some(self.client_id))
            }
            _ => false,
        };
        if !for_us || text("azp").is_some_and(|party| party != self.client_id) {
            return Err(refused("is for somebody else"));
        }
        let expires = claims
            .get("exp")
            .and_then(Value::as_u64)
            .ok_or_else(|| refused("never ends"))?;
        if expires + LEEWAY_S < self.now_s {
            return Err(refused("is over"));
        }
        if text("nonce") != Some(self.nonce) {
            return Err(refused("is for another sign-in"));
        }
        if self.claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(refused("does not say that the address was verified"));
        }
        let user = text(self.claim).filter(|user| !user.is_empty());
        user.map(str::to_owned)
            .ok_or_else(|| refused(&format!("has no `{}`", self.claim)))
    }
}

/// The claims of a signed token in compact form (RFC 7515, 3.1).
fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WANTED: Wanted<'static> = Wanted {
        issuer: "https://id.example.com",
        client_id: "countersign",
        nonce: "n-1",
        claim: "sub",
        now_s: 1_000_000,
    };

    fn good() -> Value {
        json!({"iss": "https://id.example.com", "aud": "countersign", "exp": 1_000_300, "nonce": "n-1", "sub": "dana",
               "email": "dana@example.com", "email_verified": true})
    }

    fn token(claims: &Value) -> String {
        format!(
            "{}.{}.",
            BASE64URL.encode("{\"alg\":\"RS256\"}"),
            BASE64URL.encode(claims.to_string())
        )
    }

    #[test]
    fn a_good_token_says_who_it_is() {
        assert_eq!(WANTED.user_of(&token(&good())).ok().as_deref(), Some("dana"));
        let by_mail = Wanted {
            claim: "email",
            ..WANTED
        };
        assert_eq!(
            by_mail.user_of(&token(&good())).ok().as_deref(),
            Some("dana@example.com")
        );
        let mut several = good();
        several["aud"] = json!(["other", "countersign"]);
        several["azp"] = json!("countersign");
        assert!(WANTED.user_of(&token(&several)).is_ok());
    }

    #[test]
    fn a_token_that_lacks_anything_is_refused() {
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("iss", json!(null)),
            ("aud", json!("other")),
            ("aud", json!(["other", "countersign"])),
            ("aud", json!([])),
            ("azp", json!("other")),
            ("exp", json!(999_000)),
            ("exp", json!("1000300")),
            ("exp", json!(null)),
            ("nonce", json!("n-2")),
            ("nonce", json!(null)),
            ("sub", json!("")),
            ("sub", json!(7)),
        ] {
            let mut claims = good();
            claims[name] = value.clone();
            assert!(WANTED.user_of(&token(&claims)).is_err(), "{name}: {value}");
        }
        let by_mail = Wanted {
            claim: "email",
            ..WANTED
        };
        for verified in [json!(false), json!("true"), json!(null)] {
            let mut claims = good();
            claims["email_verified"] = verified.clone();
            assert!(by_mail.user_of(&token(&claims)).is_err(), "{verified}");
        }
        for text in ["", "a.b", "a.b.c", "a.b.c.d", "..", "e30.e30.e30.e30"] {
            assert!(WANTED.user_of(text).is_err(), "{text}");
        }
    }
}
