//! Mutations: what a careless or hostile sender does to an input that was good.

/// Longest input that a mutation makes.
const MAX_BYTES: usize = 96 * 1024;

/// Numbers that tend to be somebody's edge.
const NUMBERS: [&str; 26] = [
    "0",
    "-0",
    "1",
    "-1",
    "127",
    "128",
    "255",
    "256",
    "32767",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "79228162514264337593543950336",
    "1e308",
    "1e400",
    "0.1234567890123456789",
    "00000000000000000000000000000001",
];

/// What opens something in one of the languages that are read here.
const OPENERS: [&str; 14] = [
    "(",
    "[",
    "{",
    "{\"a\":",
    "[{\"a\":",
    "- ",
    "? ",
    "!",
    "-",
    "a.all(x, ",
    "1+",
    "a?",
    "{a: ",
    "\"",
];

/// Text that parsers stumble over.
const TOKENS: [&str; 44] = [
    "null",
    "true",
    "NaN",
    "-Infinity",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "\u{1f600}",
    "\\ud800",
    "\\u0000",
    "\r\n",
    "\t",
    "&a",
    "*a",
    "!!str ",
    "<<: ",
    "---\n",
    "...\n",
    "| \n",
    ">-\n",
    "# ",
    "'",
    "\"",
    "\\",
    "%",
    "..",
    "//",
    "'' + ''",
    " && ",
    " || ",
    " in ",
    "has(",
    "size(",
    ".all(x, x",
    ".map(x, x)",
    ": ",
    "\n\n",
    "\u{2014} ",
    "=",
    "==",
    "+",
    "_",
    "$commit",
    "\u{661}",
];

/// A generator of numbers (xorshift64*, Marsaglia 2003, Vigna 2016) that is the same on every run.
pub struct Numbers(u64);

impl Numbers {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Numbers {
        // A seed of zero would stay zero.
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            0
        } else {
            ((self.next() >> 16) % end as u64) as usize
        }
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// Changes `input` in one to eight places; `other` is another input, to take parts from.
pub fn mutate(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    // Most changes are small: what is wrong in one place only gets deep.
    let changes = [1, 1, 1, 2, 2, 3, 5, 8][numbers.below(8)];
    for _ in 0..changes {
        change(&mut bytes, other, numbers);
        bytes.truncate(MAX_BYTES);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    match numbers.below(16) {
        0 if !bytes.is_empty() => flip(bytes, numbers),
        1 if !bytes.is_empty() => {
            let place = numbers.below(bytes.len());
            bytes[place] = numbers.next() as u8;
        }
        2 => insert(bytes, at, &[numbers.next() as u8]),
        3 => {
            let end = end(at, bytes.len(), numbers);
            bytes.drain(at..end);
        }
        4 => {
            let copy = bytes[at..end(at, bytes.len(), numbers)].to_vec();
            let to = numbers.below(bytes.len() + 1);
            insert(bytes, to, &copy);
        }
        5 => {
            let from = numbers.below(other.len() + 1);
            insert(bytes, at, &other[from..end(from, other.len(), numbers)]);
        }
        6 => {
            let from = numbers.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        7 | 8 => number(bytes, numbers),
        9 => {
            let depth = [1, 8, 31, 32, 33, 64, 129, 1000, 20_000][numbers.below(9)];
            let opener = numbers.of(&OPENERS);
            insert(bytes, at, opener.repeat(depth).as_bytes());
        }
        10 | 11 => insert(bytes, at, numbers.of(&TOKENS).as_bytes()),
        12 | 13 => word(bytes, other, numbers),
        _ => lines(bytes, numbers),
    }
}

/// An end after `start`, mostly close to it.
fn end(start: usize, length: usize, numbers: &mut Numbers) -> usize {
    let most = if numbers.below(8) == 0 {
        length - start
    } else {
        (length - start).min(24)
    };
    start + numbers.below(most + 1)
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

fn flip(bytes: &mut [u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    bytes[at] ^= 1 << numbers.below(8);
}

/// Replaces a number of the input by one from the edges.
fn number(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let from = numbers.below(bytes.len() + 1);
    let Some(start) = (from..bytes.len()).find(|at| bytes[*at].is_ascii_digit()) else {
        return;
    };
    let end = (start..bytes.len())
        .find(|at| !bytes[*at].is_ascii_digit())
        .unwrap_or(bytes.len());
    bytes.splice(start..end, numbers.of(&NUMBERS).bytes());
}

/// Replaces a word of the input by a word of the same or the other.
fn word(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let (start, end) = word_at(bytes, numbers.below(bytes.len() + 1));
    let from = if numbers.below(2) == 0 {
        other.to_vec()
    } else {
        bytes.clone()
    };
    let (first, last) = word_at(&from, numbers.below(from.len() + 1));
    bytes.splice(start..end, from[first..last].iter().copied());
}

fn word_at(bytes: &[u8], from: usize) -> (usize, usize) {
    let is_word = |at: &usize| bytes[*at].is_ascii_alphanumeric() || bytes[*at] == b'_';
    let start = (from..bytes.len()).find(is_word).unwrap_or(bytes.len());
    let end = (start..bytes.len()).find(|at| !is_word(at)).unwrap_or(bytes.len());
    (start, end)
}

/// Drops, doubles or swaps lines.
fn lines(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        return;
    }
    let (one, two) = (numbers.below(lines.len()), numbers.below(lines.len()));
    match numbers.below(3) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(two, lines[one].clone()),
        _ => lines.swap(one, two),
    }
    *bytes = lines.concat();
}
