//! Good requests of the operator: tenants and the catalogue.

use concenter_gateway::domain::caller::Role;
use serde_json::{Value, json};

use super::super::texts::text_at;
use super::super::{Client, SPARE_KEK, path_of, request_id};
use super::management::changed;
use super::{BACK, HANDLED, LINKED, POSTED, PROVIDER, Row, STAGE_PORTAL, Stage, first_of_many, fresh, message, method};

/// Puts the catalogue that every [`Stage`] rests on.
pub async fn stage_catalogue(operator: &Client) {
    let mut linked = target_wish(LINKED);
    linked["delivery"] = json!("DELIVERY_FRAGMENT");
    let mut handled = target_wish(HANDLED);
    handled["delivery"] = json!("DELIVERY_GET_HANDLE");
    let mut portal = target_wish(STAGE_PORTAL);
    portal["kind"] = json!("TARGET_KIND_INSURER_PORTAL");
    portal["delivery"] = json!("DELIVERY_FRAGMENT");
    portal["accepted_persons"] = json!(["PERSON_KIND_BROKER"]);
    for (name, wish) in [
        ("PutProductProvider", provider_wish(PROVIDER)),
        ("PutProductProvider", provider_wish("vergleich")),
        ("PutTarget", target_wish(POSTED)),
        ("PutTarget", linked),
        ("PutTarget", handled),
        ("PutTarget", portal),
        ("PutReturnUrl", return_url_wish("zurueck", BACK)),
        ("PutReturnUrl", return_url_wish("anderswo", "https://portal.example/anderswo")),
    ] {
        let put = method(&format!("admin.v1.CatalogAdminService/{name}"));
        operator.send_dynamic(&path_of(&put), &message(&put, wish)).await.expect(name);
    }
}

impl Stage<'_> {
    pub(super) async fn tenants(&self, method: &str) -> Option<Value> {
        Some(match method {
            "CreateTenant" => json!({ "request_id": request_id(), "display_name": "Firma" }),
            "GetTenant" => json!({ "tenant_id": self.new_tenant().await.id }),
            "ListTenants" => first_of_many(),
            "UpdateTenant" => {
                let Row { id, etag } = self.new_tenant().await;
                let tenant = json!({ "tenant_id": id, "etag": etag, "display_name": "Neuer Name" });
                json!({ "request_id": request_id(), "tenant": tenant, "update_mask": "displayName" })
            }
            "StopTenant" | "DeleteTenant" => changed("tenant_id", &self.new_tenant().await),
            "StartTenant" => changed("tenant_id", &self.tenant_after("StopTenant").await),
            "UndeleteTenant" => changed("tenant_id", &self.tenant_after("DeleteTenant").await),
            _ => return None,
        })
    }

    pub(super) async fn keys(&self, method: &str) -> Option<Value> {
        let add = || json!({ "request_id": request_id(), "kek_id": SPARE_KEK });
        let rotate = || json!({ "request_id": request_id(), "purpose": "KEY_PURPOSE_JUMP" });
        Some(match method {
            "ListKeys" => first_of_many(),
            "ListKeks" => {
                self.ask(Role::Operator, "admin.v1.KeyService/AddKek", add()).await;
                first_of_many()
            }
            "AddKek" => add(),
            // The one that is active: nothing is wrapped anew, by the side of whatever a walk looks at.
            "ActivateKek" => {
                let known = self.ask(Role::Operator, "admin.v1.KeyService/ListKeks", json!({})).await;
                json!({ "request_id": request_id(), "kek_id": text_at(&known, "keks.kek_id") })
            }
            "RetireKek" => {
                self.ask(Role::Operator, "admin.v1.KeyService/AddKek", add()).await;
                add()
            }
            "RotateKey" => rotate(),
            "RevokeKey" => {
                // One that signed nothing yet: no jump of anybody dies with it.
                let next = self.ask(Role::Operator, "admin.v1.KeyService/RotateKey", rotate()).await;
                json!({ "request_id": request_id(), "kid": text_at(&next, "key.kid") })
            }
            _ => return None,
        })
    }

    pub(super) async fn catalog_admin(&self, method: &str) -> Option<Value> {
        let (verb, noun, field) =
            [("ProductProvider", "product_provider_id"), ("Target", "target_id"), ("ReturnUrl", "return_url_id")]
                .into_iter()
                .find_map(|(noun, field)| {
                    let verb = method.strip_suffix(noun).or_else(|| method.strip_suffix('s')?.strip_suffix(noun))?;
                    Some((verb, noun, field))
                })?;
        Some(match verb {
            "Put" => entry_wish(noun, &fresh('k')),
            "Get" => json!({ field: self.entry("Put", noun, entry_wish(noun, &fresh('k'))).await.id }),
            "List" => first_of_many(),
            "Disable" => changed(field, &self.entry("Put", noun, entry_wish(noun, &fresh('k'))).await),
            "Enable" => {
                let put = self.entry("Put", noun, entry_wish(noun, &fresh('k'))).await;
                changed(field, &self.entry("Disable", noun, changed(field, &put)).await)
            }
            _ => return None,
        })
    }

    /// Puts or changes an entry of the catalogue.
    async fn entry(&self, verb: &str, noun: &str, wish: Value) -> Row {
        let method = format!("admin.v1.CatalogAdminService/{verb}{noun}");
        let answer = self.ask(Role::Operator, &method, wish).await;
        let name = match noun {
            "ProductProvider" => "product_provider",
            "Target" => "target",
            _ => "return_url",
        };
        Row { id: text_at(&answer, &format!("{name}.{name}_id")), etag: text_at(&answer, &format!("{name}.etag")) }
    }

    async fn new_tenant(&self) -> Row {
        let wish = json!({ "request_id": request_id(), "display_name": "Firma" });
        let made = self.ask(Role::Operator, "admin.v1.TenantService/CreateTenant", wish).await;
        Row { id: text_at(&made, "tenant.tenant_id"), etag: text_at(&made, "tenant.etag") }
    }

    /// A tenant to which this happened.
    async fn tenant_after(&self, method: &str) -> Row {
        let wish = changed("tenant_id", &self.new_tenant().await);
        let changed = self.ask(Role::Operator, &format!("admin.v1.TenantService/{method}"), wish).await;
        Row { id: text_at(&changed, "tenant.tenant_id"), etag: text_at(&changed, "tenant.etag") }
    }
}

fn entry_wish(noun: &str, id: &str) -> Value {
    match noun {
        "ProductProvider" => provider_wish(id),
        "Target" => target_wish(id),
        _ => return_url_wish(id, &format!("https://portal.example/{id}")),
    }
}

fn provider_wish(id: &str) -> Value {
    json!({
        "request_id": request_id(),
        "product_provider_id": id,
        "display_name": "Versicherung",
        "kind": "PRODUCT_PROVIDER_KIND_INSURER",
    })
}

fn target_wish(id: &str) -> Value {
    json!({
        "request_id": request_id(),
        "target_id": id,
        "product_provider_id": PROVIDER,
        "kind": "TARGET_KIND_TARIFF_CALCULATOR",
        "display_name": "Rechner",
        "url": format!("https://{id}.example/start"),
        "delivery": "DELIVERY_FORM_POST",
        "accepted_persons": ["PERSON_KIND_BROKER", "PERSON_KIND_CUSTOMER"],
        "lines_of_business": { "all": {} },
        "hands_over_secret": true,
        "nonce_required": false,
    })
}

fn return_url_wish(id: &str, url: &str) -> Value {
    json!({ "request_id": request_id(), "return_url_id": id, "url": url })
}
