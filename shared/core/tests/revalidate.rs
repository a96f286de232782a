//! A tick of the clock queues who is due: everybody once a cycle, nobody forgotten after an outage or a crash.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeSet;

use latchkey_core::{
    domain::{
        connection::{Connection, Status},
        sweep::{Chunk, Group, SweepPlan},
    },
    ports::{SweepIndex, VerificationTask},
    use_cases::revalidate::Swept,
};
use latchkey_testing::{
    builders::fresh_account,
    faults::{Operation, When},
    recording_queue::Queued,
    world::{PLAN, TICK_SECONDS, World},
};

/// One tick later.
fn tick(world: &World) {
    world.clock.advance(TICK_SECONDS.into());
}

fn cycle(world: &World) {
    (0..PLAN.slots).for_each(|_| tick(world));
}

async fn sweep(world: &World) -> Swept {
    world.revalidate.run().await.unwrap()
}

/// Sweeps, and forgets what was queued.
async fn swept(world: &World) {
    sweep(world).await;
    world.queue.take_all();
}

/// The last tick whose healthy connections were all queued.
async fn done(world: &World) -> Option<i64> {
    let cursor = world.store.cursor().await.unwrap();
    let progress = cursor.progress(Group::Active)?;
    progress.within.is_none().then_some(progress.done)
}

async fn connected(world: &World, number: usize) -> Vec<Connection> {
    let mut connections = Vec::new();
    for _ in 0..number {
        let customer = world.connect("acme", &fresh_account()).await;
        connections.push(customer.connection);
    }
    connections
}

/// Who was put on the queue, as often as it was.
fn queued(world: &World) -> Vec<String> {
    let members = chunks(world).into_iter().flat_map(|chunk| chunk.members);
    members.map(|member| member.connection_id.to_string()).collect()
}

/// Takes the chunks off the queue.
fn chunks(world: &World) -> Vec<Chunk> {
    let chunk = |queued: Queued| match queued.task {
        VerificationTask::Chunk(chunk) => chunk,
        other => panic!("{other:?}"),
    };
    world.queue.take_all().into_iter().map(chunk).collect()
}

fn ids(connections: &[Connection]) -> BTreeSet<String> {
    let ids = connections.iter().map(|connection| connection.id().to_string());
    ids.collect()
}

#[tokio::test]
async fn in_one_cycle_each_live_connection_is_queued_once_and_nobody_else() {
    let world = World::default();
    let connections = connected(&world, 20).await;
    world.link("acme").await;
    let ended = connected(&world, 1).await;
    world.end(&ended[0]).await;
    swept(&world).await;
    let mut all = Vec::new();
    for _ in 0..PLAN.slots {
        tick(&world);
        let swept = sweep(&world).await;
        let now = queued(&world);
        assert_eq!(swept.queued, now.len());
        assert!(now.len() < connections.len(), "the work is spread");
        all.extend(now);
    }
    assert_eq!(all.len(), connections.len(), "each once");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), ids(&connections));
}

#[tokio::test]
async fn a_degraded_connection_has_a_shorter_cycle() {
    let world = World::default();
    let connections = connected(&world, 6).await;
    for connection in &connections {
        let role_arn = &connection.live_binding().unwrap().role_arn;
        world.sts.delete_role(role_arn);
        world.check(connection).await;
        assert_eq!(world.status(connection).await, Status::Degraded);
    }
    swept(&world).await;
    let mut all = Vec::new();
    for _ in 0..PLAN.degraded_slots {
        tick(&world);
        sweep(&world).await;
        all.extend(queued(&world));
    }
    assert_eq!(all.len(), connections.len());
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), ids(&connections));
}

#[tokio::test]
async fn a_tick_is_done_once_however_often_it_is_started() {
    let world = World::default();
    connected(&world, 10).await;
    sweep(&world).await;
    tick(&world);
    let first = sweep(&world).await;
    assert_eq!(done(&world).await, Some(first.tick));
    world.queue.take_all();
    let again = sweep(&world).await;
    assert_eq!((again.tick, again.slots, again.queued), (first.tick, 0, 0));
    assert_eq!(world.queue.waiting(), []);
}

