//! What stands in the table: read back as it was written, and checked again where it matters.

use latchkey_core::domain::{
    aws::{AccountId, StackId},
    connection::Connection,
    request::request_record::RequestRecord,
};
use latchkey_testing::{
    customer_stack::CustomerStack,
    world::{PATIENCE_SECONDS, World},
};
use serde_json::{Value, json};

use super::{each_value, same_again};

/// Connections in several states, and a request.
fn stored() -> (Vec<Value>, Vec<Value>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let account: AccountId = "222222222222".parse().unwrap();
    runtime.block_on(async {
        let world = World::default();
        let customer = world.connect("acme", &account).await;
        let waiting = world.link("acme").await;
        let (stack, role) = world.customer_of(&waiting, &"333333333333".parse().unwrap());
        let create = stack.create(waiting.external_id(), &role).signed(&world.bucket);
        world.receive(&create).await.unwrap();
        let ended = world.link("globex").await;
        let ended = world
            .disconnect_by_vendor
            .run(ended.tenant(), ended.id())
            .await
            .unwrap();
        let connections = world
            .store
            .all_connections()
            .into_iter()
            .chain(ended)
            .chain([customer.connection]);
        let connections = connections.map(|connection| json!(connection)).collect();
        let other = CustomerStack::new(&account).create(waiting.external_id(), &customer.role_arn);
        let envelope = other.envelope();
        let fresh = RequestRecord::new(
            &envelope,
            &envelope.properties().unwrap(),
            waiting.tenant().clone(),
            waiting.id().clone(),
            jiff::Timestamp::UNIX_EPOCH,
            PATIENCE_SECONDS,
        );
        let requests = world.store.all_requests().into_iter().chain([fresh]);
        (connections, requests.map(|request| json!(request)).collect())
    })
}

#[test]
fn a_stored_connection_is_read_as_it_was_written_or_not_at_all() {
    let (seeds, _) = stored();
    each_value(&seeds, |value| {
        let Some(connection) = same_again::<Connection>(value) else {
            return;
        };
        // Whatever was read can be looked at.
        let now = jiff::Timestamp::UNIX_EPOCH;
        let _ = (
            connection.status(now),
            connection.state_at(now),
            connection.reason(),
        );
        if let Some(bound) = connection.live_binding() {
            let _ = (bound.account(), bound.stack_id().map(StackId::region));
        }
    });
}

#[test]
fn a_stored_request_is_read_as_it_was_written_and_its_url_is_guarded_again() {
    let (_, seeds) = stored();
    each_value(&seeds, |value| {
        let Some(record) = same_again::<RequestRecord>(value) else {
            return;
        };
        assert!(!format!("{record:?}").contains("X-Amz"), "a record shows its URL");
        if let Some(Ok(url)) = record.response_url() {
            let host = url.expose().host_str().unwrap_or_default();
            let stack_id = record.key.stack_id.as_ref().unwrap();
            let region = stack_id.region().as_str().replace('-', "");
            let bucket = format!("cloudformation-custom-resource-response-{region}.s3");
            assert!(host.starts_with(&bucket), "{host}");
        }
        assert_eq!(record.clone().delivered().response_url(), None);
        assert_eq!(record.answer_body().is_some(), record.outcome.is_some());
    });
}
