//! The sequencer, timers and effects: use cases that the faces call.
