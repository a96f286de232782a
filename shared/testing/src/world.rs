//! Every use case, joined over the fakes as the functions join them over AWS.

use std::sync::Arc;

use futures::FutureExt;
use jiff::SignedDuration;
use latchkey_core::{
    domain::{
        aws::{AccountId, Region, RoleArn},
        connection::{Connection, Organization, Status},
        external_id::ExternalId,
        ids::ConnectionId,
        proof::{reason::ReasonCode, tiers::TierName, trust_report::OnOpenTrust},
        request::custom_resource::{RequestKey, RequestType},
        sweep::SweepPlan,
    },
    ports::{
        Clock, ConnectionSearch, ConnectionStore, GrantStore, KnownTopicsStore, SweepIndex, SweepLedger,
        TemplateCatalog, Unavailable, VerificationTask,
    },
    use_cases::{
        answer_stack::{AnswerStack, Answered},
        check_chunk::{CheckChunk, ChunkChecked},
        disconnect::{Deleted, DisconnectByStack, DisconnectByVendor},
        keep_doors::KeepDoors,
        last_verified::LastVerified,
        members::Members,
        probe_role::{ProbeRole, TrustRules},
        recheck_role::{RecheckRole, Rechecked},
        register_by_hand::RegisterByHand,
        register_role::{Received, RegisterRole},
        revalidate::{Revalidate, SweepBudget},
        rotate_external_id::RotateExternalId,
        served_regions::ServedRegions,
        start_connection::{Doors, LinkPolicy, NewConnection, StartConnection},
        verify_role::{MAX_TRIES_OF_UNKNOWN, Verified, VerifyRole, retry_delay_seconds},
    },
};

use super::{
    builders::{
        LINK_LIFETIME_SECONDS, REGION, VENDOR_ACCOUNT, VENDOR_ROLE_PATH, account, role, tenant, wish,
    },
    cloudformation_bucket::{CloudFormationBucket, StackAnswer},
    customer_stack::{CustomerStack, StackRequest},
    faults::{Faults, Operation, When},
    in_memory_store::InMemoryStore,
    manual_clock::ManualClock,
    recording_queue::RecordingQueue,
    scripted_sts::{ScriptedSts, Trust, tiers},
    sequential_ids::SequentialIds,
    topic_policies::TopicPolicies,
};

/// How long a role may take to become assumable, in seconds.
pub const PATIENCE_SECONDS: i64 = 240;
pub const TICK_SECONDS: u32 = 300;
pub const PLAN: SweepPlan = SweepPlan {
    slots: 4,
    degraded_slots: 2,
};

pub const BUDGET: SweepBudget = SweepBudget {
    calls_per_second: 100,
    tick_seconds: TICK_SECONDS,
    proof_every: 3,
};

/// How many accounts a topic lets in, where single accounts are let in.
pub const TOPIC_ROOM: usize = 3;

/// A store behind every port that stores something: the fake, or the real one.
pub trait Store:
    ConnectionStore
    + ConnectionSearch
    + SweepIndex
    + SweepLedger
    + GrantStore
    + KnownTopicsStore
    + TemplateCatalog
{
}

impl<
    T: ConnectionStore
        + ConnectionSearch
        + SweepIndex
        + SweepLedger
        + GrantStore
        + KnownTopicsStore
        + TemplateCatalog,
> Store for T
{
}

