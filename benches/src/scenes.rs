//! What happens in the stub's world before something is measured, the events that are handed out, and the proof that
//! a function did its work with each.

use std::path::Path;

use latchkey_testing::{
    dynamodb_stub::{Crowd, Table},
    runtime_api::Function,
};
use serde_json::{Value, json};

use crate::{
    Error,
    stub::{Service, Stub, World},
    subjects::{Places, SLOTS, SWEEP_QUEUE, VENDOR_ACCOUNT, VERIFICATION_QUEUE},
};

/// An external ID that no connection has.
const UNKNOWN_EXTERNAL_ID: &str = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

/// What has to have happened, for an event to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A request was recorded and its verification queued.
    Queued,
    /// A stack was told that its request is refused.
    Refused,
    LinkMade,
    /// Roles were tried, and the ledger has it.
    Checked,
    /// Connections were queued for their check.
    Swept,
    /// Nothing: the function that does nothing.
    Nothing,
}

impl Proof {
    /// Whether `events` events did what they should, by the calls since then and the last answer of the function.
    pub fn check(self, events: u64, answer: &Value, world: &mut World) -> Result<(), Error> {
        let calls = world.take_calls();
        let count =
            |service, operation: &str| calls.get(&(service, operation.to_owned())).copied().unwrap_or(0);
        let transactions = count(Service::DynamoDb, "TransactWriteItems");
        let queued = count(Service::Sqs, "SendMessageBatch") + count(Service::Sqs, "SendMessage");
        let is_done = match self {
            Self::Queued => transactions == events && queued == events,
            Self::Refused => {
                let (_, last) = world.answered.clone().unzip();
                let body: Value = serde_json::from_slice(&last.unwrap_or_default()).unwrap_or(Value::Null);
                count(Service::Answers, "PUT") == events && body["Status"] == "FAILED"
            }
            Self::LinkMade => transactions == events && answer["statusCode"] == 201,
            Self::Checked => {
                let is_empty = answer["batchItemFailures"].as_array().is_some_and(Vec::is_empty);
                count(Service::Sts, "AssumeRole") >= events && is_empty
            }
            Self::Swept => queued >= events && answer["queued"].as_u64().is_some_and(|queued| queued > 0),
            Self::Nothing => calls.is_empty(),
        };
        if is_done {
            return Ok(());
        }
        let problem = format!("{events} events did not do their work ({self:?})");
        Err(format!("{problem}: {calls:?}; the last answer: {answer}").into())
    }
}

/// The stub's world, with one connection before and after its stack was created, and the events about it.
pub struct Scenes {
    /// The link was made, no stack yet.
    pub pending: Table,
    pub active: Table,
    /// A stack asks to be connected.
    pub create: String,
    /// A stack asks with an external ID that nobody has.
    pub create_unknown: String,
    /// The vendor's product makes a link.
    pub make_link: String,
    pub list: Value,
    pub tick: String,
    /// What the sweep put on the queue, with one member that is to be looked at.
    chunk: Value,
}

impl Scenes {
    /// Lets the functions themselves play the story of one connection: what they write is what they will read.
    pub async fn play(stub: &Stub, places: &Places) -> Result<Self, Error> {
        let events = places.repository.join("events");
        let read = |name: &str| read_json(&events.join(name));
        let text = |text: &str| json!({ "S": text });
        stub.world().table.put(&json!({
            "pk": text("TEMPLATE"), "sk": text("CURRENT"), "version": text("1.0.0"),
            "url": text("https://latchkey-templates.s3.us-east-1.amazonaws.com/customer-templates/1.0.0/connection.yaml"),
        }))?;
        let make_link = read("link-generator/create.json")?.to_string();
        let answer = run(stub, places, "link-generator", &make_link).await?;
        let link: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
        let text = |name: &str| {
            link[name]
                .as_str()
                .ok_or_else(|| format!("a link without {name}: {link}"))
        };
        let external_id = text("external_id")?;
        stub.world().external_id = Some(external_id.to_owned());
        let pending = stub.world().table.clone();
        let template = read("custom-resource-listener/create.json")?;
        let create = with_external_id(&template, external_id)?;
        run(stub, places, "custom-resource-listener", &create).await?;
        let body = stub.world().queued.pop().ok_or("the listener queued nothing")?;
        run(stub, places, "role-verifier", &Self::verification(&body)).await?;
        let (_, done) = stub.world().answered.clone().ok_or("the stack has no answer")?;
        let done: Value = serde_json::from_slice(&done)?;
        if done["Status"] != "SUCCESS" {
            return Err(format!("the stack was not connected: {done}").into());
        }
        let active = stub.world().table.clone();
        let tick = read("revalidator/tick.json")?.to_string();
        let sweep = run(stub, places, "revalidator", &tick).await?;
        let chunk = stub
            .world()
            .queued
            .pop()
            .ok_or_else(|| format!("nothing was swept: {sweep}"))?;
        let mut chunk: Value = serde_json::from_str(&chunk)?;
        let request: Value = serde_json::from_str(&create)?;
        let message = request["Records"][0]["Sns"]["Message"]
            .as_str()
            .unwrap_or_default();
        let message: Value = serde_json::from_str(message)?;
        // Whatever this tick's turn is: the daily look.
        chunk["members"][0]["l"] = json!({ "r": message["ResourceProperties"]["RoleArn"], "e": external_id });
        let mut scenes = Self {
            pending,
            active,
            create,
            create_unknown: with_external_id(&template, UNKNOWN_EXTERNAL_ID)?,
            make_link,
            list: read("link-generator/list.json")?,
            tick,
            chunk,
        };
        // The first chunk of a sweep begins its item in the ledger; those that are measured find it.
        stub.world().table = scenes.active.clone();
        run(stub, places, "role-verifier", &scenes.chunk(1)).await?;
        let mut world = stub.world();
        scenes.active = world.table.clone();
        world.is_frozen = true;
        Ok(scenes)
    }

