-- Small content: a container or sealed bytes of a few kilobytes. A row names it as '@' and its number here.
CREATE TABLE content (
    id    INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- What lies in the spool, without passing over what lies here: asked at each start, and by a backup.
CREATE INDEX part_in_spool ON part (file) WHERE file <> '' AND file NOT LIKE '@%';
CREATE INDEX container_in_spool ON container (file) WHERE file <> '' AND file NOT LIKE '@%';
