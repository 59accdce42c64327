//! The settings of `serve`: one file, the environment over it, flags over both.

mod file;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use countersign_notify::Allowlist;
use countersign_policy::Problem;
use countersign_store_postgres::Address;

use crate::cosign::WitnessAt;
use crate::excerpt;
use crate::failure::{Failure, Result};

/// What the environment's names begin with.
const PREFIX: &str = "COUNTERSIGN_";

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A secret, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hidden(pub(crate) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// The settings; what is not set is left to `serve`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// Targets that callbacks may go to although they are not public.
    pub(crate) allow_callbacks_to: Vec<String>,
    /// Where clients reach this server.
    pub(crate) base_url: Option<String>,
    /// Networks of proxies in front, whose `X-Forwarded-For` is believed.
    pub(crate) behind_proxy: Vec<String>,
    /// The data folder.
    pub(crate) data: Option<PathBuf>,
    /// The database, in place of a data folder.
    pub(crate) database_url: Option<Address>,
    /// How long API keys are good, days; 0 = until they are revoked.
    pub(crate) key_days: Option<u32>,
    /// The instance key.
    pub(crate) key_file: Option<PathBuf>,
    /// Where to listen.
    pub(crate) listen: Option<SocketAddr>,
    /// How logs are written.
    pub(crate) log_format: Option<LogFormat>,
    /// The identity provider's issuer, by which people sign in.
    pub(crate) oidc_issuer: Option<String>,
    /// What the identity provider calls us.
    pub(crate) oidc_client_id: Option<String>,
    /// What proves us to the identity provider.
    pub(crate) oidc_client_secret: Option<Hidden>,
    /// The claim of the identity provider that is a person's id here.
    pub(crate) oidc_user_claim: Option<String>,
    /// Whose policies they are, and whose people the identity provider knows, where the instance has several organizations.
    pub(crate) organization: Option<String>,
    /// The folder of policy documents.
    pub(crate) policies: Option<PathBuf>,
    /// Where the signer's marks lie.
    pub(crate) signer_state: Option<PathBuf>,
    /// The certificate chain, PEM.
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    pub(crate) tls_key: Option<PathBuf>,
    /// Witnesses that checkpoints are brought to.
    pub(crate) witnesses: Vec<String>,
}

/// The names of the settings.
pub(crate) const NAMES: [&str; 19] = [
    "allow_callbacks_to",
    "base_url",
    "behind_proxy",
    "data",
    "database_url",
    "key_days",
    "key_file",
    "listen",
    "log_format",
    "oidc_client_id",
    "oidc_client_secret",
    "oidc_issuer",
    "oidc_user_claim",
    "organization",
    "policies",
    "signer_state",
    "tls_cert",
    "tls_key",
    "witnesses",
];
const LISTS: [&str; 3] = ["allow_callbacks_to", "behind_proxy", "witnesses"];

/// What is wrong with a value, and what to write instead.
pub(crate) type Wrong = (String, String);

