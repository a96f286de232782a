//! A table as 0.1.0 wrote it (`tests/fixtures/table-0.1.0.json`) is read, swept and updated by the
//! code of today.
//!
//! The fixture was made by the use cases and the store of 0.1.0 over a table of the local AWS. It is
//! never edited.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is not as 0.1.0 wrote it fails the test"
)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use jiff::Timestamp;
use latchkey_aws::dynamodb::{DynamoDbStore, SCHEMA, SCHEMA_VERSION};
use latchkey_core::{
    domain::{
        audit::AuditEntry,
        aws::{AccountId, RoleArn, StackId},
        connection::{Connection, Status, filing::Filing, organization::Counter},
        external_id::ExternalId,
        proof::reason::ReasonCode,
        request::{custom_resource::RequestKey, request_record::RequestRecord},
        sweep::{Group, Member},
    },
    ports::{
        Clock as _, ConnectionSearch as _, ConnectionStore as _, GrantStore as _, SweepIndex as _,
        SweepLedger as _, TemplateCatalog as _,
    },
};
use latchkey_testing::{
    builders::{account, role, tenant},
    customer_stack::{CustomerStack, StackRequest},
    faults::Faults,
    manual_clock::ManualClock,
    scripted_sts::Trust,
    world::{PLAN, TICK_SECONDS, World},
};
use latchkey_tests::{
    own_table::new_table,
    scene::{Item, Scene},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const FIXTURE: &str = include_str!("../fixtures/table-0.1.0.json");
/// When the last item was written.
const WRITTEN: &str = "2026-08-11T12:54:00Z";
const TENANT: &str = "acme/eu";

/// Where each connection of the tenant stood then: by its name, and a member by its account.
const STATUSES: [(&str, Status); 35] = [
    ("200000000021", Status::Active),
    ("200000000022", Status::Active),
    ("200000000023", Status::Active),
    ("200000000024", Status::Pending),
    ("200000000025", Status::Disconnected),
    ("200000000031", Status::Active),
    ("200000000032", Status::Active),
    ("active", Status::Active),
    ("active and attacked", Status::Active),
    ("active by hand", Status::Active),
    ("active by hand after a failed change", Status::Active),
    ("active with a deletion seen", Status::Active),
    ("active with excessive permissions", Status::Active),
    ("degraded", Status::Degraded),
    ("degraded for missing permissions", Status::Degraded),
    ("ended by its stack", Status::Disconnected),
    ("ended by the vendor", Status::Disconnected),
    ("ended by the vendor before any stack", Status::Disconnected),
    ("expired", Status::Expired),
    ("expired after a failure", Status::Expired),
    ("expired by time alone", Status::Expired),
    ("organization", Status::Pending),
    ("organization, rotating", Status::Pending),
    ("pending", Status::Pending),
    ("pending after a failure", Status::Pending),
    ("pending for a named account", Status::Pending),
    ("refused and not told yet", Status::Pending),
    ("rotated", Status::Active),
    ("rotating", Status::Active),
    ("rotation cancelled", Status::Active),
    ("settling a first registration", Status::Verifying),
    ("settling a repair", Status::Active),
    ("settling an update", Status::Active),
    ("verifying", Status::Verifying),
    ("verifying by hand", Status::Verifying),
];

/// A value of DynamoDB's JSON.
fn value(json: &Value) -> AttributeValue {
    let (kind, inner) = json.as_object().unwrap().iter().next().unwrap();
    let text = || inner.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(inner.as_bool().unwrap()),
        "L" => AttributeValue::L(inner.as_array().unwrap().iter().map(value).collect()),
        "M" => AttributeValue::M(item(inner)),
        other => panic!("{other}"),
    }
}

fn item(json: &Value) -> Item {
    let fields = json.as_object().unwrap().iter();
    fields.map(|(name, field)| (name.clone(), value(field))).collect()
}

/// The items of a kind: a kind is how the partition key begins, before its first `#`.
fn items(kind: &str) -> Vec<Item> {
    let all: Vec<Value> = serde_json::from_str(FIXTURE).unwrap();
    let is_kind = |item: &Item| {
        let pk = item["pk"].as_s().unwrap();
        kind.is_empty() || pk.split('#').next() == Some(kind)
    };
    all.iter().map(item).filter(is_kind).collect()
}

