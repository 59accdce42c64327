//! Text as a detector reads it: one ASCII byte per visible character, each with its place in the original.
//!
//! Invisible characters vanish, look-alikes made for width or style become the letter or digit that they show, all blanks become a
//! space and all dashes a dash. Sources: Unicode 16 `DerivedCoreProperties` (`Default_Ignorable_Code_Point`) and
//! `UnicodeData` (`Nd`, compatibility mappings), RFC 3986 2.1 for percent-encoding.

/// Stands for a character that no detector looks for.
const OTHER: u8 = 0x80;

/// The first digits (zeros) of the decimal digits that Unicode knows outside ASCII and the mathematical styles.
const ZEROS: [u32; 58] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
    0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136,
    0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0,
    0x16A60, 0x16AC0, 0x16B50, 0x1E950, 0x1FBF0,
];

/// What a detector reads: bytes, and where each of them came from.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The bytes to read.
    pub(super) bytes: &'a [u8],
    /// For folded text, the place of each byte in the original, and the length of the original at the end.
    at: Option<&'a [usize]>,
}

impl<'a> View<'a> {
    /// The text as it is.
    pub(super) fn plain(text: &'a str) -> Self {
        View {
            bytes: text.as_bytes(),
            at: None,
        }
    }

    /// The byte at `index`; 0 outside.
    pub(super) fn byte(&self, index: usize) -> u8 {
        self.bytes.get(index).copied().unwrap_or(0)
    }

    /// The byte before `index`; 0 at the start.
    pub(super) fn before(&self, index: usize) -> u8 {
        index.checked_sub(1).map_or(0, |index| self.byte(index))
    }

    /// The bytes of a range; empty where it is not inside.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The place in the original of `index`.
    pub(super) fn origin(&self, index: usize) -> usize {
        match self.at {
            None => index.min(self.bytes.len()),
            Some(at) => at.get(index).or(at.last()).copied().unwrap_or(0),
        }
    }

    /// Whether the byte at `index` does not follow the one before as written: something between them was removed or decoded.
    pub(super) fn is_seam(&self, index: usize) -> bool {
        self.at.is_some() && index > 0 && self.origin(index) != self.origin(index - 1) + 1
    }
}

/// A folded text.
pub(super) struct Folded {
    bytes: Vec<u8>,
    at: Vec<usize>,
}

impl Folded {
    /// What a detector reads.
    pub(super) fn view(&self) -> View<'_> {
        View {
            bytes: &self.bytes,
            at: Some(&self.at),
        }
    }
}

/// Folds `text`; where `percent` is set, `%41` reads as `A`.
pub(super) fn fold(text: &str, percent: bool) -> Folded {
    let mut folded = Folded {
        bytes: Vec::with_capacity(text.len()),
        at: Vec::with_capacity(text.len() + 1),
    };
    let mut from = 0;
    while let Some(rest) = text.get(from..) {
        let Some(first) = rest.chars().next() else { break };
        let (seen, length) = match first {
            '%' if percent => percent_char(rest.as_bytes()).unwrap_or((first, 1)),
            _ => (first, first.len_utf8()),
        };
        if let Some(byte) = fold_char(seen) {
            folded.bytes.push(byte);
            folded.at.push(from);
        }
        from += length;
    }
    folded.at.push(text.len());
    folded
}

/// The character that one or more `%XX` at the start of `bytes` stand for, and how many bytes they take.
fn percent_char(bytes: &[u8]) -> Option<(char, usize)> {
    let mut utf8 = [0_u8; 4];
    let first = percent_byte(bytes)?;
    let length = match first {
        0x00..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    for (index, place) in utf8.iter_mut().take(length).enumerate() {
        *place = percent_byte(bytes.get(index * 3..)?)?;
    }
    let decoded = std::str::from_utf8(utf8.get(..length)?).ok()?;
    Some((decoded.chars().next()?, length * 3))
}

fn percent_byte(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let high = char::from(*high).to_digit(16)?;
    let low = char::from(*low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// The byte that a detector reads for `c`; `None` if nobody sees `c`.
fn fold_char(c: char) -> Option<u8> {
    let code = u32::from(c);
    if code < 0x80 {
        return if code < 0x20 && !matches!(c, '\t' | '\n' | '\r') || code == 0x7F {
            None
        } else {
            u8::try_from(code).ok()
        };
    }
    match code {
        0xAD
        | 0x0300..=0x036F
        | 0x061C
        | 0x115F
        | 0x1160
        | 0x17B4
        | 0x17B5
        | 0x180B..=0x180F
        | 0x1AB0..=0x1AFF
        | 0x1DC0..=0x1DFF
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0x20D0..=0x20FF
        | 0x3164
        | 0xFE00..=0xFE0F
        | 0xFE20..=0xFE2F
        | 0xFEFF
        | 0xFFA0
        | 0xFFF0..=0xFFFB
        | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF
        | 0x80..=0x84
        | 0x86..=0x9F => return None,
        0x85 | 0x2028 | 0x2029 => return Some(b'\n'),
        0xA0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x2800 | 0x3000 => return Some(b' '),
        0x2010..=0x2015 | 0x2043 | 0x207B | 0x208B | 0x2212 | 0x2E3A | 0x2E3B | 0xFE58 | 0xFE63 => return Some(b'-'),
        0xB7 | 0x2022 | 0x2024 | 0x2027 | 0x2219 | 0x22C5 | 0x30FB | 0x3002 => return Some(b'.'),
        0x2236 | 0xA789 | 0xFE55 => return Some(b':'),
        0x2044 | 0x2215 => return Some(b'/'),
        0xFF01..=0xFF5E => return u8::try_from(code - 0xFEE0).ok(),
        0xB2 | 0xB3 => return u8::try_from(code - 0xB2 + u32::from(b'2')).ok(),
        0xB9 => return Some(b'1'),
        0x2070 | 0x24EA => return Some(b'0'),
        0x2074..=0x2079 => return u8::try_from(code - 0x2070 + u32::from(b'0')).ok(),
        0x2080..=0x2089 => return u8::try_from(code - 0x2080 + u32::from(b'0')).ok(),
        0x2460..=0x2468 => return u8::try_from(code - 0x2460 + u32::from(b'1')).ok(),
        0x1D7CE..=0x1D7FF => return u8::try_from((code - 0x1D7CE) % 10 + u32::from(b'0')).ok(),
        0x1D400..=0x1D6A3 => {
            let letter = (code - 0x1D400) % 52;
            let base = if letter < 26 {
                u32::from(b'A') + letter
            } else {
                u32::from(b'a') + letter - 26
            };
            return u8::try_from(base).ok();
        }
        _ => {}
    }
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code));
    let digit = zero.and_then(|zero| u8::try_from(code - zero).ok());
    Some(digit.map_or(OTHER, |digit| b'0' + digit))
}
