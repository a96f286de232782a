//! Answers the vendor's API: makes launch links, shows connections, ends them.

mod body;
mod config;
mod handler;
mod response;
mod template_body;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use latchkey_shared::{
    adapters::{
        aws_clients::{Aws, Service},
        dynamodb::DynamoDbStore,
        sns_topics::SnsTopics,
        sqs_queue::SqsQueue,
        system::{Cuid2Ids, SystemClock},
    },
    config::Environment,
    telemetry,
    use_cases::{
        disconnect::DisconnectByVendor,
        find_connections::FindConnections,
        last_verified::LastVerified,
        members::Members,
        register_by_hand::RegisterByHand,
        rotate_external_id::RotateExternalId,
        start_connection::{Doors, StartConnection},
    },
};

use crate::{config::Config, handler::Handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::of_process();
    telemetry::init(&environment)?;
    let config = Config::read(&environment)?;
    let aws = Aws::from_environment(&environment)?;
    let clock = Arc::new(SystemClock);
    let ids = Arc::new(Cuid2Ids);
    let store = Arc::new(DynamoDbStore::new(
        &aws.config(Service::DynamoDb),
        config.table,
        config.audit_retention_days,
        config.sweep_plan,
    ));
    let members = Members {
        store: store.clone(),
        clock: clock.clone(),
    };
    let handler = Handler {
        tenant_claim: config.tenant_claim,
        start: StartConnection {
            store: store.clone(),
            templates: store.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            policy: config.link_policy,
            doors: config.single_accounts.map(|topics| Doors {
                grants: store.clone(),
                topics: Arc::new(SnsTopics::new(
                    &aws.config(Service::Sns),
                    topics.vendor_account,
                    topics.name,
                )),
            }),
        },
        by_hand: RegisterByHand {
            store: store.clone(),
            queue: Arc::new(SqsQueue::new(&aws.config(Service::Sqs), config.queue_url)),
            members: members.clone(),
            ids: ids.clone(),
            clock: clock.clone(),
            vendor_account: config.vendor_account,
            patience_seconds: config.verification_deadline_seconds.into(),
        },
        disconnect: DisconnectByVendor {
            store: store.clone(),
            members: members.clone(),
            clock: clock.clone(),
        },
        rotate: RotateExternalId {
            store: store.clone(),
            members: members.clone(),
            ids,
            clock: clock.clone(),
        },
        members,
        verified: LastVerified {
            ledger: store.clone(),
            plan: config.sweep_plan,
        },
        find: FindConnections {
            store: store.clone(),
            search: store.clone(),
            clock: clock.clone(),
        },
        store,
        clock,
    };
    aws.prewarm(&[Service::DynamoDb]).await;
    // Boxed: else the stack of a start has several copies of all that an event may need, and touches each page of them.
    let handle = |event: LambdaEvent<_>| Box::pin(handler.handle(event.payload));
    lambda_runtime::run(service_fn(handle)).await
}
