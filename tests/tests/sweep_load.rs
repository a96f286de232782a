//! Stacks do not wait for the sweep: they connect while thousands of connections are being checked.
//!
//! What is asserted is that they do, with the sweep under way from the first to the last of them; how long their stacks waited for
//! an answer, with and without it, is printed. `LATCHKEY_CUSTOMERS` asks for more of them than an ordinary run has.

use std::{convert::Infallible, env, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use latchkey_tests::{
    Error,
    scene::{OwnScene, Scene},
};

/// Connections that are swept, again and again.
const CONNECTIONS: usize = 1_500;
/// A sixth of what the local STS can do at all, which shares its process with everything else; the default of a deployment is half of
/// what STS allows.
const STS_CALLS_PER_SECOND: &str = "100";
/// Messages of the sweep that keep the verifiers busy for some seconds.
const ENOUGH_MESSAGES: usize = 10;
/// Customers who connect without a sweep, and as many again during one, in an ordinary run.
const CUSTOMERS: usize = 24;
/// How many of them at a time.
const AT_A_TIME: usize = 4;

/// Connects customers; how long each stack waited for its answer, shortest first.
async fn onboard(scene: &Scene, customers: usize) -> Result<Vec<Duration>, Error> {
    let api = scene.acme()?;
    let mut took: Vec<Duration> = stream::iter(0..customers)
        .map(|_| async {
            let connected = scene.connect(&api, "us-east-1").await?;
            let stack = &connected.stack.stack_id;
            connected.customer.time_to_answer(stack).await
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await?;
    took.sort_unstable();
    Ok(took)
}

/// How many messages of the sweep are not done, but for the looks that as many connections wait for.
async fn left(scene: &Scene, connected: usize) -> Result<usize, Error> {
    let variables = scene.variables("revalidator").await?;
    let queue = variables
        .get("SWEEP_QUEUE_URL")
        .ok_or("there is no sweep queue")?;
    Ok(scene.left_in(queue).await?.saturating_sub(connected))
}

/// Sweeps again and again, so that the verifiers have no pause, however fast they are. As in a deployment the queue does not grow:
/// the local one gets slower with each message.
async fn sweep_on(scene: &Scene, connected: usize) -> Result<Infallible, Error> {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if left(scene, connected).await? < ENOUGH_MESSAGES {
            scene.revalidate().await?;
        }
    }
}

#[tokio::test]
async fn stacks_connect_while_a_sweep_is_under_way() -> Result<(), Error> {
    let customers = match env::var("LATCHKEY_CUSTOMERS") {
        Ok(number) => number.parse()?,
        Err(_) => CUSTOMERS,
    };
    let own = OwnScene::with(&[("StsCallsPerSecond", STS_CALLS_PER_SECOND)]).await?;
    let scene = &own.scene;
    let one = scene.connect(&scene.acme()?, "us-east-1").await?;
    let quiet = onboard(scene, customers).await?;
    scene.multiply("acme", &one.id, CONNECTIONS).await?;
    let swept = scene.revalidate().await?;
    // As many as the budget of a tick allows.
    assert!(swept["queued"].as_u64() > Some(CONNECTIONS as u64 / 2), "{swept}");
    assert!(left(scene, 1 + customers).await? > 0);
    let all = 1 + 2 * customers;
    let busy = tokio::select! {
        took = onboard(scene, customers) => took?,
        ended = sweep_on(scene, all) => match ended? {},
    };
    // The sweep was not over before the last of them.
    assert!(left(scene, all).await? > 0);
    let at = |took: &[Duration], share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    for (name, took) in [("without a sweep", &quiet), ("during a sweep", &busy)] {
        eprintln!(
            "{customers} customers {name}: median {:?}, p99 {:?}",
            at(took, 50),
            at(took, 99)
        );
    }
    Ok(())
}
