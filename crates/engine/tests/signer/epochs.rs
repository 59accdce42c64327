//! Epochs.
