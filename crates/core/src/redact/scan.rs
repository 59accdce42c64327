//! From a text to its hits: one cheap look at the bytes, and the detectors only where it says so.

use super::digits;
use super::fold::{self, View};
use super::iban;
use super::keys::Role;
use super::kinds::{Kind, Kinds};
use super::secrets;

/// A place in a text that must not be kept. Offsets lie on character boundaries of the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// The last four digits of a card.
    pub(super) last4: Option<String>,
}

/// The hits of one scan, collected with offsets of the original.
pub(super) struct Hits<'a> {
    view: View<'a>,
    hits: Vec<Hit>,
}

impl Hits<'_> {
    /// Adds a hit at `start..end` of the view.
    pub(super) fn add(&mut self, start: usize, end: usize, kind: Kind) {
        self.add_card(start, end, kind, None);
    }

    /// Adds a hit with its last four digits.
    pub(super) fn add_card(&mut self, start: usize, end: usize, kind: Kind, last4: Option<String>) {
        let (start, end) = (self.view.origin(start), self.view.origin(end));
        if start < end {
            self.hits.push(Hit {
                start,
                end,
                kind,
                last4,
            });
        }
    }
}

const DIGIT: u8 = 1;
/// May stand between the digits of one number.
const SEPARATOR: u8 = 1 << 1;
/// May be part of a key or token.
const TOKEN: u8 = 1 << 2;
/// Not ASCII, or a control character: to be folded.
const FOLD: u8 = 1 << 3;
const PERCENT: u8 = 1 << 4;
const AT: u8 = 1 << 5;
/// `:` or `=`: something may be assigned to a word.
const ASSIGN: u8 = 1 << 6;
const DASH: u8 = 1 << 7;

const CLASSES: [u8; 256] = {
    let mut classes = [0_u8; 256];
    let mut code = 0_usize;
    while code < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop ends at 255")]
        let byte = code as u8;
        let mut class = match byte {
            b'0'..=b'9' => DIGIT | TOKEN,
            b'A'..=b'Z' | b'a'..=b'z' | b'~' | b'+' => TOKEN,
            b'-' => SEPARATOR | TOKEN | DASH,
            b'.' | b'_' | b'/' => SEPARATOR | TOKEN,
            b'=' => TOKEN | ASSIGN,
            b' ' | b'\t' => SEPARATOR,
            b'%' => PERCENT,
            b'@' => AT,
            b':' => ASSIGN,
            _ => 0,
        };
        if byte >= 0x7F || byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') {
            class = FOLD;
        }
        #[expect(clippy::indexing_slicing, reason = "the loop ends at 255, and the compiler runs it")]
        {
            classes[code] = class;
        }
        code += 1;
    }
    classes
};

/// What a look at the bytes of a text says.
#[derive(Clone, Copy)]
struct Look {
    /// The union of the classes of all bytes.
    seen: u8,
    /// As many digits as a number has, with nothing but separators between them.
    digits: bool,
    /// As many bytes in a row as a key or token has.
    token: bool,
}

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(FOLD)
}

fn look(bytes: &[u8]) -> Look {
    let (mut seen, mut digits) = (0_u8, 0_usize);
    for byte in bytes {
        let class = class(*byte);
        seen |= class;
        digits += usize::from(class & DIGIT);
    }
    Look {
        seen,
        digits: digits >= FEWEST_DIGITS && has_digits(bytes),
        token: has_token(bytes),
    }
}

fn has_digits(bytes: &[u8]) -> bool {
    let mut digits = 0;
    bytes.iter().map(|byte| class(*byte)).any(|class| {
        if class & DIGIT != 0 {
            digits += 1;
        } else if class & SEPARATOR == 0 {
            digits = 0;
        }
        digits >= FEWEST_DIGITS
    })
}

/// Looks at every fifteenth byte first: a run of that length cannot miss them all.
fn has_token(bytes: &[u8]) -> bool {
    let is_token = |at: usize| bytes.get(at).is_some_and(|byte| class(*byte) & TOKEN != 0);
    (SHORTEST_TOKEN - 1..bytes.len())
        .step_by(SHORTEST_TOKEN)
        .filter(|at| is_token(*at))
        .any(|at| {
            let before = (1..SHORTEST_TOKEN).take_while(|back| is_token(at - back)).count();
            let after = (1..SHORTEST_TOKEN).take_while(|on| is_token(at + on)).count();
            before + after + 1 >= SHORTEST_TOKEN
        })
}

/// Shorter texts hold nothing that is looked for, unless the key beside them says so.
const SHORTEST: usize = 6;
/// The digits of a social security number, and the least of all numbers looked for but phone numbers.
const FEWEST_DIGITS: usize = 9;
/// The length of the shortest IBAN and of the shortest token with a known prefix.
const SHORTEST_TOKEN: usize = 15;
/// A shorter text has no room for a private key.
const SHORTEST_PEM: usize = 48;

/// All hits in `text`, in order and without overlaps. `role` is what the key beside the text says about it.
pub(super) fn hits(text: &str, kinds: Kinds, role: Role) -> Vec<Hit> {
    if text.len() < SHORTEST {
        return Vec::new();
    }
    let first = look(text.as_bytes());
    let mut found = Vec::new();
    if first.seen & FOLD == 0 {
        scan(View::plain(text), first, kinds, role, &mut found);
    } else {
        let folded = fold::fold(text, false);
        scan(folded.view(), look(folded.view().bytes), kinds, role, &mut found);
    }
    if first.seen & PERCENT != 0 {
        let folded = fold::fold(text, true);
        scan(folded.view(), look(folded.view().bytes), kinds, role, &mut found);
    }
    // Whoever looks for some kinds only has hits of no other.
    found.retain(|hit| kinds.contains(hit.kind));
    if found.len() > 1 { merge(found) } else { found }
}

fn scan(view: View<'_>, look: Look, kinds: Kinds, role: Role, found: &mut Vec<Hit>) {
    let mut hits = Hits {
        view,
        hits: std::mem::take(found),
    };
    if look.digits {
        digits::scan(view, role, &mut hits);
        iban::scan(view, &mut hits);
    } else if look.token && look.seen & DIGIT != 0 {
        iban::scan(view, &mut hits);
    }
    if look.token {
        secrets::prefixed(view, &mut hits);
    }
    if look.seen & ASSIGN != 0 {
        secrets::assigned(view, &mut hits);
    }
    if view.bytes.len() >= SHORTEST_PEM && look.seen & DASH != 0 {
        secrets::pem(view, &mut hits);
    }
    if look.seen & AT != 0 && kinds.contains(Kind::Email) {
        secrets::emails(view, &mut hits);
    }
    if look.seen & DIGIT != 0 && kinds.contains(Kind::Phone) {
        digits::phones(view, role, &mut hits);
    }
    *found = hits.hits;
}

/// Sorts the hits and joins those that overlap; the longest of them gives the kind, among equals the first in [`Kind`]'s order.
fn merge(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end), hit.kind));
    let mut merged: Vec<(Hit, usize)> = Vec::with_capacity(hits.len());
    for hit in hits {
        let length = hit.end - hit.start;
        match merged.last_mut() {
            Some((last, longest)) if hit.start < last.end => {
                last.end = last.end.max(hit.end);
                if length > *longest || length == *longest && hit.kind < last.kind {
                    *longest = length;
                    last.kind = hit.kind;
                    last.last4 = hit.last4;
                }
            }
            _ => merged.push((hit, length)),
        }
    }
    merged.into_iter().map(|(hit, _)| hit).collect()
}
