-- A payload is opaque bytes under a key that can be destroyed by itself. Those of before are salt and text in the clear,
-- under no key.
CREATE TABLE sealed_payloads (
    place INTEGER PRIMARY KEY,
    class TEXT NOT NULL,
    -- Which secret opens it; empty: none is needed.
    key TEXT NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

INSERT INTO sealed_payloads (place, class, key, sealed)
SELECT place, class, '', CAST(salt || body AS BLOB) FROM payloads ORDER BY place;

DROP TABLE payloads;
ALTER TABLE sealed_payloads RENAME TO payloads;

-- Records before this index have no bytes any more.
ALTER TABLE heads ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;
