//! The host of an address, as the WHATWG URL standard reads it, where others read it likewise.

use url::{Host, Url};

use super::{Unsure, plain, unsure};

/// The host of `text`, in lower case and ASCII (punycode), without a dot at its end; addresses of IPv6 in brackets.
///
/// # Errors
/// Where the text is no absolute address with a host, or where readers of addresses disagree about it: backslashes, spaces,
/// control characters, several `@`, escapes in the host, another number of slashes than two.
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
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(valid) {
        return unsure("what stands before `://` is not a scheme");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains('@') {
        return unsure("it has several `@` before its host");
    }
    if place.is_empty() || place.contains('%') {
        return unsure("it has no host, or one with escapes");
    }
    let url = Url::parse(text).map_err(|error| Unsure(format!("it is no address: {error}")))?;
    let Some(host) = url.host_str().filter(|host| !host.contains('%')) else {
        return unsure("it has no host that can be read");
    };
    // Once more as a host of the web: schemes that browsers do not know keep theirs as it is written.
    match Host::parse(host) {
        Ok(Host::Domain(name)) => tidy(&name),
        Ok(address @ (Host::Ipv4(_) | Host::Ipv6(_))) => Ok(address.to_string()),
        Err(error) => unsure(format!("its host cannot be read: {error}")),
    }
}

/// A name of a host without the dot at its end.
fn tidy(name: &str) -> Result<String, Unsure> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || !name.is_ascii() || name.split('.').any(str::is_empty) {
        return unsure("it does not name a host");
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
