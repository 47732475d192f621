-- What there is once, by name.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Channels that have publications, or whose position is remembered. `id` is never used again, so that the
-- publications of a stream that was removed can be deleted later.
CREATE TABLE channels (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT NOT NULL UNIQUE,
    epoch     INTEGER NOT NULL,
    top       INTEGER NOT NULL, -- offset of the newest publication there ever was; 0: none
    first     INTEGER NOT NULL, -- offset of the oldest one that is stored; top + 1: none is
    newest_ms INTEGER NOT NULL, -- when the newest one was stored, in ms since 1970
    size      INTEGER NOT NULL, -- retention, as it was told last
    ttl_ms    INTEGER NOT NULL, -- 0: any age
    due_ms    INTEGER,          -- when something in it is to be deleted
    idle_ms   INTEGER           -- since when nothing is stored in it
) STRICT;
CREATE INDEX channels_due ON channels (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX channels_idle ON channels (idle_ms) WHERE idle_ms IS NOT NULL;

-- A channel's publications lie side by side, in their order. `stored_ms` never falls within a channel.
CREATE TABLE publications (
    channel    INTEGER NOT NULL,
    offset     INTEGER NOT NULL,
    stored_ms  INTEGER NOT NULL,
    msg_id     TEXT,
    data_start INTEGER NOT NULL, -- where the data lies in the body
    data_bytes INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (channel, offset)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX publications_msg_id ON publications (channel, msg_id) WHERE msg_id IS NOT NULL;

-- Ids of streams that were removed, and whose publications are still to be deleted.
CREATE TABLE removed (
    channel INTEGER PRIMARY KEY
) STRICT;
