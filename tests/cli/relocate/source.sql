-- Some 20 000 rows over all tables, beside the service's own: what only the history knows, what is NULL, what is not ASCII, and what
-- the text formats of a database must quote.

INSERT INTO product_provider (provider_id, display_name, kind, state, version)
VALUES
    ('sicher', 'Sicher AG', 'insurer', 'active', 1),
    ('a"b\c,{d} é', 'Überall & Söhne 🙂', 'comparator', 'disabled', 9007199254740993);

INSERT INTO target (
    target_id, provider_id, kind, display_name, state, url, delivery, accepts_brokers, accepts_customers, lines,
    hands_over_secret, nonce_required, redirect_origins, version
)
VALUES
    ('rechner', 'sicher', 'tariff_calculator', 'Rechner', 'active', 'https://r.example/', 'fragment', 1, 1, NULL, 1, 0, '[]', 1),
    ('auskunft', 'sicher', 'insurer_portal', 'Auskunft', 'disabled', 'https://a.example/', 'form_post', 1, 0,
     '["kfz","NULL","sach"]', 0, 1, '["https://a.example","https://b.example:8443"]', 2);

INSERT INTO return_url (return_url_id, url, state, version)
VALUES ('zurueck', 'https://portal.example/zurueck', 'active', 1), ('alt', 'https://portal.example/alt', 'disabled', 7);

-- B is deleted, the keys of C are destroyed.
INSERT INTO tenant (
    tenant_id, display_name, state, config_version, kek_id, dek_version, wrapped_dek, sealed_mac_key, version,
    created_at, updated_at, deleted_at
)
VALUES
    ('00000000-0000-7000-8000-00000000000a', 'Makler "Süd" \ Söhne', 'active', 5, 'kek', 1, x'005c0aff', x'00', 1, 1, 1, NULL),
    ('00000000-0000-7000-8000-00000000000b', 'Firma B', 'stopped', 6, 'kek', 2, x'01', x'02', 3, 4, 5, 6),
    ('00000000-0000-7000-8000-00000000000c', 'Firma C', 'stopped', 7, 'kek', 3, x'', x'', 1, -1, 1, 1772442000000000);

UPDATE tenant SET restored_at = 1772442000000001 WHERE state = 'active';
INSERT INTO backup (backup_id, at) VALUES ('00000000-0000-7000-8000-0000000000ba', 1772442000000000);

UPDATE tenant_settings
SET jump_life = 45, broker_absolute = 7, default_mvp_user = 'mvp	nord', version = 4
WHERE tenant_id = '00000000-0000-7000-8000-00000000000a';

-- Users: brokers' are even, customers' odd.
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 400)
INSERT INTO concenter_user (
    tenant_id, user_id, user_name, user_name_key, kind, state, providers, display_name, notification_email,
    reported_end_customer, sealed_secret, secret_version, secret_set_at, version, created_at, updated_at,
    reported_at, reported_source, reported_by, end_customer_at, end_customer_by, last_login_succeeded_at,
    last_login_failed_at, failed_logins, credential_suspect_since
)
SELECT
    '00000000-0000-7000-8000-00000000000a', printf('%08x-0000-7000-8000-0000000000a1', n), 'Ü.' || n, 'ü.' || n,
    iif(n % 2 = 0, 'broker', 'end_customer'), iif(n % 7 = 0, 'disabled', 'active'),
    CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '["sicher"]' ELSE '["a\"b\\c,{d} é","sicher"]' END,
    iif(n % 3 = 0, NULL, 'Müller' || char(9, 10, 13) || '\N \. 🙂'), iif(n % 5 = 0, 'a@b.example', NULL),
    CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN 0 ELSE 1 END,
    iif(n % 2 = 0, randomblob(n % 90), NULL), n, iif(n % 2 = 0, n, NULL), n, n, n,
    iif(n % 3 = 0, NULL, n), CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN 'import' ELSE 'attestation' END,
    iif(n % 3 = 0, NULL, 'verwalter.' || n), iif(n % 4 = 1, n + 1, NULL), iif(n % 4 = 1, 'verwalter', NULL),
    iif(n % 5 = 0, n + 2, NULL), iif(n % 6 = 0, n + 3, NULL), n % 4, iif(n % 7 = 0, n + 4, NULL)
FROM n;

WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50)
INSERT INTO notice (tenant_id, notice_id, cause, user_id, created_at, sent_at)
SELECT
    '00000000-0000-7000-8000-00000000000a', printf('%08x-0000-7000-8000-0000000000d2', n),
    iif(n % 2 = 0, 'credential_suspect', 'end_customer_mismatch'),
    printf('%08x-0000-7000-8000-0000000000a1', n), n, iif(n % 3 = 0, n + 1, NULL)
FROM n;

WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200)
INSERT INTO broker_activation (
    tenant_id, activation_id, display_name, user_id, state, sharing_reason, version, created_at, updated_at
)
SELECT
    '00000000-0000-7000-8000-00000000000a', printf('%08x-0000-7000-8000-0000000000b1', n), iif(n % 2 = 0, 'Büro', NULL),
    printf('%08x-0000-7000-8000-0000000000a1', 2 + n / 2 * 2), 'active', iif(n % 2 = 0, NULL, 'Urlaub'), 1, n, n
FROM n
WHERE n < 198;

WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 600)
INSERT INTO activation_broker (tenant_id, broker_id, activation_id)
SELECT '00000000-0000-7000-8000-00000000000a', 'b-' || n, printf('%08x-0000-7000-8000-0000000000b1', n % 197 + 1)
FROM n;

INSERT INTO customer_access (tenant_id, private_user_id, commercial_user_id, commercial_falls_back, version)
VALUES
    ('00000000-0000-7000-8000-00000000000a', '00000001-0000-7000-8000-0000000000a1',
     '00000003-0000-7000-8000-0000000000a1', 1, 3),
    ('00000000-0000-7000-8000-00000000000b', NULL, NULL, 0, 1);

-- Customers from before another one was erased, and such as came after. The ids are ordered by their bytes, not by a language.
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 4000)
INSERT INTO customer (tenant_id, customer_id, segment, user_id, jump_version, version, created_at, updated_at)
SELECT
    '00000000-0000-7000-8000-00000000000a', CASE n % 4 WHEN 0 THEN 'ä-' WHEN 1 THEN 'Z-' WHEN 2 THEN 'z ' ELSE '🙂' END || n,
    iif(n % 2 = 0, 'private', 'commercial'),
    iif(n % 3 = 0, printf('%08x-0000-7000-8000-0000000000a1', n % 200 * 2 + 1), NULL), n % 5 + 1, n, n, n
FROM n;

UPDATE tenant SET erased_jump_version = 9 WHERE tenant_id = '00000000-0000-7000-8000-00000000000a';

INSERT INTO customer (tenant_id, customer_id, segment, user_id, jump_version, version, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-00000000000a', 'after', 'private', NULL, 1, 1, 1, 1);

WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)
INSERT INTO person_salt (tenant_id, kind, person_id, salt)
SELECT
    CASE n % 3 WHEN 0 THEN '00000000-0000-0000-0000-000000000000' ELSE '00000000-0000-7000-8000-00000000000a' END,
    CASE n % 3 WHEN 0 THEN 'subject' WHEN 1 THEN 'broker' ELSE 'customer' END, 'ö' || n, randomblob(32)
FROM n;

WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)
INSERT INTO request_log (tenant_id, caller, request_id, content, resource, created_at)
SELECT
    '00000000-0000-7000-8000-00000000000a', randomblob(32), printf('%08x-0000-7000-8000-0000000000c1', n), randomblob(32),
    iif(n % 2 = 0, '', printf('%08x-0000-7000-8000-0000000000a1', n)), 1772442000000000 + n
FROM n;

