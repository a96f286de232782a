//! A recorded request is decided: proven and connected, or refused, or tried again; and the stack is told once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod answers;
mod changes;
mod claims;
mod first_registrations;
mod races_and_crashes;

use latchkey_core::{
    domain::{aws::RoleArn, connection::Connection},
    ports::Delivery,
    use_cases::{answer_stack::Answered, verify_role::Verified},
};
use latchkey_testing::{
    builders::account,
    customer_stack::{CustomerStack, StackRequest},
    world::World,
};

const ACCOUNT: &str = "222222222222";
const OTHER_ACCOUNT: &str = "333333333333";

/// A link of acme, taken by a stack whose role trusts as it should.
async fn received(world: &World) -> (Connection, CustomerStack, RoleArn, StackRequest) {
    let connection = world.link("acme").await;
    let (stack, role_arn) = world.customer_of(&connection, &account(ACCOUNT));
    let create = world.signed(stack.create(connection.external_id(), &role_arn));
    world.receive(&create).await.unwrap();
    (connection, stack, role_arn, create)
}

fn answered(delivery: Delivery) -> Verified {
    Verified::Answered(Answered::Now(delivery))
}
