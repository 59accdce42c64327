//! Sets of values that one part of a condition may have, and what is left where several demands meet.
//!
//! A region holds at least the values that it stands for. So an empty one is a proof: no value is in it. One that is not
//! empty proves nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use rust_decimal::Decimal;

use super::syntax::Order;

/// How many pairs of cases may still be looked at. Once that is used up, everything counts as possible.
#[derive(Debug)]
pub(crate) struct Effort {
    left: Cell<u64>,
}

impl Effort {
    /// So many pairs.
    pub(crate) fn new(pairs: u64) -> Self {
        Effort { left: Cell::new(pairs) }
    }

    /// Takes something away; false once nothing is left.
    pub(crate) fn spend(&self, pairs: usize) -> bool {
        let left = self.left.get().saturating_sub(pairs as u64);
        self.left.set(left);
        left > 0
    }

    /// Whether all of it is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}

/// Most cases that are looked at one by one. Beyond that everything counts as possible.
const MOST_CASES: usize = 32;

/// Numbers between two ends, of which some may be left out, or only some be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    low: Bound<Decimal>,
    high: Bound<Decimal>,
    only: Option<BTreeSet<Decimal>>,
    not: BTreeSet<Decimal>,
}

impl Numbers {
    fn all() -> Self {
        Numbers {
            low: Bound::Unbounded,
            high: Bound::Unbounded,
            only: None,
            not: BTreeSet::new(),
        }
    }

    /// The numbers that are so to `number`.
    fn so(order: Order, number: Decimal) -> Self {
        let mut numbers = Numbers::all();
        match order {
            Order::Less => numbers.high = Bound::Excluded(number),
            Order::LessEqual => numbers.high = Bound::Included(number),
            Order::Greater => numbers.low = Bound::Excluded(number),
            Order::GreaterEqual => numbers.low = Bound::Included(number),
            Order::Equal => numbers.only = Some(BTreeSet::from([number])),
            Order::NotEqual => numbers.not = BTreeSet::from([number]),
        }
        numbers
    }

    fn holds(&self, number: &Decimal) -> bool {
        let above = match &self.low {
            Bound::Unbounded => true,
            Bound::Included(low) => number >= low,
            Bound::Excluded(low) => number > low,
        };
        let below = match &self.high {
            Bound::Unbounded => true,
            Bound::Included(high) => number <= high,
            Bound::Excluded(high) => number < high,
        };
        above && below && !self.not.contains(number)
    }

    fn meet(&self, other: &Numbers) -> Option<Numbers> {
        let low = later(&self.low, &other.low, Decimal::gt);
        let high = later(&self.high, &other.high, Decimal::lt);
        let mut met = Numbers {
            low,
            high,
            only: common(&self.only, &other.only),
            not: &self.not | &other.not,
        };
        if let Some(only) = met.only.take() {
            let only: BTreeSet<Decimal> = only.into_iter().filter(|number| met.holds(number)).collect();
            let some = !only.is_empty();
            met.only = Some(only);
            return some.then_some(met);
        }
        let (Bound::Included(low) | Bound::Excluded(low)) = &met.low else {
            return Some(met);
        };
        let (Bound::Included(high) | Bound::Excluded(high)) = &met.high else {
            return Some(met);
        };
        // Two ends that are one number hold that number at most.
        let some = low < high || (low == high && met.holds(low));
        some.then_some(met)
    }
}

/// The bound that leaves less: of two that stand at the same number, the one that leaves it out.
fn later(left: &Bound<Decimal>, right: &Bound<Decimal>, beyond: fn(&Decimal, &Decimal) -> bool) -> Bound<Decimal> {
    match (left, right) {
        (Bound::Unbounded, other) | (other, Bound::Unbounded) => *other,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
            let first = beyond(a, b) || (a == b && matches!(left, Bound::Excluded(_)));
            if first { *left } else { *right }
        }
    }
}

/// The members that both allow, where either says which.
fn common<T: Ord + Clone>(left: &Option<BTreeSet<T>>, right: &Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left & right),
        (only, None) | (None, only) => only.clone(),
    }
}

/// Texts: some, all but some, or those with a beginning, an end or a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    only: Option<BTreeSet<String>>,
    not: BTreeSet<String>,
    starts: BTreeSet<String>,
    ends: BTreeSet<String>,
    holds: BTreeSet<String>,
    starts_not: BTreeSet<String>,
    ends_not: BTreeSet<String>,
    holds_not: BTreeSet<String>,
}