impl Config {
    /// Sets one setting, whose name is one of [`NAMES`].
    fn set(&mut self, name: &str, values: &[String]) -> std::result::Result<(), Wrong> {
        if LISTS.contains(&name) {
            for value in values {
                check_member(name, value)?;
            }
            let list = match name {
                "behind_proxy" => &mut self.behind_proxy,
                "witnesses" => &mut self.witnesses,
                _ => &mut self.allow_callbacks_to,
            };
            *list = values.to_vec();
            return Ok(());
        }
        let [value] = values else {
            return Err((format!("`{name}` is one value"), format!("write `{name}: VALUE`")));
        };
        if value.is_empty() {
            return Err((
                format!("`{name}` is empty"),
                "give it a value, or remove the line".to_owned(),
            ));
        }
        match name {
            "base_url" => {
                if !value.starts_with("http://") && !value.starts_with("https://") {
                    let help = "write it as in `https://countersign.example.com`";
                    return Err((format!("`{value}` is not an address"), help.to_owned()));
                }
                self.base_url = Some(value.trim_end_matches('/').to_owned());
            }
            "data" => self.data = Some(value.into()),
            "database_url" => {
                let help = "write it as in `postgres://USER:PASSWORD@HOST:PORT/DATABASE`";
                self.database_url = Some(Address::parse(value).map_err(|error| (error.to_string(), help.to_owned()))?);
            }
            "key_days" => {
                let wrong = || {
                    (
                        format!("`{value}` is not a number of days"),
                        "write 0 to 3650, 0 = for ever".to_owned(),
                    )
                };
                self.key_days = Some(value.parse().ok().filter(|days| *days <= 3650).ok_or_else(wrong)?);
            }
            "key_file" => self.key_file = Some(value.into()),
            "oidc_client_id" => self.oidc_client_id = Some(value.clone()),
            "oidc_client_secret" => self.oidc_client_secret = Some(Hidden(value.clone())),
            "oidc_issuer" => self.oidc_issuer = Some(value.clone()),
            "oidc_user_claim" => self.oidc_user_claim = Some(value.clone()),
            "listen" => {
                let help = "write an IP address and a port, as in `127.0.0.1:7878`";
                self.listen = Some(
                    value
                        .parse()
                        .map_err(|_| (format!("`{value}` is not an address to listen at"), help.to_owned()))?,
                );
            }
            "log_format" => {
                self.log_format = Some(match value.as_str() {
                    "json" => LogFormat::Json,
                    "text" => LogFormat::Text,
                    _ => {
                        return Err((
                            format!("`{value}` is not a log format"),
                            "write `json` or `text`".to_owned(),
                        ));
                    }
                });
            }
            "organization" => self.organization = Some(value.clone()),
            "policies" => self.policies = Some(value.into()),
            "signer_state" => self.signer_state = Some(value.into()),
            "tls_cert" => self.tls_cert = Some(value.into()),
            "tls_key" => self.tls_key = Some(value.into()),
            _other => return Err((format!("there is no setting `{name}`"), suggestion(name))),
        }
        Ok(())
    }

    /// What is wrong with the settings as a whole.
    pub(crate) fn fault(&self) -> Option<Wrong> {
        if self.data.is_some() && self.database_url.is_some() {
            let what = "`data` and `database_url` are both set".to_owned();
            return Some((what, "ledgers lie in one of them: remove the other".to_owned()));
        }
        if self.database_url.is_some() && self.key_file.is_none() {
            let what = "`database_url` is set and `key_file` is not".to_owned();
            let help = "the instance key opens the secrets in the database, so it does not lie there".to_owned();
            return Some((what, help));
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            let (there, missing) = if self.tls_cert.is_some() {
                ("tls_cert", "tls_key")
            } else {
                ("tls_key", "tls_cert")
            };
            return Some((
                format!("`{there}` is set and `{missing}` is not"),
                "TLS needs both".to_owned(),
            ));
        }
        let open = self.listen.is_some_and(|listen| !listen.ip().is_loopback());
        (open && self.tls_cert.is_none() && self.behind_proxy.is_empty()).then(|| {
            let what = "without TLS, only this machine may connect: `listen` is not a loopback address".to_owned();
            (
                what,
                "set `tls_cert` and `tls_key`, or `behind_proxy` if a proxy in front does TLS".to_owned(),
            )
        })
    }
}

fn check_member(name: &str, value: &str) -> std::result::Result<(), Wrong> {
    match name {
        "behind_proxy" => {
            let help = "write a network as in `10.0.0.0/8`";
            let parsed = value.parse::<countersign_server::Network>();
            parsed
                .map(drop)
                .map_err(|_| (format!("`{value}` is not a network"), help.to_owned()))
        }
        "witnesses" => {
            let help = "write the address and the key that it shows at its start, as in `https://witness.example=VKEY`";
            let parsed = value.parse::<WitnessAt>();
            parsed.map(drop).map_err(|what| (what, help.to_owned()))
        }
        _ => match Allowlist::parse([value]) {
            Ok(_) => Ok(()),
            Err(error) => Err((error.to_string(), "name each target by itself".to_owned())),
        },
    }
}

