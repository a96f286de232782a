//! Works through the queue of verifications: first registrations, updates and later checks.

mod config;
pub mod handler;

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::Error;
use latchkey_aws::{
    aws_clients::{Aws, Service},
    bootstrap::Function,
    cloudformation_answers::CloudFormationAnswers,
    config::Environment,
    dynamodb::DynamoDbStore,
    paced_sts::PacedSts,
    sqs_queue::SqsQueue,
    sts_assumer::StsAssumer,
    system::{Cuid2Ids, SystemClock},
};
use latchkey_core::{
    domain::proof::tiers::Tiers,
    use_cases::{
        answer_stack::AnswerStack, check_chunk::CheckChunk, last_verified::LastVerified, members::Members,
        probe_role::ProbeRole, recheck_role::RecheckRole, verify_role::VerifyRole,
    },
};

use crate::{config::Config, handler::Handler};

/// What customers' roles are for: every tier, and the default one.
const TIERS: &str = include_str!("../../../customer/rendered/tiers.json");
const DEFAULT_TIER: &str = include_str!("../../../customer/tier.json");

impl Function for Handler {
    type Event = SqsEvent;
    type Answer = SqsBatchResponse;
    const PREWARMED: &'static [Service] = &[Service::DynamoDb, Service::Sts];

    fn start(environment: &Environment, aws: &Aws) -> Result<Self, Error> {
        let config = Config::read(environment)?;
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
            store: store.clone(),
            ids: Arc::new(Cuid2Ids),
            clock: clock.clone(),
            tiers: tiers.clone(),
            trust: config.trust.clone(),
        });
        let members = Members {
            store: store.clone(),
            clock: clock.clone(),
            caller: None,
        };
        let recheck = Arc::new(RecheckRole {
            store: store.clone(),
            probes: Arc::new(ProbeRole {
                assumer: paced.clone(),
                inspector: paced.clone(),
                store: store.clone(),
                ids: Arc::new(Cuid2Ids),
                clock: clock.clone(),
                tiers,
                trust: config.trust,
            }),
            verified: LastVerified {
                ledger: store.clone(),
                plan: config.sweep_plan,
            },
            members: members.clone(),
            clock: clock.clone(),
        });
        Ok(Self {
            verify: VerifyRole {
                store: store.clone(),
                probes,
                answers,
                members,
                looks: sweep_queue.clone(),
                search: store.clone(),
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
        })
    }

    async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
        Handler::handle(self, event).await
    }
}
