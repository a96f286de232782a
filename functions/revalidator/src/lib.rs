//! Queues, at each tick of the schedule, the connections that are due for another check.

mod config;
pub mod handler;

use std::sync::Arc;

use lambda_runtime::Error;
use latchkey_aws::{
    aws_clients::{Aws, Service},
    bootstrap::Function,
    config::Environment,
    dynamodb::DynamoDbStore,
    public_reader::AnonymousReader,
    sns_topics::SnsTopics,
    sqs_queue::SqsQueue,
    system::SystemClock,
};
use latchkey_core::use_cases::{
    keep_doors::KeepDoors, revalidate::Revalidate, watch_template::WatchTemplate,
};
use serde_json::Value;

use crate::{
    config::Config,
    handler::{Handler, Summary},
};

impl Function for Handler {
    type Event = Value;
    type Answer = Summary;
    const PREWARMED: &'static [Service] = &[Service::DynamoDb, Service::Sqs];

    fn start(environment: &Environment, aws: &Aws) -> Result<Self, Error> {
        let config = Config::read(environment)?;
        let dynamodb = aws.config(Service::DynamoDb);
        let (clock, store) = (
            Arc::new(SystemClock),
            Arc::new(DynamoDbStore::for_sweeping(
                &dynamodb,
                config.table,
                config.sweep_plan,
            )),
        );
        Ok(Self {
            revalidate: Revalidate {
                index: store.clone(),
                queue: Arc::new(SqsQueue::new(&aws.config(Service::Sqs), config.queue_url)),
                clock: clock.clone(),
                plan: config.sweep_plan,
                budget: config.budget,
            },
            watch_template: WatchTemplate {
                templates: store.clone(),
                reader: Arc::new(AnonymousReader::new(aws.connector(), config.local_endpoint)),
            },
            keep_doors: config.single_accounts.map(|topics| KeepDoors {
                store: store.clone(),
                grants: store,
                topics: Arc::new(SnsTopics::new(
                    &aws.config(Service::Sns),
                    topics.vendor_account,
                    topics.name,
                )),
                regions: topics.regions,
                clock,
            }),
        })
    }

    async fn handle(&self, event: Value) -> Result<Summary, Error> {
        Handler::handle(self, event).await
    }
}
