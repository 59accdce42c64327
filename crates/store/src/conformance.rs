//! The suite that every store runs. A check is a function on a fresh store; what it is called is what it proves.
//!
//! A new store runs it from one test: see `crates/store/tests/memory.rs` for one that forgets and
//! `crates/store-sqlite/tests/conformance.rs` for one that is durable. A store that several nodes append to runs
//! [`run_shared`] as well.

mod append;
mod fixture;
mod index;
mod read;
mod remove;
mod share;
mod turn;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Store;

/// How a check ends: `Err` says what went against the contract.
type Outcome = Result<(), Box<dyn Error>>;

/// Closes a store and opens it again.
pub type Reopen<'a> = dyn Fn(Box<dyn Store>) -> Box<dyn Store> + 'a;

/// How the suite gets its stores.
pub struct Subject<'a> {
    /// A new, empty store.
    pub open: &'a dyn Fn() -> Box<dyn Store>,
    /// Closes a store and opens it again from what is on disk; `None` if the store is not durable.
    pub reopen: Option<&'a Reopen<'a>>,
}

/// One check.
struct Check {
    name: &'static str,
    run: fn(&dyn Store) -> Outcome,
}

/// Makes a list of checks whose names are those of the functions.
macro_rules! checks {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$(Check { name: stringify!($name), run: $module::$name }),*]
    };
}

const CHECKS: &[Check] = checks![
    append::a_batch_is_there_whole_after_it,
    append::a_batch_continues_the_one_before,
    append::several_organizations_go_in_at_once,
    append::one_organization_may_come_twice_in_a_batch,
    append::another_base_is_a_conflict_and_writes_nothing,
    append::a_conflict_of_one_organization_holds_back_all,
    append::an_existing_organization_is_not_created_again,
    append::an_unknown_organization_is_not_appended_to,
    append::a_batch_that_is_not_whole_is_refused,
    append::a_bit_that_flipped_in_memory_is_refused,
    append::secrets_can_change_without_a_record,
    read::an_empty_store_has_nothing,
    read::organizations_are_listed_by_name,
    read::records_come_in_order_from_any_index,
    read::leaf_hashes_are_those_of_the_range,
    read::subjects_lead_to_their_records_in_order,
    read::payloads_come_back_as_they_were,
    read::payloads_are_listed_by_class_and_key,
    read::secrets_are_written_replaced_and_removed,
    read::a_secret_leads_to_its_only_organization,
    read::secrets_are_listed_in_order_and_sealed_anew,
    read::snapshots_come_back_by_name,
    read::a_newer_state_replaces_the_older_one,
    read::large_values_come_back_as_they_were,
    index::the_index_begins_empty_and_lies_behind,
    index::the_index_continues_without_gap_or_overlap,
    index::a_search_without_filter_gives_the_newest_first,
    index::a_search_goes_on_before_the_last_line,
    index::each_filter_selects,
    index::filters_are_combined,
    index::time_ranges_include_their_beginning_and_not_their_end,
    remove::organizations_do_not_see_each_other,
    remove::a_removed_organization_leaves_nothing_and_takes_nothing_along,
    remove::a_removed_name_begins_anew,
    remove::destroyed_payloads_are_gone_and_no_others,
    remove::pruned_records_leave_their_hashes,
    share::readers_see_only_whole_batches,
];

/// Two nodes' views of one store.
pub type Nodes = [Box<dyn Store>; 2];

/// One check of a store that several nodes append to.
struct SharedCheck {
    name: &'static str,
    run: fn(&Nodes) -> Outcome,
}

macro_rules! shared_checks {
    ($($name:ident),* $(,)?) => {
        &[$(SharedCheck { name: stringify!($name), run: turn::$name }),*]
    };
}

const SHARED_CHECKS: &[SharedCheck] = shared_checks![
    a_turn_shows_the_end_of_each_ledger,
    what_one_node_appends_the_other_sees,
    a_turn_waits_until_another_ends,
    turns_on_different_ledgers_do_not_wait,
    a_dropped_turn_appends_nothing,
    of_two_that_create_an_organization_one_succeeds,
    time_never_goes_back_between_turns,
    the_other_node_hears_of_changes,
    work_is_leased_to_one_at_a_time,
    turns_of_many_threads_lose_and_double_nothing,
];

/// Runs all checks.
///
/// # Panics
/// With the name of every check that failed, and why.
pub fn run(subject: &Subject<'_>) {
    let mut failures = Failures::default();
    for check in CHECKS {
        failures.note(check.name, &|| (check.run)((subject.open)().as_ref()));
    }
    if let Some(reopen) = subject.reopen {
        failures.note("everything_is_there_after_reopening", &|| {
            share::everything_is_there_after_reopening((subject.open)(), reopen)
        });
    }
    failures.report();
}

/// Runs the checks for stores that several nodes append to, each on a new, empty store.
///
/// # Panics
/// With the name of every check that failed, and why.
pub fn run_shared(open: &dyn Fn() -> Nodes) {
    let mut failures = Failures::default();
    for check in SHARED_CHECKS {
        failures.note(check.name, &|| (check.run)(&open()));
    }
    failures.report();
}

#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn note(&mut self, name: &str, check: &dyn Fn() -> Outcome) {
        let outcome = catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| Err("it panicked".into()));
        if let Err(why) = outcome {
            self.0.push(format!("{name}: {why}"));
        }
    }

    fn report(self) {
        assert!(
            self.0.is_empty(),
            "the store breaks its contract:\n  {}",
            self.0.join("\n  ")
        );
    }
}
