-- A node that was restored from a backup asks what it answered and submitted since (protocol §4.10).

-- The outcome that settled the line; NULL for lines settled before this step.
ALTER TABLE line ADD COLUMN outcome INTEGER;
CREATE INDEX line_settled ON line (member, settled) WHERE settled IS NOT NULL;
CREATE INDEX part_member ON part (member, accepted);
-- What went long ago may be dropped (keep.records).
CREATE INDEX part_gone ON part (gone) WHERE gone IS NOT NULL;
