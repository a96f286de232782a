//! The sweep's chunks: who is well costs one call and no write, who is not is found, and the ledger never says more than
//! was seen.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use jiff::{SignedDuration, Timestamp};
use latchkey_core::{
    domain::{
        connection::{Connection, State, Status},
        ids::ConnectionId,
        proof::{
            permissions::{DeniedBy, Inspection},
            reason::ReasonCode,
            verdict::Cause,
        },
        sweep::{
            Chunk, Group, Member,
            ledger::{ChunkRecord, INDEX_LAG_SECONDS, last_verified_at},
        },
    },
    ports::{Clock, VerificationTask},
    use_cases::check_chunk::{ChunkChecked, MAX_ATTEMPTS, MAX_GIVEN_BACK},
};
use latchkey_testing::{
    builders::{altered, fresh_account},
    faults::{Operation, When},
    scripted_sts::Trust,
    world::{BUDGET, Customer, PLAN, TICK_SECONDS, World},
};
use proptest::prelude::*;
use serde_json::json;

async fn customers(world: &World, number: usize) -> Vec<Customer> {
    let mut customers = Vec::new();
    for _ in 0..number {
        customers.push(world.connect("acme", &fresh_account()).await);
    }
    world.clock.advance(INDEX_LAG_SECONDS);
    customers
}

/// A world whose sweep only looks, or always proves.
fn sweeping(proof_every: u32) -> World {
    let mut world = World::default();
    world.revalidate.budget.proof_every = proof_every;
    world
}

/// What a whole cycle of ticks queues.
async fn cycle(world: &World) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for _ in 0..PLAN.slots {
        world.clock.advance(TICK_SECONDS.into());
        world.revalidate.run().await.unwrap();
        for queued in world.queue.take_all() {
            match queued.task {
                VerificationTask::Chunk(chunk) => chunks.push(chunk),
                _ => world.queue.put_back(queued),
            }
        }
    }
    chunks
}

async fn work(world: &World, chunks: &[Chunk]) -> Vec<ChunkChecked> {
    let mut checked = Vec::new();
    for chunk in chunks {
        checked.push(world.chunks.run(chunk).await.unwrap());
    }
    checked
}

/// A whole cycle of ticks, and the work that comes of it.
async fn sweep(world: &World) {
    work(world, &cycle(world).await).await;
}

async fn state(world: &World, customer: &Customer) -> State {
    world.reload(&customer.connection).await.state().clone()
}

#[tokio::test]
async fn a_connection_that_is_well_costs_one_call_and_no_write_and_its_time_is_known() {
    let world = sweeping(u32::MAX);
    let customers = customers(&world, 12).await;
    let chunks = cycle(&world).await;
    let (before, calls) = (world.store.all_connections(), world.sts.calls().len());
    let count = |operation| world.faults.count(operation);
    let (reads, writes) = (count(Operation::Get), count(Operation::Commit));
    world.clock.advance(60);
    work(&world, &chunks).await;
    assert_eq!(world.sts.calls().len() - calls, customers.len());
    assert_eq!((count(Operation::Get), count(Operation::Commit)), (reads, writes));
    assert_eq!(count(Operation::RecordChunk), chunks.len());
    assert_eq!(world.store.all_connections(), before);
    for customer in &customers {
        let shown = world.last_verified(&customer.connection).await;
        assert_eq!(shown, Some(world.clock.now()));
    }
}

#[tokio::test]
async fn a_page_of_a_tenant_with_many_connections_takes_one_look_at_the_ledger() {
    use latchkey_core::ports::ConnectionStore as _;
    let world = sweeping(u32::MAX);
    let customers = customers(&world, 60).await;
    // A tenant among others.
    world.connect("globex", &fresh_account()).await;
    sweep(&world).await;
    let tenant = customers[0].connection.tenant();
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let mut page = world.store.list(tenant, None, after.as_ref(), 25).await.unwrap();
        world.verified.complete_all(&mut page.connections).await.unwrap();
        pages += usize::from(!page.connections.is_empty());
        seen.extend(page.connections);
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), customers.len());
    let now = Some(world.clock.now());
    assert!(seen.iter().all(|one| one.last_verified_at() == now));
    assert_eq!((pages, world.faults.count(Operation::ReadLedger)), (3, 3));
}

#[tokio::test]
async fn a_proof_in_its_turn_reads_and_writes_nothing_where_there_is_no_news() {
    let world = sweeping(1);
    let customers = customers(&world, 8).await;
    let chunks = cycle(&world).await;
    let calls = world.sts.calls().len();
    let writes = world.faults.count(Operation::Commit);
    work(&world, &chunks).await;
    assert_eq!(world.sts.calls().len() - calls, 4 * customers.len());
    assert_eq!(world.faults.count(Operation::Commit), writes);
    let shown = world.last_verified(&customers[0].connection).await;
    assert_eq!(shown, Some(world.clock.now()));
}

