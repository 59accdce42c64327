//! The paths of tiles as in c2sp.org/tlog-tiles: 256 hashes, or 256 entries, under one name that never changes.
//!
//! ```text
//! <L>/<N>[.p/<W>]        hashes of the perfect subtrees of 2^(8·L) leaves, from N·256 on
//! entries/<N>[.p/<W>]    entries from N·256 on
//! ```
//!
//! `N` is written in groups of three digits, all but the last with an `x` in front: 1234067 is `x001/x234/067`. A path
//! without `.p/<W>` is of a full tile.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::parse_decimal;

/// How many hashes or entries a full tile has.
pub const TILE_WIDTH: u64 = 256;
/// A tree of 2^64 leaves has no subtrees above this level of tiles.
const MAX_LEVEL: u8 = 7;

/// A tile, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Level of hashes; `None` for entries.
    pub level: Option<u8>,
    /// Which of its level, from 0.
    pub index: u64,
    /// How many hashes or entries it has: 1 to [`TILE_WIDTH`].
    pub width: u64,
}

/// The text is not the path of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile")]
pub struct TileError;

impl Tile {
    /// How many leaves there must be for this tile to be there; `None` beyond every tree.
    pub fn needs(&self) -> Option<u64> {
        let span = 1_u64.checked_shl(8 * u32::from(self.level.unwrap_or(0)))?;
        let end = self.index.checked_mul(TILE_WIDTH)?.checked_add(self.width)?;
        end.checked_mul(span)
    }

    /// Nothing is ever added to it.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Tile, TileError> {
        let (kind, rest) = path.split_once('/').ok_or(TileError)?;
        let level = match kind {
            "entries" => None,
            digits => {
                let level = parse_decimal(digits).and_then(|level| u8::try_from(level).ok());
                Some(level.filter(|level| *level <= MAX_LEVEL).ok_or(TileError)?)
            }
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => {
                let width = parse_decimal(width).filter(|width| (1..TILE_WIDTH).contains(width));
                (number, width.ok_or(TileError)?)
            }
            None => (rest, TILE_WIDTH),
        };
        let index = read_index(number).ok_or(TileError)?;
        Ok(Tile { level, index, width })
    }
}

/// A number in its one spelling.
fn read_index(text: &str) -> Option<u64> {
    let mut index = 0_u64;
    let mut groups = text.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let digits = match groups.peek() {
            Some(_) => group.strip_prefix('x')?,
            None => group,
        };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // Groups of zeros in front would be a second spelling.
        if first && digits == "000" && groups.peek().is_some() {
            return None;
        }
        first = false;
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(index)
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "{level}/")?,
            None => f.write_str("entries/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            let sign = if place > 0 { "x" } else { "" };
            let end = if place > 0 { "/" } else { "" };
            write!(f, "{sign}{group:03}{end}")?;
        }
        if self.is_full() {
            Ok(())
        } else {
            write!(f, ".p/{}", self.width)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back_as_themselves() {
        for (path, level, index, width) in [
            ("0/000", Some(0), 0, 256),
            ("1/x001/234.p/9", Some(1), 1234, 9),
            ("entries/x001/x234/067", None, 1_234_067, 256),
            ("entries/999.p/255", None, 999, 255),
            ("7/x001/000", Some(7), 1000, 256),
        ] {
            let tile = Tile { level, index, width };
            assert_eq!(path.parse(), Ok(tile));
            assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for path in [
            "",
            "0",
            "0/",
            "0/0",
            "0/00",
            "0/0000",
            "0/x000/000",
            "0/x000",
            "0/x001/x002",
            "0/001/002",
            "8/000",
            "00/000",
            "-1/000",
            "data/000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p",
            "0/000.p/",
            "0/000/",
            "/0/000",
            "0/000.p/1.p/2",
            "entries/\u{661}01",
            "0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(path.parse::<Tile>(), Err(TileError), "{path}");
        }
    }

    #[test]
    fn a_tile_needs_the_leaves_under_its_last_hash() {
        let needs = |path: &str| path.parse::<Tile>().ok().and_then(|tile| tile.needs());
        assert_eq!(needs("0/000.p/5"), Some(5));
        assert_eq!(needs("0/001"), Some(512));
        assert_eq!(needs("1/000.p/2"), Some(512));
        assert_eq!(needs("2/001.p/1"), Some(257 * 65_536));
        assert_eq!(needs("entries/001.p/3"), Some(259));
        assert_eq!(needs("7/001"), None);
    }
}
