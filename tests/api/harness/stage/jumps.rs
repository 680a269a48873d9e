//! Good requests around jumps.

use concenter_gateway::domain::caller::Role;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};

use super::super::texts::text_at;
use super::super::{path_of, request_id};
use super::{
    BACK, Confidence, POSTED, PROVIDER, People, STAGE_BROKER, STAGE_CUSTOMER, STAGE_PORTAL, Stage, first_of_many,
    fresh, message, method,
};

impl Stage<'_> {
    /// Makes a jump of [`STAGE_CUSTOMER`] for role customer, of [`STAGE_BROKER`] for every other one; gives its id.
    pub async fn jump(&self, role: Role) -> String {
        let person = match role {
            Role::Customer => of_customer(STAGE_CUSTOMER),
            _ => json!({ "broker_id": STAGE_BROKER }),
        };
        let wish = json!({ "request_id": request_id(), "target_id": POSTED, "person": person });
        text_at(&self.ask(Role::Portal, "v1.JumpService/JumpToTarif", wish).await, "jump_id")
    }

    /// Makes a jump to this calculator by everything that a portal may say; gives the answer, and the nonce.
    pub async fn jump_to(&self, target: &str) -> (DynamicMessage, String) {
        let wish = self.wish(target, Role::Portal);
        let nonce = wish["nonce"].as_str().expect("a nonce").to_owned();
        (self.ask(Role::Portal, "v1.JumpService/JumpToTarif", wish).await, nonce)
    }

    /// Has somebody whom nobody else knows jump to a calculator that takes a token, and it redeem; gives the session.
    pub async fn session(&self, target: &str) -> String {
        let broker = fresh('b');
        self.activation_of(&broker).await;
        let person = json!({ "broker_id": broker });
        let wish = json!({ "request_id": request_id(), "target_id": target, "person": person });
        let jump = self.ask(Role::Portal, "v1.JumpService/JumpToTarif", wish).await;
        let token = match text_at(&jump, "form_post.token") {
            token if token.is_empty() => {
                let link = text_at(&jump, "deep_link");
                link.split_once("#token=").map(|(_, token)| token.to_owned()).expect("a token in the link")
            }
            token => token,
        };
        let redeem = method("v1.JumpService/RedeemJump");
        let wish = message(&redeem, json!({ "token": token }));
        let redeemed = self.target(target).send_dynamic(&path_of(&redeem), &wish).await;
        text_at(redeemed.expect("a redemption").get_ref(), "session")
    }

    /// People whom nobody else knows, and who jumped.
    pub async fn people(&self) -> People {
        let (broker, actor, mvp_user) = (fresh('b'), fresh('s'), self.mvp_user().await);
        self.activation_of(&broker).await;
        let customer = self.customer(&fresh('c')).await;
        for person in [json!({ "broker_id": broker }), of_customer(&customer.id)] {
            let mut wish = json!({ "request_id": request_id(), "target_id": POSTED, "actor_id": actor });
            if person.get("broker_id").is_some() {
                wish["customer_context_id"] = json!(customer.id);
            }
            wish["person"] = person;
            self.ask(Role::Portal, "v1.JumpService/JumpToTarif", wish).await;
        }
        People { broker, customer, actor, mvp_user }
    }

    pub(super) async fn jumps(&self, method: &str, role: Option<Role>, about: &str) -> Option<Value> {
        if method == "GetJwks" {
            return Some(json!({}));
        }
        let role = role?;
        Some(match method {
            "JumpToTarif" => about_a_customer(self.wish(POSTED, role), about),
            // Good but for the one thing that no wish mends: a customer never gets there.
            "JumpToInsurerPortal" => about_a_customer(self.wish(STAGE_PORTAL, role), about),
            "ExplainJump" => {
                let mut wish = about_a_customer(self.wish(POSTED, Role::Portal), about);
                for other in ["request_id", "context", "nonce", "return_url", "ttl", "target_page"] {
                    wish.as_object_mut().expect("an object").remove(other);
                }
                wish
            }
            "RedeemJump" => {
                let (jump, nonce) = self.jump_to(POSTED).await;
                json!({ "token": text_at(&jump, "form_post.token"), "nonce": nonce })
            }
            "ReportJumpResult" => {
                let session = self.session(POSTED).await;
                json!({ "request_id": request_id(), "session": session, "result": "JUMP_RESULT_LOGIN_SUCCEEDED" })
            }
            "IntrospectJump" => json!({ "session": self.session(POSTED).await }),
            "GetJump" => json!({ "jump_id": self.jump(role).await }),
            "ListJumps" => first_of_many(),
            "GetIsolationReport" => first_of_many(),
            "SimulateChange" => self.simulation(about).await,
            "RevokeJump" => json!({ "request_id": request_id(), "jump_id": self.jump(role).await }),
            _ => return None,
        })
    }

    /// A change that differs for both customers, by the field that it is about.
    async fn simulation(&self, about: &str) -> Value {
        let private = || async {
            let access = self.ask(Role::Admin, "v1.CustomerService/GetCustomerAccess", json!({})).await;
            text_at(&access, "customer_access.private_user_id")
        };
        let mut wish = match about {
            "standard_user_id" | "end_customer_off_user_id" => json!({ about: private().await }),
            "shared_user.user_id" => {
                json!({ "shared_user": { "segment": "SEGMENT_PRIVATE", "user_id": private().await } })
            }
            "remove_provider.user_id" | "remove_provider.product_provider_id" => {
                json!({ "remove_provider": { "user_id": private().await, "product_provider_id": PROVIDER } })
            }
            "disable_product_provider_id" => json!({ about: PROVIDER }),
            _ => json!({ "disable_user_id": private().await }),
        };
        wish["page_size"] = json!(1);
        wish
    }

    /// A jump by everything that this role may say.
    fn wish(&self, target: &str, role: Role) -> Value {
        let mut wish = json!({
            "request_id": request_id(),
            "target_id": target,
            "line_of_business": "050",
            "product_provider_id": PROVIDER,
            "context": self.tell(Confidence::Context),
            "nonce": self.tell(Confidence::Nonce),
            "return_url": BACK,
            "target_page": self.tell(Confidence::Page),
            "ttl": "60s",
        });
        if role == Role::Portal {
            wish["person"] = json!({ "broker_id": STAGE_BROKER });
            wish["actor_id"] = json!("s-1");
        }
        if role != Role::Customer {
            wish["activation_id"] = json!(self.activation);
            wish["customer_context_id"] = json!(STAGE_CUSTOMER);
        }
        wish
    }
}

/// The same wish for a customer, if the field that it is about is one of his: what is for brokers only goes.
fn about_a_customer(mut wish: Value, about: &str) -> Value {
    if about.starts_with("person.customer.") && wish.get("person").is_some() {
        wish["person"] = of_customer(STAGE_CUSTOMER);
        for brokers in ["activation_id", "customer_context_id"] {
            wish.as_object_mut().expect("an object").remove(brokers);
        }
    }
    wish
}

fn of_customer(id: &str) -> Value {
    json!({ "customer": { "customer_id": id } })
}
