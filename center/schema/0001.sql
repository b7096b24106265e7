-- First schema of a center. Later steps are new files, never edits of this one.
-- Times are Unix milliseconds UTC; "member" is an organisation's 10-character code, a mailbox code has 10 or 17.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE member (
    code             TEXT PRIMARY KEY,
    name             TEXT NOT NULL,
    suspended        INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1)),
    may_send         INTEGER NOT NULL CHECK (may_send IN (0, 1)),
    max_length       INTEGER,           -- NULL: the center's default
    parts_per_minute INTEGER,
    bytes_per_day    INTEGER,
    added            INTEGER NOT NULL,
    changed          INTEGER NOT NULL
) STRICT;

-- Fixed addresses from which a member may connect: an address or a network in CIDR form.
CREATE TABLE address (
    member  TEXT NOT NULL REFERENCES member (code),
    network TEXT NOT NULL,
    PRIMARY KEY (member, network)
) STRICT, WITHOUT ROWID;

-- The directory: one countersigned entry per mailbox; the number only goes up.
CREATE TABLE entry (
    code         TEXT PRIMARY KEY,
    member       TEXT NOT NULL REFERENCES member (code),
    number       INTEGER NOT NULL,
    name         TEXT NOT NULL,
    registration BLOB NOT NULL,
    signer       BLOB NOT NULL,         -- SHA-256 of the signing certificate now registered
    put          INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_member ON entry (member);

-- Every signing certificate that was ever registered for a member: a receipt is sent again with its first bytes,
-- also after the card was renewed.
CREATE TABLE signer (
    member TEXT NOT NULL REFERENCES member (code),
    sha256 BLOB NOT NULL,
    der    BLOB NOT NULL,
    PRIMARY KEY (member, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE part (
    id        INTEGER PRIMARY KEY,
    member    TEXT NOT NULL,
    sender    TEXT NOT NULL,
    document  BLOB NOT NULL,
    variant   INTEGER NOT NULL,
    grp       INTEGER NOT NULL,
    round     INTEGER NOT NULL,
    priority  INTEGER NOT NULL,
    manifest  BLOB NOT NULL,
    signature BLOB NOT NULL,
    sealed    BLOB NOT NULL,
    length    INTEGER NOT NULL,
    accepted  INTEGER NOT NULL,
    receipt   BLOB NOT NULL,
    file      TEXT,                     -- NULL: the bytes are in the table body
    open      INTEGER NOT NULL,         -- lines without a verdict
    settled   INTEGER,                  -- when the last line got its verdict
    gone      INTEGER,                  -- when the bytes were dropped
    UNIQUE (member, document, variant, grp, round)
) STRICT;
CREATE INDEX part_settled ON part (settled) WHERE settled IS NOT NULL AND gone IS NULL;

CREATE TABLE body (
    part  INTEGER PRIMARY KEY REFERENCES part (id),
    bytes BLOB NOT NULL
) STRICT;

-- Mailbox lines: one per part and recipient.
CREATE TABLE line (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    part        INTEGER NOT NULL REFERENCES part (id),
    recipient   TEXT NOT NULL,
    member      TEXT NOT NULL,
    attachments INTEGER NOT NULL,
    verdict     INTEGER,                -- the first one reported
    settled     INTEGER,
    UNIQUE (part, recipient)
) STRICT;
CREATE INDEX line_waiting ON line (member, seq) WHERE settled IS NULL;

-- Receipt bundles as they were reported, for the sender to fetch.
CREATE TABLE outcome (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    sender   TEXT NOT NULL,             -- the sender's member code
    reporter TEXT NOT NULL,
    digest   BLOB NOT NULL,
    bundle   BLOB NOT NULL,
    reported INTEGER NOT NULL,
    UNIQUE (sender, seq)
) STRICT;
CREATE INDEX outcome_repeat ON outcome (reporter, digest);

CREATE TABLE upload (
    id       INTEGER PRIMARY KEY,
    member   TEXT NOT NULL,
    document BLOB NOT NULL,
    variant  INTEGER NOT NULL,
    grp      INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    sealed   BLOB NOT NULL,
    length   INTEGER NOT NULL,
    file     TEXT NOT NULL UNIQUE,
    touched  INTEGER NOT NULL,
    UNIQUE (member, document, variant, grp, round)
) STRICT;

CREATE TABLE usage (
    member TEXT NOT NULL,
    day    INTEGER NOT NULL,            -- days since 1970-01-01 UTC
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (member, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE announcement (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time   INTEGER NOT NULL,
    title  TEXT NOT NULL,
    body   TEXT NOT NULL
) STRICT;
