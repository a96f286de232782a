//! Queues, at each tick of the schedule, the connections that are due for another check.

mod config;
mod handler;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use latchkey_shared::{
    adapters::{
        aws_clients::{Aws, Service},
        dynamodb::DynamoDbStore,
        sqs_queue::SqsQueue,
        system::SystemClock,
    },
    config::Environment,
    telemetry,
    use_cases::revalidate::Revalidate,
};

use crate::{config::Config, handler::Handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::of_process();
    telemetry::init(&environment)?;
    let config = Config::read(&environment)?;
    let aws = Aws::from_environment(&environment)?;
    let handler = Handler {
        revalidate: Revalidate {
            index: Arc::new(DynamoDbStore::for_sweeping(
                &aws.config(Service::DynamoDb),
                config.table,
                config.sweep_plan,
            )),
            queue: Arc::new(SqsQueue::new(&aws.config(Service::Sqs), config.queue_url)),
            clock: Arc::new(SystemClock),
            plan: config.sweep_plan,
            tick_seconds: config.tick_seconds,
        },
    };
    aws.prewarm(&[Service::DynamoDb, Service::Sqs]).await;
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| handler.handle(event.payload))).await
}
