-- When the epoch began, on the clock of `age.rs`. `epochs_ms` in `meta` is the same for channels without a row.
ALTER TABLE channels ADD COLUMN epoch_ms INTEGER NOT NULL DEFAULT 0;
