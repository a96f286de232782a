//! What people wait for when they look for their connections: the same pages for a tenant that has few connections and for
//! one that has very many among very many others.

use jiff::{SignedDuration, Timestamp};
use latchkey_testing::{
    dynamodb_stub::{Table, id},
    runtime_api::{Function, Program},
};
use serde_json::{Value, json};

use crate::{
    Error,
    process::cpu_at_rest,
    report::Report,
    scenes::Scenes,
    starts::{median, ms},
    stub::Stub,
    subjects::SLOTS,
};

/// Most that a page has (`limit` of the API).
const PAGE: u32 = 100;
/// Connections of the tenant that has few, and nobody beside it.
const FEW: u32 = 4 * PAGE;
/// Connections of the tenant that has many, and of all.
const MANY: u32 = 50_000;
const ALL: u32 = 1_000_000;
/// Events that do not count, and events that do.
const SETTLING_EVENTS: usize = 5;
const EVENTS: u32 = 40;
/// Chunks that the ledger has of each slot in each of two sweeps: those of a slot with some 700 connections.
const CHUNKS: u32 = 4;
/// The ledger's lines are of so long after the connections were stored.
const LATER: SignedDuration = SignedDuration::from_mins(1);

/// A question, by its query string where the tenant has so many connections.
type Question = (&'static str, fn(u32) -> String);

const QUESTIONS: [Question; 3] = [
    ("a page in the middle", |of| {
        format!("limit={PAGE}&after={}", id(of / 2))
    }),
    ("a page of active ones", |of| {
        format!("status=active&limit={PAGE}&after={}", id(of / 2))
    }),
    ("the one of an account", |_| "account_id=222222222222".to_owned()),
];

/// What one question took in one table: wall and CPU time, calls, items that were read, connections that were shown.
struct Seen {
    wall_ms: f64,
    cpu_ms: f64,
    counts: [u64; 2],
    shown: usize,
}

pub async fn measure(
    report: &mut Report,
    stub: &Stub,
    scenes: &Scenes,
    link_generator: &Program,
) -> Result<(), Error> {
    let verified_at = Timestamp::now() + LATER;
    let mut link_generator = link_generator.clone();
    link_generator
        .variables
        .insert("SWEEP_SLOTS".to_owned(), SLOTS.to_string());
    let mut seen = Vec::new();
    for (of_tenant, all) in [(FEW, FEW), (MANY, ALL)] {
        let mut table = scenes.crowded(all, of_tenant);
        fill_ledger(&mut table, verified_at)?;
        stub.world().table = table;
        let mut function = Function::start(&link_generator).await?;
        let mut of_table = Vec::new();
        for (name, query) in QUESTIONS {
            let event = asking(&scenes.list, &query(of_tenant));
            let asked = ask(stub, &mut function, &event, verified_at).await;
            of_table.push(asked.map_err(|error| format!("{name} of {of_tenant}: {error}"))?);
        }
        seen.push(of_table);
    }
    let [few, many] = &seen[..] else {
        return Err("two tables were to be asked".into());
    };
    for (((name, _), few), many) in QUESTIONS.iter().zip(few).zip(many) {
        let ([calls, items], shown) = (many.counts, many.shown);
        if few.counts[0] != calls || few.shown != shown {
            let counts = (few.counts[0], few.shown);
            return Err(
                format!("{name}: {counts:?} calls and connections of few, {calls}, {shown} of many").into(),
            );
        }
        report.fact(
            format!("{name}, of {MANY} among {ALL}"),
            format!(
                "{:.1} ms ({:.1} CPU; of {FEW}: {:.1} ms); {calls} calls, {items} items read, {shown} shown",
                many.wall_ms, many.cpu_ms, few.wall_ms
            ),
        );
    }
    Ok(())
}

/// Has the ledger say of all slots, as after two sweeps, that everybody was verified at this time.
fn fill_ledger(table: &mut Table, verified_at: Timestamp) -> Result<(), Error> {
    let text = |text: &str| json!({ "S": text });
    let (first, last) = (id(0), format!("conn_{}", "z".repeat(24)));
    let at = text(&verified_at.to_string());
    let chunk = json!({ "M": { "f": text(&first), "l": text(&last), "q": at, "d": at } });
    let chunks: serde_json::Map<_, _> = (0..CHUNKS).map(|number| (id(number), chunk.clone())).collect();
    for (slot, generation) in (0..SLOTS).flat_map(|slot| [(slot, "EVEN"), (slot, "ODD")]) {
        table.put(&json!({
            "pk": text(&format!("LEDGER#active#{slot}")), "sk": text(generation),
            "tick": { "N": "1" }, "chunks": { "M": chunks },
        }))?;
    }
    Ok(())
}

async fn ask(
    stub: &Stub,
    function: &mut Function,
    event: &str,
    verified_at: Timestamp,
) -> Result<Seen, Error> {
    for _ in 0..SETTLING_EVENTS {
        function.answer(event).await?;
    }
    let before = cpu_at_rest(function).await?;
    stub.world().take_calls();
    stub.world().table.take_units();
    let (mut walls, mut last) = (Vec::new(), Value::Null);
    for _ in 0..EVENTS {
        let (wall, answer) = function.answer(event).await?;
        walls.push(ms(wall));
        last = answer;
    }
    let cpu = cpu_at_rest(function).await? - before;
    let body: Value = serde_json::from_str(last["body"].as_str().unwrap_or_default())?;
    let shown = body["connections"].as_array();
    let shown = shown.ok_or_else(|| format!("no list: {last}; it wrote: {}", function.output()))?;
    // By the ledger: what is stored is older.
    if let Some(other) = shown
        .iter()
        .find(|shown| shown["last_verified_at"] != json!(verified_at))
    {
        return Err(format!("not verified at {verified_at}: {other}").into());
    }
    let mut world = stub.world();
    let calls = world.take_calls().values().sum::<u64>();
    Ok(Seen {
        wall_ms: median(walls),
        cpu_ms: ms(cpu) / f64::from(EVENTS),
        counts: [calls, world.table.take_units().items].map(|count| count / u64::from(EVENTS)),
        shown: shown.len(),
    })
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
