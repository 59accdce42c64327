//! The text of a number to the exact decimal that it states.

use rust_decimal::Decimal;

/// The number, if it is exact here and the same in a reader with IEEE doubles.
pub(super) fn interoperable(text: &str) -> Option<Decimal> {
    // Fifteen significant digits survive the way through a double and back, whatever the scale (DBL_DIG).
    const SAFE_DIGITS: u128 = 999_999_999_999_999;
    const SAFE_INTEGER: u128 = (1 << 53) - 1;
    let number = decimal(text)?;
    if number.mantissa().unsigned_abs() <= SAFE_DIGITS {
        return Some(number);
    }
    let float: f64 = text.parse().ok()?;
    let same = float.is_finite() && decimal(&format!("{float}")) == Some(number);
    let safe = number.abs() <= Decimal::try_from_i128_with_scale(SAFE_INTEGER as i128, 0).ok()?;
    (same && safe).then_some(number)
}

/// The decimal that a number's text states, if it can be held exactly; the text is one that JSON's grammar allows.
///
/// Trailing zeros after the point are kept as scale as far as they fit.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    const MAX_MANTISSA: u128 = (1 << 96) - 1;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (digits.get(..at)?, digits.get(at + 1..)?),
        None => (digits, "0"),
    };
    let (mut mantissa, mut scale, mut zeros, mut fraction) = (0u128, 0i64, 0u32, false);
    for byte in digits.bytes() {
        match byte {
            b'.' => fraction = true,
            b'0' if fraction => zeros += 1,
            b'0'..=b'9' => {
                if mantissa > 0 && zeros > 0 {
                    mantissa = mantissa.checked_mul(10u128.checked_pow(zeros)?)?;
                }
                scale += i64::from(zeros) + i64::from(fraction);
                zeros = 0;
                mantissa = mantissa.checked_mul(10)?.checked_add(u128::from(byte - b'0'))?;
            }
            _ => return None,
        }
    }
    // Zeros at the end of the fraction are scale, not value: as many as fit.
    while zeros > 0 && scale < 28 && mantissa.checked_mul(10).is_some_and(|longer| longer <= MAX_MANTISSA) {
        (mantissa, scale, zeros) = (mantissa * 10, scale + 1, zeros - 1);
    }
    if mantissa == 0 && exponent != "0" {
        return Some(Decimal::ZERO);
    }
    if exponent != "0" {
        scale = scale.checked_sub(exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?)?;
    }
    while scale > 28 && mantissa > 0 && mantissa % 10 == 0 {
        (mantissa, scale) = (mantissa / 10, scale - 1);
    }
    if scale < 0 {
        mantissa = mantissa.checked_mul(10u128.checked_pow(u32::try_from(-scale).ok()?)?)?;
        scale = 0;
    }
    if mantissa > MAX_MANTISSA || scale > 28 {
        return None;
    }
    // The casts take the three words of the mantissa, which has 96 bits.
    let (low, middle, high) = (mantissa as u32, (mantissa >> 32) as u32, (mantissa >> 64) as u32);
    Some(Decimal::from_parts(
        low,
        middle,
        high,
        negative && mantissa > 0,
        u32::try_from(scale).ok()?,
    ))
}