impl Texts {
    fn holds(&self, text: &str) -> bool {
        !self.not.contains(text)
            && self.starts.iter().all(|part| text.starts_with(part.as_str()))
            && self.ends.iter().all(|part| text.ends_with(part.as_str()))
            && self.holds.iter().all(|part| text.contains(part.as_str()))
            && !self.starts_not.iter().any(|part| text.starts_with(part.as_str()))
            && !self.ends_not.iter().any(|part| text.ends_with(part.as_str()))
            && !self.holds_not.iter().any(|part| text.contains(part.as_str()))
    }

    fn meet(&self, other: &Texts) -> Option<Texts> {
        let mut met = Texts {
            only: common(&self.only, &other.only),
            not: &self.not | &other.not,
            starts: &self.starts | &other.starts,
            ends: &self.ends | &other.ends,
            holds: &self.holds | &other.holds,
            starts_not: &self.starts_not | &other.starts_not,
            ends_not: &self.ends_not | &other.ends_not,
            holds_not: &self.holds_not | &other.holds_not,
        };
        if let Some(only) = met.only.take() {
            let only: BTreeSet<String> = only.into_iter().filter(|text| met.holds(text)).collect();
            let some = !only.is_empty();
            met.only = Some(only);
            return some.then_some(met);
        }
        met.is_possible().then_some(met)
    }

    /// Whether nothing that is demanded excludes something else that is.
    fn is_possible(&self) -> bool {
        let longest =
            |parts: &BTreeSet<String>| parts.iter().max_by_key(|part| part.len()).cloned().unwrap_or_default();
        let (start, end) = (longest(&self.starts), longest(&self.ends));
        let parts = || [&start, &end].into_iter().chain(&self.holds);
        self.starts.iter().all(|part| start.starts_with(part.as_str()))
            && self.ends.iter().all(|part| end.ends_with(part.as_str()))
            && !self.starts_not.iter().any(|part| start.starts_with(part.as_str()))
            && !self.ends_not.iter().any(|part| end.ends_with(part.as_str()))
            && !self
                .holds_not
                .iter()
                .any(|part| parts().any(|held| held.contains(part.as_str())))
    }
}

/// What one part of a condition may be: by kinds, with what is known of numbers and texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// It is not there.
    pub(crate) absent: bool,
    pub(crate) null: bool,
    pub(crate) yes: bool,
    pub(crate) no: bool,
    pub(crate) numbers: Option<Numbers>,
    pub(crate) texts: Option<Texts>,
    /// A list, a map or a time.
    pub(crate) other: bool,
    /// It has no value: finding it out is an error.
    pub(crate) broken: bool,
}

impl Region {
    /// Nothing at all.
    pub(crate) fn none() -> Self {
        Region {
            absent: false,
            null: false,
            yes: false,
            no: false,
            numbers: None,
            texts: None,
            other: false,
            broken: false,
        }
    }

    /// Whatever there is.
    pub(crate) fn all() -> Self {
        Region {
            absent: true,
            null: true,
            yes: true,
            no: true,
            numbers: Some(Numbers::all()),
            texts: Some(Texts::default()),
            other: true,
            broken: true,
        }
    }

    /// Any number.
    pub(crate) fn numbers() -> Self {
        Region {
            numbers: Some(Numbers::all()),
            ..Region::none()
        }
    }

    /// Any text.
    pub(crate) fn texts() -> Self {
        Region {
            texts: Some(Texts::default()),
            ..Region::none()
        }
    }

    /// The numbers that are so to `number`.
    pub(super) fn number(order: Order, number: Decimal) -> Self {
        Region {
            numbers: Some(Numbers::so(order, number)),
            ..Region::none()
        }
    }

    /// One of these numbers, or none of them.
    pub(crate) fn number_of(numbers: BTreeSet<Decimal>, within: bool) -> Self {
        let (only, not) = if within {
            (Some(numbers), BTreeSet::new())
        } else {
            (None, numbers)
        };
        Region {
            numbers: Some(Numbers {
                only,
                not,
                ..Numbers::all()
            }),
            ..Region::none()
        }
    }

    /// One of these texts, or none of them.
    pub(crate) fn text_of(texts: impl IntoIterator<Item = String>, within: bool) -> Self {
        let texts = texts.into_iter().collect();
        let known = if within {
            Texts {
                only: Some(texts),
                ..Texts::default()
            }
        } else {
            Texts {
                not: texts,
                ..Texts::default()
            }
        };
        Region::of_texts(known)
    }

    /// Texts that begin so, or do not.
    pub(crate) fn starting(part: String, so: bool) -> Self {
        let mut texts = Texts::default();
        if so { &mut texts.starts } else { &mut texts.starts_not }.insert(part);
        Region::of_texts(texts)
    }

