//! Takes the custom resource requests that customers' stacks publish to the listener topics.

mod config;
pub mod handler;

use std::sync::Arc;

use aws_lambda_events::sns::SnsEvent;
use lambda_runtime::Error;
use latchkey_aws::{
    aws_clients::{Aws, Service},
    bootstrap::Function,
    cloudformation_answers::CloudFormationAnswers,
    config::Environment,
    dynamodb::DynamoDbStore,
    sqs_queue::SqsQueue,
    system::SystemClock,
};
use latchkey_core::use_cases::{
    answer_stack::AnswerStack, disconnect::DisconnectByStack, members::Members, register_role::RegisterRole,
};

use crate::{config::Config, handler::Handler};

impl Function for Handler {
    type Event = SnsEvent;
    type Answer = ();
    const PREWARMED: &'static [Service] = &[Service::DynamoDb, Service::Sqs];

    fn start(environment: &Environment, aws: &Aws) -> Result<Self, Error> {
        let config = Config::read(environment)?;
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
            caller: None,
        };
        Ok(Self {
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
        })
    }

    async fn handle(&self, event: SnsEvent) -> Result<(), Error> {
        Handler::handle(self, event).await
    }
}
