-- The ledgers. A place is `org << 40 | seq`: the rows of an organization lie together, in the order of its ledger, in
-- tables that SQLite keeps by a plain integer. (A table WITHOUT ROWID would carry whole rows in its inner pages.)

CREATE TABLE organizations (
    -- Never used again after a removal.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    -- Microseconds since 1970, like every time here.
    created INTEGER NOT NULL,
    origin TEXT NOT NULL
) STRICT;

CREATE TABLE heads (
    org INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    edge BLOB NOT NULL,
    checkpoint TEXT NOT NULL
) STRICT;

CREATE TABLE records (
    place INTEGER PRIMARY KEY,
    -- Before the leaf, so that it can be read without the pages that a long leaf spills into.
    leaf_hash BLOB NOT NULL,
    leaf BLOB NOT NULL
) STRICT;

CREATE TABLE payloads (
    place INTEGER PRIMARY KEY,
    class TEXT NOT NULL,
    salt BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE subjects (
    org INTEGER NOT NULL,
    -- 16 bytes, big-endian.
    subject BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (org, subject, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    org INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (kind, id, org)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot_files (
    org INTEGER NOT NULL,
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (org, hash, name)
) STRICT;

CREATE TABLE states (
    org INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
