//! Numbers in text: payment cards, social security numbers, phone numbers.
//!
//! Sources: ISO/IEC 7812-1 (length, Luhn), the issuers' published ranges of leading digits, SSA "SSN Randomization" (which
//! areas, groups and serials are never issued), ITU-T E.164 and NANP (phone numbers).

use super::fold::View;
use super::keys::{self, Role};
use super::kinds::Kind;
use super::scan::Hits;

/// Digits that stand together.
#[derive(Clone, Copy)]
struct Group {
    /// Where it starts in the view.
    start: usize,
    /// How many digits it has.
    length: usize,
    /// The index of its first digit among the digits of the run.
    first: usize,
    /// What stands before it: 0 nothing, else the first separator, which is also the only one unless `mixed`.
    separator: u8,
    mixed: bool,
}

impl Group {
    fn end(&self) -> usize {
        self.start + self.length
    }
}

/// Groups of digits with nothing but separators between them.
struct Run {
    groups: Vec<Group>,
    digits: Vec<u8>,
    /// Something invisible was removed inside.
    seams: bool,
    end: usize,
}

/// More separators than this between two digits end a run.
const SEPARATORS: usize = 3;

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'\t' | b'_' | b'/')
}

/// The run that starts with the digit at `start`; `split` makes every seam a boundary of groups.
fn run(view: View<'_>, start: usize, split: bool) -> Run {
    let mut run = Run {
        groups: Vec::new(),
        digits: Vec::new(),
        seams: false,
        end: start,
    };
    let (mut at, mut separators, mut separator, mut mixed) = (start, 0, 0, false);
    while let Some(byte) = view.bytes.get(at).copied() {
        if byte.is_ascii_digit() {
            let seam = at > start && view.is_seam(at);
            run.seams |= seam;
            match run.groups.last_mut() {
                Some(group) if separators == 0 && !(split && seam) => group.length += 1,
                _ => run.groups.push(Group {
                    start: at,
                    length: 1,
                    first: run.digits.len(),
                    separator,
                    mixed,
                }),
            }
            run.digits.push(byte - b'0');
            (separators, separator, mixed) = (0, 0, false);
            run.end = at + 1;
        } else if is_separator(byte) && separators < SEPARATORS {
            mixed |= separators > 0 && byte != separator;
            if separators == 0 {
                separator = byte;
            }
            separators += 1;
        } else {
            break;
        }
        at += 1;
    }
    run
}

/// Finds cards and social security numbers.
pub(super) fn scan(view: View<'_>, role: Role, hits: &mut Hits<'_>) {
    let mut at = 0;
    while at < view.bytes.len() {
        if !view.byte(at).is_ascii_digit() {
            at += 1;
            continue;
        }
        let whole = run(view, at, false);
        at = whole.end;
        if whole.digits.len() < 9 {
            continue;
        }
        let mut any = cards(view, &whole, false, hits);
        any = any || ssns(view, &whole, role, hits);
        if whole.seams && !any {
            let start = whole.groups.first().map_or(at, |group| group.start);
            let split = run(view, start, true);
            let _ = cards(view, &split, true, hits) || ssns(view, &split, role, hits);
        }
    }
}

fn cards(view: View<'_>, run: &Run, any_shape: bool, hits: &mut Hits<'_>) -> bool {
    let mut any = false;
    let mut from = 0;
    while from < run.groups.len() {
        let found = card_from(view, run, from, any_shape);
        let Some((to, first, last)) = found else {
            from += 1;
            continue;
        };
        if let (Some(start), Some(end), Some(digits)) =
            (run.groups.get(from), run.groups.get(to), run.digits.get(first..last))
        {
            let last4 = digits
                .iter()
                .rev()
                .take(4)
                .rev()
                .map(|digit| char::from(b'0' + digit))
                .collect();
            hits.add_card(start.start, end.end(), Kind::Card, Some(last4));
            any = true;
        }
        from = to + 1;
    }
    any
}

/// The longest card that starts with the group `from`: the last group, and the range of its digits.
fn card_from(view: View<'_>, run: &Run, from: usize, any_shape: bool) -> Option<(usize, usize, usize)> {
    let first = run.groups.get(from)?;
    let mut best = None;
    for (to, group) in run.groups.iter().enumerate().skip(from) {
        let last = group.first + group.length;
        if last - first.first > 19 {
            break;
        }
        if last - first.first < 13 {
            continue;
        }
        let groups = run.groups.get(from..=to)?;
        if (any_shape || is_card_shape(groups, groups.len() == run.groups.len()))
            && run.digits.get(first.first..last).is_some_and(is_card)
            && !is_fraction(view, run, from)
            && !is_in_digest(view, first.start, group.end())
        {
            best = Some((to, first.first, last));
        }
    }
    best
}

