//! Databases as full as they get, by SQL: through the API a million con:center users would take hours.
//!
//! The rows are those that the service writes, keys and sealed passwords included, and every rule that the database keeps
//! is kept.

use std::fmt::Write as _;

use anyhow::Context as _;
use concenter_gateway::domain::ids::{ActivationId, Random as _, TenantId, UserId};
use concenter_gateway::domain::kek::KekId;
use concenter_gateway::domain::time::{Clock, Timestamp};
use concenter_gateway::secrets::{Kek, Place, SystemRandom, TenantKeys, kek_file};
use concenter_gateway::server::SystemClock;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use super::data::Data;
use super::firm::{PASSWORD, PROVIDER, broker_id, customer_id, set_up_catalogue};
use super::service::{Service, connect_channel};
use super::traffic::People;

/// How full a database gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling {
    /// Firms.
    pub(crate) firms: u32,
    /// Con:center users of each: one for its customers, all others for brokers.
    pub(crate) users: u32,
    /// Activations of each broker user.
    pub(crate) activations: u32,
    /// Brokers of each activation.
    pub(crate) brokers: u32,
    /// Private customers of each firm.
    pub(crate) customers: u32,
}

impl Filling {
    /// Those who can jump in each firm.
    pub(crate) const fn people(&self) -> People {
        let brokers = (self.users - 1) * self.activations * self.brokers;
        People { firms: self.firms, brokers, customers: self.customers }
    }
}

/// A database that is filled, with its firms.
pub(crate) struct Filled {
    /// The database.
    pub(crate) data: Data,
    /// The firms.
    pub(crate) tenants: Vec<TenantId>,
}

/// Makes a database and fills it. No service runs on it afterwards.
pub(crate) async fn fill(filling: Filling) -> anyhow::Result<Filled> {
    let service = Service::start(Data::in_directory()?, &[])?;
    let issuer = service.data().issuer().await?;
    set_up_catalogue(connect_channel(&service.grpc).await?, &issuer).await?;
    let data = service.stop()?;

    let mut shell = data.shell().await?;
    // Whoever loses power here starts again.
    sqlx::query("PRAGMA synchronous = OFF").execute(&mut shell).await?;
    sqlx::query("PRAGMA cache_size = -262144").execute(&mut shell).await?;
    let kek_id: String = sqlx::query_scalar("SELECT kek_id FROM service").fetch_one(&mut shell).await?;
    let kek = kek_file::load(&data.path(), &kek_id)?;
    let mut tenants = Vec::new();
    for number in 0..filling.firms {
        let firm = Firm::new(&filling, number, &kek).await?;
        let mut transaction = shell.begin().await?;
        firm.insert(&mut transaction).await?;
        transaction.commit().await?;
        tenants.push(firm.tenant);
    }
    // As the service leaves it when it ends.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut shell).await?;
    shell.close().await?;
    Ok(Filled { data, tenants })
}

/// The rows of one firm. Each list is a JSON array.
struct Firm {
    tenant: TenantId,
    display_name: String,
    keys: concenter_gateway::domain::tenant::WrappedKeys,
    at: Timestamp,
    customers_user: UserId,
    users: Vec<Value>,
    activations: Vec<Value>,
    brokers: Vec<Value>,
    customers: Vec<Value>,
    salts: Vec<Value>,
}

impl Firm {
    async fn new(filling: &Filling, number: u32, kek: &Kek) -> anyhow::Result<Self> {
        let at = SystemClock.now();
        let tenant = TenantId::new(at, &SystemRandom);
        let (opened, keys) = TenantKeys::generate(kek, &KekId::parse(kek.id())?, tenant, &SystemRandom).await?;
        let mut firm = Self {
            tenant,
            display_name: format!("Firma {number}"),
            keys,
            at,
            customers_user: UserId::new(at, &SystemRandom),
            users: Vec::new(),
            activations: Vec::new(),
            brokers: Vec::new(),
            customers: Vec::new(),
            salts: Vec::new(),
        };
        firm.add_user(firm.customers_user, "end_customer", &opened)?;
        for _ in 1..filling.users {
            firm.add_broker_user(filling, &opened)?;
        }
        for number in 0..filling.customers {
            firm.customers.push(json!(customer_id(number)));
            firm.add_salt("customer", &customer_id(number))?;
        }
        // The portal, by the subject of its credential.
        firm.add_salt("subject", "portal")?;
        Ok(firm)
    }

    fn add_user(&mut self, user: UserId, kind: &str, keys: &TenantKeys) -> anyhow::Result<()> {
        let row = user.to_string();
        let place = Place { tenant: self.tenant, row: &row, field: "password", version: 1 };
        let sealed = keys.data.seal(&place, PASSWORD.as_bytes(), &SystemRandom)?;
        let providers = (kind == "end_customer").then(|| json!([PROVIDER]).to_string());
        let name = format!("vm.{}", self.users.len());
        self.users.push(json!({
            "user_id": row, "user_name": name, "kind": kind, "providers": providers, "sealed_secret": hex(&sealed)?,
        }));
        Ok(())
    }

