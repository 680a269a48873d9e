-- What a database knows of the backup that it comes from.

-- A backup brings its own row along: from it whoever restores learns since when he has to look changes over.
CREATE TABLE backup (
    backup_id TEXT NOT NULL PRIMARY KEY CHECK (length(backup_id) = 36),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When the tenant last came back from a backup, and with it whatever was disabled, taken away or erased since.
ALTER TABLE tenant ADD COLUMN restored_at INTEGER;