/// Whether people write card numbers in such groups, so that lists of numbers and dates are left alone.
fn is_card_shape(groups: &[Group], whole_run: bool) -> bool {
    let [first, rest @ ..] = groups else { return false };
    let Some(separator) = rest.first().map(|group| group.separator) else {
        return true;
    };
    let uniform = rest.iter().all(|group| group.separator == separator && !group.mixed);
    let wide = groups.iter().all(|group| group.length >= 3);
    let even = first.length <= 4
        && rest.iter().rev().skip(1).all(|group| group.length == first.length)
        && rest.last().is_some_and(|last| last.length <= first.length);
    let quads = wide && even && first.length == 4;
    match separator {
        b'.' | b'/' | b'_' => uniform && wide,
        _ => quads || uniform && (wide || even) || whole_run && rest.len() >= 2,
    }
}

/// Luhn, length and leading digits of a payment card.
fn is_card(digits: &[u8]) -> bool {
    is_issued(digits) && luhn(digits) && digits.iter().any(|digit| Some(digit) != digits.first())
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(
            |(index, digit)| match u32::from(*digit) * if index % 2 == 1 { 2 } else { 1 } {
                doubled if doubled > 9 => doubled - 9,
                value => value,
            },
        )
        .sum();
    sum.is_multiple_of(10)
}

fn is_issued(digits: &[u8]) -> bool {
    let six = digits
        .iter()
        .take(6)
        .fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let length = digits.len();
    match six {
        400_000..=499_999 => matches!(length, 13 | 16 | 18 | 19), // Visa
        510_000..=559_999 | 222_100..=272_099 => length == 16,    // Mastercard
        340_000..=349_999 | 370_000..=379_999 => length == 15,    // American Express
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => (14..=19).contains(&length), // Diners
        352_800..=358_999 => (16..=19).contains(&length), // JCB
        601_100..=601_199 | 644_000..=659_999 => (16..=19).contains(&length), // Discover, RuPay, Elo
        620_000..=629_999 | 810_000..=817_199 => (16..=19).contains(&length), // UnionPay, RuPay
        220_000..=220_499 => (16..=19).contains(&length), // Mir
        508_500..=508_999 | 606_985..=607_984 => length == 16, // RuPay
        506_000..=506_199 | 507_800..=507_999 => (16..=19).contains(&length), // Verve
        979_200..=979_299 => length == 16,                // Troy
        500_000..=509_999 | 560_000..=589_999 | 600_000..=643_999 | 660_000..=699_999 => {
            matches!(length, 16 | 18 | 19) // Maestro, Hipercard
        }
        _ => false,
    }
}

/// Whether the group `from` is what stands behind `0.`.
fn is_fraction(view: View<'_>, run: &Run, from: usize) -> bool {
    let Some(group) = run.groups.get(from) else {
        return false;
    };
    let Some(before) = from.checked_sub(1).and_then(|index| run.groups.get(index)) else {
        return false;
    };
    group.separator == b'.' && !group.mixed && before.length == 1 && view.byte(before.start) == b'0'
}

/// Whether the digits are part of a hexadecimal digest or of a UUID.
fn is_in_digest(view: View<'_>, start: usize, end: usize) -> bool {
    let hex = |byte: u8| byte.is_ascii_hexdigit();
    let (low, high) = widen(view, start, end, |byte| byte.is_ascii_alphanumeric());
    let token = view.slice(low, high);
    let letters = token.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    if letters >= 4 && token.iter().all(|byte| hex(*byte)) && matches!(token.len(), 32 | 40 | 56 | 64 | 96 | 128) {
        return true;
    }
    let (low, high) = widen(view, start, end, |byte| hex(byte) || byte == b'-');
    let token = view.slice(low, high);
    token.len() == 36
        && token.iter().any(u8::is_ascii_alphabetic)
        && token
            .iter()
            .enumerate()
            .all(|(index, byte)| matches!(index, 8 | 13 | 18 | 23) == (*byte == b'-'))
}

fn widen(view: View<'_>, start: usize, end: usize, is_part: impl Fn(u8) -> bool) -> (usize, usize) {
    let (mut low, mut high) = (start, end);
    // No digest is longer, so a long text of digits costs no more than a short one.
    while low > 0 && end - low <= 256 && is_part(view.before(low)) {
        low -= 1;
    }
    while high < view.bytes.len() && high - start <= 256 && is_part(view.byte(high)) {
        high += 1;
    }
    (low, high)
}