fn numbered(number: u64) -> AccountId {
    account(&format!("{:012}", 200_000_000_000 + number))
}

/// The deployment goes on at the moment when the fixture ends, with all the roles that it proved.
struct Deployment {
    scene: Scene,
    table: String,
    world: World<DynamoDbStore>,
}

impl Deployment {
    async fn load() -> Self {
        let scene = Scene::open().unwrap();
        let table = new_table(&scene.vendor).await.unwrap();
        let put = |item| {
            let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let writes: Vec<WriteRequest> = items("").into_iter().map(put).collect();
        for batch in writes.chunks(25) {
            let written = aws_sdk_dynamodb::Client::new(&scene.vendor)
                .batch_write_item()
                .request_items(&table, batch.to_vec())
                .send()
                .await
                .unwrap();
            assert!(written.unprocessed_items.is_none_or(|left| left.is_empty()));
        }
        let store = DynamoDbStore::new(&scene.vendor, table.clone(), 400, PLAN);
        let clock = ManualClock::at(WRITTEN.parse().unwrap());
        let world = World::over(store, Arc::new(Faults::default()), clock);
        // No id comes twice.
        while world.ids.number() < 1_000 {}
        for request in items("REQUEST") {
            if let Some(url) = request.get("unverified_response_url") {
                world.bucket.accept(url.as_s().unwrap());
            }
        }
        let deployment = Self { scene, table, world };
        for connection in deployment.all().await {
            if let Some(binding) = connection.live_binding() {
                let trust = Trust::only(&binding.external_id);
                deployment.world.sts.put_role(&binding.role_arn, trust);
            }
        }
        deployment
    }

    async fn all(&self) -> Vec<Connection> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let store = &self.world.store;
            let page = store
                .list(&tenant(TENANT), None, after.as_ref(), 10)
                .await
                .unwrap();
            all.extend(page.connections);
            after = page.next_after;
            if after.is_none() {
                return all;
            }
        }
    }

    async fn named(&self, name: &str) -> Connection {
        let all = self.all().await.into_iter();
        let mut found = all.filter(|connection| known_as(connection) == name);
        found.next().unwrap()
    }

    async fn status(&self, name: &str) -> Status {
        self.named(name).await.status(self.world.clock.now())
    }

    /// CloudFormation sends a request, and everything is worked on.
    async fn complete(&self, request: StackRequest) -> bool {
        let request = request.signed(&self.world.bucket).sent_at(self.world.clock.now());
        self.world.complete(&request).await.success
    }

    /// The stack of a connection that is bound is updated, its role first.
    async fn update(&self, name: &str, external_id: &ExternalId) -> bool {
        let connection = self.named(name).await;
        let binding = connection.live_binding().unwrap();
        let trust = Trust::only(external_id);
        self.world.sts.put_role(&binding.role_arn, trust);
        let stack = CustomerStack::of(binding.stack_id().unwrap());
        let id = &binding.physical_resource_id;
        self.complete(stack.update(id, external_id, &binding.role_arn))
            .await
    }

    async fn create(&self, connection: &Connection, account: &AccountId) -> bool {
        let (stack, role_arn) = self.world.customer_of(connection, account);
        let stack = CustomerStack::of(&stack.stack_id);
        self.complete(stack.create(connection.external_id(), &role_arn))
            .await
    }

    async fn items(&self) -> Vec<Item> {
        let scan = aws_sdk_dynamodb::Client::new(&self.scene.vendor).scan();
        let pages = scan.table_name(&self.table).into_paginator().items().send();
        pages.collect::<Result<_, _>>().await.unwrap()
    }

    /// An item as it is now.
    async fn stored(&self, connection: &Connection) -> Item {
        let (tenant, id) = (connection.tenant(), connection.id());
        let answer = aws_sdk_dynamodb::Client::new(&self.scene.vendor)
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(format!("TENANT#{tenant}")))
            .key("sk", AttributeValue::S(format!("CONN#{id}")))
            .send()
            .await
            .unwrap();
        answer.item.unwrap()
    }
}

fn known_as(connection: &Connection) -> &str {
    match connection.id().as_str().split_once('-') {
        Some((_, account)) => account,
        None => &connection.profile().name,
    }
}

