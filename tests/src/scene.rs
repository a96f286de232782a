//! What a test starts from: the running local AWS, accounts that nobody else uses, and what is looked at behind the
//! scenes.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_sdk_sqs::types::QueueAttributeName;
use latchkey_core::domain::template_version::{TEMPLATE_PK, VERSION_SK_PREFIX};
use serde_json::{Value, json};

use crate::{
    Error,
    api::Api,
    customer::{Customer, StackOutcome},
    local_aws::{ARTIFACTS_BUCKET, CLOUDFORMATION_ACCOUNT, LocalAws, Options, Ready, aws},
    stack_template::StackTemplate,
};

pub type Item = std::collections::HashMap<String, AttributeValue>;

/// One test's corner of the local AWS.
pub struct Scene {
    pub ready: Ready,
    /// The vendor, as root: to set scenes and to look behind them.
    pub vendor: SdkConfig,
}

impl Scene {
    /// The local AWS that `cargo xtask test` started.
    pub fn open() -> Result<Self, Error> {
        Ok(Self::of(Ready::from_environment()?))
    }

    pub fn of(ready: Ready) -> Self {
        let vendor = aws::root(&ready.endpoint, &ready.vendor_account, &ready.hub_region);
        Self { ready, vendor }
    }

    /// The running local AWS and the UI of the tenant `acme` in it.
    pub fn with_acme() -> Result<(Self, Api), Error> {
        let scene = Self::open()?;
        let api = scene.acme()?;
        Ok((scene, api))
    }

    /// The same with a customer of that tenant in us-east-1 who is connected.
    pub async fn with_connected() -> Result<(Self, Api, Connected), Error> {
        let (scene, api) = Self::with_acme()?;
        let one = scene.connect(&api, "us-east-1").await?;
        Ok((scene, api, one))
    }

    pub fn acme(&self) -> Result<Api, Error> {
        Api::of(&self.ready, "acme")
    }

    pub fn globex(&self) -> Result<Api, Error> {
        Api::of(&self.ready, "globex")
    }

    /// A customer in an account that no other test has.
    pub async fn new_customer(&self, region: &str) -> Result<Customer, Error> {
        Customer::sign_in(&self.ready.endpoint, &fresh_account(), region).await
    }

    /// Makes a connection with a link into `region`.
    pub async fn link(&self, api: &Api, region: &str) -> Result<Value, Error> {
        api.create(&json!({ "name": "A test's connection", "region": region }))
            .await
    }

    /// A fresh link into `region`, and the customer who is to open it.
    pub async fn newcomer(&self, api: &Api, region: &str) -> Result<(Link, Customer), Error> {
        let shown = self.link(api, region).await?;
        let external_id = text(&shown, "external_id")?;
        let link = Link {
            id: text(&shown, "id")?,
            url: text(&shown, "launch_url")?,
            template: StackTemplate::new(&self.ready, &external_id),
            external_id,
            shown,
        };
        Ok((link, self.new_customer(region).await?))
    }

    /// Runs the revalidator now, as if a whole cycle of its schedule had passed.
    pub async fn revalidate(&self) -> Result<Value, Error> {
        self.forget_sweep_cursor().await?;
        self.invoke("revalidator", &json!({})).await
    }

