//! What people wait for when they look for their connections: the same pages for a tenant that has few connections and
//! for one that has very many among very many others.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Error,
    cold_warm::median,
    neighbours::Neighbours,
    runtime_api::{Function, Program},
    scenes::Scenes,
    stub::{Snapshot, Stub, copied_id},
    subjects::{SLOTS_OF_TEMPLATE as SLOTS, SWEEP_SLOTS},
};

/// Most that a page has (`limit` of the API).
const PAGE: usize = 100;
/// Connections of the tenant that has few, and nobody beside it.
const FEW: usize = 4 * PAGE;
/// Connections of the tenant that has many.
pub const MANY: usize = 50_000;
/// Other tenants, with as many each: a million connections in all.
pub const OTHERS: usize = 19;
/// Whose the events are.
const TENANT: &str = "tenant-acme";
/// Events that do not count, and events that do.
const SETTLING_EVENTS: usize = 5;
const EVENTS: usize = 40;
/// Chunks that the ledger has of each slot in each of two sweeps: those of a slot with some 700 connections.
const CHUNKS: usize = 4;
/// The ledger's lines are of so long after the connections were stored.
const LATER: SignedDuration = SignedDuration::from_mins(1);
/// How often each table has its turn.
const TURNS: usize = 3;

/// One question, and what its answer takes. The calls and the connections are the same in both tables, or nothing is reported.
#[derive(Debug, Clone, Serialize)]
pub struct Read {
    /// What is asked for.
    pub name: String,
    /// From the event to its answer where the tenant has few connections, in milliseconds.
    pub few_wall_ms: f64,
    /// The same where it has many.
    pub many_wall_ms: f64,
    /// CPU time of the function where it has few, in milliseconds.
    pub few_cpu_ms: f64,
    /// The same where it has many.
    pub many_cpu_ms: f64,
    /// Calls to the table.
    pub calls: u64,
    /// Items that these calls returned, at most: a page's connections share some of the ledger's.
    pub items: u64,
    /// Connections in the answer.
    pub connections: usize,
}

/// What one question took in one table.
struct Seen {
    wall_ms: f64,
    cpu_ms: f64,
    calls: u64,
    items: u64,
    connections: usize,
}

