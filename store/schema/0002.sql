-- What people do about the late and unanswered.

-- A notice to the sender after a confirmation (誤送/錯漏通知): its label, and our receipt that carries it.
ALTER TABLE inbound ADD COLUMN notice TEXT NOT NULL DEFAULT '';
ALTER TABLE inbound ADD COLUMN notice_receipt INTEGER REFERENCES receipt (id);
CREATE INDEX inbound_notice ON inbound (id) WHERE notice <> '' AND notice_receipt IS NULL;
CREATE INDEX inbound_notice_receipt ON inbound (notice_receipt) WHERE notice_receipt IS NOT NULL;

-- A label that a person has not dealt with yet, on a line that is final: a notice of its recipient, a late verdict.
ALTER TABLE line ADD COLUMN notice TEXT NOT NULL DEFAULT '';
CREATE INDEX line_notice ON line (doc) WHERE notice <> '';

-- What a person decided about a name that matches no line: on-paper, abandoned; empty: nothing yet.
ALTER TABLE hint ADD COLUMN done TEXT NOT NULL DEFAULT '';
ALTER TABLE hint ADD COLUMN done_at INTEGER;
CREATE INDEX hint_open ON hint (doc) WHERE done = '';