    /// Revalidates until a connection is as wanted: other tests sweep as well, and a sweep that began before a change
    /// can end after it.
    pub async fn revalidate_until(
        &self,
        api: &Api,
        id: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Error> {
        /// More than any test needs.
        const SWEEPS: usize = 30;
        for _ in 0..SWEEPS {
            self.revalidate().await?;
            let soon = api.wait_until(id, &wanted);
            if let Ok(connection) = tokio::time::timeout(std::time::Duration::from_secs(2), soon).await {
                return connection;
            }
        }
        Err(format!("no sweep brought the connection there: {}", api.get(id).await?).into())
    }

    /// Revalidates until a connection is `degraded`.
    pub async fn degraded(&self, api: &Api, id: &str) -> Result<Value, Error> {
        self.revalidate_until(api, id, |connection| connection["status"] == "degraded")
            .await
    }

    /// Waits until a sweep has found a role proven, later than `before` shows.
    pub async fn proven_after(&self, api: &Api, id: &str, before: &Value) -> Result<Value, Error> {
        let before = text(before, "last_verified_at")?;
        self.revalidate_until(api, id, |connection| {
            connection["status"] == "active"
                && connection["last_verified_at"].as_str() > Some(before.as_str())
        })
        .await
    }

    async fn forget_sweep_cursor(&self) -> Result<(), Error> {
        self.dynamodb()
            .delete_item()
            .table_name(&self.ready.table)
            .key("pk", AttributeValue::S("SWEEP".to_owned()))
            .key("sk", AttributeValue::S("CURSOR".to_owned()))
            .send()
            .await?;
        Ok(())
    }

    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, Error> {
        let name = self.function(function)?;
        let answer = aws_sdk_lambda::Client::new(&self.vendor)
            .invoke()
            .function_name(name)
            .payload(aws_sdk_lambda::primitives::Blob::new(event.to_string()))
            .send()
            .await?;
        let payload = answer
            .payload()
            .map(|payload| payload.as_ref().to_vec())
            .unwrap_or_default();
        if let Some(error) = answer.function_error() {
            return Err(format!(
                "{function} failed ({error}): {}",
                String::from_utf8_lossy(&payload)
            )
            .into());
        }
        Ok(serde_json::from_slice(&payload)?)
    }

    /// Moves the end of a link's life into the past.
    pub async fn expire_link(&self, tenant: &str, connection_id: &str) -> Result<(), Error> {
        self.dynamodb()
            .update_item()
            .table_name(&self.ready.table)
            .key("pk", AttributeValue::S(format!("TENANT#{tenant}")))
            .key("sk", AttributeValue::S(format!("CONN#{connection_id}")))
            .update_expression("SET expires_at = :past")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":past", AttributeValue::S("2020-01-01T00:00:00Z".to_owned()))
            .send()
            .await?;
        Ok(())
    }

