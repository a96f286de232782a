//! Queues, at each tick of the schedule, the connections that are due for another check.

mod config;
mod handler;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use latchkey_shared::{
    adapters::{
        aws_clients::{Aws, Service},
        dynamodb::DynamoDbStore,
        sns_topics::SnsTopics,
        sqs_queue::SqsQueue,
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
    let aws = Aws::from_environment(&environment)?;
    let dynamodb = aws.config(Service::DynamoDb);
    let (clock, store) = (
        Arc::new(SystemClock),
        Arc::new(DynamoDbStore::for_sweeping(
            &dynamodb,
            config.table,
            config.sweep_plan,
        )),
    );
    let handler = Handler {
        revalidate: Revalidate {
            index: store.clone(),
            queue: Arc::new(SqsQueue::new(&aws.config(Service::Sqs), config.queue_url)),
            clock: clock.clone(),
            plan: config.sweep_plan,
            budget: config.budget,
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
    };
    aws.prewarm(&[Service::DynamoDb, Service::Sqs]).await;
    // Boxed: else the stack of a start has several copies of all that an event may need, and touches each page of them.
    let handle = |event: LambdaEvent<_>| Box::pin(handler.handle(event.payload));
    lambda_runtime::run(service_fn(handle)).await
}
