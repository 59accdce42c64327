//! Files of a bundle that grow with the ledger, read once from the beginning, a part at a time.

use super::{BundleError, Files};

/// How much is asked for at once; a leaf with its length is shorter.
const PART: usize = 1 << 20;

/// A file that is being read.
pub(super) struct Stream<'a> {
    files: &'a dyn Files,
    name: &'static str,
    /// Where the next part begins.
    next: u64,
    part: Vec<u8>,
    /// How much of the part was taken.
    taken: usize,
}

impl<'a> Stream<'a> {
    /// Reads on from `at`.
    pub(super) fn new(files: &'a dyn Files, name: &'static str, at: u64) -> Stream<'a> {
        Stream {
            files,
            name,
            next: at,
            part: Vec::new(),
            taken: 0,
        }
    }

    /// What is there and was not taken, `count` bytes at least unless the file ends before.
    pub(super) fn peek(&mut self, count: usize) -> Result<&[u8], BundleError> {
        while self.part.len() - self.taken < count && self.fill()? {}
        Ok(self.part.get(self.taken..).unwrap_or_default())
    }

    /// Takes what was looked at.
    pub(super) fn take(&mut self, count: usize) {
        self.taken = self.part.len().min(self.taken + count);
    }

    /// The next frame of `entries` without its length; `None` at the end. It is still to be taken: its length and 2.
    pub(super) fn frame(&mut self) -> Result<Option<Frame<'_>>, BundleError> {
        let length = match self.peek(2)? {
            [] => return Ok(None),
            [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
            [_] => return Ok(Some(Frame::Short)),
        };
        Ok(Some(match self.peek(2 + length)?.get(2..2 + length) {
            Some(leaf) => Frame::Leaf(leaf),
            None => Frame::Short,
        }))
    }

    /// Takes a line; `None` at the end. The newline belongs to it, and there has to be one.
    pub(super) fn line(&mut self) -> Result<Option<&str>, BundleError> {
        let mut looked = 0;
        let length = loop {
            let there = self.part.get(self.taken..).unwrap_or_default();
            let fresh = there.get(looked..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                break looked + at;
            }
            looked = there.len();
            if !self.fill()? {
                return match looked {
                    0 => Ok(None),
                    _ => Err(BundleError::new(self.name, "it does not end in a newline")),
                };
            }
        };
        let begin = self.taken;
        self.taken += length + 1;
        let line = self.part.get(begin..begin + length).unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|_| BundleError::new(self.name, "not UTF-8"))?;
        Ok(Some(line))
    }

    /// Reads another part behind what was not taken; false at the end of the file.
    fn fill(&mut self) -> Result<bool, BundleError> {
        self.part.drain(..self.taken);
        self.taken = 0;
        let part = self.files.part(self.name, self.next, PART);
        let part = part.map_err(|why| BundleError::new(self.name, why))?;
        self.next += part.len() as u64;
        self.part.extend_from_slice(&part);
        Ok(!part.is_empty())
    }
}

/// What `entries` goes on with.
pub(super) enum Frame<'a> {
    /// A leaf.
    Leaf(&'a [u8]),
    /// Less than the length says.
    Short,
}
