//! What a test starts from: the running local AWS, accounts that nobody else uses, and what is looked at behind the
//! scenes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::{
    Error,
    api::Api,
    customer::Customer,
    failed,
    local_aws::{Ready, aws},
};

/// One test's corner of the local AWS.
pub struct Scene {
    /// Where everything is.
    pub ready: Ready,
    /// The vendor, as root: to set scenes and to look behind them.
    pub vendor: SdkConfig,
}

impl Scene {
    /// The local AWS that `cargo xtask test` started.
    pub fn open() -> Result<Self, Error> {
        Ok(Self::of(Ready::from_environment()?))
    }

    /// A local AWS that is running.
    pub fn of(ready: Ready) -> Self {
        let vendor = aws::root(&ready.endpoint, &ready.vendor_account, &ready.hub_region);
        Self { ready, vendor }
    }

    /// The UI of the tenant `acme`.
    pub fn acme(&self) -> Result<Api, Error> {
        Api::of(&self.ready, "acme")
    }

    /// The UI of the tenant `globex`.
    pub fn globex(&self) -> Result<Api, Error> {
        Api::of(&self.ready, "globex")
    }

    /// A customer in an account that no other test has.
    pub async fn new_customer(&self, region: &str) -> Result<Customer, Error> {
        Customer::sign_in(&self.ready.endpoint, &fresh_account(), region).await
    }

    /// Makes a connection with a link into `region`.
    pub async fn link(&self, api: &Api, region: &str) -> Result<Value, Error> {
        api.create(&json!({ "name": "A test's connection", "region": region })).await
    }

    /// Runs the revalidator now, as if a whole cycle of its schedule had passed.
    pub async fn revalidate(&self) -> Result<Value, Error> {
        self.forget_sweep_cursor().await?;
        self.invoke("revalidator", &json!({})).await
    }

    async fn forget_sweep_cursor(&self) -> Result<(), Error> {
        self.dynamodb()
            .delete_item()
            .table_name(&self.ready.table)
            .key("pk", AttributeValue::S("SWEEP".to_owned()))
            .key("sk", AttributeValue::S("CURSOR".to_owned()))
            .send()
            .await
            .map_err(|error| failed("forgetting the sweep's cursor", &error))?;
        Ok(())
    }

    /// Invokes a function by its folder's name and returns its answer.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, Error> {
        let name = self.ready.functions.get(function).ok_or("there is no such function")?;
        let answer = aws_sdk_lambda::Client::new(&self.vendor)
            .invoke()
            .function_name(name)
            .payload(aws_sdk_lambda::primitives::Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|error| failed("invoking a function", &error))?;
        let payload = answer.payload().map(|payload| payload.as_ref().to_vec()).unwrap_or_default();
        if let Some(error) = answer.function_error() {
            return Err(format!("{function} failed ({error}): {}", String::from_utf8_lossy(&payload)).into());
        }
        Ok(serde_json::from_slice(&payload)?)
    }

    /// Moves the end of a link's life into the past.
    pub async fn expire_link(&self, tenant: &str, connection_id: &str) -> Result<(), Error> {
        self.dynamodb()
            .update_item()
            .table_name(&self.ready.table)
            .key("pk", AttributeValue::S(format!("TENANT#{tenant}")))
            .key("sk", AttributeValue::S(format!("CONN#{connection_id}")))
            .update_expression("SET expires_at = :past")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":past", AttributeValue::S("2020-01-01T00:00:00Z".to_owned()))
            .send()
            .await
            .map_err(|error| failed("expiring a link", &error))?;
        Ok(())
    }

    /// The events in a connection's audit log, oldest first.
    pub async fn audit_events(&self, connection_id: &str) -> Result<Vec<String>, Error> {
        let answer = self
            .dynamodb()
            .query()
            .table_name(&self.ready.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(format!("AUDIT#{connection_id}")))
            .send()
            .await
            .map_err(|error| failed("reading the audit log", &error))?;
        Ok(answer.items().iter().filter_map(|item| Some(item.get("event")?.as_s().ok()?.clone())).collect())
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.vendor)
    }
}

/// An account id that no test of this or any other process has had.
pub fn fresh_account() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_micros() as u64);
    let mixed = micros
        .wrapping_mul(1_000_003)
        .wrapping_add(u64::from(std::process::id()).wrapping_mul(7_919))
        .wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(104_729));
    // From 200000000000 on: no zero in front, and none of the vendor's or CloudFormation's accounts.
    format!("{}", 200_000_000_000 + mixed % 700_000_000_000)
}
