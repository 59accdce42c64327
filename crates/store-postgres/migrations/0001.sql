-- The ledgers. Every row has the number of its organization first, so that the rows of one lie together in each index.
-- Times are microseconds since 1970. Names are compared byte by byte, as the program does.

CREATE TABLE organizations (
    -- Never used again after a removal.
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    created bigint NOT NULL,
    origin text NOT NULL
);

-- Changes with every batch. Its row is what a turn locks; the free room keeps changes within the page.
CREATE TABLE heads (
    org bigint PRIMARY KEY,
    size bigint NOT NULL,
    ts bigint NOT NULL,
    edge bytea NOT NULL,
    checkpoint text NOT NULL,
    -- Records before this index have no bytes any more.
    pruned bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

CREATE TABLE records (
    org bigint NOT NULL,
    seq bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    leaf bytea NOT NULL,
    PRIMARY KEY (org, seq)
);

CREATE TABLE payloads (
    org bigint NOT NULL,
    seq bigint NOT NULL,
    class text COLLATE "C" NOT NULL,
    -- Which secret opens it; empty: none is needed.
    key text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (org, seq)
);

CREATE TABLE subjects (
    org bigint NOT NULL,
    subject uuid NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (org, subject, seq)
);

-- Kind and id first: a credential finds its organization by them.
CREATE TABLE secrets (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    org bigint NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (kind, id, org)
);

CREATE TABLE snapshot_files (
    org bigint NOT NULL,
    hash text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (org, hash, name)
);

CREATE TABLE states (
    org bigint PRIMARY KEY,
    at bigint NOT NULL,
    bytes bytea NOT NULL
);
