//! The record for other programs: formats, where they go, and an export that never ends.
//!
//! [`FORMATS`] lists the formats, one file each in `format/`. [`extract`] writes a range of a ledger in one of them, and
//! [`Follow`] writes numbered parts as the ledger grows. Both take the records from a [`Source`], hold them against a
//! signed checkpoint before anybody sees them as done, and know nothing of how the source reaches its ledger.

mod entry;
mod error;
mod extract;
mod follow;
mod format;
mod place;
mod range;
mod source;
mod verify;

pub use entry::{Beside, Entry};
pub use error::{ExportError, SourceError};
pub use extract::{Extract, Extracted, extract};
pub use follow::{CursorFile, Follow, Step};
pub use format::{FORMATS, Format, Lined, Writer, columns, format};
pub use place::{Destination, Folder, Lock, Place, Put, destination};
pub use range::{Bound, Range};
pub use source::{Inclusion, Payload, Source};
