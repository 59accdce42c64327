//! A disk that loses what it was not made to keep: bytes that were written and not synced may be gone, cut, or garbage
//! after a crash, and a disk that lies about its syncs loses what it acknowledged.

use super::dice::Dice;

/// Why a disk did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// There is no room.
    Full,
    /// It failed.
    Failed,
}

/// One append-only file on a simulated disk.
#[derive(Debug, Default)]
pub struct Disk {
    bytes: Vec<u8>,
    /// So many bytes survive a crash.
    synced: usize,
    /// How long the file may become; `None` = there is room.
    pub room_until: Option<usize>,
    /// Syncs are acknowledged and not carried out.
    pub lies: bool,
}

impl Disk {
    /// What the file holds now.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How long the file is.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the file is empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends. A disk that is full writes what fits.
    ///
    /// # Errors
    /// [`DiskError::Full`] if not all of it fits.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let room = self
            .room_until
            .map_or(bytes.len(), |until| until.saturating_sub(self.bytes.len()));
        let fits = room.min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..fits]);
        if fits < bytes.len() {
            return Err(DiskError::Full);
        }
        Ok(())
    }

    /// Makes everything that was written survive a crash, or says so.
    pub fn sync(&mut self) {
        if !self.lies {
            self.synced = self.bytes.len();
        }
    }

    /// Cuts the file to this length, durably.
    pub fn cut(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.synced = self.synced.min(length);
    }

    /// What was not synced is gone, or a beginning of it is there, or garbage stands in its place.
    pub fn crash(&mut self, dice: &mut Dice) {
        let unsynced = self.bytes.len() - self.synced;
        let kept = match dice.below(4) {
            0 => 0,
            1 => unsynced,
            _ => dice.place(unsynced + 1),
        };
        let garbage = if dice.happens(300) { unsynced - kept } else { 0 };
        self.bytes.truncate(self.synced + kept);
        for _ in 0..garbage {
            self.bytes.push(dice.throw().to_le_bytes()[0]);
        }
        // What a start finds on a disk is what is there from now on.
        self.synced = self.bytes.len();
    }
}
