//! Answers the vendor's API: makes launch links, shows connections, ends them.

pub mod body;
mod config;
pub mod handler;
pub mod response;
pub mod template_body;

use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::Error;
use latchkey_aws::{
    aws_clients::{Aws, Service},
    bootstrap::Function,
    config::Environment,
    dynamodb::DynamoDbStore,
    sns_topics::SnsTopics,
    sqs_queue::SqsQueue,
    system::{Cuid2Ids, SystemClock},
};
use latchkey_core::use_cases::{
    disconnect::DisconnectByVendor,
    find_connections::FindConnections,
    last_verified::LastVerified,
    members::Members,
    register_by_hand::RegisterByHand,
    rotate_external_id::RotateExternalId,
    start_connection::{Doors, StartConnection},
};

use crate::{config::Config, handler::Handler, response::Response};

impl Function for Handler {
    type Event = ApiGatewayV2httpRequest;
    type Answer = Response;
    const PREWARMED: &'static [Service] = &[Service::DynamoDb];

    fn start(environment: &Environment, aws: &Aws) -> Result<Self, Error> {
        let config = Config::read(environment)?;
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
        Ok(Self {
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
        })
    }

    async fn handle(&self, event: ApiGatewayV2httpRequest) -> Result<Response, Error> {
        Handler::handle(self, event).await
    }
}