    /// Remembers version 1.0.0 of the customer's template as published, with its one parameter.
    pub async fn publish_first_version(&self) -> Result<(), Error> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = self.dynamodb().put_item().table_name(&self.ready.table);
        put.item("pk", text(TEMPLATE_PK))
            .item("sk", text(&format!("{VERSION_SK_PREFIX}1.0.0")))
            .item("version", text("1.0.0"))
            .item("url", text("https://templates.example/1.0.0/connection.yaml"))
            .item("sha256", text(&"ab".repeat(32)))
            .item("published_at", text("2026-07-01T00:00:00Z"))
            .item("parameters", AttributeValue::L(vec![text("ExternalId")]))
            .send()
            .await?;
        Ok(())
    }

    pub async fn audit_events(&self, connection_id: &str) -> Result<Vec<String>, Error> {
        let entries = self.audit_entries(connection_id).await?;
        let event = |item: &Item| Some(item.get("event")?.as_s().ok()?.clone());
        Ok(entries.iter().filter_map(event).collect())
    }

    pub async fn audit_entries(&self, connection_id: &str) -> Result<Vec<Item>, Error> {
        let answer = self
            .dynamodb()
            .query()
            .table_name(&self.ready.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(format!("AUDIT#{connection_id}")))
            .send()
            .await?;
        Ok(answer.items.unwrap_or_default())
    }

    /// Connects a fresh account through a stack of the customer's own, whose parts a test can change later.
    pub async fn connect(&self, api: &Api, region: &str) -> Result<Connected, Error> {
        let (link, customer) = self.newcomer(api, region).await?;
        let template = link.template.role_name(Connected::ROLE);
        let stack = customer.launched(Connected::STACK, &template).await?;
        let shown = api.get(&link.id).await?;
        if shown["status"] != "active" || shown["role_arn"] != customer.role_arn(Connected::ROLE) {
            return Err(format!("the connection is not active: {shown}").into());
        }
        Ok(Connected {
            id: link.id,
            external_id: link.external_id,
            customer,
            template,
            stack,
            shown,
        })
    }

    /// The partition keys of all items of the table that mention `text`: a stack id, a request id, a connection id.
    pub async fn items_about(&self, text: &str) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        let mut pages = self
            .dynamodb()
            .scan()
            .table_name(&self.ready.table)
            .consistent_read(true)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page?;
            let about = page
                .items()
                .iter()
                .filter(|item| format!("{item:?}").contains(text));
            keys.extend(about.filter_map(|item| Some(item.get("pk")?.as_s().ok()?.clone())));
        }
        Ok(keys)
    }

    /// How many items of each kind the table holds: a kind is how the partition key begins, before its first `#`.
    pub async fn items_by_kind(&self) -> Result<BTreeMap<String, usize>, Error> {
        let mut kinds = BTreeMap::new();
        for key in self.items_about("").await? {
            let kind = key.split('#').next().unwrap_or_default().to_owned();
            *kinds.entry(kind).or_default() += 1;
        }
        Ok(kinds)
    }

    /// How many messages of a queue are not done.
    pub async fn left_in(&self, queue_url: &str) -> Result<usize, Error> {
        let numbers = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let sqs = aws_sdk_sqs::Client::new(&self.vendor);
        let asked = sqs.get_queue_attributes().queue_url(queue_url);
        let answer = asked.set_attribute_names(Some(numbers.to_vec())).send().await?;
        let attributes = answer.attributes().ok_or("the queue has no attributes")?;
        let number = |name| {
            Ok(attributes
                .get(name)
                .ok_or("a number is missing")?
                .parse::<usize>()?)
        };
        numbers.iter().map(number).sum()
    }

    /// Changes variables of a deployed function; an empty value removes one. Only in a local AWS of one's own.
    pub async fn reconfigure(&self, function: &str, changes: &[(&str, &str)]) -> Result<(), Error> {
        let lambda = aws_sdk_lambda::Client::new(&self.vendor);
        let name = self.function(function)?;
        let deployed = lambda
            .get_function_configuration()
            .function_name(name)
            .send()
            .await?;
        let mut variables = deployed
            .environment()
            .and_then(|environment| environment.variables().cloned())
            .unwrap_or_default();
        for (name, value) in changes {
            if value.is_empty() {
                variables.remove(*name);
            } else {
                variables.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        lambda
            .update_function_configuration()
            .function_name(name)
            .environment(
                aws_sdk_lambda::types::Environment::builder()
                    .set_variables(Some(variables))
                    .build(),
            )
            .send()
            .await?;
        self.restart(function).await
    }

    /// Ends the processes of a function: the local Lambda goes on with those of the former configuration, where AWS
    /// starts new ones. Only in a local AWS of one's own.
    pub async fn restart(&self, function: &str) -> Result<(), Error> {
        let name = self.function(function)?;
        aws_sdk_lambda::Client::new(&self.vendor)
            .update_function_code()
            .function_name(name)
            .s3_bucket(ARTIFACTS_BUCKET)
            .s3_key(format!("{function}.zip"))
            .send()
            .await?;
        Ok(())
    }

    /// Takes the listener off the topic of a region: what is published meanwhile is lost, as if SNS had given up.
    /// Only in a local AWS of one's own.
    pub async fn deafen(&self, region: &str) -> Result<(), Error> {
        let sns = self.sns(region);
        let subscriptions = sns
            .list_subscriptions_by_topic()
            .topic_arn(self.ready.topic(region)?)
            .send()
            .await?;
        for subscription in subscriptions.subscriptions() {
            if subscription.protocol() == Some("lambda") {
                sns.unsubscribe()
                    .subscription_arn(subscription.subscription_arn().unwrap_or_default())
                    .send()
                    .await?;
            }
        }
        Ok(())
    }

    /// Puts the listener back on the topic of a region.
    pub async fn hear(&self, region: &str) -> Result<(), Error> {
        self.sns(region)
            .subscribe()
            .topic_arn(self.ready.topic(region)?)
            .protocol("lambda")
            .endpoint(self.function_arn("custom-resource-listener")?)
            .send()
            .await?;
        Ok(())
    }

    pub fn function(&self, function: &str) -> Result<&str, Error> {
        Ok(self
            .ready
            .functions
            .get(function)
            .ok_or("there is no such function")?)
    }

    pub fn function_arn(&self, function: &str) -> Result<String, Error> {
        let name = self.function(function)?;
        let (region, account) = (&self.ready.hub_region, &self.ready.vendor_account);
        Ok(format!("arn:aws:lambda:{region}:{account}:function:{name}"))
    }

    fn sns(&self, region: &str) -> aws_sdk_sns::Client {
        let (endpoint, account) = (&self.ready.endpoint, &self.ready.vendor_account);
        aws_sdk_sns::Client::new(&aws::root(endpoint, account, region))
    }

    /// How many of a function may be at work at once; none switches it off. Only in a local AWS of one's own.
    pub async fn limit(&self, function: &str, at_once: i32) -> Result<(), Error> {
        let name = self.function(function)?;
        aws_sdk_lambda::Client::new(&self.vendor)
            .put_function_concurrency()
            .function_name(name)
            .reserved_concurrent_executions(at_once)
            .send()
            .await?;
        Ok(())
    }

    pub async fn stored(&self, tenant: &str, connection_id: &str) -> Result<Item, Error> {
        let answer = self
            .dynamodb()
            .get_item()
            .table_name(&self.ready.table)
            .key("pk", AttributeValue::S(format!("TENANT#{tenant}")))
            .key("sk", AttributeValue::S(format!("CONN#{connection_id}")))
            .consistent_read(true)
            .send()
            .await?;
        Ok(answer.item.ok_or("there is no such connection")?)
    }

    /// What CloudFormation's bucket holds for a request: the latest answer to it.
    pub async fn answer(&self, stack_id: &str, logical_id: &str, request_id: &str) -> Result<Value, Error> {
        let region = stack_id.split(':').nth(3).ok_or("that is no stack id")?;
        let config = aws::root(&self.ready.endpoint, CLOUDFORMATION_ACCOUNT, region);
        let object = aws::s3(&config)
            .get_object()
            .bucket(format!(
                "cloudformation-custom-resource-response-{}",
                region.replace('-', "")
            ))
            .key(format!("{stack_id}|{logical_id}|{request_id}"))
            .send()
            .await?;
        Ok(serde_json::from_slice(
            &object.body.collect().await?.into_bytes(),
        )?)
    }

    /// Puts copies of a live connection into the table, under ids of their own: for the sweep each is one more. Only in a
    /// local AWS of one's own.
    pub async fn multiply(&self, tenant: &str, connection_id: &str, times: usize) -> Result<(), Error> {
        /// DynamoDB's limit on the items of one batch.
        const AT_ONCE: usize = 25;
        let item = self.stored(tenant, connection_id).await?;
        let copy = |number: usize| {
            let mut item = item.clone();
            let id = format!("conn_c{number:023}");
            item.insert("sk".to_owned(), AttributeValue::S(format!("CONN#{id}")));
            item.insert("id".to_owned(), AttributeValue::S(id));
            let put = PutRequest::builder().set_item(Some(item)).build()?;
            Ok::<_, Error>(WriteRequest::builder().put_request(put).build())
        };
        let copies = (0..times).map(copy).collect::<Result<Vec<_>, _>>()?;
        for batch in copies.chunks(AT_ONCE) {
            self.dynamodb()
                .batch_write_item()
                .request_items(&self.ready.table, batch.to_vec())
                .send()
                .await?;
        }
        Ok(())
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.vendor)
    }
}

