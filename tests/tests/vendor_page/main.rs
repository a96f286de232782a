//! The vendor's page: what it shows of real answers of the API, what hostile answers cannot do to it, and that it loads and
//! runs nothing but itself. The page's decisions are run as they stand in it, in QuickJS; nobody renders it here.

mod decisions;
mod hostile_answers;
mod of_the_api;
mod the_page_itself;

use std::fs;

use latchkey_tests::{Error, sam_template::repository_path};
use rquickjs::{CatchResultExt as _, Context, Runtime};
use serde_json::{Value, json};

const PAGE: &str = "docs/vendor-page/index.html";
/// 2026-11-21T14:20:00Z in milliseconds, the page's unit.
const NOW: i64 = 1_795_270_800_000;
/// In the form of an id.
const ID: &str = "conn_cmu60ucinwev6g0o35ne8keu";
/// A launch link.
const CONSOLE: &str = "https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1#/stacks/create/review?templateURL=https%3A%2F%2Fb.example%2Ft.yaml&stackName=s&param_ExternalId=e5x3he5axho4g21vmstxu8v2e2o2ps9l";

fn html() -> Result<String, Error> {
    Ok(fs::read_to_string(repository_path(PAGE))?)
}

/// What stands in all elements of this name.
fn contents<'a>(html: &'a str, tag: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    html.split(open.as_str())
        .skip(1)
        .filter_map(|rest| rest.split(close.as_str()).next())
        .collect()
}

/// The page's decisions, in a world that has a language and nothing else: no document, no network.
struct Page {
    world: Context,
}

impl Page {
    fn open() -> Result<Self, Error> {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let world = Context::full(&runtime).map_err(|error| error.to_string())?;
        let page = Self { world };
        let html = html()?;
        let [settings, script] = contents(&html, "script")[..] else {
            return Err("the page has not two scripts".into());
        };
        page.run("globalThis.window = globalThis;")?;
        page.run(settings)?;
        page.run(script)?;
        Ok(page)
    }

    fn run(&self, source: &str) -> Result<(), Error> {
        let done: Result<(), String> = self.world.with(|ctx| {
            ctx.eval::<(), _>(source)
                .catch(&ctx)
                .map_err(|error| error.to_string())
        });
        Ok(done?)
    }

    /// What an expression comes to, as JSON.
    fn ask(&self, expression: &str) -> Result<Value, Error> {
        let source = format!("JSON.stringify({{ answer: {expression} }})");
        let json: Result<String, String> = self.world.with(|ctx| {
            ctx.eval::<String, _>(source)
                .catch(&ctx)
                .map_err(|error| error.to_string())
        });
        let mut answer: Value = serde_json::from_str(&json?)?;
        Ok(answer["answer"].take())
    }

    /// Calls one of the page's functions, its arguments parsed as the page parses an answer.
    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, Error> {
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| format!("JSON.parse({})", Value::String(argument.to_string())))
            .collect();
        self.ask(&format!("latchkeyPage.{function}({})", arguments.join(", ")))
    }

    fn view(&self, connection: &Value) -> Result<Value, Error> {
        self.call("view", &[connection.clone(), json!(NOW)])
    }

    fn follows(&self, link: &str) -> Result<bool, Error> {
        Ok(self.call("isConsoleLink", &[json!(link)])? == json!(true))
    }
}

/// A connection in the shape of the API's bodies, changed in the fields of `changes`.
fn connection(status: &str, changes: &Value) -> Value {
    let mut body = json!({
        "id": ID, "status": status, "name": "Production", "external_id": "e5x3he5axho4g21vmstxu8v2e2o2ps9l",
        "account_id": null, "role_arn": null, "stack_id": null, "region": "eu-west-1", "permission_tier": null,
        "reason": null, "template": { "version": "1.1.0", "url": "https://b.example/t.yaml" },
        "last_verified_at": null, "created_at": "2026-11-21T14:16:44.40716706Z",
        "expires_at": "2026-11-28T14:16:44.40716706Z",
    });
    for (field, value) in changes.as_object().into_iter().flatten() {
        body[field] = value.clone();
    }
    body
}

/// One that an account has taken.
fn taken(status: &str, changes: &Value) -> Value {
    let mut body = connection(
        status,
        &json!({
            "account_id": "222222222222", "role_arn": "arn:aws:iam::222222222222:role/latchkey-connection",
            "stack_id": "arn:aws:cloudformation:eu-west-1:222222222222:stack/s/1", "last_verified_at": "2026-11-21T14:17:10Z",
        }),
    );
    for (field, value) in changes.as_object().into_iter().flatten() {
        body[field] = value.clone();
    }
    body
}

/// Every text in a value, however deep.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The action of this name that a view offers.
fn action<'a>(view: &'a Value, id: &str) -> Result<&'a Value, Error> {
    let mut actions = view["actions"].as_array().into_iter().flatten();
    Ok(actions
        .find(|action| action["id"] == id)
        .ok_or_else(|| format!("there is no {id} in {view}"))?)
}
