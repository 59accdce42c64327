//! Which receivers may be contacted.
//!
//! Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and successors), RFC 6052 (NAT64), RFC 3056 (6to4),
//! RFC 4380 (Teredo), OWASP ASVS 5.0 1.3.6.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::{Host, Url};

/// Whether an address belongs to somebody on the public internet.
///
/// Addresses that carry an IPv4 address (mapped, NAT64, 6to4, Teredo …) are refused whatever they carry: no receiver needs them.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let octets = address.octets();
    let special = match octets {
        [0 | 10 | 127, ..] => true,                    // this network, private, loopback
        [100, 64..=127, ..] => true,                   // carrier-grade NAT
        [169, 254, ..] => true,                        // link-local, cloud metadata
        [172, 16..=31, ..] => true,                    // private
        [192, 0, 0 | 2, _] => true,                    // IETF protocols, documentation
        [192, 31, 196, _] | [192, 175, 48, _] => true, // AS112
        [192, 52, 193, _] => true,                     // AMT
        [192, 88, 99, _] => true,                      // 6to4 relays
        [192, 168, ..] => true,                        // private
        [198, 18 | 19, ..] => true,                    // benchmarks
        [198, 51, 100, _] | [203, 0, 113, _] => true,  // documentation
        [168, 63, 129, 16] => true,                    // Azure's platform services
        [224..=255, ..] => true,                       // multicast, reserved, broadcast
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let special = match address.segments() {
        [0x2001, 0..=0x01FF, ..] => true,     // IETF protocols: Teredo, benchmarks, ORCHID
        [0x2001, 0x0DB8, ..] => true,         // documentation
        [0x2002, ..] => true,                 // 6to4
        [0x2620, 0x004F, 0x8000, ..] => true, // AS112
        [0x3FFF, 0..=0x0FFF, ..] => true,     // documentation
        // Global unicast is 2000::/3. All else is not given out: unspecified, loopback, mapped, NAT64, unique and link local, multicast …
        [first, ..] => first & 0xE000 != 0x2000,
    };
    !special
}

/// Targets that an operator has named (`--allow-callbacks-to host:port`): these, and only these, may be private and speak plain HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowlist(BTreeSet<(String, u16)>);

impl Allowlist {
    /// Reads `host:port` texts, such as `127.0.0.1:9000`, `[::1]:9000` or `hooks.internal:8080`.
    ///
    /// # Errors
    ///
    /// The first text that is no such pair; wildcards and missing ports are refused.
    pub fn parse<'a>(targets: impl IntoIterator<Item = &'a str>) -> Result<Self, AllowlistError> {
        targets
            .into_iter()
            .map(parse_target)
            .collect::<Result<_, _>>()
            .map(Allowlist)
    }

    fn contains(&self, host: &str, port: u16) -> bool {
        self.0
            .iter()
            .any(|(allowed, allowed_port)| allowed == host && *allowed_port == port)
    }

    /// The targets as `host:port`, to be printed at start and recorded.
    pub fn targets(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(host, port)| format!("{host}:{port}"))
    }
}

fn parse_target(text: &str) -> Result<(String, u16), AllowlistError> {
    let error = || AllowlistError(text.to_owned());
    let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
    let port = u16::from_str(port).ok().filter(|port| *port != 0).ok_or_else(error)?;
    // The same normalization as the hosts of URLs get, so that both compare as text.
    let url = Url::parse(&format!("http://{host}:{port}/")).map_err(|_| error())?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && !host.contains(['*', '/', '@', '?', '#']);
    let host = url.host_str().filter(|_| plain).ok_or_else(error)?;
    Ok((host.trim_end_matches('.').to_owned(), port))
}

/// Not a `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a target: write one host and one port, such as `127.0.0.1:9000`")]
pub struct AllowlistError(String);

/// A URL that messages may be sent to, as far as its text tells; its addresses are checked at each delivery.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) url: Url,
    /// As a resolver takes it: without brackets and without a final dot.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The operator has named exactly this host and port.
    pub(crate) lifted: bool,
}

/// The longest URL in bytes.
const LONGEST_URL: usize = 2048;

