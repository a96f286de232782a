//! Many accounts of one organization share a connection: each proves itself, and becomes a member of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod membership;
mod rotation;

use std::collections::BTreeSet;

use latchkey_core::{
    domain::{
        aws::{AccountId, RoleArn},
        connection::{Connection, Organization, Status, organization::Progress},
        external_id::ExternalId,
    },
    ports::{Clock, ConnectionStore},
};
use latchkey_testing::{
    builders::account,
    cloudformation_bucket::StackAnswer,
    customer_stack::{CustomerStack, StackRequest},
    scripted_sts::Trust,
    world::{Handled, World},
};

fn number(number: u64) -> AccountId {
    account(&format!("{number:012}"))
}

fn any(max_accounts: u32) -> Organization {
    Organization::new(Some(max_accounts), BTreeSet::new()).unwrap()
}

/// An account of the organization, and its stack of the StackSet.
struct Account {
    stack: CustomerStack,
    role_arn: RoleArn,
    create: StackRequest,
}

impl Account {
    fn new(world: &World, organization: &Connection, account: &AccountId) -> Self {
        let (stack, role_arn) = world.customer_of(organization, account);
        let create = stack
            .create(organization.external_id(), &role_arn)
            .sent_at(world.clock.now())
            .signed(&world.bucket);
        Self {
            stack,
            role_arn,
            create,
        }
    }

    async fn connected(world: &World, organization: &Connection, account: &AccountId) -> Self {
        let one = Self::new(world, organization, account);
        assert!(world.complete(&one.create).await.success);
        one
    }

    async fn updated(&self, world: &World, external_id: &ExternalId) -> StackAnswer {
        world.sts.put_role(&self.role_arn, Trust::only(external_id));
        let update = self
            .stack
            .update(&self.create.physical_resource_id(), external_id, &self.role_arn)
            .sent_at(world.clock.now())
            .signed(&world.bucket);
        world.complete(&update).await
    }

    async fn deleted(&self, world: &World, external_id: &ExternalId) -> Handled {
        let delete = self
            .stack
            .delete(&self.create.physical_resource_id(), external_id, &self.role_arn)
            .sent_at(world.clock.now())
            .signed(&world.bucket);
        world.receive(&delete).await.unwrap()
    }
}

async fn member(world: &World, organization: &Connection, account: &AccountId) -> Option<Connection> {
    let id = organization.id().member(account);
    world.store.get(organization.tenant(), &id).await.unwrap()
}

async fn status_of(world: &World, organization: &Connection, account: &AccountId) -> Option<Status> {
    let member = member(world, organization, account).await;
    member.map(|member| member.status(world.clock.now()))
}

async fn progress(world: &World, organization: &Connection) -> Progress {
    let members = world.members.all(organization).await.unwrap();
    let rules = organization.organization().unwrap();
    rules.progress(&members, world.clock.now())
}

/// Starts the rotation of an organization; the next external ID.
async fn rotated(world: &World, organization: &Connection) -> ExternalId {
    let started = world.rotate.start(organization.tenant(), organization.id()).await;
    assert!(started.is_ok(), "{started:?}");
    let rotating = world.reload(organization).await;
    rotating.rotation().unwrap().external_id.clone()
}

fn reason(answer: &StackAnswer) -> &str {
    assert!(!answer.success, "{answer:?}");
    answer.reason.as_deref().unwrap()
}
