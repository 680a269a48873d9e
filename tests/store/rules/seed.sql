-- Two tenants: A is the example of the help page, B is the stranger. The ids are named in rules.rs. For each engine, in the
-- words of SQLite (see rules/on_postgres.rs).

INSERT INTO service (singleton, epoch, catalog_version, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key)
VALUES (1, 5, 5, x'00', '0000000000000001', 1, x'00', x'00');

INSERT INTO tenant (
    tenant_id, display_name, state, config_version, kek_id, dek_version, wrapped_dek, sealed_mac_key, version,
    created_at, updated_at
)
VALUES
    ('00000000-0000-7000-8000-00000000000a', 'Firma A', 'active', 5, '0000000000000001', 1, x'00', x'00', 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000b', 'Firma B', 'active', 5, '0000000000000001', 1, x'00', x'00', 1, 1, 1);

INSERT INTO product_provider (provider_id, display_name, kind, state, version)
VALUES ('sicher', 'Sicher AG', 'insurer', 'active', 1), ('idle', 'Ohne Ziel', 'insurer', 'active', 1);

INSERT INTO target (
    target_id, provider_id, kind, display_name, state, url, delivery, accepts_brokers, accepts_customers, lines,
    hands_over_secret, nonce_required, version
)
VALUES
    ('rechner', 'sicher', 'tariff_calculator', 'Rechner', 'active', 'https://r.example/', 'fragment', TRUE, TRUE, NULL, TRUE,
     FALSE, 1),
    ('auskunft', 'sicher', 'insurer_portal', 'Auskunft', 'active', 'https://a.example/', 'fragment', TRUE, FALSE, NULL, FALSE,
     FALSE, 1);

INSERT INTO return_url (return_url_id, url, state, version)
VALUES ('zurueck', 'https://portal.example/zurueck', 'active', 1);

INSERT INTO concenter_user (
    tenant_id, user_id, user_name, user_name_key, kind, state, providers, sealed_secret, secret_version, secret_set_at,
    version, created_at, updated_at
)
VALUES
    ('00000000-0000-7000-8000-00000000000a', '10000000-0000-7000-8000-00000000000a', 'cloudtransfer', 'cloudtransfer',
     'standard', 'active', NULL, NULL, 0, NULL, 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000a', '20000000-0000-7000-8000-00000000000a', 'meier', 'meier',
     'broker', 'active', NULL, x'00', 1, 1, 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000a', '30000000-0000-7000-8000-00000000000a', 'schulze', 'schulze',
     'broker', 'active', NULL, NULL, 0, NULL, 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000a', '40000000-0000-7000-8000-00000000000a', 'privat', 'privat',
     'end_customer', 'active', '["sicher"]', x'00', 1, 1, 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000a', '50000000-0000-7000-8000-00000000000a', 'gewerbe', 'gewerbe',
     'end_customer', 'active', '["sicher"]', NULL, 0, NULL, 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000a', '60000000-0000-7000-8000-00000000000a', 'eigener', 'eigener',
     'end_customer', 'active', '["sicher"]', NULL, 0, NULL, 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000b', '20000000-0000-7000-8000-00000000000b', 'meier', 'meier',
     'broker', 'active', NULL, NULL, 0, NULL, 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000b', '40000000-0000-7000-8000-00000000000b', 'privat', 'privat',
     'end_customer', 'active', '["sicher"]', NULL, 0, NULL, 1, 1, 1);

-- Schulze has no activation: he is the user that nothing depends on.
INSERT INTO broker_activation (tenant_id, activation_id, user_id, state, version, created_at, updated_at)
VALUES (
    '00000000-0000-7000-8000-00000000000a', 'a0000000-0000-7000-8000-00000000000a',
    '20000000-0000-7000-8000-00000000000a', 'active', 1, 1, 1
);

INSERT INTO activation_broker (tenant_id, broker_id, activation_id)
VALUES ('00000000-0000-7000-8000-00000000000a', 'm.meier', 'a0000000-0000-7000-8000-00000000000a');

INSERT INTO customer_access (tenant_id, private_user_id, commercial_user_id, commercial_falls_back, version)
VALUES
    ('00000000-0000-7000-8000-00000000000a', '40000000-0000-7000-8000-00000000000a',
     '50000000-0000-7000-8000-00000000000a', FALSE, 1),
    ('00000000-0000-7000-8000-00000000000b', NULL, NULL, FALSE, 1);

INSERT INTO customer (tenant_id, customer_id, segment, user_id, jump_version, version, created_at, updated_at)
VALUES
    ('00000000-0000-7000-8000-00000000000a', 'k-1', 'private', '60000000-0000-7000-8000-00000000000a', 5, 1, 1, 1),
    ('00000000-0000-7000-8000-00000000000a', 'k-2', 'private', NULL, 5, 1, 1, 1);

-- One open jump of Meier, one redeemed jump of a customer.
INSERT INTO jump (
    tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, target_id, user_id, way, segment,
    subject, issued_at, expires_at, epoch, config_version, catalog_version, redeemed_at, redeem_attempt_id
)
VALUES
    ('00000000-0000-7000-8000-00000000000a', 'd0000000-0000-7000-8000-000000000001', zeroblob(32), zeroblob(32),
     'e0000000-0000-7000-8000-000000000001', zeroblob(32), 'broker', 'm.meier', 'rechner',
     '20000000-0000-7000-8000-00000000000a', 'activation', NULL, 'subject-of-43-characters-000000000000000000',
     1, 60000001, 5, 5, 5, NULL, NULL),
    ('00000000-0000-7000-8000-00000000000a', 'd0000000-0000-7000-8000-000000000002', randomblob(32), randomblob(32),
     'e0000000-0000-7000-8000-000000000002', zeroblob(32), 'customer', 'k-1', 'rechner',
     '60000000-0000-7000-8000-00000000000a', 'own_user', 'private', 'subject-of-43-characters-000000000000000000',
     1, 60000001, 5, 5, 5, 2, 'f0000000-0000-7000-8000-000000000001');

INSERT INTO audit_entry (tenant_id, audit_id, at, role, caller, action, outcome)
VALUES (
    '00000000-0000-7000-8000-00000000000a', 'c0000000-0000-7000-8000-000000000001', 1, 'admin', zeroblob(32),
    'user.create', 'accepted'
);
