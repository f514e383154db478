-- Made by scripts/ddl.py from schema.py.
BEGIN IMMEDIATE;
PRAGMA application_id = 1918989166;
PRAGMA user_version = 3;
CREATE TABLE blobs (
    job INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (job, digest)
) WITHOUT ROWID;
CREATE TABLE functions (
    digest BLOB NOT NULL,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (digest)
);
CREATE TABLE jobs (
    number INTEGER NOT NULL,
    job BLOB,
    owner TEXT NOT NULL,
    account TEXT NOT NULL,
    instance BLOB NOT NULL,
    form TEXT NOT NULL,
    name TEXT NOT NULL,
    function BLOB NOT NULL,
    function_blobs BLOB NOT NULL,
    options BLOB NOT NULL,
    context BLOB NOT NULL,
    shape BLOB NOT NULL,
    opened FLOAT NOT NULL,
    resume TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    total INTEGER,
    state TEXT NOT NULL,
    unwanted BOOLEAN NOT NULL,
    leased_up_to INTEGER NOT NULL,
    ended FLOAT NOT NULL,
    owner_key TEXT DEFAULT '' NOT NULL,
    epoch INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (job)
);
CREATE INDEX ix_jobs_function ON jobs (function);
CREATE TABLE keys (
    number INTEGER NOT NULL,
    account TEXT,
    name TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    parts BLOB NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (account, name)
);
CREATE TABLE meta (
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE pages (
    job INTEGER NOT NULL,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    blobs BLOB,
    tags BLOB,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (job, number)
);
CREATE INDEX ix_pages_tagged ON pages (job, first) WHERE tags IS NOT NULL;
CREATE TABLE recorded (
    "key" INTEGER NOT NULL,
    tag BLOB NOT NULL,
    job INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    task INTEGER NOT NULL,
    PRIMARY KEY ("key", tag)
) WITHOUT ROWID;
CREATE TABLE results (
    job INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    won BLOB,
    failed INTEGER NOT NULL,
    run INTEGER NOT NULL,
    source_job BLOB,
    source_arrival INTEGER,
    source_first INTEGER,
    about BLOB NOT NULL,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (job, arrival)
);
CREATE TABLE tried (
    number INTEGER NOT NULL,
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    attempt TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    place TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (job, task, attempt)
);
CREATE TABLE workers (
    number INTEGER NOT NULL,
    instance BLOB NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (instance)
);
INSERT INTO meta (name, value) VALUES ('run', 0);
COMMIT;
