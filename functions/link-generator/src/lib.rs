//! Answers the vendor's API: makes launch links, shows connections, ends them.

mod config;
pub mod problem;
pub mod request;
pub mod response;
pub mod router;
pub mod routes;
pub mod state;
mod view;

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
use latchkey_core::ports::TopicPermissions;

use crate::{config::Config, response::Response, state::State};

impl Function for State {
    type Event = ApiGatewayV2httpRequest;
    type Answer = Response;
    const PREWARMED: &'static [Service] = &[Service::DynamoDb];

    fn start(environment: &Environment, aws: &Aws) -> Result<Self, Error> {
        let config = Config::read(environment)?;
        let store = DynamoDbStore::new(
            &aws.config(Service::DynamoDb),
            config.table,
            config.audit_retention_days,
            config.settings.sweep_plan,
        );
        let queue = SqsQueue::new(&aws.config(Service::Sqs), config.queue_url);
        let (account, name) = (config.topics.vendor_account, config.topics.name);
        let topics = Arc::new(SnsTopics::new(&aws.config(Service::Sns), account, name));
        let permissions = config
            .lets_in_single_accounts
            .then(|| topics.clone() as Arc<dyn TopicPermissions>);
        let system = (Arc::new(SystemClock) as _, Arc::new(Cuid2Ids) as _);
        Ok(Self::new(
            config.settings,
            Arc::new(store),
            Arc::new(queue),
            (topics, permissions),
            system,
        ))
    }

    async fn handle(&self, event: ApiGatewayV2httpRequest) -> Result<Response, Error> {
        Ok(router::answer(self, &event).await)
    }
}
