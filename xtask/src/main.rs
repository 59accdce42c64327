//! Chores of this repository, one word each.
fn main() {}
