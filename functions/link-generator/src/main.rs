//! Answers the vendor's API: makes launch links, shows connections, ends them.

mod body;
mod config;
mod handler;
mod response;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use latchkey_shared::{
    adapters::{
        aws_clients::{Aws, Service},
        dynamodb::DynamoDbStore,
        system::{Cuid2Ids, SystemClock},
    },
    config::Environment,
    telemetry,
    use_cases::{disconnect::DisconnectByVendor, start_connection::StartConnection},
};

use crate::{config::Config, handler::Handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::of_process();
    telemetry::init(&environment)?;
    let config = Config::read(&environment)?;
    let aws = Aws::from_environment(&environment)?;
    let clock = Arc::new(SystemClock);
    let store = Arc::new(DynamoDbStore::new(
        &aws.config(Service::DynamoDb),
        config.table,
        config.audit_retention_days,
        config.sweep_plan,
    ));
    let handler = Handler {
        tenant_claim: config.tenant_claim,
        start: StartConnection {
            store: store.clone(),
            templates: store.clone(),
            clock: clock.clone(),
            ids: Arc::new(Cuid2Ids),
            policy: config.link_policy,
        },
        disconnect: DisconnectByVendor {
            store: store.clone(),
            clock: clock.clone(),
        },
        store,
        clock,
    };
    aws.prewarm(&[Service::DynamoDb]).await;
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
