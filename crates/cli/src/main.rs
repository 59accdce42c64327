//! The countersign binary: the only composition root.
fn main() {}
