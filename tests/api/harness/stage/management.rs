//! Good requests of a firm's administrator and of its portal: users, activations, customers, settings.

use concenter_gateway::domain::caller::Role;
use serde_json::{Value, json};

use super::super::request_id;
use super::super::texts::text_at;
use super::{Confidence, PROVIDER, Row, Stage, first_of_many, fresh};

const BROKER: &str = "USER_KIND_BROKER";
const END_CUSTOMER: &str = "USER_KIND_END_CUSTOMER";

impl Stage<'_> {
    /// Makes a con:center user of this kind, with a password.
    pub async fn user(&self, kind: &str) -> Row {
        let made = self.ask(Role::Admin, "v1.UserService/CreateUser", self.user_wish(kind)).await;
        Row { id: text_at(&made, "user.user_id"), etag: text_at(&made, "user.etag") }
    }

    /// Makes an activation of a broker and a user of its own.
    pub async fn activation(&self) -> Row {
        self.activation_of(&fresh('b')).await
    }

    /// Makes an activation of this broker and a user of its own.
    pub(super) async fn activation_of(&self, broker: &str) -> Row {
        let wish = self.activation_wish(broker).await;
        let made = self.ask(Role::Admin, "v1.BrokerActivationService/CreateBrokerActivation", wish).await;
        Row { id: text_at(&made, "activation.activation_id"), etag: text_at(&made, "activation.etag") }
    }

    /// Puts the record of a private customer.
    pub async fn customer(&self, id: &str) -> Row {
        self.ask(Role::Portal, "v1.CustomerService/PutCustomers", customers_wish(id)).await;
        let read = self.ask(Role::Portal, "v1.CustomerService/GetCustomer", json!({ "customer_id": id })).await;
        Row { id: id.to_owned(), etag: text_at(&read, "customer.etag") }
    }

    /// Names an MVP user in the settings.
    pub(super) async fn mvp_user(&self) -> String {
        let id = fresh('m');
        let settings = json!({ "etag": self.settings_etag().await, "default_mvp_user_id": id });
        let wish = json!({ "request_id": request_id(), "settings": settings });
        self.ask(Role::Admin, "v1.SettingsService/UpdateSettings", wish).await;
        id
    }

    /// The users that the firm's customers share, and its Standard user.
    pub async fn users_in_use(&self) -> Vec<Row> {
        let access = self.ask(Role::Admin, "v1.CustomerService/GetCustomerAccess", json!({})).await;
        // The Standard user came with the tenant, so it is the oldest.
        let listed = self.ask(Role::Admin, "v1.UserService/ListUsers", first_of_many()).await;
        let shared = text_at(&access, "customer_access.private_user_id");
        let mut rows = Vec::new();
        for id in [text_at(&listed, "users.user_id"), shared] {
            let read = self.ask(Role::Admin, "v1.UserService/GetUser", json!({ "user_id": id })).await;
            rows.push(Row { id, etag: text_at(&read, "user.etag") });
        }
        rows
    }

    pub(super) async fn users(&self, method: &str) -> Option<Value> {
        Some(match method {
            "CreateUser" => self.user_wish(BROKER),
            "GetUser" => json!({ "user_id": self.user(BROKER).await.id }),
            "ListUsers" => first_of_many(),
            "UpdateUser" => {
                let Row { id, etag } = self.user(BROKER).await;
                let mut user = self.user_wish(BROKER);
                for other in ["request_id", "password", "kind"] {
                    user.as_object_mut().expect("an object").remove(other);
                }
                user["user_id"] = json!(id);
                user["etag"] = json!(etag);
                let update_mask = "userName,providerScope,displayName,notificationEmail";
                json!({ "request_id": request_id(), "user": user, "update_mask": update_mask })
            }
            "SetUserSecret" => {
                let mut wish = changed("user_id", &self.user(BROKER).await);
                wish["password"] = json!(self.tell(Confidence::Password));
                wish
            }
            "SetStandardUser" | "DisableUser" | "DeleteUser" => changed("user_id", &self.user(BROKER).await),
            "SetEndCustomer" => {
                let mut wish = changed("user_id", &self.user(BROKER).await);
                wish["end_customer"] = json!(true);
                wish["provider_scope"] = provider_scope();
                wish
            }
            "AttestEndCustomer" => {
                let mut wish = changed("user_id", &self.user(BROKER).await);
                wish["remote_end_customer"] = json!("REMOTE_END_CUSTOMER_NO");
                wish
            }
            "EnableUser" => {
                let disable = changed("user_id", &self.user(BROKER).await);
                let disabled = self.ask(Role::Admin, "v1.UserService/DisableUser", disable).await;
                let (id, etag) = (text_at(&disabled, "user.user_id"), text_at(&disabled, "user.etag"));
                changed("user_id", &Row { id, etag })
            }
            _ => return None,
        })
    }

    pub(super) async fn activations(&self, method: &str) -> Option<Value> {
        Some(match method {
            "CreateBrokerActivation" => self.activation_wish(&fresh('b')).await,
            "GetBrokerActivation" => json!({ "activation_id": self.activation().await.id }),
            "ListBrokerActivations" => first_of_many(),
            "UpdateBrokerActivation" => {
                let Row { id, etag } = self.activation().await;
                let mut activation = self.activation_wish(&fresh('b')).await;
                activation.as_object_mut().expect("an object").remove("request_id");
                activation["activation_id"] = json!(id);
                activation["etag"] = json!(etag);
                let update_mask = "displayName,brokerIds,userId,sharingReason";
                json!({ "request_id": request_id(), "activation": activation, "update_mask": update_mask })
            }
            "DisableBrokerActivation" | "DeleteBrokerActivation" => changed("activation_id", &self.activation().await),
            "EnableBrokerActivation" => {
                let disable = changed("activation_id", &self.activation().await);
                let name = "v1.BrokerActivationService/DisableBrokerActivation";
                let disabled = self.ask(Role::Admin, name, disable).await;
                let id = text_at(&disabled, "activation.activation_id");
                changed("activation_id", &Row { id, etag: text_at(&disabled, "activation.etag") })
            }
            _ => return None,
        })
    }

    pub(super) async fn customers(&self, method: &str) -> Option<Value> {
        Some(match method {
            "PutCustomers" => customers_wish(&fresh('c')),
            "GetCustomer" => json!({ "customer_id": self.customer(&fresh('c')).await.id }),
            "ListCustomers" => first_of_many(),
            "AssignUser" => {
                let mut wish = changed("customer_id", &self.customer(&fresh('c')).await);
                wish["user_id"] = json!(self.user(END_CUSTOMER).await.id);
                wish
            }
            "EraseCustomer" => {
                json!({ "request_id": request_id(), "customer_id": self.customer(&fresh('c')).await.id })
            }
            "GetCustomerAccess" => json!({}),
            "UpdateCustomerAccess" => self.access_wish().await,
            _ => return None,
        })
    }

    pub(super) async fn settings(&self, method: &str) -> Option<Value> {
        Some(match method {
            "GetSettings" => json!({}),
            "UpdateSettings" => {
                let settings = json!({
                    "jump_ttl": "60s",
                    "customer_session_idle": "600s",
                    "customer_session_absolute": "1200s",
                    "broker_session_idle": "600s",
                    "broker_session_absolute": "1200s",
                    "import_change_limit_percent": 30,
                    "default_mvp_user_id": fresh('m'),
                    "etag": self.settings_etag().await,
                });
                json!({ "request_id": request_id(), "settings": settings })
            }
            _ => return None,
        })
    }

    pub(super) async fn access_wish(&self) -> Value {
        let access = self.ask(Role::Admin, "v1.CustomerService/GetCustomerAccess", json!({})).await;
        json!({
            "request_id": request_id(),
            "etag": text_at(&access, "customer_access.etag"),
            "private_user_id": self.user(END_CUSTOMER).await.id,
            "commercial_user_id": self.user(END_CUSTOMER).await.id,
            "commercial_falls_back_to_private": true,
        })
    }

    fn user_wish(&self, kind: &str) -> Value {
        json!({
            "request_id": request_id(),
            "user_name": fresh('u'),
            "kind": kind,
            "provider_scope": provider_scope(),
            "display_name": "Anzeigename",
            "notification_email": "post@firma.example",
            "password": self.tell(Confidence::Password),
        })
    }

    async fn activation_wish(&self, broker: &str) -> Value {
        json!({
            "request_id": request_id(),
            "display_name": "Anzeigename",
            "broker_ids": [broker],
            "user_id": self.user(BROKER).await.id,
            "sharing_reason": "Vertretung",
        })
    }

    async fn settings_etag(&self) -> String {
        text_at(&self.ask(Role::Admin, "v1.SettingsService/GetSettings", json!({})).await, "settings.etag")
    }
}

fn customers_wish(id: &str) -> Value {
    let records = json!([{ "customer_id": id, "segment": "SEGMENT_PRIVATE" }]);
    json!({ "request_id": request_id(), "customers": records })
}

fn provider_scope() -> Value {
    json!({ "only": { "product_provider_ids": [PROVIDER] } })
}

/// A change that takes nothing but the id and the etag of what is changed.
pub(super) fn changed(field: &str, row: &Row) -> Value {
    json!({ "request_id": request_id(), field: row.id, "etag": row.etag })
}