/// Reads a configuration file and the environment over it. All problems of the file come at once.
pub(crate) fn load(path: Option<&Path>, environment: &[(String, String)]) -> Result<Config> {
    let mut config = Config::default();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))?;
        let problems = file::read(&mut config, &path.display().to_string(), &text);
        if !problems.is_empty() {
            return Err(wrong_file(path, &text, &problems));
        }
    }
    from_environment(&mut config, environment)?;
    Ok(config)
}

/// The settings of a text, or what is wrong with it.
pub(crate) fn check(path: &str, text: &str) -> (Config, Vec<Problem>) {
    let mut config = Config::default();
    let problems = file::read(&mut config, path, text);
    (config, problems)
}

/// The text as it may be shown: the url of a database has a password, so nothing of it is left.
pub(crate) fn showable(text: &str) -> String {
    let starred = |text: &str| -> String { text.chars().map(|c| if c.is_whitespace() { c } else { '*' }).collect() };
    let mut continues = false;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let value = line
            .split_once("database_url")
            .and_then(|(_, rest)| rest.split_once(':'));
        let hidden = match value {
            Some((_, value)) => value,
            None if continues => line,
            None => "",
        };
        let shown = line.strip_suffix(hidden).unwrap_or_default();
        lines.push(format!("{shown}{}", starred(hidden)));
        // The value may stand on the next line.
        continues = hidden.trim().is_empty() && (continues || value.is_some());
    }
    lines.join("\n")
}

fn wrong_file(path: &Path, text: &str, problems: &[Problem]) -> Failure {
    let text = &showable(text);
    let name = path.display().to_string();
    let rendered: Vec<String> = problems
        .iter()
        .map(|problem| excerpt::render(problem, &name, text))
        .collect();
    Failure::usage(format!("the configuration is not right\n\n{}", rendered.join("\n")))
        .next(format!("mend it and look again with `countersign config check {name}`"))
}

/// Names of the environment that this process has and that begin as ours do.
pub(crate) fn environment() -> Vec<(String, String)> {
    let ours = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((
            name.into_string().ok().filter(|name| name.starts_with(PREFIX))?,
            value.into_string().ok()?,
        ))
    };
    let mut names: Vec<_> = std::env::vars_os().filter_map(ours).collect();
    names.sort();
    names
}

/// Takes `COUNTERSIGN_…` over what is set. Lists are written with commas. Names that are not settings are left alone:
/// other programs, such as Kubernetes, put names of their own there.
pub(crate) fn from_environment(config: &mut Config, environment: &[(String, String)]) -> Result<()> {
    for (name, value) in environment {
        let setting = name.trim_start_matches(PREFIX).to_ascii_lowercase();
        if !NAMES.contains(&setting.as_str()) {
            continue;
        }
        let values: Vec<String> = if LISTS.contains(&setting.as_str()) {
            value
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        } else {
            vec![value.trim().to_owned()]
        };
        config
            .set(&setting, &values)
            .map_err(|(what, help)| Failure::usage(format!("environment variable `{name}`: {what}")).next(help))?;
    }
    Ok(())
}

/// What to write instead of a name that is none.
fn suggestion(name: &str) -> String {
    let bare = name.replace('-', "_").to_ascii_lowercase();
    let near = NAMES.iter().map(|known| (distance(&bare, known), *known)).min();
    match near {
        Some((distance, known)) if distance <= 1 + name.len() / 4 => format!("did you mean `{known}`?"),
        _ => format!("settings are {}", NAMES.join(", ")),
    }
}

/// Insertions, deletions and replacements that lead from one to the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, a) in left.chars().enumerate() {
        let mut next = vec![at + 1];
        for (column, b) in right.iter().enumerate() {
            let replaced = row.get(column).copied().unwrap_or_default() + usize::from(a != *b);
            let inserted = next.get(column).copied().unwrap_or_default() + 1;
            let deleted = row.get(column + 1).copied().unwrap_or_default() + 1;
            next.push(replaced.min(inserted).min(deleted));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