#[test]
fn the_fixture_is_as_it_was_written() {
    let digest = Sha256::digest(FIXTURE);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        digest,
        "64692ca1093513cc8efdb9fa4259e2a95eafcf0c0a4e45ce3b2f81bac771c2d6"
    );
    assert_eq!(items("").len(), 294);
    assert!(items("").iter().all(|item| !item.contains_key(SCHEMA)));
}

#[tokio::test]
async fn every_connection_is_found_by_whatever_names_it() {
    let deployment = Deployment::load().await;
    let (store, now) = (&deployment.world.store, deployment.world.clock.now());
    let all = deployment.all().await;
    let mut statuses: Vec<_> = all.iter().map(|it| (known_as(it), it.status(now))).collect();
    statuses.sort_by_key(|(name, _)| *name);
    assert_eq!(statuses, STATUSES);
    let mut filed: BTreeMap<Filing, BTreeSet<&str>> = BTreeMap::new();
    for connection in &all {
        let found = store.get(connection.tenant(), connection.id()).await.unwrap();
        assert_eq!(found.as_ref(), Some(connection));
        if !connection.is_member() {
            let found = store.find_by_external_id(connection.external_id()).await.unwrap();
            assert_eq!(found.as_ref(), Some(connection));
        }
        if let Some(next) = connection.rotation().filter(|_| !connection.is_member()) {
            let found = store.find_by_external_id(&next.external_id).await.unwrap();
            assert_eq!(found.as_ref(), Some(connection));
        }
        if let Some(binding) = connection.live_binding() {
            let account = binding.account();
            let found = store
                .find_by_account(connection.tenant(), &account)
                .await
                .unwrap();
            assert_eq!(found.as_ref(), Some(connection));
        }
        if let Some(filing) = Filing::of(connection) {
            filed.entry(filing).or_default().insert(connection.id().as_str());
        }
    }
    for (filing, expected) in filed {
        let page = store
            .list_filed(&tenant(TENANT), filing, None, None, 100)
            .await
            .unwrap();
        let found: BTreeSet<&str> = page.connections.iter().map(|it| it.id().as_str()).collect();
        assert_eq!(found, expected, "{filing:?}");
    }
    // Each external ID that ever was leads somewhere, those of retired ones too.
    for pointer in items("EXTERNAL") {
        let (_, external_id) = pointer["pk"].as_s().unwrap().split_once('#').unwrap();
        let external_id = ExternalId::parse(external_id).unwrap();
        let found = store.find_by_external_id(&external_id).await.unwrap().unwrap();
        assert_eq!(found.id().as_str(), pointer["connection_id"].as_s().unwrap());
    }
}

#[tokio::test]
async fn requests_claims_counters_and_history_are_read() {
    let deployment = Deployment::load().await;
    let store = &deployment.world.store;
    for request in items("REQUEST") {
        let key: RequestKey = serde_dynamo::from_attribute_value(request["key"].clone()).unwrap();
        let record = store.find_request(&key).await.unwrap().unwrap();
        assert_eq!(record.key, key);
        assert_eq!(record.is_settled, !is_open(&record), "{key:?}");
        assert!(record.response_url().is_none_or(|url| url.is_ok()), "{key:?}");
    }
    for entry in items("AUDIT") {
        let entry: AuditEntry = serde_dynamo::from_item(entry).unwrap();
        assert!(!entry.event.is_empty());
    }
    for deleted in items("DELETED") {
        let (stack, resource) = deleted["pk"].as_s().unwrap().rsplit_once('#').unwrap();
        let stack = StackId::parse(stack.strip_prefix("DELETED#").unwrap()).unwrap();
        let at: i64 = deleted["deleted_at_ms"].as_n().unwrap().parse().unwrap();
        for (ms, expected) in [(at, true), (at + 1, false)] {
            let sent = Timestamp::from_millisecond(ms).unwrap();
            let found = store
                .resource_deleted_since(&stack, resource, sent)
                .await
                .unwrap();
            assert_eq!(found, expected);
        }
    }
    let organization = deployment.named("organization").await;
    let seats = store.seats(organization.id()).await.unwrap();
    assert_eq!(seats, BTreeSet::from([1, 7, 9]));
    let newcomers = Counter::newcomers(WRITTEN.parse().unwrap());
    for (most, expected) in [(5, false), (6, true)] {
        let counted = store.count_for(organization.id(), newcomers, most).await.unwrap();
        assert_eq!(counted, expected);
    }
}

