-- What stands beside the rows of seed.sql, which fit into earlier schemas too.

INSERT INTO signing_key (kid, purpose, sealed_private, created_at, activate_at)
VALUES ('current-jump-key-00000000000000000000000000', 'jump', x'00', 1, 1);
