//! Queues, at each tick of the schedule, the connections that are due for another check.

mod config;
mod handler;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use latchkey_shared::{
    adapters::{
        aws_clients::sdk_config, dynamodb::DynamoDbStore, sns_topics::SnsTopics, sqs_queue::SqsQueue,
        system::SystemClock,
    },
    config::Environment,
    telemetry,
    use_cases::{keep_doors::KeepDoors, revalidate::Revalidate},
};

use crate::{config::Config, handler::Handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::of_process();
    telemetry::init(&environment)?;
    let config = Config::read(&environment)?;
    let aws = sdk_config().await;
    let (clock, store) = (
        Arc::new(SystemClock),
        Arc::new(DynamoDbStore::for_sweeping(&aws, config.table, config.sweep_plan)),
    );
    let handler = Handler {
        revalidate: Revalidate {
            index: store.clone(),
            queue: Arc::new(SqsQueue::new(&aws, config.queue_url)),
            clock: clock.clone(),
            plan: config.sweep_plan,
            budget: config.budget,
        },
        keep_doors: config.single_accounts.map(|topics| KeepDoors {
            store: store.clone(),
            grants: store,
            topics: Arc::new(SnsTopics::new(&aws, topics.vendor_account, topics.name)),
            regions: topics.regions,
            clock,
        }),
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