/// Whether nobody was told yet what became of a request.
fn is_open(record: &RequestRecord) -> bool {
    record.outcome.is_none() || record.response_url().is_some()
}

#[tokio::test]
async fn templates_grants_and_the_sweeps_memory_are_read() {
    let deployment = Deployment::load().await;
    let store = &deployment.world.store;
    assert_eq!(store.current().await.unwrap().unwrap().version, "1.1.0");
    let versions = store.versions().await.unwrap();
    let versions: BTreeSet<&str> = versions.iter().map(|it| it.version.as_str()).collect();
    assert_eq!(versions, BTreeSet::from(["1.0.0", "1.1.0"]));
    let grants = store.grants().await.unwrap();
    let grants: Vec<&AccountId> = grants.iter().map(|grant| &grant.account).collect();
    assert_eq!(grants, [&numbered(15)]);
    assert_eq!(deployment.world.keep_doors.run().await.unwrap().needed, 1);
    let cursor = store.cursor().await.unwrap();
    assert_eq!(cursor.version, 10);
    assert_eq!(cursor.progress(Group::Active).unwrap().done, 5_954_842);
    let slots = (0..PLAN.slots).map(|slot| format!("active#{slot}")).collect();
    let records = store.records(&slots).await.unwrap();
    assert_eq!(records.values().map(Vec::len).sum::<usize>(), 8);
    // A look that only the ledger knows of.
    let active = deployment.named("active").await;
    let verified = deployment.world.last_verified(&active).await;
    assert!(verified > active.last_verified_at(), "{verified:?}");
}

#[tokio::test]
async fn the_sweep_finds_all_that_live_and_writes_what_it_saw() {
    let deployment = Deployment::load().await;
    let world = &deployment.world;
    let all = deployment.all().await;
    let groups = [("active", PLAN.slots), ("degraded", PLAN.degraded_slots)];
    for (group, slots) in groups {
        for slot in (0..slots).map(|slot| format!("{group}#{slot}")) {
            let page = world.store.slot_page(&slot, None).await.unwrap();
            let found: HashMap<_, _> = page
                .members
                .into_iter()
                .map(|it| (it.key().connection_id, it))
                .collect();
            let ours = all.iter().filter(|it| PLAN.slot(it).as_ref() == Some(&slot));
            for connection in ours {
                assert_eq!(found.get(connection.id()), Some(&Member::of(connection)));
            }
        }
    }
    // One role went, and the degraded ones are as they should be again.
    let active = deployment.named("active").await;
    world.sts.delete_role(&active.live_binding().unwrap().role_arn);
    for _ in 0..PLAN.slots {
        world.clock.advance(i64::from(TICK_SECONDS));
        world.revalidate.run().await.unwrap();
        world.drain().await;
    }
    assert_eq!(deployment.status("active").await, Status::Degraded);
    for name in [
        "degraded",
        "degraded for missing permissions",
        "rotating",
        "200000000031",
    ] {
        assert_eq!(deployment.status(name).await, Status::Active, "{name}");
    }
    let cursor = world.store.cursor().await.unwrap();
    assert_eq!(cursor.version, 10 + u64::from(PLAN.slots));
}

#[tokio::test]
async fn a_recheck_writes_an_item_with_its_schema_version() {
    let deployment = Deployment::load().await;
    let connection = deployment.named("active by hand").await;
    assert!(!deployment.stored(&connection).await.contains_key(SCHEMA));
    deployment.world.clock.advance(60);
    let recheck = &deployment.world.recheck;
    recheck.run(connection.tenant(), connection.id()).await.unwrap();
    let after = deployment.named("active by hand").await;
    assert!(after.last_verified_at() > connection.last_verified_at());
    let expected = AttributeValue::N(SCHEMA_VERSION.to_string());
    assert_eq!(deployment.stored(&after).await[SCHEMA], expected);
}

