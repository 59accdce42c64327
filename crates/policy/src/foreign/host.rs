//! The host of an address, where all readers of addresses see the same one.

use url::{Host, Url};

use super::{Unsure, plain, unsure};

/// Schemes whose addresses have a host that is contacted.
const SCHEMES: [&str; 7] = ["ftp", "git", "http", "https", "ssh", "ws", "wss"];

/// The host of `text`, in lower case, without a dot at its end; addresses of IPv6 in brackets.
///
/// # Errors
/// Where the scheme is not one of http, https, ws, wss, ftp, ssh, git, or where readers of addresses may disagree: other
/// signs than letters, digits, `-`, `_` and `.` in the host, addresses of IPv4 in another form than four decimal numbers,
/// backslashes, spaces, control characters, several `@`, another number of slashes than two.
///
/// <https://url.spec.whatwg.org/#host-parsing>
pub fn host(text: &str) -> Result<String, Unsure> {
    plain(text)?;
    if text.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control()) {
        return unsure("it has a backslash, a space or a control character, which programs read differently");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return unsure("it does not begin with a scheme and `://`");
    };
    if !SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return unsure(format!("its scheme is none of {}", SCHEMES.join(", ")));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    if !user.chars().all(|c| c.is_ascii_alphanumeric() || "%+-.:_~".contains(c)) {
        return unsure("what stands before its host has signs that programs read differently");
    }
    if let Err(error) = Url::parse(text) {
        return unsure(format!("it is no address: {error}"));
    }
    let host = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => place,
    };
    match Host::parse(host) {
        Ok(Host::Domain(_)) => tidy(host),
        Ok(Host::Ipv4(address)) if address.to_string() == host => Ok(address.to_string()),
        Ok(Host::Ipv4(_)) => unsure("its host is a number that programs read differently"),
        Ok(address @ Host::Ipv6(_)) => Ok(address.to_string()),
        Err(error) => unsure(format!("its host cannot be read: {error}")),
    }
}

/// A name of a host without the dot at its end.
fn tidy(name: &str) -> Result<String, Unsure> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.chars().all(valid) || name.starts_with('-') || name.split('.').any(str::is_empty) {
        return unsure("it does not name a host by letters, digits, `-`, `_` and `.`");
    }
    Ok(name.to_ascii_lowercase())
}

/// The name of a host in a mail address.
pub(super) fn name(text: &str) -> Result<String, Unsure> {
    match Host::parse(text) {
        Ok(Host::Domain(name)) if !text.contains('%') => tidy(&name),
        Ok(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => unsure("it does not name a host"),
    }
}
