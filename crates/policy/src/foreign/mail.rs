//! The domain of one mail address.

use super::{Unsure, host, plain, unsure};

/// The domain of `someone@domain` or `Some One <someone@domain>`, in lower case and ASCII, without a dot at its end.
///
/// # Errors
/// Where it is not exactly one address: lists, groups, quoted or routed local parts, comments, addresses in brackets.
pub fn domain(text: &str) -> Result<String, Unsure> {
    plain(text)?;
    let whole = text.trim_matches(' ');
    let address = match whole.split_once('<') {
        None => whole,
        Some((name, rest)) => {
            let Some(address) = rest.strip_suffix('>') else {
                return unsure("it is not one mail address");
            };
            let plain =
                |c: char| !c.is_control() && !matches!(c, '@' | '<' | '>' | ',' | ';' | ':' | '"' | '\\' | '(' | ')');
            if !name.chars().all(plain) {
                return unsure("what stands before `<` is not the plain name of one person");
            }
            address
        }
    };
    let Some((local, domain)) = address.split_once('@') else {
        return unsure("it is not a mail address");
    };
    // What RFC 5321 calls a dot-string, without the two signs that old servers route by.
    let atom = |c: char| {
        (c.is_alphanumeric() && c.is_ascii())
            || "#$&'*+-/=?^_`{|}~.".contains(c)
            || !c.is_ascii() && c.is_alphanumeric()
    };
    if local.is_empty() || !local.chars().all(atom) {
        return unsure("what stands before the `@` is not a plain name");
    }
    if domain.contains(['@', ',', ';', ' ', '[', ']', '(', ')', '<', '>', ':', '/', '\\']) {
        return unsure("it is not one mail address");
    }
    host::name(domain)
}