fn ssns(view: View<'_>, run: &Run, role: Role, hits: &mut Hits<'_>) -> bool {
    for (index, window) in run.groups.windows(3).enumerate() {
        let [area, group, serial] = window else { continue };
        if (area.length, group.length, serial.length) != (3, 2, 4) || group.separator != serial.separator {
            continue;
        }
        let before = area.separator != 0 && area.separator == group.separator;
        let after = run
            .groups
            .get(index + 3)
            .is_some_and(|next| next.separator == group.separator && next.separator != b' ');
        let digits = run.digits.get(area.first..serial.first + 4).unwrap_or_default();
        if before && area.separator != b' ' || after || !is_ssn(digits) {
            continue;
        }
        let alone = run.groups.len() == 3 && area.start == 0 && serial.end() == view.bytes.len();
        if matches!(group.separator, b'-' | 0) || alone || is_near_ssn(view, role, area.start, serial.end()) {
            hits.add(area.start, serial.end(), Kind::Ssn);
            return true;
        }
    }
    // Without dashes, only where the words around say what it is.
    let compact = run.groups.iter().find(|group| group.length == 9);
    let (start, end, first) = match (compact, run.groups.first()) {
        (Some(group), _) => (group.start, group.end(), group.first),
        (None, Some(group)) if run.digits.len() == 9 => (group.start, run.end, 0),
        _ => return false,
    };
    let any = run.digits.get(first..first + 9).is_some_and(is_ssn) && is_near_ssn(view, role, start, end);
    if any {
        hits.add(start, end, Kind::Ssn);
    }
    any
}

/// Whether such a number can have been issued.
fn is_ssn(digits: &[u8]) -> bool {
    let [a, b, c, d, e, serial @ ..] = digits else {
        return false;
    };
    let area = u32::from(*a) * 100 + u32::from(*b) * 10 + u32::from(*c);
    let group = d + e;
    serial.len() == 4 && area != 0 && area != 666 && area < 900 && group != 0 && serial.iter().any(|digit| *digit != 0)
}

/// How far a word may stand from the number that it names, before and after.
const NEAR: (usize, usize) = (40, 20);

fn is_near_ssn(view: View<'_>, role: Role, start: usize, end: usize) -> bool {
    role == Role::Ssn || keys::near(view, start, end, NEAR, &[b"ssn", b"s.s.n", b"social", b"tax id"])
}

/// Finds phone numbers: international ones, North American ones, and others beside a word that says so.
pub(super) fn phones(view: View<'_>, role: Role, hits: &mut Hits<'_>) {
    let mut at = 0;
    while at < view.bytes.len() {
        let byte = view.byte(at);
        let plus = byte == b'+';
        let opens = byte.is_ascii_digit() || (plus || byte == b'(') && view.byte(at + 1).is_ascii_digit();
        if !opens || view.before(at).is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let (end, digits, shape) = dialled(view, at);
        let known = match shape.as_slice() {
            [3, 3, 4] => true,
            [1, 3, 3, 4] => true,
            _ => plus && (8..=15).contains(&digits),
        };
        let named = || {
            role == Role::Phone
                || keys::near(
                    view,
                    at,
                    end,
                    NEAR,
                    &[b"phone", b"tel", b"mobile", b"cell", b"call", b"fax"],
                )
        };
        let inside = view.byte(end).is_ascii_alphanumeric();
        if !inside && (known || (7..=15).contains(&digits) && !is_in_digest(view, at, end) && named()) {
            hits.add(at, end, Kind::Phone);
        }
        at = end.max(at + 1);
    }
}

/// Where the number that starts at `start` ends, how many digits it has, and the lengths of its groups.
fn dialled(view: View<'_>, start: usize) -> (usize, usize, Vec<usize>) {
    let (mut at, mut end, mut digits, mut gap) = (start, start, 0_usize, 0_usize);
    let mut shape: Vec<usize> = Vec::new();
    while let Some(byte) = view.bytes.get(at) {
        match byte {
            b'0'..=b'9' => {
                match shape.last_mut() {
                    Some(length) if gap == 0 => *length += 1,
                    _ => shape.push(1),
                }
                digits += 1;
                gap = 0;
                end = at + 1;
            }
            b'+' if at == start => {}
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' if gap < 3 => gap += 1,
            _ => break,
        }
        at += 1;
    }
    (end, digits, shape)
}