/// A deployment over fakes, and the customers' side of it.
pub struct World<S = InMemoryStore> {
    pub clock: Arc<ManualClock>,
    pub ids: Arc<SequentialIds>,
    pub faults: Arc<Faults>,
    pub store: Arc<S>,
    pub sts: Arc<ScriptedSts>,
    pub queue: Arc<RecordingQueue>,
    /// Who was connected and is to be looked at once more.
    pub looks: Arc<RecordingQueue>,
    pub bucket: Arc<CloudFormationBucket>,
    pub start: StartConnection,
    pub register: RegisterRole,
    pub register_by_hand: RegisterByHand,
    pub members: Members,
    pub verify: VerifyRole,
    pub recheck: Arc<RecheckRole>,
    pub chunks: CheckChunk,
    pub verified: LastVerified,
    pub disconnect_by_stack: DisconnectByStack,
    pub disconnect_by_vendor: DisconnectByVendor,
    pub rotate: RotateExternalId,
    pub topics: Arc<TopicPolicies>,
    pub keep_doors: KeepDoors,
    pub revalidate: Revalidate,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Handled {
    Registered(Received),
    Deleted(Deleted),
}

pub struct Customer {
    /// Its connection, as it was when it became active.
    pub connection: Connection,
    pub stack: CustomerStack,
    pub role_arn: RoleArn,
    /// The Create that connected it.
    pub create: StackRequest,
}

impl Customer {
    /// The stack gives the resource another role.
    pub fn update(&self, role_arn: &RoleArn) -> StackRequest {
        self.update_to(self.connection.external_id(), role_arn)
    }

    pub fn update_to(&self, external_id: &ExternalId, role_arn: &RoleArn) -> StackRequest {
        let id = self.create.physical_resource_id();
        self.stack.update(&id, external_id, role_arn)
    }

    pub fn delete(&self) -> StackRequest {
        self.delete_as(&self.create.physical_resource_id())
    }

    /// The same under another id of the resource.
    pub fn delete_as(&self, id: &str) -> StackRequest {
        self.stack
            .delete(id, self.connection.external_id(), &self.role_arn)
    }
}

impl Default for World {
    fn default() -> Self {
        let faults = Arc::new(Faults::default());
        let store = InMemoryStore::new(faults.clone(), PLAN);
        Self::over(store, faults, ManualClock::default())
    }
}

impl<S: Store + 'static> World<S> {
    pub fn over(store: S, faults: Arc<Faults>, clock: ManualClock) -> Self {
        let (store, clock) = (Arc::new(store), Arc::new(clock));
        let ids = Arc::new(SequentialIds::default());
        let sts = Arc::new(ScriptedSts::new(clock.clone()));
        let queue = Arc::new(RecordingQueue::new(faults.clone()));
        let looks = Arc::new(RecordingQueue::new(faults.clone()));
        let bucket = Arc::new(CloudFormationBucket::new(clock.clone(), faults.clone()));
        let region = Region::parse(REGION).unwrap();
        let topics = Arc::new(TopicPolicies::new(faults.clone(), TOPIC_ROOM));
        let answers = Arc::new(AnswerStack {
            store: store.clone(),
            sender: bucket.clone(),
            clock: clock.clone(),
        });
        let probes = Arc::new(ProbeRole {
            assumer: sts.clone(),
            inspector: sts.clone(),
            store: store.clone(),
            ids: ids.clone(),
            clock: clock.clone(),
            tiers: tiers(),
            trust: TrustRules {
                vendor: account(VENDOR_ACCOUNT),
                role_path: VENDOR_ROLE_PATH.parse().unwrap(),
                on_open: OnOpenTrust::Refuse,
            },
        });
        let members = Members {
            store: store.clone(),
            clock: clock.clone(),
            caller: None,
        };
        let verified = LastVerified {
            ledger: store.clone(),
            plan: PLAN,
        };
        let recheck = Arc::new(RecheckRole {
            store: store.clone(),
            probes: probes.clone(),
            verified: verified.clone(),
            members: members.clone(),
            clock: clock.clone(),
        });
        Self {
            chunks: CheckChunk {
                recheck: recheck.clone(),
                assumer: sts.clone(),
                queue: queue.clone(),
                ledger: store.clone(),
                clock: clock.clone(),
                concurrency: 8,
            },
            verified,
            start: StartConnection {
                store: store.clone(),
                search: store.clone(),
                templates: store.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
                policy: LinkPolicy {
                    requires_account: false,
                    offered_tiers: vec![
                        TierName::parse("test").unwrap(),
                        TierName::parse("larger").unwrap(),
                    ],
                    lifetime: SignedDuration::from_secs(LINK_LIFETIME_SECONDS),
                    default_region: region.clone(),
                    stack_name_prefix: "latchkey".to_owned(),
                },
                regions: Arc::new(ServedRegions {
                    named: vec![region.clone()],
                    topics: topics.clone(),
                    known: store.clone(),
                    clock: clock.clone(),
                }),
                doors: None,
                caller: None,
            },
            register: RegisterRole {
                store: store.clone(),
                queue: queue.clone(),
                answers: answers.clone(),
                members: members.clone(),
                clock: clock.clone(),
                vendor_account: account(VENDOR_ACCOUNT),
                patience_seconds: PATIENCE_SECONDS,
            },
            register_by_hand: RegisterByHand {
                store: store.clone(),
                queue: queue.clone(),
                members: members.clone(),
                ids: ids.clone(),
                clock: clock.clone(),
                vendor_account: account(VENDOR_ACCOUNT),
                patience_seconds: PATIENCE_SECONDS,
                caller: None,
            },
            verify: VerifyRole {
                store: store.clone(),
                probes,
                answers: answers.clone(),
                members: members.clone(),
                looks: looks.clone(),
                search: store.clone(),
                clock: clock.clone(),
            },
            recheck,
            disconnect_by_stack: DisconnectByStack {
                store: store.clone(),
                queue: queue.clone(),
                answers,
                members: members.clone(),
                clock: clock.clone(),
            },
            disconnect_by_vendor: DisconnectByVendor {
                store: store.clone(),
                members: members.clone(),
                clock: clock.clone(),
                caller: None,
            },
            keep_doors: KeepDoors {
                store: store.clone(),
                grants: store.clone(),
                topics: topics.clone(),
                regions: vec![region.clone()],
                clock: clock.clone(),
            },
            rotate: RotateExternalId {
                store: store.clone(),
                members: members.clone(),
                ids: ids.clone(),
                clock: clock.clone(),
                caller: None,
            },
            revalidate: Revalidate {
                index: store.clone(),
                queue: queue.clone(),
                clock: clock.clone(),
                plan: PLAN,
                budget: BUDGET,
            },
            members,
            clock,
            ids,
            topics,
            faults,
            store,
            sts,
            queue,
            looks,
            bucket,
        }
    }
}

