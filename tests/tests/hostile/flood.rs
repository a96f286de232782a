//! Class 23, the flood: forged messages by the thousand on the open topics, while true customers connect.
//!
//! What is shown: every true customer gets through, and what we store and what we ask STS grows with the true ones and
//! not with the flood. Figures of the full run are in docs/THREAT-MODEL.md ("Floods").

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::try_join_all, stream};
use latchkey_core::domain::request::request_budget::MAX_REQUESTS_PER_WINDOW;
use latchkey_tests::{
    Error,
    cloudformation_message::ForgedRequest,
    customer::Customer,
    scene::{Connected, OwnScene, Scene, settled, text},
    sts_proxy::StsProxy,
    wiretap::Wiretap,
};
use serde_json::json;
use tokio::time::sleep;

/// Forged messages in an ordinary run of the tests, a number that takes seconds; `LATCHKEY_FLOOD_MESSAGES` asks for
/// another. The full run has 10,000.
const FORGED_MESSAGES: usize = 1_000;
/// True customers who connect meanwhile.
const CUSTOMERS: usize = 20;
/// Messages that the attacker has on their way at a time.
const AT_A_TIME: usize = 16;
/// Most tries of one role that is not assumable, within the local deployment's half minute.
const MOST_TRIES: usize = 14;
/// Longest time that the flood may hold a true customer up.
const PATIENCE: Duration = Duration::from_secs(900);

/// What the attacker knows, and publishes in turn.
struct Attack<'a> {
    scene: &'a Scene,
    attacker: Customer,
    /// The external ID of a link that waits.
    pending: String,
    /// A live connection, with the id of its resource.
    live: &'a Connected,
    physical_id: String,
}

impl Attack<'_> {
    /// The `number`-th message.
    fn message(&self, number: usize) -> Result<String, Error> {
        let create = |external_id: &str| {
            let role = self.attacker.role_arn("Nowhere");
            ForgedRequest::create(self.scene, &self.attacker, external_id, &role)
        };
        let of_the_live_one = |request_type: &str| -> Result<String, Error> {
            let role = self.live.customer.role_arn("Nowhere");
            let request = ForgedRequest::update(self.scene, self.live, &self.physical_id, &role)?;
            Ok(request.with("RequestType", json!(request_type)).text())
        };
        Ok(match number % 8 {
            // An external ID that nobody has.
            0 => create(&format!("a{number:031}"))?.text(),
            1 => create(&self.pending)?.text(),
            2 => create(&self.live.external_id)?.text(),
            3 => of_the_live_one("Update")?,
            4 => of_the_live_one("Delete")?,
            5 => format!("{{\"RequestType\":{}", "[".repeat(500)),
            6 => create(&self.pending)?
                .with_property("Padding", json!("x".repeat(60_000)))
                .text(),
            _ => {
                let request = create(&self.pending)?;
                let url = format!(
                    "https://evil.example{}?{}",
                    request.path(),
                    ForgedRequest::query()
                );
                request.with("ResponseURL", json!(url)).text()
            }
        })
    }

    async fn flood(&self, messages: usize) -> Result<Duration, Error> {
        let topic = self.scene.ready.topic("us-east-1")?;
        let started = Instant::now();
        let sent = stream::iter(0..messages).map(async |number| {
            let message = self.message(number)?;
            self.attacker.publish(topic, &message).await
        });
        let mut sent = std::pin::pin!(sent.buffer_unordered(AT_A_TIME));
        while let Some(result) = sent.next().await {
            result?;
        }
        Ok(started.elapsed())
    }
}

/// Makes a link, launches its stack, and waits for as long as it takes.
async fn connect(scene: &Scene, number: usize) -> Result<Duration, Error> {
    let api = scene.globex()?;
    let (link, customer) = scene.newcomer(&api, "us-east-1").await?;
    let started = Instant::now();
    let stack = customer.open(&link.url, None).await?;
    let outcome = loop {
        match customer.wait(&stack).await {
            Err(error) if started.elapsed() > PATIENCE => {
                return Err(format!(
                    "customer {number} did not connect in {:?}: {error}",
                    started.elapsed()
                )
                .into());
            }
            // The wait of a quiet day is over; the stack's own is longer.
            Err(_) => continue,
            Ok(outcome) => break outcome,
        }
    };
    outcome
        .expect("CREATE_COMPLETE")
        .map_err(|error| format!("customer {number}: {error}"))?;
    let shown = api.get(&link.id).await?;
    if shown["status"] != "active" {
        return Err(format!("customer {number}: {shown}").into());
    }
    Ok(started.elapsed())
}

/// What the table has more of than before, by kind.
fn more(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    let added = after.iter().map(|(kind, count)| {
        let count = count.saturating_sub(before.get(kind).copied().unwrap_or_default());
        (kind.clone(), count)
    });
    added.filter(|(_, count)| *count > 0).collect()
}

