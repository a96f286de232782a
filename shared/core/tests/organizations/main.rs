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
    use_cases::disconnect::Deleted,
};
use latchkey_testing::{
    builders::{account, role},
    cloudformation_bucket::StackAnswer,
    customer_stack::{CustomerStack, StackRequest},
    scripted_sts::Trust,
    world::World,
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
        let create = world.signed(stack.create(organization.external_id(), &role_arn));
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
        let update = world.signed(self.stack.update(
            &self.create.physical_resource_id(),
            external_id,
            &self.role_arn,
        ));
        world.complete(&world.signed(update)).await
    }

    fn delete(&self, external_id: &ExternalId) -> StackRequest {
        let id = self.create.physical_resource_id();
        self.stack.delete(&id, external_id, &self.role_arn)
    }

    async fn deleted(&self, world: &World, external_id: &ExternalId) -> Deleted {
        world.deleted(&world.signed(self.delete(external_id))).await
    }
}

async fn member(world: &World, organization: &Connection, account: &AccountId) -> Option<Connection> {
    let id = organization.id().member(account);
    world.store.get(organization.tenant(), &id).await.unwrap()
}

async fn assert_status(world: &World, organization: &Connection, account: &AccountId, expected: Status) {
    let member = member(world, organization, account).await.unwrap();
    assert_eq!(member.status(world.clock.now()), expected, "{account}");
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
    next_of(world, organization).await
}

async fn next_of(world: &World, organization: &Connection) -> ExternalId {
    let rotating = world.reload(organization).await;
    rotating.rotation().unwrap().external_id.clone()
}

/// A request that is told that it failed, and with which code.
async fn refused(world: &World, request: &StackRequest, code: &str) -> StackAnswer {
    let answer = world.complete(request).await;
    assert!(reason(&answer).contains(code), "{answer:?}");
    answer
}

/// A world with one organization of acme.
async fn organized(rules: Organization) -> (World, Connection) {
    let world = World::default();
    let organization = world.organization("acme", rules).await;
    (world, organization)
}

/// A Create that nobody signed, of an account that somebody made up.
fn forged(organization: &Connection, invented: u64) -> StackRequest {
    let account = number(invented);
    CustomerStack::new(&account).create(organization.external_id(), &role(&account, "Reader"))
}

fn reason(answer: &StackAnswer) -> &str {
    assert!(!answer.success, "{answer:?}");
    answer.reason.as_deref().unwrap()
}
