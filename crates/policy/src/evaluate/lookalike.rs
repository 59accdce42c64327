//! Names that look like a known one and are not it.
//!
//! Two names look alike when they have one skeleton: lower case, no spaces or joiners, and letters of other scripts replaced by the
//! Latin ones they resemble (after Unicode TR39, the part of it that one keyboard's words need).

use std::collections::{BTreeMap, BTreeSet};

/// The exact names that documents mention.
#[derive(Default)]
pub(crate) struct Known {
    names: BTreeSet<String>,
    /// Skeleton to one of its names, the least.
    skeletons: BTreeMap<String, String>,
}

impl Known {
    pub(crate) fn extend<'n>(&mut self, names: impl IntoIterator<Item = &'n Option<String>>) {
        for name in names.into_iter().flatten() {
            let skeleton = skeleton(name);
            let slot = self.skeletons.entry(skeleton).or_insert_with(|| name.clone());
            if *name < *slot {
                slot.clone_from(name);
            }
            self.names.insert(name.clone());
        }
    }

    /// Whether it is one of the names.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The known name that `name` could be taken for.
    pub(crate) fn mistaken(&self, name: &str) -> Option<&str> {
        if self.names.contains(name) {
            return None;
        }
        self.skeletons.get(&skeleton(name)).map(String::as_str)
    }
}

fn skeleton(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).filter_map(letter).collect()
}

/// What a letter looks like; `None` for what cannot be seen or only separates words.
fn letter(c: char) -> Option<char> {
    let seen = match c {
        'a'..='z' | '.' | ':' | '/' => c,
        '0' => 'o',
        '1' | '|' => 'l',
        '2'..='9' => c,
        '-' | '_' => return None,
        c if c.is_whitespace() || c.is_control() => return None,
        // Dashes and joiners, soft hyphen, combining marks, direction marks, variation selectors, byte order mark.
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{203f}' => return None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => return None,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{180e}' => return None,
        'а' | 'α' | 'ɑ' => 'a',
        'Ь' | 'ь' | 'в' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ё' | 'ε' => 'e',
        'ɡ' => 'g',
        'һ' | 'н' => 'h',
        'і' | 'ι' | 'ı' | 'ї' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ӏ' | 'ℓ' => 'l',
        'м' => 'm',
        'η' | 'п' => 'n',
        'о' | 'ο' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        '：' => ':',
        '．' => '.',
        '／' | '\u{2044}' | '\u{2215}' => '/',
        // Full width forms.
        '\u{ff01}'..='\u{ff5e}' => return letter(char::from_u32(u32::from(c) - 0xfee0)?.to_ascii_lowercase()),
        // Bold, italic, script, fraktur, double-struck, sans and monospace letters.
        '\u{1d400}'..='\u{1d6a3}' => {
            let at = u8::try_from((u32::from(c) - 0x1d400) % 26).ok()?;
            return letter(char::from(b'a' + at));
        }
        c => c,
    };
    Some(seen)
}