    /// Texts that end so, or do not.
    pub(crate) fn ending(part: String, so: bool) -> Self {
        let mut texts = Texts::default();
        if so { &mut texts.ends } else { &mut texts.ends_not }.insert(part);
        Region::of_texts(texts)
    }

    /// Texts with such a part, or without it.
    pub(crate) fn containing(part: String, so: bool) -> Self {
        let mut texts = Texts::default();
        if so { &mut texts.holds } else { &mut texts.holds_not }.insert(part);
        Region::of_texts(texts)
    }

    fn of_texts(texts: Texts) -> Self {
        Region {
            texts: Some(texts),
            ..Region::none()
        }
    }

    /// With absence.
    pub(crate) fn or_absent(self) -> Self {
        Region { absent: true, ..self }
    }

    /// With `null`.
    pub(crate) fn or_null(self) -> Self {
        Region { null: true, ..self }
    }

    /// What is in both; `None` if nothing is.
    pub(crate) fn meet(&self, other: &Region) -> Option<Region> {
        let both = |left: &Option<Numbers>, right: &Option<Numbers>| left.as_ref()?.meet(right.as_ref()?);
        let texts = |left: &Option<Texts>, right: &Option<Texts>| left.as_ref()?.meet(right.as_ref()?);
        let met = Region {
            absent: self.absent && other.absent,
            null: self.null && other.null,
            yes: self.yes && other.yes,
            no: self.no && other.no,
            numbers: both(&self.numbers, &other.numbers),
            texts: texts(&self.texts, &other.texts),
            other: self.other && other.other,
            broken: self.broken && other.broken,
        };
        (met != Region::none()).then_some(met)
    }
}

/// The name of a part of a condition; the same part always has the same value.
pub(crate) type Part = String;

/// What parts are at the same time: those that are not named may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Case(BTreeMap<Part, Region>);

impl Case {
    /// With one more demand; `None` if nothing meets all of them.
    fn with(mut self, part: &str, region: &Region) -> Option<Case> {
        let met = match self.0.get(part) {
            Some(known) => known.meet(region)?,
            None => region.clone(),
        };
        self.0.insert(part.to_owned(), met);
        Some(self)
    }

    fn meet(&self, other: &Case) -> Option<Case> {
        let (few, many) = if self.0.len() <= other.0.len() {
            (self, other)
        } else {
            (other, self)
        };
        few.0
            .iter()
            .try_fold(many.clone(), |case, (part, region)| case.with(part, region))
    }
}

/// Cases of which one is real, if any; none is a proof that it cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cases(Vec<Case>);

impl Cases {
    /// It cannot be.
    pub(crate) fn never() -> Self {
        Cases(Vec::new())
    }

    /// Nothing is known.
    pub(crate) fn maybe() -> Self {
        Cases(vec![Case::default()])
    }

    /// A part is in a region.
    pub(crate) fn of(part: &str, region: Region) -> Self {
        match region == Region::none() {
            true => Cases::never(),
            false => Cases(vec![Case(BTreeMap::from([(part.to_owned(), region)]))]),
        }
    }

    /// Whether it cannot be.
    pub(crate) fn is_never(&self) -> bool {
        self.0.is_empty()
    }

    /// Both at the same time.
    pub(crate) fn and(&self, other: &Cases, effort: &Effort) -> Cases {
        if !effort.spend(self.0.len().saturating_mul(other.0.len()).max(1)) {
            // Leaving one demand out leaves more possible, never less.
            return if self.0.len() <= other.0.len() {
                self.clone()
            } else {
                other.clone()
            };
        }
        let mut met: Vec<Case> = Vec::new();
        for left in &self.0 {
            for right in &other.0 {
                if let Some(case) = left.meet(right).filter(|case| !met.contains(case)) {
                    met.push(case);
                }
            }
        }
        Cases(met).bounded()
    }

    /// Either.
    pub(crate) fn or(mut self, other: Cases) -> Cases {
        for case in other.0 {
            if !self.0.contains(&case) {
                self.0.push(case);
            }
        }
        self.bounded()
    }

    fn bounded(self) -> Cases {
        if self.0.len() > MOST_CASES {
            Cases::maybe()
        } else {
            self
        }
    }

    /// What is left of it where parts are only what they can be.
    pub(crate) fn within(&self, world: &BTreeMap<Part, Region>) -> Cases {
        let narrowed = |case: &Case| {
            let parts: Vec<&Part> = case.0.keys().filter(|part| world.contains_key(*part)).collect();
            let mut parts = parts.into_iter().filter_map(|part| Some((part, world.get(part)?)));
            parts.try_fold(case.clone(), |case, (part, region)| case.with(part, region))
        };
        Cases(self.0.iter().filter_map(narrowed).collect())
    }
}
