//! What of an action is not known any more, and which of it an evaluation read.
//!
//! A stored form has marks where something was not kept. What was there can have been anything, so an evaluation that
//! never looks at a mark comes out as it did when the value was there, and one that looks at a mark proves nothing. An
//! evaluation that is watched runs the same code as any other; it only notes at which marks it looked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::value::Value;

/// Watches an evaluation.
///
/// Looked at is a mark when its value would be compared, measured or computed with. That something is there at all is
/// known, since a mark stands for one value.
pub struct Hidden {
    is_mark: fn(&Value) -> bool,
    is_marked: fn(&str) -> bool,
    read: RefCell<BTreeSet<String>>,
}

impl Hidden {
    /// `is_mark` tells whether a value stands for one that was not kept, or is a text of which a part was not;
    /// `is_marked` the same of a bare text or key.
    pub fn new(is_mark: fn(&Value) -> bool, is_marked: fn(&str) -> bool) -> Hidden {
        Hidden {
            is_mark,
            is_marked,
            read: RefCell::default(),
        }
    }

    /// One that knows the same marks and has noted none.
    pub(crate) fn anew(&self) -> Hidden {
        Hidden::new(self.is_mark, self.is_marked)
    }

    /// The paths of the marks that were looked at, such as `args.card`.
    pub fn read(&self) -> BTreeSet<String> {
        self.read.borrow().clone()
    }

    /// The mark at `path` was looked at.
    pub fn note(&self, path: impl Into<String>) {
        self.read.borrow_mut().insert(path.into());
    }

    /// Whether the value stands for another.
    pub(crate) fn is_mark(&self, value: &Value) -> bool {
        (self.is_mark)(value)
    }

    /// This value is looked at, without its members.
    pub(crate) fn see(&self, value: &Value, path: impl FnOnce() -> String) {
        if (self.is_mark)(value) {
            self.note(path());
        }
    }

    /// This value is looked at with all its members.
    pub(crate) fn see_all(&self, value: &Value, path: impl FnOnce() -> String) {
        if self.holds_mark(value) {
            self.note(path());
        }
    }

    /// A text of the action is looked at.
    pub(crate) fn see_text(&self, text: Option<&str>, path: &str) {
        if text.is_some_and(self.is_marked) {
            self.note(path);
        }
    }

    /// The keys of a map are looked at.
    pub(crate) fn see_keys(&self, map: &BTreeMap<String, Value>, path: impl FnOnce() -> String) {
        if map.keys().any(|key| (self.is_marked)(key)) {
            self.note(path());
        }
    }

    /// One key of a value is looked for. Where it is not there, it may be one of those that were not kept.
    pub(crate) fn see_key(&self, value: &Value, key: &str, path: impl FnOnce() -> String) {
        match value {
            value if (self.is_mark)(value) => self.note(path()),
            Value::Map(map) if !map.contains_key(key) => self.see_keys(map, path),
            _ => {}
        }
    }

    fn holds_mark(&self, value: &Value) -> bool {
        match value {
            value if (self.is_mark)(value) => true,
            Value::List(items) => items.iter().any(|item| self.holds_mark(item)),
            Value::Map(map) => map
                .iter()
                .any(|(key, item)| (self.is_marked)(key) || self.holds_mark(item)),
            _ => false,
        }
    }
}
