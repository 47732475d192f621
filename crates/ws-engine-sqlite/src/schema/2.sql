-- From here on all times are those of `age.rs`: they do not follow a clock that is set. Times that were stored while
-- the clock was ahead become those of now.
UPDATE publications SET stored_ms = CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)
    WHERE channel IN (SELECT id FROM channels WHERE newest_ms > unixepoch('now', 'subsec') * 1000)
    AND stored_ms > unixepoch('now', 'subsec') * 1000;
UPDATE channels SET newest_ms = CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER),
    due_ms = CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)
    WHERE newest_ms > unixepoch('now', 'subsec') * 1000;