#[tokio::test]
async fn after_an_outage_each_connection_is_queued_once_and_none_is_left_out() {
    for missed in [2, 3, 4, 5, 50] {
        let world = World::default();
        let connections = connected(&world, 12).await;
        swept(&world).await;
        for _ in 0..missed {
            tick(&world);
        }
        sweep(&world).await;
        let caught_up = queued(&world);
        let distinct: BTreeSet<_> = caught_up.iter().cloned().collect();
        assert_eq!(distinct.len(), caught_up.len(), "nobody twice");
        if missed >= PLAN.slots {
            assert_eq!(distinct, ids(&connections), "after {missed} ticks");
        }
    }
}

#[tokio::test]
async fn a_sweep_that_crashed_anywhere_is_done_again_and_leaves_nobody_out() {
    let mut crashes = 0;
    for call in 0.. {
        let mut done = false;
        for when in [When::Before, When::After] {
            let world = World::default();
            let connections = connected(&world, 12).await;
            swept(&world).await;
            cycle(&world);
            world.faults.fail_call(call, when);
            let crashed = world.revalidate.run().await;
            if world.faults.clear() {
                done = true;
                continue;
            }
            assert!(crashed.is_err(), "call {call} failed {when:?}");
            crashes += 1;
            sweep(&world).await;
            let reached: BTreeSet<_> = queued(&world).into_iter().collect();
            assert_eq!(reached, ids(&connections), "call {call} {when:?}");
        }
        if done {
            break;
        }
    }
    assert!(crashes > 20, "{crashes}");
}

#[tokio::test]
async fn a_clock_that_goes_back_queues_nothing_and_moves_no_cursor() {
    let world = World::default();
    connected(&world, 5).await;
    tick(&world);
    let swept = sweep(&world).await;
    world.queue.take_all();
    world.clock.advance(-i64::from(TICK_SECONDS) * 3);
    assert_eq!(sweep(&world).await.queued, 0);
    assert_eq!(done(&world).await, Some(swept.tick));
}

#[tokio::test]
async fn the_cursor_is_moved_only_after_everything_was_queued() {
    let world = World::default();
    connected(&world, 10).await;
    sweep(&world).await;
    let before = world.store.cursor().await.unwrap();
    cycle(&world);
    world.faults.fail_next(Operation::QueueSend, 1, When::Before);
    assert!(world.revalidate.run().await.is_err());
    assert_eq!(world.store.cursor().await.unwrap(), before);
}

/// A world whose ticks may queue `calls` calls of STS.
fn with_budget(calls: u32) -> World {
    let mut world = World::default();
    world.revalidate.budget.calls_per_second = 1;
    world.revalidate.budget.tick_seconds = calls;
    world
}

#[tokio::test]
async fn what_is_beyond_the_budget_of_a_tick_is_queued_at_the_next_and_nobody_twice() {
    // Room for four proofs, or twenty looks, in a tick.
    let mut world = with_budget(20);
    world.revalidate.budget.proof_every = 1;
    let connections = connected(&world, 40).await;
    world.clock.advance(20 * i64::from(PLAN.slots));
    let mut all = Vec::new();
    let mut ticks = 0;
    let mut distinct = BTreeSet::new();
    while distinct.len() < connections.len() {
        let swept = sweep(&world).await;
        let now = queued(&world);
        assert!(now.len() <= 4, "the budget of a tick is kept");
        assert_eq!(swept.queued, now.len());
        all.extend(now.clone());
        distinct.extend(now);
        world.clock.advance(20);
        ticks += 1;
        assert!(ticks <= 20, "{} of {}", distinct.len(), connections.len());
    }
    assert_eq!(distinct, ids(&connections), "nobody waits for ever");
    assert!(all.len() <= 2 * connections.len(), "{}", all.len());
}

