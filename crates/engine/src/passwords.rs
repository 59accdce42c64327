//! Passwords: which are worth something, and their hashes, which the instance key seals.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use countersign_core::Refusal;
use countersign_store::Org;
use zeroize::Zeroizing;

use crate::error::EngineError;
use crate::{Engine, blocking};

/// Of a password, characters.
const PASSWORD_CHARS_AT_LEAST: usize = 12;
/// The kind of secret that a password's hash is.
pub(crate) const PASSWORD_SECRET: &str = "password";

/// OWASP's least for Argon2id: 19 MiB, two passes.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// What is compared where nobody has a password, so that it takes as long.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash("nobody has this password").unwrap_or_default());

pub(crate) fn hash(password: &str) -> Result<String, EngineError> {
    let salt = crate::random::bytes::<16>();
    let hashed = hasher().hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hashed.map_err(EngineError::internal)?.to_string())
}

fn is_right(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok())
}

impl Engine {
    /// Whether this is the person's password; it takes as long where there is none.
    pub(crate) async fn has_password(&self, org: &Org, user: &str, password: &str) -> Result<bool, EngineError> {
        let there = self.signs_in_by_password(org, user).await?;
        let (inner, org, user) = (self.inner.clone(), org.clone(), user.to_owned());
        let password = Zeroizing::new(password.to_owned());
        let _turn = self.inner.tries.turn().await?;
        let checked = blocking(move || {
            let sealed = inner.store.secret(&org, PASSWORD_SECRET, &user)?.filter(|_| there);
            let Some(sealed) = sealed else {
                is_right(&password, &NOBODYS);
                return Ok(false);
            };
            let opened = inner
                .vault
                .open(&org, PASSWORD_SECRET, &user, &sealed)
                .map_err(EngineError::internal)?;
            Ok(is_right(&password, std::str::from_utf8(&opened).unwrap_or_default()))
        });
        checked.await
    }
}

/// Whether a password is worth something: long, and none that is guessed first.
pub(crate) fn check_password(password: &str, names: &[&str]) -> Result<(), Refusal> {
    let refused = |why: &str| {
        Err(Refusal::invalid("weak_password", why)
            .hint("four or five words that do not belong together are a good one"))
    };
    if password.chars().count() < PASSWORD_CHARS_AT_LEAST {
        return refused("a password has 12 characters at least");
    }
    let plain: String = password
        .chars()
        .filter(|c| c.is_alphabetic())
        .collect::<String>()
        .to_lowercase();
    let guessed = COMMON.iter().chain(names).any(|word| {
        let word = word.to_lowercase();
        !word.is_empty() && plain.replace(&word, "").chars().count() < 4
    });
    let mut kinds: Vec<char> = password.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if guessed || kinds.len() < 5 {
        return refused("this password is one of those that are tried first");
    }
    Ok(())
}

/// Words of which a password that is tried first is made.
const COMMON: &[&str] = &[
    "password",
    "passwort",
    "qwertyuiop",
    "qwerty",
    "asdfghjkl",
    "zxcvbnm",
    "letmein",
    "welcome",
    "administrator",
    "admin",
    "iloveyou",
    "countersign",
    "changeme",
    "secret",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "dragon",
    "monkey",
    "master",
    "superman",
    "batman",
    "trustno",
    "whatever",
    "starwars",
    "computer",
    "abcdefghijkl",
    "abc",
    "login",
    "hello",
    "default",
    "guest",
    "test",
    "demo",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_its_hash_and_no_other() {
        let hashed = hash("correct horse battery").expect("hashes");
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(is_right("correct horse battery", &hashed));
        assert!(!is_right("correct horse batterz", &hashed));
        assert!(!is_right("anything", ""));
    }

    #[test]
    fn what_is_tried_first_is_no_password() {
        for weak in [
            "short",
            "Password1234!",
            "aaaaaaaaaaaaaa",
            "dana-dana-dana-1",
            "qwertyuiop12",
            "acme2026acme!",
            "12345678901234",
        ] {
            assert!(check_password(weak, &["dana", "acme"]).is_err(), "{weak}");
        }
        for fine in ["correct horse battery", "Xk3.9-vvQpz!", "grüne wolken 17"] {
            assert!(check_password(fine, &["dana", "acme"]).is_ok(), "{fine}");
        }
    }
}