-- Jumps: open ones, consumed ones, revoked ones, and those of customers who were erased.
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
INSERT INTO jump (
    tenant_id, jump_id, jti_hash, handle_hash, caller, request_id, content, person_kind, person_id, stated_segment,
    actor_role, actor_id, target_id, wanted_kind, activation_id, customer_context, line_of_business, provider_id, context,
    nonce, return_url, user_id, way, segment, subject, actor_subject, issued_at, expires_at, epoch, config_version,
    customer_version, catalog_version, redeemed_at, redeem_attempt_id, session_revoked_at, revoked_at,
    target_page, redeemed_secret_version, result, result_at
)
SELECT
    '00000000-0000-7000-8000-00000000000a', printf('%08x-0000-7000-8000-0000000000d1', n), randomblob(32),
    iif(n % 3 = 0, randomblob(32), NULL), randomblob(32), printf('%08x-0000-7000-8000-0000000000e1', n), randomblob(32),
    iif(n % 2 = 0, 'broker', 'customer'), CASE WHEN n % 2 = 0 THEN 'b-' || n WHEN n % 5 = 0 THEN '' ELSE 'ä-' || n END,
    iif(n % 7 = 0, 'private', NULL), iif(n % 11 = 0, 'customer_staff', NULL), iif(n % 11 = 0, 'sachb.' || n, NULL),
    'rechner', iif(n % 4 = 0, 'tariff_calculator', NULL),
    iif(n % 2 = 0, printf('%08x-0000-7000-8000-0000000000b1', n % 197 + 1), NULL), iif(n % 6 = 0, 'Z-' || n, NULL),
    iif(n % 4 = 0, 'kfz', NULL), iif(n % 4 = 0, 'sicher', NULL), iif(n % 13 = 0, 'Zeile 1' || char(10, 9) || '\t "2" 🙂', NULL),
    iif(n % 3 = 0, 'nonce-' || n, NULL), iif(n % 3 = 1, 'https://portal.example/zurueck', NULL),
    printf('%08x-0000-7000-8000-0000000000a1', iif(n % 2 = 0, n % 199 * 2 + 2, n % 200 * 2 + 1)),
    iif(n % 2 = 0, 'activation', 'shared_private'), iif(n % 2 = 0, NULL, 'private'), printf('%043d', 0),
    iif(n % 11 = 0, printf('%043d', 1), NULL), n, n + 60000000, 1, 5, iif(n % 2 = 0, NULL, 3), 1,
    iif(n % 5 = 1, n + 1, NULL), iif(n % 5 = 1, printf('%08x-0000-7000-8000-0000000000f1', n), NULL),
    iif(n % 25 = 1, n + 2, NULL), iif(n % 5 = 0, n + 3, NULL), iif(n % 9 = 0, 'kfz/antrag-' || n, NULL),
    iif(n % 10 = 1, n, NULL), CASE n % 15 WHEN 1 THEN 'login_failed' WHEN 6 THEN 'login_succeeded' END,
    iif(n % 15 IN (1, 6), n + 4, NULL)
FROM n;

-- The history outlives its users.
DELETE FROM concenter_user
WHERE user_id > '00000180'
  AND user_id NOT IN (SELECT user_id FROM broker_activation)
  AND user_id NOT IN (SELECT user_id FROM customer WHERE user_id IS NOT NULL);

WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 6000)
INSERT INTO audit_entry (
    tenant_id, audit_id, at, role, caller, actor, person, action, object, outcome, reason, request_id
)
SELECT
    iif(n % 4 = 0, '00000000-0000-0000-0000-000000000000', '00000000-0000-7000-8000-00000000000a'),
    printf('%08x-0000-7000-8000-0000000000c2', n), 1772442000000000 + n, 'admin', randomblob(32),
    iif(n % 3 = 0, randomblob(32), NULL), iif(n % 3 = 1, randomblob(32), NULL), 'user.create',
    iif(n % 5 = 0, 'ü"\' || n, NULL), iif(n % 2 = 0, 'accepted', 'refused'), iif(n % 2 = 0, NULL, 'NOT_FOUND'),
    iif(n % 6 = 0, NULL, printf('%08x-0000-7000-8000-0000000000f2', n))
FROM n;

-- A chain for each log, of as many seals as one batch and a half of them.
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1500)
INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
SELECT
    '00000000-0000-7000-8000-00000000000a', n, printf('%08x-0000-7000-8000-0000000000c2', n),
    unhex(printf('%064x', n - 1)), unhex(printf('%064x', n))
FROM n;

-- Part of it was dropped, up to its floor: what that stands on is gone.
INSERT INTO audit_floor (tenant_id, seq, hash, signed)
SELECT tenant_id, seq, hash, 'signed'
FROM audit_seal
WHERE seq = 100;
DELETE FROM audit_entry
WHERE tenant_id = '00000000-0000-7000-8000-00000000000a'
  AND audit_id IN (SELECT audit_id FROM audit_seal WHERE seq <= 100);
DELETE FROM audit_seal WHERE seq <= 100;