impl World {
    /// A world whose topics let in single accounts.
    pub fn with_doors() -> Self {
        let mut world = Self::default();
        world.start.doors = Some(Doors {
            grants: world.store.clone(),
            topics: world.topics.clone(),
        });
        world
    }

    pub async fn connected(account: &AccountId) -> (Self, Customer) {
        let world = Self::default();
        let customer = world.connect("acme", account).await;
        (world, customer)
    }

    pub async fn linked() -> (Self, Connection) {
        let world = Self::default();
        let connection = world.link("acme").await;
        (world, connection)
    }

    /// The names of what happened to a connection, oldest first.
    pub fn history(&self, id: &ConnectionId) -> Vec<String> {
        let log = self.store.audit_log(id);
        log.into_iter().map(|entry| entry.event).collect()
    }
}

impl<S: Store + 'static> World<S> {
    pub async fn link(&self, tenant_name: &str) -> Connection {
        self.link_for(tenant_name, None).await
    }

    pub async fn link_for(&self, tenant_name: &str, account_id: Option<AccountId>) -> Connection {
        let new = NewConnection { account_id, ..wish() };
        self.start.run(tenant(tenant_name), new).await.unwrap().0
    }

    pub async fn organization(&self, tenant_name: &str, organization: Organization) -> Connection {
        let new = NewConnection {
            organization: Some(organization),
            ..wish()
        };
        self.start.run(tenant(tenant_name), new).await.unwrap().0
    }

    /// A stack in `account`, and a role that trusts `connection` and nobody else.
    pub fn customer_of(&self, connection: &Connection, account: &AccountId) -> (CustomerStack, RoleArn) {
        let role_arn = role(account, "Reader");
        self.trust(&role_arn, connection);
        (CustomerStack::new(account), role_arn)
    }

    /// A request as CloudFormation sends it now.
    pub fn signed(&self, request: StackRequest) -> StackRequest {
        request.signed(&self.bucket).sent_at(self.clock.now())
    }

    /// The Create of a new stack in `account` whose role trusts as it should.
    pub fn create(&self, connection: &Connection, account: &AccountId) -> StackRequest {
        let (stack, role_arn) = self.customer_of(connection, account);
        self.signed(stack.create(connection.external_id(), &role_arn))
    }

    pub fn trust(&self, role_arn: &RoleArn, connection: &Connection) {
        let trust = Trust::only(connection.external_id());
        self.sts.put_role(role_arn, trust);
    }

    /// A customer whose stack went through.
    pub async fn connect(&self, tenant_name: &str, account: &AccountId) -> Customer {
        self.connect_role(tenant_name, &role(account, "Reader")).await
    }

    /// The same with a role of its own name, for an account that another tenant has as well.
    pub async fn connect_role(&self, tenant_name: &str, role_arn: &RoleArn) -> Customer {
        let connection = self.link(tenant_name).await;
        let (stack, role_arn) = (CustomerStack::new(&role_arn.account()), role_arn.clone());
        self.trust(&role_arn, &connection);
        let create = self.signed(stack.create(connection.external_id(), &role_arn));
        self.complete(&create).await;
        let connection = self.reload(&connection).await;
        assert_eq!(connection.state().status(), Status::Active);
        Customer {
            connection,
            stack,
            role_arn,
            create,
        }
    }

    /// Hands a request to the use case that its type asks for, as the listener does.
    pub async fn receive(&self, request: &StackRequest) -> Result<Handled, Unavailable> {
        let envelope = request.envelope();
        let sent_at = request.sent_at.unwrap_or_else(|| self.clock.now());
        Ok(match envelope.request_type {
            RequestType::Create | RequestType::Update => {
                Handled::Registered(self.register.run(&envelope, sent_at).await?)
            }
            RequestType::Delete => Handled::Deleted(self.disconnect_by_stack.run(&envelope, sent_at).await?),
        })
    }

    pub async fn registered(&self, request: &StackRequest) -> Received {
        match self.receive(request).await.unwrap() {
            Handled::Registered(received) => received,
            Handled::Deleted(deleted) => panic!("{deleted:?}"),
        }
    }

    pub async fn deleted(&self, request: &StackRequest) -> Deleted {
        match self.receive(request).await.unwrap() {
            Handled::Deleted(deleted) => deleted,
            Handled::Registered(received) => panic!("{received:?}"),
        }
    }

    /// What one try at a request comes to.
    pub async fn verified(&self, request: &StackRequest, tries: u32) -> Verified {
        self.verify.run(&request.key, tries).await.unwrap()
    }

    /// Proves a request and stores that, and cannot reach the bucket then.
    pub async fn prove_without_answer(&self, request: &StackRequest) {
        self.faults.fail_next(Operation::AnswerSend, 1, When::Before);
        assert!(self.verify.run(&request.key, 1).await.is_err());
    }

    #[track_caller]
    pub fn assert_failed(&self, request: &StackRequest, code: ReasonCode) {
        let answer = self.bucket.answer(&request.key).unwrap();
        assert!(answer.failed_with(code), "{answer:?}");
    }

    pub async fn check(&self, connection: &Connection) -> Rechecked {
        let check = self.recheck.run(connection.tenant(), connection.id());
        check.await.unwrap()
    }

    pub async fn end(&self, connection: &Connection) -> Connection {
        let end = self
            .disconnect_by_vendor
            .run(connection.tenant(), connection.id());
        end.await.unwrap().unwrap()
    }

    /// Somebody else does something in front of the next commit.
    pub fn meanwhile<T>(self: &Arc<Self>, step: impl AsyncFnOnce(&Self) -> T + Send + 'static) {
        let there = self.clone();
        self.faults.before_next(Operation::Commit, move || {
            step(&there).now_or_never().unwrap();
        });
    }

    pub fn expire(&self, connection: &Connection) {
        let left = connection.expires_at().duration_since(self.clock.now());
        self.clock.advance(left.as_secs());
    }

    /// Receives a request and works until nothing waits; what the stack is told.
    pub async fn complete(&self, request: &StackRequest) -> StackAnswer {
        self.receive(request).await.unwrap();
        self.drain().await;
        self.bucket.answer(&request.key).unwrap()
    }

    /// Works on a request until it is decided, while time passes.
    pub async fn verify_until_answered(&self, key: &RequestKey) -> Answered {
        for tries in 1..100 {
            match self.verify.run(key, tries).await.unwrap() {
                Verified::Answered(answered) => return answered,
                Verified::TryAgainIn(seconds) => self.clock.advance(seconds.into()),
                Verified::Unknown => panic!("{key:?} was never recorded"),
            }
        }
        panic!("{key:?} is tried for ever");
    }

    /// Works until the queue is empty, as the verifier and SQS do between them, while time passes.
    pub async fn drain(&self) {
        self.drain_looking(|_| ()).await;
    }

    /// As [`Self::drain`]; `look` is given each task that was worked on, before the next one.
    pub async fn drain_looking(&self, mut look: impl FnMut(&VerificationTask)) {
        for tries in 1..100 {
            let waiting = self.queue.take_all();
            if waiting.is_empty() {
                return;
            }
            let mut wait = 0;
            for queued in waiting {
                let done = self.work(&queued.task, tries).await;
                look(&queued.task);
                match done {
                    Ok(None) => {}
                    Ok(Some(seconds)) => {
                        wait = wait.max(seconds);
                        self.queue.put_back(queued);
                    }
                    Err(_) => self.queue.put_back(queued),
                }
            }
            self.clock.advance(wait.into());
        }
        panic!("the queue never gets empty");
    }

    /// Works on one task; the seconds until it shall come again, if it is not done.
    pub async fn work(&self, task: &VerificationTask, tries: u32) -> Result<Option<u32>, Unavailable> {
        match task {
            VerificationTask::Request { key } => Ok(match self.verify.run(key, tries).await? {
                Verified::TryAgainIn(seconds) => Some(seconds),
                Verified::Unknown if tries <= MAX_TRIES_OF_UNKNOWN => Some(retry_delay_seconds(tries)),
                Verified::Answered(_) | Verified::Unknown => None,
            }),
            VerificationTask::Recheck {
                tenant,
                connection_id,
                attempt,
            } => {
                self.chunks.run_single(tenant, connection_id, *attempt).await?;
                Ok(None)
            }
            VerificationTask::Chunk(chunk) => Ok(match self.chunks.run(chunk).await? {
                ChunkChecked::Done { .. } => None,
                ChunkChecked::StsInTrouble => Some(60),
            }),
        }
    }

    /// A connection as it is stored now.
    pub async fn reload(&self, connection: &Connection) -> Connection {
        let stored = self.store.get(connection.tenant(), connection.id()).await;
        stored.unwrap().unwrap()
    }

    /// When a connection was last verified, as the API shows it.
    pub async fn last_verified(&self, connection: &Connection) -> Option<jiff::Timestamp> {
        let stored = self.reload(connection).await;
        self.verified.complete(stored).await.unwrap().last_verified_at()
    }

    pub async fn status(&self, connection: &Connection) -> Status {
        self.reload(connection).await.status(self.clock.now())
    }
}