#[tokio::test]
async fn open_requests_of_0_1_0_are_decided_and_told() {
    let deployment = Deployment::load().await;
    let verifying = deployment.named("verifying").await;
    let (_, role_arn) = deployment.world.customer_of(&verifying, &numbered(42));
    assert_eq!(role_arn.to_string(), "arn:aws:iam::200000000042:role/Reader");
    let by_hand = deployment.named("verifying by hand").await;
    let role_arn = RoleArn::parse("arn:aws:iam::200000000043:role/ByHand").unwrap();
    let trust = Trust::only(by_hand.external_id());
    deployment.world.sts.put_role(&role_arn, trust);
    for request in items("REQUEST") {
        let key: RequestKey = serde_dynamo::from_attribute_value(request["key"].clone()).unwrap();
        let record = deployment.world.store.find_request(&key).await.unwrap().unwrap();
        if is_open(&record) {
            deployment.world.verify_until_answered(&key).await;
            let record = deployment.world.store.find_request(&key).await.unwrap().unwrap();
            assert!(record.is_settled, "{key:?}");
        }
    }
    for name in [
        "verifying",
        "verifying by hand",
        "settling a first registration",
        "settling a repair",
        "settling an update",
    ] {
        let connection = deployment.named(name).await;
        assert_eq!(connection.state().status(), Status::Active, "{name}");
        assert_eq!(connection.live_binding().unwrap().unsettled, None, "{name}");
    }
    let refused = deployment.named("refused and not told yet").await;
    assert!(refused.reason().is_some());
}

#[tokio::test]
async fn stacks_connect_update_and_leave() {
    let deployment = Deployment::load().await;
    for (name, number) in [
        ("pending", 51),
        ("pending after a failure", 52),
        ("pending for a named account", 15),
    ] {
        let pending = deployment.named(name).await;
        assert!(deployment.create(&pending, &numbered(number)).await, "{name}");
        assert_eq!(deployment.status(name).await, Status::Active, "{name}");
    }
    let degraded = deployment.named("degraded").await;
    assert!(deployment.update("degraded", degraded.external_id()).await);
    assert_eq!(deployment.status("degraded").await, Status::Active);
    // An account that 0.1.0 gave to a connection of the tenant, and a role that it gave to anybody's.
    // The former role lets us in still.
    let next = deployment.world.link(TENANT).await;
    let other = role(&numbered(3), "Other");
    deployment.world.trust(&other, &next);
    let stack = CustomerStack::new(&numbered(3));
    assert!(
        !deployment
            .complete(stack.create(next.external_id(), &other))
            .await
    );
    assert_eq!(
        told(&deployment, &next).await,
        ReasonCode::AccountAlreadyConnected
    );
    let foreign = deployment.world.link("globex").await;
    let by_hand = deployment.named("active by hand").await;
    let role_arn = &by_hand.live_binding().unwrap().role_arn;
    deployment
        .world
        .sts
        .put_role(role_arn, Trust::only(foreign.external_id()));
    let stack = CustomerStack::new(&role_arn.account());
    assert!(
        !deployment
            .complete(stack.create(foreign.external_id(), role_arn))
            .await
    );
    assert_eq!(
        told(&deployment, &foreign).await,
        ReasonCode::RoleAlreadyConnected
    );
    let active = deployment.named("active").await;
    let binding = active.live_binding().unwrap();
    let stack = CustomerStack::of(binding.stack_id().unwrap());
    let id = &binding.physical_resource_id;
    let delete = stack.delete(id, active.external_id(), &binding.role_arn);
    assert!(deployment.complete(delete).await);
    assert_eq!(deployment.status("active").await, Status::Disconnected);
    let forged = deployment.named("active and attacked").await;
    deployment
        .world
        .store
        .count_forged_delete(&forged, deployment.world.clock.now())
        .await
        .unwrap();
    let ended = &deployment.world.disconnect_by_vendor;
    ended.run(by_hand.tenant(), by_hand.id()).await.unwrap();
    assert_eq!(deployment.status("active by hand").await, Status::Disconnected);
    // The account of an ended one is free again.
    assert!(deployment.create(&next, &numbered(3)).await);
}

async fn told(deployment: &Deployment, connection: &Connection) -> ReasonCode {
    let connection = deployment.world.reload(connection).await;
    connection.reason().unwrap().code
}