#[tokio::test]
async fn a_role_that_is_gone_is_found_by_a_look_and_the_last_good_time_is_written_down() {
    let world = sweeping(u32::MAX);
    let customers = customers(&world, 12).await;
    sweep(&world).await;
    let well_until = world.clock.now();
    world.sts.delete_role(&customers[3].role_arn);
    sweep(&world).await;
    for (number, customer) in customers.iter().enumerate() {
        match state(&world, customer).await {
            State::Degraded {
                reason,
                last_verified_at,
                ..
            } if number == 3 => {
                assert_eq!(reason.code, ReasonCode::RoleGone);
                assert_eq!(last_verified_at, well_until);
                assert_eq!(world.last_verified(&customer.connection).await, Some(well_until));
            }
            State::Active { .. } if number != 3 => {
                let shown = world.last_verified(&customer.connection).await;
                assert_eq!(shown, Some(world.clock.now()));
            }
            other => panic!("{number}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_loosened_role_is_found_when_its_proof_is_due_and_never_by_a_look() {
    let world = sweeping(3);
    let customers = customers(&world, 12).await;
    for customer in &customers {
        world.sts.put_role(&customer.role_arn, Trust::open());
    }
    for sweeps in 1..=BUDGET.proof_every {
        sweep(&world).await;
        let mut found = 0;
        for customer in &customers {
            found += usize::from(world.status(&customer.connection).await == Status::Degraded);
        }
        assert_eq!(found == customers.len(), sweeps == 3, "{found} in sweep {sweeps}");
    }
}

#[tokio::test]
async fn a_degraded_connection_is_proven_and_never_repaired_by_a_look() {
    let world = sweeping(u32::MAX);
    let customers = customers(&world, 1).await;
    let (customer, right) = (&customers[0], Trust::only(customers[0].connection.external_id()));
    world.sts.delete_role(&customer.role_arn);
    let chunks = cycle(&world).await;
    work(&world, &chunks).await;
    assert_eq!(world.status(&customer.connection).await, Status::Degraded);
    // It lets us in, and everybody else too.
    world.sts.put_role(&customer.role_arn, right.clone().if_exists());
    // Old chunks, of when it was well, and new ones.
    let fresh = cycle(&world).await;
    work(&world, &chunks).await;
    work(&world, &fresh).await;
    assert_eq!(world.status(&customer.connection).await, Status::Degraded);
    world.sts.put_role(&customer.role_arn, right);
    sweep(&world).await;
    assert_eq!(world.status(&customer.connection).await, Status::Active);
    let shown = world.last_verified(&customer.connection).await;
    assert_eq!(shown, Some(world.clock.now()));
}

#[tokio::test]
async fn news_of_permissions_are_stored_and_the_same_again_is_not() {
    let world = sweeping(1);
    let customers = customers(&world, 2).await;
    world
        .sts
        .inspect_as(Some(Inspection::NotPermitted(DeniedBy::Role)));
    sweep(&world).await;
    assert_eq!(world.status(&customers[0].connection).await, Status::Degraded);
    world.sts.inspect_as(None);
    sweep(&world).await;
    let repaired = world.reload(&customers[0].connection).await;
    assert_eq!(repaired.state().status(), Status::Active);
    let no_answer = Inspection::Inconclusive(Cause::Unreachable);
    world.sts.inspect_as(Some(no_answer));
    sweep(&world).await;
    let stands = world.reload(&customers[0].connection).await;
    assert_eq!(stands, repaired, "no answer is no news");
}

#[tokio::test]
async fn what_nothing_can_be_said_of_is_given_back_alone_a_bounded_number_of_times() {
    let world = sweeping(u32::MAX);
    let customers = customers(&world, 10).await;
    let chunks = cycle(&world).await;
    let first = chunks.iter().find(|chunk| !chunk.members.is_empty()).unwrap();
    world.sts.script([Some(Cause::Throttled)]);
    let before = world.store.all_connections();
    let checked = work(&world, std::slice::from_ref(first)).await;
    let ChunkChecked::Done {
        members,
        given_back,
        news,
    } = checked[0]
    else {
        panic!("{checked:?}");
    };
    assert_eq!((members, given_back, news), (first.members.len(), 1, 0));
    assert_eq!(world.store.all_connections(), before, "throttling is no verdict");
    let missed = &first.members[0];
    let is_missed = |customer: &&Customer| *customer.connection.id() == missed.connection_id;
    let customer = customers.iter().find(is_missed).unwrap();
    let shown = world.last_verified(&customer.connection).await;
    assert_eq!(shown, customer.connection.last_verified_at());
    // STS stays in trouble: the tries end.
    world.sts.trouble(Some(Cause::Unreachable));
    let mut tries = 0;
    while let Some(queued) = world.queue.take(0) {
        assert!(queued.delay_seconds <= 900);
        world.work(&queued.task, 1).await.unwrap();
        tries += 1;
    }
    assert_eq!(tries, MAX_ATTEMPTS);
    assert_eq!(world.store.all_connections(), before);
    // And a try that works has its time.
    world.sts.trouble(None);
    let (tenant, id) = (&missed.tenant, &missed.connection_id);
    world.chunks.run_single(tenant, id, 1).await.unwrap();
    let shown = world.last_verified(&customer.connection).await;
    assert_eq!(shown, Some(world.clock.now()));
}

#[tokio::test]
async fn a_chunk_in_an_outage_of_sts_waits_as_a_whole_and_asks_for_few() {
    let mut world = sweeping(u32::MAX);
    world.revalidate.plan.slots = 1;
    let customers = customers(&world, 60).await;
    let chunks = cycle(&world).await;
    let mut members: Vec<_> = chunks.into_iter().flat_map(|chunk| chunk.members).collect();
    members.extend(customers.iter().map(|customer| Member::of(&customer.connection)));
    members.sort_by(|one, other| one.connection_id.cmp(&other.connection_id));
    members.dedup();
    let chunk = Chunk {
        group: Group::Active,
        slot: "active#0".to_owned(),
        tick: 0,
        queried_at: world.clock.now(),
        members,
    };
    world.sts.trouble(Some(Cause::Unreachable));
    let calls = world.sts.calls().len();
    let checked = world.chunks.run(&chunk).await.unwrap();
    assert_eq!(checked, ChunkChecked::StsInTrouble);
    let asked = world.sts.calls().len() - calls;
    assert!(asked <= MAX_GIVEN_BACK + 1 + world.chunks.concurrency, "{asked}");
    assert_eq!(world.queue.waiting(), []);
    assert_eq!(world.faults.count(Operation::RecordChunk), 0);
}

#[tokio::test]
async fn a_chunk_that_crashed_anywhere_is_simply_done_again() {
    for call in 0.. {
        let mut planned = false;
        for when in [When::Before, When::After] {
            let world = sweeping(2);
            let customers = customers(&world, 8).await;
            let chunks = cycle(&world).await;
            world.sts.delete_role(&customers[0].role_arn);
            world.sts.put_role(&customers[1].role_arn, Trust::open());
            world.faults.fail_call(call, when);
            for chunk in &chunks {
                if world.chunks.run(chunk).await.is_err() {
                    world.chunks.run(chunk).await.unwrap();
                }
            }
            planned = world.faults.clear();
            world.drain().await;
            assert_eq!(world.status(&customers[0].connection).await, Status::Degraded);
            for customer in &customers[2..] {
                assert_eq!(world.status(&customer.connection).await, Status::Active);
            }
        }
        if planned {
            assert!(call > 5);
            return;
        }
    }
}

#[tokio::test]
async fn what_waits_for_its_answer_or_was_deleted_is_not_merely_looked_at() {
    let world = sweeping(u32::MAX);
    let connection = world.link("acme").await;
    let create = world.create(&connection, &fresh_account());
    world.receive(&create).await.unwrap();
    world.prove_without_answer(&create).await;
    world.queue.take_all();
    let chunks = cycle(&world).await;
    let members: Vec<_> = chunks.iter().flat_map(|chunk| &chunk.members).collect();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].look, None);
    let stored = world.reload(&connection).await.last_verified_at();
    work(&world, &chunks).await;
    // Never settled: it is given up, and the ledger speaks for nobody.
    assert_eq!(world.status(&connection).await, Status::Pending);
    assert!(stored.is_some());
    assert_eq!(world.last_verified(&connection).await, None);
}

/// What can happen between sweeps.
#[derive(Debug, Clone, Copy)]
enum Step {
    Sweep { works: bool, late: bool, troubled: bool },
    Break(usize),
    Repair(usize),
    Recheck(usize),
    Rotate(usize),
    Update(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(works, late, troubled)| Step::Sweep { works, late, troubled }),
        2 => (0_usize..4).prop_map(Step::Break),
        2 => (0_usize..4).prop_map(Step::Repair),
        1 => (0_usize..4).prop_map(Step::Recheck),
        1 => (0_usize..4).prop_map(Step::Rotate),
        1 => (0_usize..4).prop_map(Step::Update),
    ];
    proptest::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// At every moment the time that is shown is one at which STS really let us into this very role.
    #[test]
    fn the_ledger_never_claims_a_time_at_which_a_connection_was_not_verified(steps in steps()) {
        use futures::FutureExt as _;
        fn now<T>(future: impl Future<Output = T>) -> T {
            future.now_or_never().unwrap()
        }
        let world = sweeping(2);
        let customers = now(customers(&world, 4));
        // Per connection: the times at which the role it is bound to was entered.
        let mut seen: Vec<Vec<Timestamp>> = customers
            .iter()
            .map(|customer| vec![customer.connection.last_verified_at().unwrap()])
            .collect();
        let mut late_chunks: Vec<Chunk> = Vec::new();
        let mut roles: Vec<_> = customers.iter().map(|customer| customer.role_arn.clone()).collect();
        for step in steps {
            let calls = world.sts.calls().len();
            match step {
                Step::Sweep { works, late, troubled } => {
                    let chunks = now(cycle(&world));
                    world.sts.trouble(troubled.then_some(Cause::Throttled));
                    if works {
                        now(work(&world, &chunks));
                    }
                    if late {
                        let chunks = std::mem::replace(&mut late_chunks, chunks);
                        now(work(&world, &chunks));
                    }
                    world.sts.trouble(None);
                }
                Step::Break(at) => world.sts.delete_role(&roles[at]),
                Step::Repair(at) => {
                    let connection = now(world.reload(&customers[at].connection));
                    world.trust(&roles[at], &connection);
                }
                Step::Recheck(at) => {
                    let connection = &customers[at].connection;
                    now(world.recheck.run(connection.tenant(), connection.id())).unwrap();
                }
                Step::Rotate(at) => {
                    let connection = &customers[at].connection;
                    let _ = now(world.rotate.start(connection.tenant(), connection.id()));
                }
                Step::Update(at) => {
                    // A change of role whose answer CloudFormation's bucket refuses: it is undone.
                    let connection = now(world.reload(&customers[at].connection));
                    let other = latchkey_testing::builders::role(&roles[at].account(), "Other");
                    world.trust(&other, &connection);
                    let physical_id = customers[at].create.physical_resource_id();
                    let update = customers[at].stack.update(&physical_id, connection.external_id(), &other)
                        .sent_at(world.clock.now());
                    let _ = now(world.receive(&update));
                    now(world.drain());
                }
            }
            for call in &world.sts.calls()[calls..] {
                for (at, customer) in customers.iter().enumerate() {
                    if call.session == *customer.connection.id() {
                        seen[at].push(world.clock.now());
                    }
                }
            }
            for (at, customer) in customers.iter().enumerate() {
                let shown = now(world.last_verified(&customer.connection));
                let stored = now(world.reload(&customer.connection));
                prop_assert!(shown >= stored.last_verified_at());
                if let Some(shown) = shown {
                    prop_assert!(seen[at].contains(&shown), "{shown} of {:?}, {stored:?}", seen[at]);
                }
                roles[at] = stored.live_binding().map_or(roles[at].clone(), |binding| binding.role_arn.clone());
            }
            world.clock.advance(7);
        }
    }

    /// Record by record: who is excepted, outside, or was written to since is not spoken for.
    #[test]
    fn a_record_speaks_only_for_members_that_were_known_and_are_not_excepted(
        at in 0_u32..40, first in 0_u32..40, length in 0_u32..40, excepted in 0_u32..40, lead in -60_i64..120
    ) {
        use futures::FutureExt as _;
        let id = |number: u32| ConnectionId::parse(&format!("conn_a{number:023}")).unwrap();
        let world = World::default();
        let connection: Connection = world
            .connect("acme", &fresh_account())
            .now_or_never()
            .unwrap()
            .connection;
        let connection = altered(&connection, json!({ "id": id(at) }));
        let stored = connection.last_verified_at().unwrap();
        let queried_at = stored.checked_add(SignedDuration::from_secs(lead)).unwrap();
        let verified_at = queried_at.checked_add(SignedDuration::from_secs(30)).unwrap();
        let record = ChunkRecord {
            first: id(first),
            last: id(first + length),
            queried_at,
            verified_at,
            but: vec![id(excepted)],
        };
        let speaks = (first..=first + length).contains(&at) && at != excepted && lead >= INDEX_LAG_SECONDS;
        let expected = if speaks { verified_at } else { stored };
        prop_assert_eq!(last_verified_at(&connection, &[record]), Some(expected));
    }
}