    fn add_broker_user(&mut self, filling: &Filling, keys: &TenantKeys) -> anyhow::Result<()> {
        let user = UserId::new(self.at, &SystemRandom);
        self.add_user(user, "broker", keys)?;
        for number in 0..filling.activations {
            let activation = ActivationId::new(self.at, &SystemRandom).to_string();
            let sharing_reason = (number > 0).then_some("Filiale");
            for _ in 0..filling.brokers {
                let broker = broker_id(u32::try_from(self.brokers.len())?);
                self.add_salt("broker", &broker)?;
                self.brokers.push(json!({ "broker_id": broker, "activation_id": activation }));
            }
            self.activations.push(json!({
                "activation_id": activation, "user_id": user.to_string(), "sharing_reason": sharing_reason,
            }));
        }
        Ok(())
    }

    fn add_salt(&mut self, kind: &str, person: &str) -> anyhow::Result<()> {
        let mut salt = [0; 32];
        SystemRandom.fill(&mut salt);
        self.salts.push(json!({ "kind": kind, "person_id": person, "salt": hex(&salt)? }));
        Ok(())
    }

    async fn insert(&self, shell: &mut SqliteConnection) -> anyhow::Result<()> {
        self.insert_tenant(shell).await.context("a tenant")?;
        self.insert_users(shell).await.context("users")?;
        self.insert_activations(shell).await.context("activations")?;
        self.insert_customers(shell).await.context("customers")?;
        let salts = "
            INSERT INTO person_salt (tenant_id, kind, person_id, salt)
            SELECT ?1, item.value ->> 'kind', item.value ->> 'person_id', unhex(item.value ->> 'salt')
            FROM json_each(?2) AS item
        ";
        let salts = sqlx::query(salts).bind(self.tenant.to_string()).bind(list(&self.salts)?);
        salts.execute(shell).await.context("salts")?;
        Ok(())
    }

    /// The tenant; its settings come by themselves.
    async fn insert_tenant(&self, shell: &mut SqliteConnection) -> anyhow::Result<()> {
        let insert = "
            INSERT INTO tenant (
                tenant_id, display_name, state, config_version,
                kek_id, dek_version, wrapped_dek, sealed_mac_key,
                version, created_at, updated_at
            )
            VALUES (?1, ?2, 'active', 1, ?3, ?4, ?5, ?6, 1, ?7, ?7)
        ";
        sqlx::query(insert)
            .bind(self.tenant.to_string())
            .bind(&self.display_name)
            .bind(&self.keys.kek_id)
            .bind(self.keys.dek_version)
            .bind(self.keys.wrapped_dek.as_slice())
            .bind(self.keys.sealed_mac_key.as_slice())
            .bind(self.at.unix_micros())
            .execute(shell)
            .await?;
        Ok(())
    }

    async fn insert_users(&self, shell: &mut SqliteConnection) -> anyhow::Result<()> {
        let insert = "
            INSERT INTO concenter_user (
                tenant_id, user_id, user_name, user_name_key, kind, state, providers,
                sealed_secret, secret_version, secret_set_at, version, created_at, updated_at
            )
            SELECT
                ?1, item.value ->> 'user_id', item.value ->> 'user_name', item.value ->> 'user_name',
                item.value ->> 'kind', 'active', item.value ->> 'providers',
                unhex(item.value ->> 'sealed_secret'), 1, ?3, 1, ?3, ?3
            FROM json_each(?2) AS item
        ";
        let insert = sqlx::query(insert).bind(self.tenant.to_string()).bind(list(&self.users)?);
        insert.bind(self.at.unix_micros()).execute(shell).await?;
        Ok(())
    }

    async fn insert_activations(&self, shell: &mut SqliteConnection) -> anyhow::Result<()> {
        let insert = "
            INSERT INTO broker_activation (
                tenant_id, activation_id, user_id, state, sharing_reason, version, created_at, updated_at
            )
            SELECT
                ?1, item.value ->> 'activation_id', item.value ->> 'user_id', 'active', item.value ->> 'sharing_reason',
                1, ?3, ?3
            FROM json_each(?2) AS item
        ";
        let insert = sqlx::query(insert).bind(self.tenant.to_string()).bind(list(&self.activations)?);
        insert.bind(self.at.unix_micros()).execute(&mut *shell).await?;
        let brokers = "
            INSERT INTO activation_broker (tenant_id, broker_id, activation_id)
            SELECT ?1, item.value ->> 'broker_id', item.value ->> 'activation_id'
            FROM json_each(?2) AS item
        ";
        sqlx::query(brokers).bind(self.tenant.to_string()).bind(list(&self.brokers)?).execute(shell).await?;
        Ok(())
    }

    async fn insert_customers(&self, shell: &mut SqliteConnection) -> anyhow::Result<()> {
        let access = "
            INSERT INTO customer_access (tenant_id, private_user_id, commercial_falls_back, version)
            VALUES (?1, ?2, FALSE, 1)
        ";
        let access = sqlx::query(access).bind(self.tenant.to_string()).bind(self.customers_user.to_string());
        access.execute(&mut *shell).await?;
        let insert = "
            INSERT INTO customer (tenant_id, customer_id, segment, jump_version, version, created_at, updated_at)
            SELECT ?1, item.value, 'private', 1, 1, ?3, ?3
            FROM json_each(?2) AS item
        ";
        let insert = sqlx::query(insert).bind(self.tenant.to_string()).bind(list(&self.customers)?);
        insert.bind(self.at.unix_micros()).execute(shell).await?;
        Ok(())
    }
}

fn list(rows: &[Value]) -> anyhow::Result<String> {
    Ok(serde_json::to_string(rows)?)
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> anyhow::Result<String> {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