/// Waits until the queue of verifications has nothing left and the last message was read.
async fn calm(scene: &Scene, attacker: &Customer) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    let last = attacker.tell(scene, "the last of them").await?;
    while scene.heard(&[&last]).await.is_err() {
        if Instant::now() > deadline {
            return Err("the listener did not get through the flood".into());
        }
    }
    while scene.left_in(&scene.ready.queue_url).await? > 0 {
        if Instant::now() > deadline {
            return Err("the queue of verifications does not run empty".into());
        }
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

#[tokio::test]
async fn twenty_customers_connect_during_a_flood_and_only_they_leave_anything_behind() -> Result<(), Error> {
    let forged = match std::env::var("LATCHKEY_FLOOD_MESSAGES") {
        Ok(text) => text.parse()?,
        Err(_) => FORGED_MESSAGES,
    };
    // Without a sweep meanwhile, which would ask STS about everybody who has connected; and with the deadline of production,
    // as one process is all of this AWS and whoever waits behind the flood may wait longer than the 30 s of other tests.
    let own = OwnScene::with(&[("SweepTickMinutes", "60"), ("VerificationDeadlineSeconds", "210")]).await?;
    let scene = &own.scene;
    let sts = StsProxy::before(scene).await?;
    let acme = scene.acme()?;
    let mut wiretap = Wiretap::on(scene, "us-east-1").await?;
    let live = scene.connect(&acme, "us-east-1").await?;
    let create = wiretap.request("Create", &live.stack.stack_id).await?;
    let request_id = text(&create, "RequestId")?;
    let answer = scene
        .answer(&live.stack.stack_id, "Connection", &request_id)
        .await?;
    wiretap.hang_up().await?;
    let pending = scene.link(&acme, "us-east-1").await?;
    let attack = Attack {
        scene,
        attacker: scene.new_customer("us-east-1").await?,
        pending: text(&pending, "external_id")?,
        live: &live,
        physical_id: text(&answer, "PhysicalResourceId")?,
    };
    let (items, calls) = (scene.items_by_kind().await?, sts.calls());

    let customers = try_join_all((0..CUSTOMERS).map(async |number| {
        // One after the other, and all of them within the flood.
        sleep(Duration::from_millis(200) * u32::try_from(number)?).await;
        connect(scene, number).await
    }));
    let (took, waited) = futures::try_join!(attack.flood(forged), customers)?;
    calm(scene, &attack.attacker).await?;

    let stored = more(&items, &scene.items_by_kind().await?);
    let asked = more(&calls, &sts.calls());
    let in_vain: usize = asked
        .iter()
        .filter(|(role, _)| role.ends_with("/Nowhere"))
        .map(|(_, n)| n)
        .sum();
    let for_customers: usize = asked
        .iter()
        .filter(|(role, _)| role.starts_with("arn:"))
        .map(|(_, n)| n)
        .sum();
    let for_customers = for_customers - in_vain;
    let longest = waited.iter().max().copied().unwrap_or_default();
    eprintln!(
        "flood: {forged} forged messages published in {took:.1?}; {CUSTOMERS} customers connected, the slowest in \
         {longest:.1?}; items {stored:?}; AssumeRole {for_customers} for customers, {in_vain} for forged roles"
    );

    // Two connections were known to the attacker; an hour may have turned, and the budget with it.
    let most_verified = 2 * 2 * MAX_REQUESTS_PER_WINDOW as usize;
    let count = |kind: &str| stored.get(kind).copied().unwrap_or_default();
    let of_a_customer = ["TENANT", "CONNECTION", "EXTERNAL", "ACCOUNT", "ACCOUNTS", "ROLE"];
    for kind in of_a_customer {
        assert_eq!(count(kind), CUSTOMERS, "{kind}: {stored:?}");
    }
    assert!(
        (CUSTOMERS..=CUSTOMERS + most_verified).contains(&count("REQUEST")),
        "{stored:?}"
    );
    // Each verification that was forged begins and ends in two or three lines; forged Deletes are one line a day.
    assert!(
        count("AUDIT") <= 3 * CUSTOMERS + 3 * most_verified + 2,
        "{stored:?}"
    );
    assert_eq!(count("DELETED"), 0, "{stored:?}");
    let is_known = |kind: &str| of_a_customer.contains(&kind) || ["REQUEST", "AUDIT"].contains(&kind);
    assert!(stored.keys().all(|kind| is_known(kind)), "{stored:?}");
    assert!(
        in_vain <= most_verified * MOST_TRIES,
        "{in_vain} calls of STS for forged roles"
    );
    assert!(
        for_customers <= CUSTOMERS * 8,
        "{for_customers} calls of STS for {CUSTOMERS} customers"
    );
    // And nobody who was there before has noticed.
    assert_eq!(settled(&acme.get(&live.id).await?), settled(&live.shown));
    Ok(())
}
