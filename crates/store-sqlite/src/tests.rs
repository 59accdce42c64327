//! What only the inside can provoke.
