-- Small content: a container or sealed bytes of a few kilobytes. A row names it as '@' and its number here.
CREATE TABLE content (
    id    INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