/// A local AWS for one test alone: for what its neighbours must not notice. It ends when it is dropped.
pub struct OwnScene {
    pub scene: Scene,
    _aws: LocalAws,
}

impl OwnScene {
    /// Starts one, deployed as the shared one is.
    pub async fn open() -> Result<Self, Error> {
        Self::with(&[]).await
    }

    /// The same with the UI of the tenant `acme` in it.
    pub async fn with_acme() -> Result<(Self, Api), Error> {
        let own = Self::open().await?;
        let api = own.scene.acme()?;
        Ok((own, api))
    }

    /// Starts one whose customer templates lie in a bucket that the stack did not make.
    pub async fn with_bucket(bucket: &str) -> Result<Self, Error> {
        Self::start(Options {
            bucket_elsewhere: Some(bucket.to_owned()),
            ..Options::default()
        })
        .await
    }

    /// Starts one with other parameters of `template.yaml`.
    pub async fn with(parameters: &[(&str, &str)]) -> Result<Self, Error> {
        let parameters = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::start(Options {
            parameters,
            ..Options::default()
        })
        .await
    }

    async fn start(options: Options) -> Result<Self, Error> {
        let aws = LocalAws::start(options, |_| {}).await?;
        Ok(Self {
            scene: Scene::of(aws.ready.clone()),
            _aws: aws,
        })
    }
}

