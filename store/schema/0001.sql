-- Times are Unix milliseconds UTC; states and words are the names in src/state.rs; digests are SHA-256.
-- `todo` = a step is to be done by the node itself; `due` = when (null: when something happens, see Store::wake);
-- `begun` = how often `step` was begun without an outcome.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- hash = SHA-256(hash of the line before || canonical line), src/journal.rs
CREATE TABLE journal (
    seq      INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    event    TEXT NOT NULL,
    document BLOB CHECK (length(document) = 16),
    doc      INTEGER,
    inbound  INTEGER,
    detail   TEXT NOT NULL,
    alarm    INTEGER NOT NULL CHECK (alarm IN (0, 1)),
    hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX journal_doc ON journal (doc) WHERE doc IS NOT NULL;
CREATE INDEX journal_inbound ON journal (inbound) WHERE inbound IS NOT NULL;
CREATE INDEX journal_alarm ON journal (seq) WHERE alarm = 1;
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

-- Every signed receipt, as bytes: center (for a part or an offer), outcome (from a receiver), answer (ours).
CREATE TABLE receipt (
    id      INTEGER PRIMARY KEY,
    kind    TEXT NOT NULL CHECK (kind IN ('center', 'outcome', 'answer')),
    part    INTEGER,
    "to"    TEXT NOT NULL DEFAULT '',
    bytes   BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    sent_at INTEGER,
    label   TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX receipt_unsent ON receipt (id) WHERE kind = 'answer' AND sent_at IS NULL AND label = '';

CREATE TABLE document (
    key          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    state        TEXT NOT NULL,
    word         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    edition      TEXT NOT NULL,
    subject      TEXT NOT NULL,
    number       TEXT NOT NULL,
    dated        TEXT NOT NULL,
    priority     INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2),
    sender       TEXT NOT NULL,
    sender_name  TEXT NOT NULL,
    drop_name    TEXT NOT NULL,
    di_name      TEXT NOT NULL,
    digest       BLOB NOT NULL CHECK (length(digest) = 32),
    size         INTEGER NOT NULL,
    claimed_at   INTEGER NOT NULL,
    sealed_at    INTEGER,
    changed_at   INTEGER NOT NULL,
    duplicate_of BLOB,
    noted        TEXT,
    note         TEXT NOT NULL DEFAULT '',
    todo         INTEGER NOT NULL,
    held         INTEGER NOT NULL DEFAULT 0,
    due          INTEGER,
    attempts     INTEGER NOT NULL DEFAULT 0,
    step         TEXT,
    begun        INTEGER NOT NULL DEFAULT 0,
    label        TEXT NOT NULL DEFAULT '',
    detail       TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX document_due ON document (priority, due, size) WHERE todo = 1 AND held = 0;
CREATE INDEX document_box ON document (claimed_at, key);
CREATE INDEX document_word ON document (word, claimed_at);
CREATE INDEX document_digest ON document (digest);
CREATE INDEX document_note ON document (changed_at) WHERE noted IS NOT word AND word <> 'claimed';
CREATE INDEX document_held ON document (key) WHERE held = 1;

CREATE TABLE document_file (
    owner    INTEGER NOT NULL REFERENCES document (key),
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    role     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    sha256   BLOB NOT NULL,
    crc32    INTEGER NOT NULL,
    PRIMARY KEY (owner, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE container (
    doc       INTEGER NOT NULL REFERENCES document (key),
    variant   INTEGER NOT NULL,
    manifest  BLOB NOT NULL,
    signature BLOB NOT NULL,
    file      TEXT NOT NULL,
    size      INTEGER NOT NULL,
    PRIMARY KEY (doc, variant)
) STRICT, WITHOUT ROWID;
CREATE INDEX container_spooled ON container (doc) WHERE file <> '';

-- addressees: codes separated by a blank; a '-' behind a code: without attachments
CREATE TABLE part (
    id          INTEGER PRIMARY KEY,
    doc         INTEGER NOT NULL REFERENCES document (key),
    variant     INTEGER NOT NULL,
    grp         INTEGER NOT NULL,
    round       INTEGER NOT NULL,
    addressees  TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    size        INTEGER NOT NULL,
    file        TEXT NOT NULL,
    priority    INTEGER NOT NULL,
    accepted_at INTEGER,
    receipt     INTEGER REFERENCES receipt (id),
    settled     INTEGER NOT NULL DEFAULT 0,
    todo        INTEGER NOT NULL DEFAULT 1,
    held        INTEGER NOT NULL DEFAULT 0,
    due         INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    step        TEXT,
    begun       INTEGER NOT NULL DEFAULT 0,
    label       TEXT NOT NULL DEFAULT '',
    detail      TEXT NOT NULL DEFAULT '',
    UNIQUE (doc, variant, grp, round)
) STRICT;
CREATE INDEX part_due ON part (priority, due, size) WHERE todo = 1 AND held = 0;
CREATE INDEX part_open ON part (id) WHERE settled = 0 AND todo = 0;
CREATE INDEX part_spooled ON part (id) WHERE file <> '';

CREATE TABLE line (
    doc         INTEGER NOT NULL REFERENCES document (key),
    position    INTEGER NOT NULL,
    recipient   TEXT NOT NULL,
    name        TEXT NOT NULL,
    copy        TEXT NOT NULL,
    attachments INTEGER NOT NULL,
    paper       INTEGER NOT NULL,
    state       TEXT NOT NULL,
    round       INTEGER NOT NULL,
    part        INTEGER NOT NULL REFERENCES part (id),
    certificate BLOB NOT NULL,
    changed_at  INTEGER NOT NULL,
    accepted_at INTEGER,
    archived_at INTEGER,
    label       TEXT NOT NULL DEFAULT '',
    detail      TEXT NOT NULL DEFAULT '',
    receipt     INTEGER REFERENCES receipt (id),
    resend      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (doc, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX line_state ON line (state, accepted_at);

CREATE TABLE hint (
    doc      INTEGER NOT NULL REFERENCES document (key),
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    copy     TEXT NOT NULL,
    PRIMARY KEY (doc, position)
) STRICT, WITHOUT ROWID;

-- first = 1: the one that counts for its (document, round, recipient)
CREATE TABLE verdict (
    id          INTEGER PRIMARY KEY,
    doc         INTEGER NOT NULL REFERENCES document (key),
    recipient   TEXT NOT NULL,
    round       INTEGER NOT NULL,
    verdict     TEXT NOT NULL,
    label       TEXT NOT NULL,
    at          INTEGER NOT NULL,
    archived_at INTEGER,
    receipt     INTEGER NOT NULL REFERENCES receipt (id),
    first       INTEGER NOT NULL
) STRICT;
CREATE INDEX verdict_doc ON verdict (doc, recipient, round);

CREATE TABLE inbound (
    id             INTEGER PRIMARY KEY,
    state          TEXT NOT NULL,
    seq            INTEGER NOT NULL,
    epoch          BLOB NOT NULL,
    sender         TEXT NOT NULL,
    organisation   TEXT NOT NULL,
    document       BLOB NOT NULL CHECK (length(document) = 16),
    variant        INTEGER NOT NULL,
    grp            INTEGER NOT NULL,
    round          INTEGER NOT NULL,
    recipient      TEXT NOT NULL,
    attachments    INTEGER NOT NULL,
    manifest       BLOB NOT NULL,
    signature      BLOB NOT NULL,
    sealed         BLOB NOT NULL,
    size           INTEGER NOT NULL,
    priority       INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2),
    accepted_at    INTEGER NOT NULL,
    center_receipt INTEGER NOT NULL REFERENCES receipt (id),
    offered_at     INTEGER NOT NULL,
    changed_at     INTEGER NOT NULL,
    archived_at    INTEGER,
    delivered_at   INTEGER,
    kind           TEXT NOT NULL DEFAULT '',
    edition        TEXT NOT NULL DEFAULT '',
    subject        TEXT NOT NULL DEFAULT '',
    number         TEXT NOT NULL DEFAULT '',
    dated          TEXT NOT NULL DEFAULT '',
    about_priority INTEGER NOT NULL DEFAULT 0,
    about_sender   TEXT NOT NULL DEFAULT '',
    sender_name    TEXT NOT NULL DEFAULT '',
    digest         BLOB NOT NULL DEFAULT (zeroblob(32)),
    content_size   INTEGER NOT NULL DEFAULT 0,
    file           TEXT NOT NULL DEFAULT '',
    staged         TEXT NOT NULL DEFAULT '',
    delivered      TEXT NOT NULL DEFAULT '',
    archive        TEXT NOT NULL DEFAULT '',
    duplicate_of   INTEGER,
    warnings       TEXT NOT NULL DEFAULT '',
    answer         INTEGER NOT NULL DEFAULT 0,
    receipt        INTEGER REFERENCES receipt (id),
    read_at        INTEGER,
    todo           INTEGER NOT NULL DEFAULT 1,
    held           INTEGER NOT NULL DEFAULT 0,
    due            INTEGER,
    attempts       INTEGER NOT NULL DEFAULT 0,
    step           TEXT,
    begun          INTEGER NOT NULL DEFAULT 0,
    label          TEXT NOT NULL DEFAULT '',
    detail         TEXT NOT NULL DEFAULT '',
    UNIQUE (document, organisation, recipient)
) STRICT;
CREATE INDEX inbound_due ON inbound (priority, due, size) WHERE todo = 1 AND held = 0;
CREATE INDEX inbound_box ON inbound (offered_at, id);
CREATE INDEX inbound_state ON inbound (state, offered_at);
CREATE INDEX inbound_digest ON inbound (digest) WHERE archived_at IS NOT NULL;
CREATE INDEX inbound_answer ON inbound (changed_at) WHERE answer = 1 AND receipt IS NULL AND held = 0;
CREATE INDEX inbound_receipt ON inbound (receipt) WHERE receipt IS NOT NULL;
CREATE INDEX inbound_deliver ON inbound (id) WHERE delivered_at IS NULL AND staged <> '';
CREATE INDEX inbound_unread ON inbound (id) WHERE read_at IS NULL AND archived_at IS NOT NULL;
CREATE INDEX inbound_spooled ON inbound (id) WHERE file <> '';
CREATE INDEX inbound_held ON inbound (id) WHERE held = 1;

CREATE TABLE inbound_content (
    owner    INTEGER NOT NULL REFERENCES inbound (id),
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    role     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    sha256   BLOB NOT NULL,
    crc32    INTEGER NOT NULL,
    PRIMARY KEY (owner, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE announcement (
    number    INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL,
    title     TEXT NOT NULL,
    body      TEXT NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT;
