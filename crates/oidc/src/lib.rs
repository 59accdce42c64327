//! Signing in by an OpenID Connect provider: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636).
//!
//! The ID token comes straight from the provider's token endpoint, over TLS whose certificate is checked, so TLS vouches for
//! it in place of its signature (Core 3.1.3.7, item 6). Plain HTTP is taken from this machine alone. What is checked of the
//! token: issuer, audience, authorized party, expiry, nonce.

mod token;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use url::Url;

/// How long the provider may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer of a provider.
const LONGEST_ANSWER: usize = 256 * 1024;

/// The provider, and what it knows of us.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its issuer identifier, under which its configuration is found.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What proves us to it; none for a public client.
    pub client_secret: Option<String>,
    /// The claim that is the id of a person here, such as `sub`, `email` or `preferred_username`. `email` counts only where
    /// the provider says that it is verified.
    pub user_claim: String,
}

/// Why somebody cannot be signed in by the provider.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The settings are not ones.
    #[error("{0}")]
    Settings(String),
    /// The provider does not answer as it should.
    #[error("the identity provider: {0}")]
    Provider(String),
    /// What it says of the person is not good enough.
    #[error("{0}")]
    Refused(String),
}

/// What begins one sign-in. Whoever began it keeps all but the address.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Where the person goes.
    pub url: String,
    /// What the provider brings back, so that an answer belongs to a question.
    pub state: String,
    /// What the token has to say.
    pub nonce: String,
    /// What proves that whoever finishes is who began (PKCE).
    pub verifier: String,
}

/// What the provider brought back, with what was kept.
pub struct Answer<'a> {
    /// The code.
    pub code: &'a str,
    /// As it was begun.
    pub nonce: &'a str,
    /// As it was begun.
    pub verifier: &'a str,
    /// Where the provider sent the person.
    pub redirect: &'a str,
}

/// A provider.
pub struct Provider {
    settings: Settings,
    http: reqwest::Client,
    known: Mutex<Option<Endpoints>>,
}

/// What is used of the provider's configuration (OpenID Connect Discovery 1.0, section 3).
#[derive(Clone, Debug, Deserialize)]
struct Endpoints {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
}

/// What is used of a token answer (Core 3.1.3.3).
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

