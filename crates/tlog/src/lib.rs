//! Canonical bytes, RFC 6962 trees, C2SP checkpoints and signed notes: what an auditor links.