#[tokio::test]
async fn an_outage_of_hours_is_caught_up_within_the_budget_of_each_tick() {
    let world = with_budget(60);
    let connections = connected(&world, 50).await;
    swept(&world).await;
    world.clock.advance(60 * 100);
    let (mut reached, mut ticks) = (BTreeSet::new(), 0);
    while reached.len() < connections.len() {
        sweep(&world).await;
        for queued in world.queue.take_all() {
            let VerificationTask::Chunk(chunk) = queued.task else {
                continue;
            };
            assert!(chunk.members.iter().map(|member| member.calls()).sum::<u32>() <= 60);
            assert!(queued.delay_seconds < 60, "within the tick");
            reached.extend(chunk.members.into_iter().map(|member| member.connection_id));
        }
        world.clock.advance(60);
        ticks += 1;
        assert!(ticks < 20);
    }
    assert!(ticks > 1, "not all at once");
}

#[tokio::test]
async fn a_missed_day_of_a_minute_s_ticks_is_caught_up_in_runs_that_end_in_time() {
    let mut world = World::default();
    world.revalidate.plan = SweepPlan { slots: 1_440, ..PLAN };
    world.revalidate.budget.tick_seconds = 60;
    sweep(&world).await;
    world.clock.advance(60 * 60 * 24 * 3);
    let mut slots = Vec::new();
    loop {
        let swept = sweep(&world).await;
        slots.push(swept.slots);
        if swept.left == 0 {
            break;
        }
        world.clock.advance(60);
    }
    assert_eq!(slots.len(), 4, "{slots:?}");
    assert!(slots.iter().all(|slots| *slots <= 360 + 2), "{slots:?}");
    assert!(slots.iter().sum::<usize>() >= 1_440, "{slots:?}");
}

#[tokio::test]
async fn degraded_connections_come_first_and_leave_half_of_the_budget() {
    let world = with_budget(40);
    let connections = connected(&world, 30).await;
    for connection in &connections[..12] {
        let bound = connection.live_binding().unwrap();
        world.sts.delete_role(&bound.role_arn);
        world.check(connection).await;
    }
    swept(&world).await;
    world.clock.advance(40 * 20);
    sweep(&world).await;
    let chunks = chunks(&world);
    assert_eq!(chunks[0].group, Group::Degraded);
    let number = |group| {
        let of_it = chunks.iter().filter(|chunk| chunk.group == group);
        of_it.map(|chunk| chunk.members.len()).sum::<usize>()
    };
    assert_eq!(number(Group::Degraded), 4, "half of 40 calls is four proofs");
    assert!(number(Group::Active) > 0);
}

#[tokio::test]
async fn of_two_runs_at_once_one_moves_the_cursor() {
    let world = std::sync::Arc::new(World::default());
    let connections = connected(&world, 12).await;
    swept(&world).await;
    cycle(&world);
    let there = world.clone();
    world.faults.before_next(Operation::MoveCursor, move || {
        use futures::FutureExt as _;
        there.revalidate.run().now_or_never().unwrap().unwrap();
    });
    sweep(&world).await;
    let reached: BTreeSet<_> = queued(&world).into_iter().collect();
    assert_eq!(reached, ids(&connections));
    assert_eq!(sweep(&world).await.queued, 0, "it is done");
}

#[tokio::test]
async fn a_healthy_connection_is_handed_on_with_what_a_look_needs_and_proven_in_its_turn() {
    let world = World::default();
    let connections = connected(&world, 30).await;
    swept(&world).await;
    let (mut looks, mut proofs) = (0, 0);
    for _ in 0..3 * PLAN.slots {
        tick(&world);
        sweep(&world).await;
        for member in chunks(&world).into_iter().flat_map(|chunk| chunk.members) {
            let Some(look) = member.look else {
                proofs += 1;
                continue;
            };
            looks += 1;
            let mut all = connections.iter();
            let of = all.find(|one| *one.id() == member.connection_id).unwrap();
            assert_eq!(look.external_id, *of.external_id());
            assert_eq!(look.role_arn, of.live_binding().unwrap().role_arn);
        }
    }
    assert_eq!((looks, proofs), (2 * connections.len(), connections.len()));
}
