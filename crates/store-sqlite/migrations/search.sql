-- The search index: derived from the ledgers, thrown away and built again whenever its version differs. Places are those
-- of the ledger. An index on a column holds (column, place), so it lists the places of a word in order.

CREATE TABLE covered (
    org INTEGER PRIMARY KEY,
    -- How many records of the ledger have a line.
    size INTEGER NOT NULL,
    -- Leaf hash of the last of them: tells whether this is still the same ledger.
    leaf_hash BLOB NOT NULL
) STRICT;

CREATE TABLE words (
    id INTEGER PRIMARY KEY,
    org INTEGER NOT NULL,
    word TEXT NOT NULL,
    UNIQUE (org, word)
) STRICT;

-- Which words occur together in a line; 0 where a line has none.
CREATE TABLE shapes (
    id INTEGER PRIMARY KEY,
    org INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    agent INTEGER NOT NULL,
    action INTEGER NOT NULL,
    decision INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX shapes_kind ON shapes (org, kind, decision, action, agent);
CREATE INDEX shapes_agent ON shapes (agent, action, decision, kind);
CREATE INDEX shapes_action ON shapes (action, decision, kind);

CREATE TABLE lines (
    place INTEGER PRIMARY KEY,
    ts INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    agent INTEGER,
    action INTEGER,
    decision INTEGER,
    shape INTEGER NOT NULL
) STRICT;

CREATE INDEX lines_kind ON lines (kind);
CREATE INDEX lines_agent ON lines (agent) WHERE agent IS NOT NULL;
CREATE INDEX lines_action ON lines (action) WHERE action IS NOT NULL;
CREATE INDEX lines_decision ON lines (decision) WHERE decision IS NOT NULL;
CREATE INDEX lines_shape ON lines (shape);
