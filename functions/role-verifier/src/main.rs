//! Works through the queue of verifications: first registrations, updates and later checks.

mod config;
mod handler;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use latchkey_shared::{
    adapters::{
        aws_clients::{Aws, Service},
        cloudformation_answers::CloudFormationAnswers,
        dynamodb::DynamoDbStore,
        paced_sts::PacedSts,
        sqs_queue::SqsQueue,
        sts_assumer::StsAssumer,
        system::{Cuid2Ids, SystemClock},
    },
    config::Environment,
    domain::tiers::Tiers,
    telemetry,
    use_cases::{
        answer_stack::AnswerStack, check_chunk::CheckChunk, last_verified::LastVerified, members::Members,
        probe_role::ProbeRole, recheck_role::RecheckRole, verify_role::VerifyRole,
    },
};

use crate::{config::Config, handler::Handler};

/// What customers' roles are for: every tier, and the default one.
const TIERS: &str = include_str!("../../../customer/rendered/tiers.json");
const DEFAULT_TIER: &str = include_str!("../../../customer/tier.json");

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
    let sender = Arc::new(CloudFormationAnswers::new(
        aws.connector(),
        config.local_answer_endpoint,
    ));
    let answers = Arc::new(AnswerStack {
        store: store.clone(),
        sender,
        clock: clock.clone(),
    });
    let queue = Arc::new(SqsQueue::new(&aws.config(Service::Sqs), config.queue_url));
    let sweep_queue = Arc::new(queue.other(config.sweep_queue_url.clone()));
    let sts = Arc::new(StsAssumer::new(
        &aws.config(Service::Sts),
        aws.config(Service::Iam),
    ));
    // Stacks wait for their answers: only the sweep keeps to a pace.
    let paced = Arc::new(PacedSts::new(sts.clone(), config.sweep_calls_per_second));
    let tiers = Tiers::parse(TIERS, DEFAULT_TIER)?;
    let probes = Arc::new(ProbeRole {
        assumer: sts.clone(),
        inspector: sts,
        ids: Arc::new(Cuid2Ids),
        clock: clock.clone(),
        tiers: tiers.clone(),
    });
    let recheck = Arc::new(RecheckRole {
        store: store.clone(),
        probes: Arc::new(ProbeRole {
            assumer: paced.clone(),
            inspector: paced.clone(),
            ids: Arc::new(Cuid2Ids),
            clock: clock.clone(),
            tiers,
        }),
        verified: LastVerified {
            ledger: store.clone(),
            plan: config.sweep_plan,
        },
        clock: clock.clone(),
    });
    let handler = Handler {
        verify: VerifyRole {
            store: store.clone(),
            probes,
            answers,
            members: Members {
                store: store.clone(),
                clock: clock.clone(),
            },
            clock: clock.clone(),
        },
        chunks: CheckChunk {
            recheck,
            assumer: paced,
            queue: sweep_queue.clone(),
            ledger: store,
            clock,
            concurrency: config.probe_concurrency,
        },
        queue,
        sweep_queue,
        sweep_queue_url: config.sweep_queue_url,
    };
    aws.prewarm(&[Service::DynamoDb, Service::Sts]).await;
    // Boxed: else the stack of a start has several copies of all that an event may need, and touches each page of them.
    let handle = |event: LambdaEvent<_>| Box::pin(handler.handle(event.payload));
    lambda_runtime::run(service_fn(handle)).await
}
