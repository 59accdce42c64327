//! Where the database is: a url as libpq writes it, with settings of ours.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::error::OpenError;

/// The schema that our tables lie in, if the url names no other.
const SCHEMA: &str = "countersign";
/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// After so long without an answer to what was sent, the other end is taken for dead.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Not at all.
    Disable,
    /// Encrypted if the server can; it is not asked who it is.
    Prefer,
    /// Encrypted; it is asked who it is only if there is a root certificate to hold its answer against.
    Require,
    /// Encrypted, and the server proves its name.
    VerifyFull,
}

/// Where the database is, and how to get in. Shows itself without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) config: Config,
    pub(crate) protection: Protection,
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) schema: String,
}

impl Address {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?…`. Of the settings after the question mark, `sslmode`
    /// (`disable`, `prefer`, `require`, `verify-full`), `sslrootcert` (a PEM file) and `schema` are ours, the others those
    /// of libpq. Without `sslmode` a server elsewhere has to prove its name; one on this machine need not.
    ///
    /// # Errors
    /// If it is not such a url. The message has nothing of it.
    pub fn parse(url: &str) -> Result<Address, OpenError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        if !base.starts_with("postgres://") && !base.starts_with("postgresql://") {
            return Err(wrong("it does not begin with `postgres://`"));
        }
        let (mut protection, mut root_certificates, mut schema) = (None, None, SCHEMA.to_owned());
        let mut others = Vec::new();
        for setting in query.split('&').filter(|setting| !setting.is_empty()) {
            match setting.split_once('=') {
                Some(("sslmode", value)) => protection = Some(Protection::parse(value)?),
                Some(("sslrootcert", value)) => root_certificates = Some(PathBuf::from(decoded(value)?)),
                Some(("schema", value)) => schema = identifier(value)?,
                _ => others.push(setting),
            }
        }
        // What the driver says about a url that it cannot read may have parts of it, so it is not passed on.
        let mut config = Config::from_str(&format!("{base}?{}", others.join("&")))
            .map_err(|_| wrong("its parts or its settings cannot be read"))?;
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host"));
        }
        let protection = protection.unwrap_or(if is_near(&config) {
            Protection::Prefer
        } else {
            Protection::VerifyFull
        });
        complete(&mut config, protection);
        Ok(Address {
            config,
            protection,
            root_certificates,
            schema,
        })
    }
}

impl Protection {
    fn parse(text: &str) -> Result<Protection, OpenError> {
        match text {
            "disable" => Ok(Protection::Disable),
            "prefer" => Ok(Protection::Prefer),
            "require" => Ok(Protection::Require),
            "verify-full" => Ok(Protection::VerifyFull),
            _ => Err(wrong(
                "`sslmode` is none of `disable`, `prefer`, `require`, `verify-full`",
            )),
        }
    }
}

fn wrong(why: &str) -> OpenError {
    OpenError::Address(why.to_owned())
}

/// What the url leaves open and we do not.
fn complete(config: &mut Config, protection: Protection) {
    let sockets_only = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    config.ssl_mode(match protection {
        _ if sockets_only => SslMode::Disable,
        Protection::Disable => SslMode::Disable,
        Protection::Prefer => SslMode::Prefer,
        Protection::Require | Protection::VerifyFull => SslMode::Require,
    });
    if config.get_application_name().is_none() {
        config.application_name("countersign");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIME);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    config.keepalives_idle(SILENCE / 3);
    config.keepalives_interval(SILENCE / 3);
    config.keepalives_retries(3);
    if config.get_hosts().len() > 1 {
        // Of a primary and its standbys, the one that takes writes.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
}

/// Whether the way to the database stays on this machine.
fn is_near(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        Host::Unix(_) => true,
    })
}

/// A name that needs no quotes.
fn identifier(text: &str) -> Result<String, OpenError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let fine = text.len() <= 63 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain);
    if fine && !text.starts_with("pg_") {
        return Ok(text.to_owned());
    }
    Err(wrong("`schema` is not a name of small letters, digits and underscores"))
}

/// Undoes `%2F` and the like.
fn decoded(text: &str) -> Result<String, OpenError> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, escaped) {
            (b'%', Some(hex)) => {
                bytes.push(
                    u8::from_str_radix(hex, 16).map_err(|_| wrong("`sslrootcert` has a `%` that escapes nothing"))?,
                );
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong("`sslrootcert` is not text"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            let ports = self.config.get_ports();
            if let Some(port) = ports.get(at).or_else(|| ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