#[tokio::test]
async fn an_organization_admits_a_further_member() {
    let deployment = Deployment::load().await;
    let organization = deployment.named("organization").await;
    for number in [24, 25, 26] {
        let account = numbered(number);
        assert!(deployment.create(&organization, &account).await, "{number}");
        assert_eq!(deployment.status(account.as_str()).await, Status::Active);
    }
    let seats = deployment.world.store.seats(organization.id()).await.unwrap();
    assert_eq!(seats.len(), 6);
    let strict = deployment.named("organization, rotating").await;
    assert!(deployment.create(&strict, &numbered(33)).await);
    assert!(!deployment.create(&strict, &numbered(34)).await);
}

#[tokio::test]
async fn open_rotations_come_to_their_end() {
    let deployment = Deployment::load().await;
    for (name, updated) in [
        ("rotating", "rotating"),
        ("organization, rotating", "200000000032"),
    ] {
        let next = deployment
            .named(name)
            .await
            .rotation()
            .unwrap()
            .external_id
            .clone();
        assert!(deployment.update(updated, &next).await, "{name}");
        let after = deployment.named(name).await;
        assert_eq!((after.external_id(), after.rotation()), (&next, None), "{name}");
    }
}

#[tokio::test]
async fn a_backfill_makes_each_connection_found_over_all_tenants() {
    let deployment = Deployment::load().await;
    let store = &deployment.world.store;
    // Of every tenant.
    let all = items("TENANT")
        .into_iter()
        .map(|item| serde_dynamo::from_item(item).unwrap());
    let all: Vec<Connection> = all.collect();
    assert!(all.len() > STATUSES.len());
    let bound = || all.iter().filter_map(|it| Some((it, it.live_binding()?)));
    // By tenant; one account is connected to two.
    let with_account = |account: &AccountId| -> Vec<Connection> {
        let with_it = bound().filter(|(_, binding)| binding.account() == *account);
        let mut found: Vec<_> = with_it.map(|(connection, _)| connection.clone()).collect();
        found.sort_by(|one, other| one.tenant().cmp(other.tenant()));
        found
    };
    for (connection, binding) in bound() {
        assert_eq!(store.find_by_id(connection.id()).await.unwrap(), None);
        assert_eq!(store.find_by_role(&binding.role_arn).await.unwrap(), None);
        let holders = store.list_by_account(&binding.account(), None, 10).await.unwrap();
        assert_eq!(holders.connections, [], "0.1.0 did not write it");
    }
    let before = deployment.items().await;
    for _ in 0..2 {
        assert_eq!(store.backfill().await.unwrap(), all.len() as u64);
        for connection in &all {
            let found = store.find_by_id(connection.id()).await.unwrap();
            assert_eq!(found.as_ref(), Some(connection));
        }
        for (connection, binding) in bound() {
            let found = store.find_by_role(&binding.role_arn).await.unwrap();
            assert_eq!(found.as_ref(), Some(connection));
            let holders = store.list_by_account(&binding.account(), None, 10).await.unwrap();
            assert_eq!(holders.connections, with_account(&binding.account()));
        }
    }
    let after = deployment.items().await;
    let pk = |item: &Item| item["pk"].as_s().unwrap().clone();
    let added = |kind: &str| after.iter().filter(|item| pk(item).starts_with(kind)).count();
    let singles = all.iter().filter(|connection| !connection.is_member()).count();
    assert_eq!(
        (added("CONNECTION#"), added("ACCOUNTS#")),
        (singles, bound().count())
    );
    assert_eq!(
        after.len(),
        before.len() + singles + bound().count(),
        "and nothing else"
    );
    // What is ended afterwards gives everything back.
    let connection = deployment.named("active").await;
    deployment.world.end(&connection).await;
    let binding = connection.live_binding().unwrap();
    assert_eq!(store.find_by_role(&binding.role_arn).await.unwrap(), None);
    let holders = store.list_by_account(&binding.account(), None, 10).await.unwrap();
    let mut left = with_account(&binding.account());
    left.retain(|holder| holder.id() != connection.id());
    assert_eq!(holders.connections, left, "the other tenant's stays");
}