    /// The table with very many connections beside the real one, so many in each tenant, of which its own is the first.
    pub fn crowded(&self, connections: u32, of_tenant: u32) -> Table {
        let mut table = self.active.clone();
        let original = table.connections().next().map(|(_, item)| item);
        let slot = |number| format!("active#{}", number % SLOTS);
        table.gather(Crowd::new(
            original.unwrap_or_default(),
            connections,
            of_tenant,
            slot,
        ));
        table
    }

    /// A chunk of so many connections that are due for a look, as the sweep's queue hands it to the verifier.
    pub fn chunk(&self, members: usize) -> String {
        let mut chunk = self.chunk.clone();
        chunk["members"] = json!(vec![&self.chunk["members"][0]; members]);
        queue_event(SWEEP_QUEUE, &chunk.to_string())
    }

    /// The stack's request, as of now: its deadline is ahead.
    pub fn create_now(&self) -> Result<String, Error> {
        change_message(&serde_json::from_str(&self.create)?, |_| ())
    }

    /// What the listener queued, as the queue hands it to the verifier.
    pub fn verification(body: &str) -> String {
        queue_event(VERIFICATION_QUEUE, body)
    }

    /// The event of a peer: its answer goes to the stub, which Latchkey's own guard would refuse.
    pub fn for_peer(event: &str, stub: &Stub) -> Result<String, Error> {
        change_message(&serde_json::from_str(event)?, |message| {
            let url = message["ResponseURL"].as_str().unwrap_or_default();
            let path = url.splitn(4, '/').nth(3).unwrap_or_default();
            message["ResponseURL"] = json!(format!("{}/{path}", stub.url(Service::Answers)));
        })
    }
}

async fn run(stub: &Stub, places: &Places, function: &str, event: &str) -> Result<Value, Error> {
    let mut running = Function::start(&places.function(function, stub)).await?;
    Ok(running.answer(event).await?.1)
}

fn read_json(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

/// A stack's request of just now, under this external ID.
fn with_external_id(event: &Value, external_id: &str) -> Result<String, Error> {
    change_message(event, |message| {
        message["ResourceProperties"]["ExternalId"] = json!(external_id);
    })
}

fn change_message(event: &Value, change: impl FnOnce(&mut Value)) -> Result<String, Error> {
    let mut event = event.clone();
    let sns = &mut event["Records"][0]["Sns"];
    let mut message: Value = serde_json::from_str(sns["Message"].as_str().ok_or("no Message")?)?;
    change(&mut message);
    sns["Message"] = json!(message.to_string());
    // A request from before would be past its deadline.
    sns["Timestamp"] = json!(format!("{:.3}", jiff::Timestamp::now()));
    Ok(event.to_string())
}

fn queue_event(queue: &str, body: &str) -> String {
    json!({ "Records": [{
            "messageId": "19dd0b57-b21e-4ac1-bd88-000000000000",
            "receiptHandle": "receipt",
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1795262400000",
                "SenderId": "AROAEXAMPLE:custom-resource-listener",
                "ApproximateFirstReceiveTimestamp": "1795262400001",
            },
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:{VENDOR_ACCOUNT}:{queue}"),
            "awsRegion": "us-east-1",
    }] })
    .to_string()
}
