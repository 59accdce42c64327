//! Decimal text on the wire: plain digits, no exponent, bounded.

use countersign_policy::Decimal;

/// The text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a decimal number such as `340` or `12.50`: up to 18 digits, a point, up to 9 digits")]
pub struct AmountError(String);

/// Reads decimal text. It has up to 18 digits before the point and up to 9 after it, and no exponent.
pub fn parse_decimal(text: &str) -> Result<Decimal, AmountError> {
    let refused = || AmountError(text.chars().take(40).collect());
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let fine = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !fine(whole, 18) || !fine(fraction, 9) {
        return Err(refused());
    }
    text.parse().map_err(|_| refused())
}

/// Whether the text has the form of an ISO 4217 code.
pub fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}
