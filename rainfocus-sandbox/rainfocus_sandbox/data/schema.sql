CREATE TABLE event (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE profile (
    name TEXT PRIMARY KEY,
    client_id TEXT UNIQUE,
    client_secret TEXT,
    token TEXT UNIQUE,
    event TEXT
) WITHOUT ROWID;

CREATE TABLE denied (
    profile TEXT NOT NULL,
    call TEXT NOT NULL,
    PRIMARY KEY (profile, call)
) WITHOUT ROWID;

CREATE TABLE access_token (
    token TEXT PRIMARY KEY,
    profile TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- position never changes: pages are walked by it.
CREATE TABLE record (
    position INTEGER PRIMARY KEY,
    event TEXT NOT NULL,
    entity TEXT NOT NULL,
    attendee_id TEXT,
    email TEXT,
    modified_ms INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX record_walk ON record (event, entity, position, modified_ms);
CREATE INDEX record_attendee ON record (event, entity, attendee_id);
CREATE INDEX record_email ON record (event, entity, email);

CREATE TABLE api_log (
    number INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    method TEXT NOT NULL,
    call TEXT NOT NULL,
    event TEXT NOT NULL,
    profile TEXT NOT NULL,
    status INTEGER NOT NULL,
    code TEXT NOT NULL,
    milliseconds REAL NOT NULL,
    records INTEGER NOT NULL
);

-- At most one row each: where events are pushed to, and what has become of them.
CREATE TABLE integration (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    url TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    token TEXT,
    timeout_s REAL NOT NULL
);
CREATE TABLE push_tally (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sent INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    last_failure TEXT NOT NULL
);
INSERT INTO push_tally VALUES (1, 0, 0, '');

CREATE TABLE outbox (
    position INTEGER PRIMARY KEY,
    transmission_id TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
);