impl Provider {
    /// A provider by its settings; nothing is asked of it yet.
    ///
    /// # Errors
    /// The issuer is no address that may be asked, or TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Provider, OidcError> {
        check_address(&settings.issuer)?;
        if settings.client_id.is_empty() || settings.user_claim.is_empty() {
            return Err(OidcError::Settings("a client id and a claim are needed".to_owned()));
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OidcError::Settings(error.to_string()))?;
        let tls = with_roots(tls, settings.issuer.starts_with("https://"))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| OidcError::Settings(error.to_string()))?;
        Ok(Provider {
            settings,
            http,
            known: Mutex::new(None),
        })
    }

    /// The provider's name for people: the host of its issuer.
    pub fn name(&self) -> String {
        let url = Url::parse(&self.settings.issuer).ok();
        url.and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Begins a sign-in that comes back to `redirect`.
    ///
    /// # Errors
    /// The provider's configuration cannot be had.
    pub async fn begin(&self, redirect: &str) -> Result<Begun, OidcError> {
        let endpoints = self.endpoints().await?;
        let (state, nonce, verifier) = (random()?, random()?, random()?);
        let challenge = BASE64URL.encode(Sha256::digest(verifier.as_bytes()));
        let mut url = Url::parse(&endpoints.authorization_endpoint).map_err(provider)?;
        let scope = if self.settings.user_claim == "sub" {
            "openid"
        } else {
            "openid email profile"
        };
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", scope)
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Begun {
            url: url.into(),
            state,
            nonce,
            verifier,
        })
    }

    /// Who the person is whom the provider sent back: the id that the person has here.
    ///
    /// # Errors
    /// The provider does not take the code, or its token is not for us, not for this sign-in, or says too little.
    pub async fn finish(&self, answer: &Answer<'_>) -> Result<String, OidcError> {
        let endpoints = self.endpoints().await?;
        let mut request = self.http.post(&endpoints.token_endpoint);
        if let Some(secret) = &self.settings.client_secret {
            // RFC 6749, 2.3.1: both are form-encoded before they become a header.
            request = request.basic_auth(encoded(&self.settings.client_id), Some(encoded(secret)));
        }
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(self.form(answer));
        let answered: TokenAnswer = self.read(request).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(provider)?;
        let wanted = token::Wanted {
            issuer: &endpoints.issuer,
            client_id: &self.settings.client_id,
            nonce: answer.nonce,
            claim: &self.settings.user_claim,
            now_s: now.as_secs(),
        };
        wanted.user_of(&answered.id_token)
    }

    /// What the token endpoint is sent. A client without a secret says there who it is.
    fn form(&self, answer: &Answer<'_>) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", answer.code)
            .append_pair("redirect_uri", answer.redirect)
            .append_pair("code_verifier", answer.verifier);
        if self.settings.client_secret.is_none() {
            form.append_pair("client_id", &self.settings.client_id);
        }
        form.finish()
    }

    /// The provider's endpoints, asked for once.
    async fn endpoints(&self) -> Result<Endpoints, OidcError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref() {
            return Ok(known.clone());
        }
        let issuer = self.settings.issuer.trim_end_matches('/');
        let address = format!("{issuer}/.well-known/openid-configuration");
        let found: Endpoints = self.read(self.http.get(address)).await?;
        // Discovery 4.3: whoever answers for an issuer has to be it.
        if found.issuer.trim_end_matches('/') != issuer {
            return Err(OidcError::Provider(format!(
                "`{}` says that it is another issuer",
                self.settings.issuer
            )));
        }
        for endpoint in [&found.authorization_endpoint, &found.token_endpoint] {
            check_address(endpoint)?;
        }
        *known = Some(found.clone());
        Ok(found)
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, OidcError> {
        let mut answer = request
            .header("accept", "application/json")
            .send()
            .await
            .map_err(provider)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(provider)? {
            if body.len() + part.len() > LONGEST_ANSWER {
                return Err(OidcError::Provider("its answer is too long".to_owned()));
            }
            body.extend_from_slice(&part);
        }
        if !status.is_success() {
            // What else stands there may be a secret.
            return Err(OidcError::Provider(format!("it answered {}", status.as_u16())));
        }
        serde_json::from_slice(&body).map_err(|_| OidcError::Provider("its answer cannot be read".to_owned()))
    }
}

fn with_roots(
    tls: rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>,
    needed: bool,
) -> Result<rustls::ClientConfig, OidcError> {
    if !needed {
        return Ok(tls
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth());
    }

    let tls = tls
        .with_platform_verifier()
        .map_err(|error| OidcError::Settings(error.to_string()))?;
    Ok(tls.with_no_client_auth())
}

fn provider(error: impl std::fmt::Display) -> OidcError {
    OidcError::Provider(error.to_string())
}

/// An address that may be asked: over TLS, or on this machine.
fn check_address(text: &str) -> Result<(), OidcError> {
    let url = Url::parse(text).map_err(|_| OidcError::Settings(format!("`{text}` is not an address")))?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(()),
        "http" if here => Ok(()),
        _ => Err(OidcError::Settings(format!("`{text}` is not reached over https"))),
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// 256 random bits as text.
fn random() -> Result<String, OidcError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(provider)?;
    Ok(BASE64URL.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(issuer: &str) -> Settings {
        Settings {
            issuer: issuer.to_owned(),
            client_id: "countersign".to_owned(),
            client_secret: None,
            user_claim: "sub".to_owned(),
        }
    }

    #[test]
    fn a_provider_is_reached_over_tls_or_on_this_machine() {
        for fine in [
            "https://id.example.com",
            "http://localhost:9400",
            "http://127.0.0.1:9400/",
        ] {
            assert!(Provider::new(settings(fine)).is_ok(), "{fine}");
        }
        for bad in [
            "http://id.example.com",
            "ftp://localhost",
            "id.example.com",
            "",
            "http://localhost.example.com",
        ] {
            assert!(Provider::new(settings(bad)).is_err(), "{bad}");
        }
    }
}
