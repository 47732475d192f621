-- Whether the publications of a channel expire together, with the newest one.
ALTER TABLE channels ADD COLUMN together INTEGER NOT NULL DEFAULT 0;