pub struct Link {
    pub id: String,
    pub external_id: String,
    pub url: String,
    /// What the published template would make of it.
    pub template: StackTemplate,
    pub shown: Value,
}

/// A customer whose account is connected.
pub struct Connected {
    pub id: String,
    pub external_id: String,
    pub customer: Customer,
    /// What their stack was made from.
    pub template: StackTemplate,
    /// How it stood once it was made.
    pub stack: StackOutcome,
    /// The connection as the API showed it then.
    pub shown: Value,
}

impl Connected {
    pub const STACK: &'static str = "Vendor-Access";
    pub const ROLE: &'static str = "VendorAccess";

    /// What the stack's connection was answered to a request.
    pub async fn answer(&self, scene: &Scene, request: &Value) -> Result<Value, Error> {
        let request_id = text(request, "RequestId")?;
        scene
            .answer(&self.stack.stack_id, "Connection", &request_id)
            .await
    }

    pub async fn updated(&self, template: &StackTemplate) -> Result<(), Error> {
        let outcome = self.customer.update(Self::STACK, template).await?;
        outcome.expect("UPDATE_COMPLETE")
    }

    /// Deletes the stack, which ends the connection: how the API shows it then.
    pub async fn leave(&self, api: &Api) -> Result<Value, Error> {
        self.customer.deleted(&self.stack.stack_id).await?;
        api.ended_by_its_stack(&self.id).await
    }
}

pub fn text(object: &Value, name: &str) -> Result<String, Error> {
    Ok(object[name]
        .as_str()
        .ok_or_else(|| format!("there is no {name} in {object}"))?
        .to_owned())
}

/// Expects that the API shows at least these fields, with these values.
#[track_caller]
pub fn assert_shows(shown: &Value, expected: Value) {
    for (field, value) in expected.as_object().into_iter().flatten() {
        match (&shown[field], value) {
            (inner @ Value::Object(_), Value::Object(_)) => assert_shows(inner, value.clone()),
            (found, value) => assert_eq!(found, value, "{field} of {shown}"),
        }
    }
}

/// Expects that a text, or what is shown as one, has this part.
#[track_caller]
pub fn assert_contains(text: impl std::fmt::Display, part: &str) {
    let text = text.to_string();
    assert!(text.contains(part), "no {part} in {text}");
}

/// A connection without what a check in the background changes by itself.
pub fn settled(connection: &Value) -> Value {
    let mut connection = connection.clone();
    for (of, field) in [
        ("", "last_verified_at"),
        ("/permissions", "checked_at"),
        ("/trust", "read_at"),
    ] {
        if let Some(fields) = connection.pointer_mut(of).and_then(Value::as_object_mut) {
            fields.remove(field);
        }
    }
    connection
}

/// An account id that no test of this or any other process has had.
pub fn fresh_account() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_micros() as u64);
    let mixed = micros
        .wrapping_mul(1_000_003)
        .wrapping_add(u64::from(std::process::id()).wrapping_mul(7_919))
        .wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(104_729));
    // From 200000000000 on: no zero in front, and none of the vendor's or CloudFormation's accounts.
    format!("{}", 200_000_000_000 + mixed % 700_000_000_000)
}