/// A question, by its query string where the tenant has so many connections.
type Question = (&'static str, fn(usize) -> String);

const QUESTIONS: [Question; 6] = [
    ("the first page", |_| format!("limit={PAGE}")),
    ("a page in the middle", |of| {
        format!("limit={PAGE}&after={}", copied_id(of / 2))
    }),
    ("the last page, half full", |of| {
        format!("limit={PAGE}&after={}", copied_id(of - PAGE / 2))
    }),
    ("active ones, the first page", |_| {
        format!("status=active&limit={PAGE}")
    }),
    ("active ones, a page in the middle", |of| {
        format!("status=active&limit={PAGE}&after={}", copied_id(of / 2))
    }),
    ("the one of an account", |_| "account_id=222222222222".to_owned()),
];

/// Asks `link_generator` everything in both tables. `list` is the event of a list.
pub async fn measure(
    stub: &Stub,
    scenes: &Scenes,
    link_generator: &Program,
    list: &Value,
    neighbours: &mut Neighbours,
) -> Result<Vec<Read>, Error> {
    let verified_at = Timestamp::now() + LATER;
    let mut few = scenes.active.clone();
    few.copy_connection(TENANT, FEW, SLOTS)?;
    fill_ledger(&mut few, verified_at);
    let mut many = few.clone();
    many.copy_connection(TENANT, MANY, SLOTS)?;
    for other in 0..OTHERS {
        many.copy_connection(&format!("tenant-{other}"), MANY, SLOTS)?;
    }
    let mut link_generator = link_generator.clone();
    let slots = (SWEEP_SLOTS.to_owned(), SLOTS.to_string());
    link_generator.variables.extend([slots]);
    let mut tables = [(FEW, few, Vec::new()), (MANY, many, Vec::new())];
    for _ in 0..TURNS {
        for (connections, table, seen) in &mut tables {
            let asker = Asker {
                stub,
                link_generator: &link_generator,
                list,
                verified_at,
            };
            let turn = neighbours.let_measure(async || asker.ask(table, *connections).await);
            seen.push(turn.await?);
        }
    }
    let [(_, _, few), (_, _, many)] = &tables;
    QUESTIONS
        .iter()
        .enumerate()
        .map(|(at, (name, _))| {
            read(
                name,
                &few.iter().map(|turn| &turn[at]),
                &many.iter().map(|turn| &turn[at]),
            )
        })
        .collect()
}

fn read<'a>(
    name: &str,
    few: &(impl Iterator<Item = &'a Seen> + Clone),
    many: &(impl Iterator<Item = &'a Seen> + Clone),
) -> Result<Read, Error> {
    let counts = |seen: &Seen| (seen.calls, seen.connections);
    let mut all = few.clone().chain(many.clone()).map(counts);
    let first = all.next().ok_or("nothing was asked")?;
    if let Some(other) = all.find(|counts| *counts != first) {
        return Err(
            format!("{name}: {first:?} calls and connections in one table, {other:?} in the other").into(),
        );
    }
    let (calls, connections) = first;
    let items = few.clone().chain(many.clone()).map(|seen| seen.items);
    let wall = |seen: &Seen| seen.wall_ms;
    let cpu = |seen: &Seen| seen.cpu_ms;
    Ok(Read {
        name: name.to_owned(),
        few_wall_ms: median(few.clone().map(wall).collect()),
        many_wall_ms: median(many.clone().map(wall).collect()),
        few_cpu_ms: median(few.clone().map(cpu).collect()),
        many_cpu_ms: median(many.clone().map(cpu).collect()),
        calls,
        items: items.max().unwrap_or_default(),
        connections,
    })
}

/// Has the ledger say of all slots, as after two sweeps, that everybody was verified at this time.
fn fill_ledger(table: &mut Snapshot, verified_at: Timestamp) {
    let (first, last) = (
        format!("conn_a{}", "0".repeat(23)),
        format!("conn_{}", "z".repeat(24)),
    );
    let chunk = json!({ "M": {
        "f": { "S": first }, "l": { "S": last },
        "q": { "S": verified_at.to_string() }, "d": { "S": verified_at.to_string() },
    } });
    let chunks: serde_json::Map<_, _> = (0..CHUNKS)
        .map(|number| (copied_id(number), chunk.clone()))
        .collect();
    for (slot, generation) in (0..SLOTS).flat_map(|slot| [(slot, "EVEN"), (slot, "ODD")]) {
        table.put(json!({
            "pk": { "S": format!("LEDGER#active#{slot}") }, "sk": { "S": generation },
            "tick": { "N": "1" }, "chunks": { "M": chunks },
        }));
    }
}

/// Who asks for connections, and what they have to be shown.
struct Asker<'a> {
    stub: &'a Stub,
    link_generator: &'a Program,
    list: &'a Value,
    verified_at: Timestamp,
}

impl Asker<'_> {
    /// Asks a fresh process everything. The table is lent to the stub meanwhile: nobody copies a million items.
    async fn ask(&self, table: &mut Snapshot, connections: usize) -> Result<Vec<Seen>, Error> {
        let mut function = Function::start(self.link_generator).await?;
        self.stub.world.exchange(table);
        let mut all = Vec::new();
        for (name, query) in QUESTIONS {
            let event = asking(self.list, &query(connections));
            let seen = self.question(&mut function, &event).await;
            all.push(seen.map_err(|error| format!("{name} of {connections}: {error}"))?);
        }
        self.stub.world.exchange(table);
        function.stop().await?;
        Ok(all)
    }

    async fn question(&self, function: &mut Function, event: &str) -> Result<Seen, Error> {
        let stub = self.stub;
        for _ in 0..SETTLING_EVENTS {
            function.invoke(event).await?;
        }
        stub.world.take_calls();
        stub.world.take_items_read();
        let before = function.cpu_at_rest().await?;
        let (mut walls, mut last) = (Vec::new(), Vec::new());
        for _ in 0..EVENTS {
            let (wall, answer) = function.invoke(event).await?;
            walls.push(wall.as_secs_f64() * 1e3);
            last = answer;
        }
        let cpu = function.cpu_at_rest().await? - before;
        let answer: Value = serde_json::from_slice(&last)?;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
        let connections = body["connections"]
            .as_array()
            .ok_or_else(|| format!("no list: {answer}; it wrote: {}", function.output()))?;
        // By the ledger: what is stored is older.
        let verified_at = json!(self.verified_at);
        if let Some(other) = connections
            .iter()
            .find(|shown| shown["last_verified_at"] != verified_at)
        {
            return Err(format!("not verified at {verified_at}: {other}").into());
        }
        let connections = connections.len();
        Ok(Seen {
            wall_ms: median(walls),
            cpu_ms: cpu.as_secs_f64() * 1e3 / EVENTS as f64,
            calls: stub.world.take_calls().values().sum::<u64>() / EVENTS as u64,
            items: stub.world.take_items_read() / EVENTS as u64,
            connections,
        })
    }
}

/// The event of a list with this query string.
fn asking(list: &Value, query: &str) -> String {
    let mut event = list.clone();
    let parameters = query.split('&').filter_map(|part| part.split_once('='));
    event["queryStringParameters"] = parameters
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    event["rawQueryString"] = json!(query);
    event.to_string()
}
