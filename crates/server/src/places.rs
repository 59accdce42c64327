//! Places of those who are answered for long: so many in all, and so many for one credential.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_engine::Caller;

/// Places of one kind.
pub(crate) struct Places {
    by: Mutex<BTreeMap<String, usize>>,
    in_all: usize,
    for_each: usize,
}

/// One of them, until it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    by: String,
}

impl Places {
    pub(crate) fn new(in_all: usize, for_each: usize) -> Arc<Places> {
        Arc::new(Places {
            by: Mutex::default(),
            in_all,
            for_each,
        })
    }

    /// A place for whoever asks, if there is one.
    pub(crate) fn take(self: &Arc<Places>, caller: &Caller) -> Option<Place> {
        let by = format!("{}/{}", caller.org, caller.kid.as_deref().unwrap_or_default());
        let mut places = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        if places.values().sum::<usize>() >= self.in_all {
            return None;
        }
        let own = places.entry(by.clone()).or_default();
        if *own >= self.for_each {
            return None;
        }
        *own += 1;
        Some(Place {
            places: self.clone(),
            by,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.by.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = places.get_mut(&self.by) {
            *own -= 1;
            if *own == 0 {
                places.remove(&self.by);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_for_each_and_in_all_and_one_that_is_left_is_free() {
        let caller = |name: &str| Caller::operator(name.into());
        let places = Places::new(3, 2);
        let (one, two, three) = (caller("one"), caller("two"), caller("three"));
        let first = places.take(&one);
        let second = places.take(&one);
        assert!(first.is_some() && second.is_some() && places.take(&one).is_none());
        let third = places.take(&two);
        assert!(third.is_some() && places.take(&three).is_none(), "all are taken");
        drop(first);
        assert!(places.take(&three).is_some());
        drop((second, third));
        assert!(places.by.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
    }
}