impl Target {
    /// Reads a URL: `https` on port 443 or 8443 to a public name or address, without user, password and fragment, or any
    /// `http` or `https` URL to a host and port in `allowlist`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str, allowlist: &Allowlist) -> Result<Self, TargetError> {
        // A URL parser drops tabs and line breaks and turns backslashes: what is checked must be what was written.
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if text.len() > LONGEST_URL || text.contains(odd) {
            return Err(TargetError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| TargetError::Malformed)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(TargetError::Scheme);
        }
        let authority = text
            .split_once("://")
            .and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
        if !url.username().is_empty() || url.password().is_some() || authority.is_none_or(|part| part.contains('@')) {
            return Err(TargetError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        let port = url.port_or_known_default().ok_or(TargetError::Port)?;
        let shown = url
            .host_str()
            .ok_or(TargetError::Host)?
            .trim_end_matches('.')
            .to_owned();
        let lifted = allowlist.contains(&shown, port);
        if !lifted {
            if url.scheme() != "https" {
                return Err(TargetError::Scheme);
            }
            if !matches!(port, 443 | 8443) {
                return Err(TargetError::Port);
            }
            check_host(&url, authority.unwrap_or_default())?;
        }
        let host = shown.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Target {
            url,
            host,
            port,
            lifted,
        })
    }

    /// The URL in its normal form.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether an operator's allowlist let this through.
    pub fn is_lifted(&self) -> bool {
        self.lifted
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}, lifted: {})", self.url, self.lifted)
    }
}

/// Names that never leave the host or its network (RFC 6761, RFC 6762, RFC 8375, RFC 9476, ICANN's `.internal`).
const LOCAL_NAMES: [&str; 14] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "home.arpa",
    "corp",
    "private",
    "test",
    "invalid",
    "onion",
    "alt",
];

fn check_host(url: &Url, authority: &str) -> Result<(), TargetError> {
    let name = match url.host().ok_or(TargetError::Host)? {
        Host::Ipv4(address) if is_public_v4(address) => {
            // Octal, hexadecimal, short and wide forms read differently elsewhere.
            let written = authority.split(':').next().unwrap_or_default();
            return if written == address.to_string() {
                Ok(())
            } else {
                Err(TargetError::Host)
            };
        }
        Host::Ipv6(address) if is_public_v6(address) => return Ok(()),
        Host::Ipv4(_) | Host::Ipv6(_) => return Err(TargetError::PrivateAddress),
        Host::Domain(name) => name.strip_suffix('.').unwrap_or(name),
    };
    let labels = || name.split('.');
    let well_formed = |label: &str| {
        let plain = label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
        (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() > 253 || !labels().all(well_formed) {
        return Err(TargetError::Host);
    }
    // What a resolver might still read as a number is no name.
    let last = labels().next_back().unwrap_or_default();
    let numeric = last.starts_with(|c: char| c.is_ascii_digit());
    if numeric || labels().count() < 2 {
        return Err(TargetError::Host);
    }
    let is_local = |local: &&str| {
        name.strip_suffix(*local)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if LOCAL_NAMES.iter().any(is_local) {
        Err(TargetError::PrivateAddress)
    } else {
        Ok(())
    }
}

/// Why a URL is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL, longer than 2048 bytes, or with blanks, control characters or backslashes.
    #[error("a callback URL is an absolute `https` URL without blanks and backslashes")]
    Malformed,
    /// Not `https`.
    #[error(
        "a callback URL starts with `https://`: start Countersign with `--allow-callbacks-to host:port` to allow one plain target"
    )]
    Scheme,
    /// Not port 443 or 8443.
    #[error(
        "a callback URL uses port 443 or 8443: start Countersign with `--allow-callbacks-to host:port` to allow another"
    )]
    Port,
    /// With a user or a password.
    #[error("a callback URL has no user and no password: verify the signature instead")]
    Credentials,
    /// With a `#` part.
    #[error("a callback URL has no `#` part")]
    Fragment,
    /// Not the name of a host on the internet.
    #[error("a callback URL names a host on the internet, such as `hooks.example.com`")]
    Host,
    /// A private, local or otherwise special address or name.
    #[error(
        "private addresses are refused: start Countersign with `--allow-callbacks-to host:port` to allow one target"
    )]
    PrivateAddress,
}
