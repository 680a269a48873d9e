//! What is moved: every table with its columns, in an order in which each row finds what it refers to.
//!
//! One more table or column: a line here. A test of each engine compares this with its schema.

use uuid::Uuid;

use self::Kind::{Bytes, Flag, Id, List, Number, Text};

/// A table that is moved.
#[derive(Debug)]
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    /// How many of the first columns are its key, in the order of the key.
    pub(in crate::store) key: usize,
    pub(in crate::store) columns: &'static [Column],
    /// Triggers of PostgreSQL that are about new rows. What is moved is not new: they would change it, or refuse it.
    pub(in crate::store) triggers: &'static [&'static str],
}

/// A column that is moved: its name, and what stands in it.
#[derive(Debug)]
pub(in crate::store) struct Column(pub(in crate::store) &'static str, pub(in crate::store) Kind);

/// What stands in a column, if it is not NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// TEXT in SQLite, UUID in PostgreSQL.
    Id,
    /// TEXT in both.
    Text,
    /// BLOB in SQLite, BYTEA in PostgreSQL.
    Bytes,
    /// INTEGER in SQLite, BIGINT in PostgreSQL.
    Number,
    /// 0 or 1 in SQLite, BOOLEAN in PostgreSQL.
    Flag,
    /// A JSON array of texts in SQLite, TEXT[] in PostgreSQL.
    List,
}

/// What stands in a cell, whichever engine it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Cell {
    Null,
    Id(Uuid),
    Text(String),
    Bytes(Vec<u8>),
    Number(i64),
    Flag(bool),
    List(Vec<String>),
}

/// The cells of a row, in the order of [`Table::columns`].
pub(in crate::store) type Row = Vec<Cell>;

impl Table {
    /// The cell of a row in this column.
    pub(in crate::store) fn cell<'r>(&self, row: &'r [Cell], column: &str) -> Option<&'r Cell> {
        let place = self.columns.iter().position(|other| other.0 == column)?;
        row.get(place)
    }

    /// The cells of the key of a row.
    pub(in crate::store) fn key_of(&self, row: &[Cell]) -> Row {
        row.iter().take(self.key).cloned().collect()
    }

    /// The columns of the key.
    pub(in crate::store) fn key_columns(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().take(self.key)
    }

    /// The names of the columns, as SQL lists them.
    pub(in crate::store) fn column_list(&self) -> String {
        listed(self.columns.iter().map(|column| column.0))
    }

    /// The names of the columns of the key, as SQL lists them.
    pub(in crate::store) fn key_list(&self) -> String {
        listed(self.key_columns().map(|column| column.0))
    }
}

/// All tables, in the order in which they are moved.
pub(in crate::store) fn all() -> impl Iterator<Item = &'static Table> {
    std::iter::once(SIGNING_KEY).chain(TABLES).chain(std::iter::once(SERVICE))
}

