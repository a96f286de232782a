//! A tick of the clock queues who is due: everybody once a cycle, nobody forgotten after an outage or a crash.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use latchkey_shared::{
    domain::connection::{Connection, Status},
    ports::{SweepIndex, VerificationTask},
    test_support::{
        builders::fresh_account,
        faults::{Operation, When},
        world::{PLAN, TICK_SECONDS, World},
    },
    use_cases::revalidate::Swept,
};

/// One tick later.
fn tick(world: &World) {
    world.clock.advance(TICK_SECONDS.into());
}

async fn sweep(world: &World) -> Swept {
    world.revalidate.run().await.unwrap()
}

async fn connected(world: &World, number: usize) -> Vec<Connection> {
    let mut connections = Vec::new();
    for _ in 0..number {
        let account = fresh_account();
        connections.push(world.connect("acme", &account).await.connection);
    }
    connections
}

/// Who was put on the queue, as often as it was.
fn queued(world: &World) -> Vec<String> {
    let ids = world
        .queue
        .take_all()
        .into_iter()
        .filter_map(|queued| match queued.task {
            VerificationTask::Recheck { connection_id, .. } => Some(connection_id.to_string()),
            VerificationTask::Request { .. } => None,
        });
    ids.collect()
}

fn ids(connections: &[Connection]) -> BTreeSet<String> {
    connections
        .iter()
        .map(|connection| connection.id.to_string())
        .collect()
}

#[tokio::test]
async fn in_one_cycle_each_live_connection_is_queued_once_and_nobody_else() {
    let world = World::default();
    let connections = connected(&world, 20).await;
    world.link("acme").await;
    let ended = connected(&world, 1).await;
    world
        .disconnect_by_vendor
        .run(&ended[0].tenant, &ended[0].id)
        .await
        .unwrap();
    sweep(&world).await;
    world.queue.take_all();
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
        world
            .recheck
            .run(&connection.tenant, &connection.id)
            .await
            .unwrap();
        assert_eq!(world.status(connection).await, Status::Degraded);
    }
    sweep(&world).await;
    world.queue.take_all();
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
    assert_eq!(world.store.last_tick().await.unwrap(), Some(first.tick));
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
        sweep(&world).await;
        world.queue.take_all();
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
            sweep(&world).await;
            world.queue.take_all();
            for _ in 0..PLAN.slots {
                tick(&world);
            }
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
    assert_eq!(world.store.last_tick().await.unwrap(), Some(swept.tick));
}

#[tokio::test]
async fn the_cursor_is_moved_only_after_everything_was_queued() {
    let world = World::default();
    connected(&world, 10).await;
    sweep(&world).await;
    let before = world.store.last_tick().await.unwrap();
    for _ in 0..PLAN.slots {
        tick(&world);
    }
    world.faults.fail_next(Operation::QueueSend, 1, When::Before);
    assert!(world.revalidate.run().await.is_err());
    assert_eq!(world.store.last_tick().await.unwrap(), before);
}
