//! Takes the custom resource requests that customers' stacks publish to the listener topics.

mod config;
mod handler;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use latchkey_shared::{
    adapters::{
        aws_clients::{Aws, Service},
        cloudformation_answers::CloudFormationAnswers,
        dynamodb::DynamoDbStore,
        sqs_queue::SqsQueue,
        system::SystemClock,
    },
    config::Environment,
    telemetry,
    use_cases::{
        answer_stack::AnswerStack, disconnect::DisconnectByStack, members::Members,
        register_role::RegisterRole,
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
    let store = Arc::new(DynamoDbStore::new(
        &aws.config(Service::DynamoDb),
        config.table,
        config.audit_retention_days,
        config.sweep_plan,
    ));
    let queue = Arc::new(SqsQueue::new(&aws.config(Service::Sqs), config.queue_url));
    let sender = Arc::new(CloudFormationAnswers::new(
        aws.connector(),
        config.local_answer_endpoint,
    ));
    let answers = Arc::new(AnswerStack {
        store: store.clone(),
        sender,
        clock: clock.clone(),
    });
    let members = Members {
        store: store.clone(),
        clock: clock.clone(),
    };
    let handler = Handler {
        register: RegisterRole {
            store: store.clone(),
            queue: queue.clone(),
            answers: answers.clone(),
            members: members.clone(),
            clock: clock.clone(),
            vendor_account: config.topics.vendor_account.clone(),
            patience_seconds: config.verification_deadline_seconds.into(),
        },
        disconnect: DisconnectByStack {
            store,
            queue,
            answers,
            members,
            clock,
        },
        topics: config.topics,
    };
    aws.prewarm(&[Service::DynamoDb, Service::Sqs]).await;
    // Boxed: else the stack of a start has several copies of all that an event may need, and touches each page of them.
    let handle = |event: LambdaEvent<_>| Box::pin(handler.handle(event.payload));
    lambda_runtime::run(service_fn(handle)).await
}
