//! International bank account numbers.
//!
//! Sources: ISO 13616-1 (structure, mod 97-10 of ISO/IEC 7064), the SWIFT IBAN registry (length by country).

use super::fold::View;
use super::kinds::Kind;
use super::scan::Hits;

/// The length of the IBANs of a country.
fn length(country: [u8; 2]) -> Option<usize> {
    Some(match &country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FK" | b"FO" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"MN" | b"XK" => 20,
        b"CH" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"CR" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"OM" | b"SO" | b"TL" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BI" | b"DJ" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HN" | b"HU" | b"LB" | b"NI" | b"PL" | b"SV" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" | b"YE" => 29,
        b"JO" | b"KW" | b"MU" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    })
}

/// Finds IBANs, in one piece or in groups.
pub(super) fn scan(view: View<'_>, hits: &mut Hits<'_>) {
    let mut at = 0;
    while at + 14 < view.bytes.len() {
        let starts = view.byte(at).is_ascii_alphabetic()
            && view.byte(at + 1).is_ascii_alphabetic()
            && (!view.before(at).is_ascii_alphanumeric() || view.is_seam(at));
        match if starts { iban_at(view, at) } else { None } {
            Some(end) => {
                hits.add(at, end, Kind::Iban);
                at = end;
            }
            None => at += 1,
        }
    }
}

/// The end of the IBAN that starts at `start`.
fn iban_at(view: View<'_>, start: usize) -> Option<usize> {
    let country = [
        view.byte(start).to_ascii_uppercase(),
        view.byte(start + 1).to_ascii_uppercase(),
    ];
    let wanted = length(country)?;
    let (mut at, mut taken, mut gap) = (start, 0_usize, 0_usize);
    let mut check = Mod97::default();
    let mut head = [0_u8; 4];
    while taken < wanted {
        let byte = *view.bytes.get(at)?;
        if byte.is_ascii_alphanumeric() {
            match head.get_mut(taken) {
                Some(place) => *place = byte,
                None => check.push(byte),
            }
            if matches!(taken, 2 | 3) && !byte.is_ascii_digit() {
                return None;
            }
            taken += 1;
            gap = 0;
        } else if matches!(byte, b' ' | b'-' | b'.' | b'\t' | b'_' | b'/') && taken > 0 && gap < 2 {
            gap += 1;
        } else {
            return None;
        }
        at += 1;
    }
    head.into_iter().for_each(|byte| check.push(byte));
    let ends = !view.byte(at).is_ascii_alphanumeric() || view.is_seam(at);
    (ends && check.0 == 1).then_some(at)
}

/// The remainder of a number that is read digit by digit, where letters count as 10 to 35.
#[derive(Default)]
struct Mod97(u32);

impl Mod97 {
    fn push(&mut self, byte: u8) {
        let digit = char::from(byte).to_digit(36).unwrap_or(0);
        self.0 = (self.0 * if digit > 9 { 100 } else { 10 } + digit) % 97;
    }
}
