//! The domain: actions, commands, events, the state that they fold into.