fn listed(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The keys that sign, which are moved first: where they are and no service is, nobody takes the database for an empty one.
pub(in crate::store) const SIGNING_KEY: &Table = &Table {
    name: "signing_key",
    key: 1,
    columns: &[
        Column("kid", Text),
        Column("purpose", Text),
        Column("sealed_private", Bytes),
        Column("created_at", Number),
        Column("activate_at", Number),
        Column("revoked_at", Number),
        Column("removed_at", Number),
        Column("sealed_public", Bytes),
    ],
    triggers: &[],
};

/// All other tables.
pub(in crate::store) const TABLES: &[Table] = &[
    Table {
        name: "kek",
        key: 1,
        columns: &[
            Column("kek_id", Text),
            Column("canary", Bytes),
            Column("added_at", Number),
            Column("retired_at", Number),
        ],
        triggers: &[],
    },
    Table { name: "backup", key: 1, columns: &[Column("backup_id", Id), Column("at", Number)], triggers: &[] },
    Table {
        name: "product_provider",
        key: 1,
        columns: &[
            Column("provider_id", Text),
            Column("display_name", Text),
            Column("kind", Text),
            Column("state", Text),
            Column("version", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "target",
        key: 1,
        columns: &[
            Column("target_id", Text),
            Column("provider_id", Text),
            Column("kind", Text),
            Column("display_name", Text),
            Column("state", Text),
            Column("url", Text),
            Column("delivery", Text),
            Column("accepts_brokers", Flag),
            Column("accepts_customers", Flag),
            Column("lines", List),
            Column("hands_over_secret", Flag),
            Column("nonce_required", Flag),
            Column("redirect_origins", List),
            Column("version", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "return_url",
        key: 1,
        columns: &[
            Column("return_url_id", Text),
            Column("url", Text),
            Column("state", Text),
            Column("version", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "tenant",
        key: 1,
        columns: &[
            Column("tenant_id", Id),
            Column("display_name", Text),
            Column("state", Text),
            Column("config_version", Number),
            Column("kek_id", Text),
            Column("dek_version", Number),
            Column("wrapped_dek", Bytes),
            Column("sealed_mac_key", Bytes),
            Column("version", Number),
            Column("created_at", Number),
            Column("updated_at", Number),
            Column("deleted_at", Number),
            Column("erased_jump_version", Number),
            Column("restored_at", Number),
        ],
        triggers: &["tenant_begins_with_settings"],
    },
    Table {
        name: "tenant_settings",
        key: 1,
        columns: &[
            Column("tenant_id", Id),
            Column("jump_life", Number),
            Column("customer_idle", Number),
            Column("customer_absolute", Number),
            Column("broker_idle", Number),
            Column("broker_absolute", Number),
            Column("import_change_limit", Number),
            Column("default_mvp_user", Text),
            Column("version", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "concenter_user",
        key: 2,
        columns: &[
            Column("tenant_id", Id),
            Column("user_id", Id),
            Column("user_name", Text),
            Column("user_name_key", Text),
            Column("kind", Text),
            Column("state", Text),
            Column("providers", List),
            Column("display_name", Text),
            Column("notification_email", Text),
            Column("reported_end_customer", Flag),
            Column("sealed_secret", Bytes),
            Column("secret_version", Number),
            Column("secret_set_at", Number),
            Column("version", Number),
            Column("created_at", Number),
            Column("updated_at", Number),
            Column("reported_at", Number),
            Column("reported_source", Text),
            Column("reported_by", Text),
            Column("end_customer_at", Number),
            Column("end_customer_by", Text),
            Column("last_login_succeeded_at", Number),
            Column("last_login_failed_at", Number),
            Column("failed_logins", Number),
            Column("credential_suspect_since", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "broker_activation",
        key: 2,
        columns: &[
            Column("tenant_id", Id),
            Column("activation_id", Id),
            Column("display_name", Text),
            Column("user_id", Id),
            Column("user_kind", Text),
            Column("state", Text),
            Column("sharing_reason", Text),
            Column("version", Number),
            Column("created_at", Number),
            Column("updated_at", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "activation_broker",
        key: 3,
        columns: &[Column("tenant_id", Id), Column("broker_id", Text), Column("activation_id", Id)],
        triggers: &[],
    },
    Table {
        name: "customer_access",
        key: 1,
        columns: &[
            Column("tenant_id", Id),
            Column("private_user_id", Id),
            Column("private_user_kind", Text),
            Column("commercial_user_id", Id),
            Column("commercial_user_kind", Text),
            Column("commercial_falls_back", Flag),
            Column("version", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "customer",
        key: 2,
        columns: &[
            Column("tenant_id", Id),
            Column("customer_id", Text),
            Column("segment", Text),
            Column("user_id", Id),
            Column("user_kind", Text),
            Column("jump_version", Number),
            Column("version", Number),
            Column("created_at", Number),
            Column("updated_at", Number),
        ],
        // Those who were there before another one was erased stand below him, and stay there.
        triggers: &["customer_begins_above_the_erased"],
    },
    Table {
        name: "person_salt",
        key: 3,
        columns: &[Column("tenant_id", Id), Column("kind", Text), Column("person_id", Text), Column("salt", Bytes)],
        triggers: &[],
    },
    Table {
        name: "request_log",
        key: 3,
        columns: &[
            Column("tenant_id", Id),
            Column("caller", Bytes),
            Column("request_id", Id),
            Column("content", Bytes),
            Column("resource", Text),
            Column("created_at", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "jump",
        key: 2,
        columns: &[
            Column("tenant_id", Id),
            Column("jump_id", Id),
            Column("jti_hash", Bytes),
            Column("handle_hash", Bytes),
            Column("caller", Bytes),
            Column("request_id", Id),
            Column("content", Bytes),
            Column("person_kind", Text),
            Column("person_id", Text),
            Column("stated_segment", Text),
            Column("actor_role", Text),
            Column("actor_id", Text),
            Column("target_id", Text),
            Column("wanted_kind", Text),
            Column("activation_id", Id),
            Column("customer_context", Text),
            Column("line_of_business", Text),
            Column("provider_id", Text),
            Column("context", Text),
            Column("nonce", Text),
            Column("return_url", Text),
            Column("user_id", Id),
            Column("way", Text),
            Column("segment", Text),
            Column("subject", Text),
            Column("actor_subject", Text),
            Column("issued_at", Number),
            Column("expires_at", Number),
            Column("epoch", Number),
            Column("config_version", Number),
            Column("customer_version", Number),
            Column("catalog_version", Number),
            Column("redeemed_at", Number),
            Column("redeem_attempt_id", Id),
            Column("session_revoked_at", Number),
            Column("revoked_at", Number),
            Column("target_page", Text),
            Column("redeemed_secret_version", Number),
            Column("result", Text),
            Column("result_at", Number),
        ],
        // The history outlives the user.
        triggers: &["jump_user_fits_person"],
    },
    Table {
        name: "notice",
        key: 2,
        columns: &[
            Column("tenant_id", Id),
            Column("notice_id", Id),
            Column("cause", Text),
            Column("user_id", Id),
            Column("created_at", Number),
            Column("sent_at", Number),
        ],
        triggers: &[],
    },
    Table {
        name: "audit_entry",
        key: 2,
        columns: &[
            Column("tenant_id", Id),
            Column("audit_id", Id),
            Column("at", Number),
            Column("role", Text),
            Column("caller", Bytes),
            Column("actor", Bytes),
            Column("person", Bytes),
            Column("action", Text),
            Column("object", Text),
            Column("outcome", Text),
            Column("reason", Text),
            Column("request_id", Id),
        ],
        triggers: &[],
    },
    Table {
        name: "audit_seal",
        key: 2,
        columns: &[
            Column("tenant_id", Id),
            Column("seq", Number),
            Column("audit_id", Id),
            Column("prev", Bytes),
            Column("hash", Bytes),
        ],
        // A chain that somebody broke is moved as it is, and found broken there too.
        triggers: &["audit_seal_follows_the_last_one"],
    },
    Table {
        name: "audit_floor",
        key: 1,
        columns: &[Column("tenant_id", Id), Column("seq", Number), Column("hash", Bytes), Column("signed", Text)],
        // What it stands on is gone.
        triggers: &["audit_floor_stands_on_a_seal"],
    },
];

/// The service's own row, which is moved last: without it nobody serves.
pub(in crate::store) const SERVICE: &Table = &Table {
    name: "service",
    key: 1,
    columns: &[
        Column("singleton", Number),
        Column("epoch", Number),
        Column("catalog_version", Number),
        Column("kek_canary", Bytes),
        Column("kek_id", Text),
        Column("dek_version", Number),
        Column("wrapped_dek", Bytes),
        Column("sealed_mac_key", Bytes),
        Column("active_kek_id", Text),
    ],
    triggers: &[],
};
