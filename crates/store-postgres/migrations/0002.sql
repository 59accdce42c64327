-- The search index, derived from the ledgers, and who does which work.

CREATE TABLE covered (
    org bigint PRIMARY KEY,
    -- How many records of the ledger have a line.
    size bigint NOT NULL
) WITH (fillfactor = 20);

-- A word has a number of its own in each organization, so a number alone tells both.
CREATE TABLE words (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org bigint NOT NULL,
    word text COLLATE "C" NOT NULL,
    UNIQUE (org, word)
);

CREATE TABLE lines (
    org bigint NOT NULL,
    seq bigint NOT NULL,
    ts bigint NOT NULL,
    kind bigint NOT NULL,
    agent bigint,
    action bigint,
    decision bigint,
    PRIMARY KEY (org, seq)
);

CREATE INDEX lines_kind ON lines (kind, seq);
CREATE INDEX lines_agent ON lines (agent, seq) WHERE agent IS NOT NULL;
CREATE INDEX lines_action ON lines (action, seq) WHERE action IS NOT NULL;
CREATE INDEX lines_decision ON lines (decision, seq) WHERE decision IS NOT NULL;

-- Not logged: a crash forgets them, which harms nobody.
CREATE UNLOGGED TABLE leases (
    org text COLLATE "C" NOT NULL,
    work text COLLATE "C" NOT NULL,
    holder text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (org, work)
);
