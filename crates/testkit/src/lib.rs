//! Fixed clocks, builders and fault-injecting stores for tests.
