//! Any sequence of requests, repetitions, reorderings, crashes, forgeries and changes of roles keeps the invariants.
//!
//! Two tenants, three connections each, three accounts. A step may do anything that a customer, an attacker, the
//! vendor, AWS or a crash can do. After each step what must always hold is checked; at the end everything is
//! delivered, time passes, and every request that CloudFormation signed must have its answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use futures::FutureExt;
use jiff::SignedDuration;
use latchkey_core::{
    domain::{
        audit::ROTATED_EVENT,
        aws::{AccountId, RoleArn, StackId},
        connection::{Binding, Connection, State, Status},
        external_id::ExternalId,
        ids::ConnectionId,
        proof::reason::ReasonCode,
        request::custom_resource::{Envelope, RequestType},
    },
    ports::Clock,
};
use latchkey_testing::{
    builders::{account, role},
    customer_stack::{CustomerStack, StackRequest},
    faults::When,
    scripted_sts::Trust,
    world::{TICK_SECONDS, World},
};
use proptest::{prelude::*, sample::Index};

#[path = "any_sequence/steps.rs"]
mod steps;

use steps::{Step, Written, step};

const TENANTS: [&str; 2] = ["acme", "globex"];
const ACCOUNTS: [&str; 3] = ["222222222222", "333333333333", "444444444444"];
const ROLES: [&str; 2] = ["Reader", "Other"];

/// A message that was sent, and whether somebody has to answer it.
struct Message {
    request: StackRequest,
    envelope: Envelope,
    signed: bool,
    delivered: bool,
}

impl Message {
    fn new(request: StackRequest, signed: bool) -> Self {
        Self {
            envelope: request.envelope(),
            request,
            signed,
            delivered: false,
        }
    }
}

struct Run {
    world: Rc<World>,
    links: Vec<Connection>,
    /// Every external ID that was ever made, and for which connection.
    external_ids: HashMap<ExternalId, ConnectionId>,
    stacks: Vec<CustomerStack>,
    messages: Vec<Message>,
    /// What each resource of a stack is called, as far as CloudFormation read our answers.
    physical_ids: BTreeMap<(String, String), String>,
    /// Whether a call was ever made to fail.
    crashed: bool,
    /// How many updates were rolled back, and found undone.
    undone: usize,
    /// The message that the step delivers.
    delivering: Option<usize>,
    /// The connections before the step.
    before: Vec<Connection>,
    /// Whose connection the step may change.
    allowed: BTreeSet<String>,
}

/// Runs a future of a use case over fakes, which never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

impl Run {
    fn new() -> Self {
        let world = Rc::new(World::default());
        let mut links = Vec::new();
        for tenant in TENANTS {
            for expected in [None, None, Some(account(ACCOUNTS[0]))] {
                links.push(now(world.link_for(tenant, expected)));
            }
        }
        let external_ids = links
            .iter()
            .map(|link| (link.external_id().clone(), link.id().clone()))
            .collect();
        let stacks = ACCOUNTS
            .iter()
            .flat_map(|digits| {
                let stack = CustomerStack::new(&account(digits));
                let replaced = stack.resource("Renamed");
                [stack, replaced, CustomerStack::new(&account(digits))]
            })
            .collect();
        let before = world.store.all_connections();
        Self {
            world,
            links,
            external_ids,
            stacks,
            messages: Vec::new(),
            physical_ids: BTreeMap::new(),
            crashed: false,
            undone: 0,
            delivering: None,
            before,
            allowed: BTreeSet::new(),
        }
    }

    /// A connection as it stands.
    fn link(&self, index: &Index) -> Connection {
        let id = index.get(&self.links).id();
        let stored = self.world.store.all_connections();
        stored.into_iter().find(|stored| *stored.id() == *id).unwrap()
    }

    /// Whether the role of a connection lets us in as it should, with an external ID that the connection may have.
    fn is_safe(&self, connection: &Connection, binding: &Binding) -> bool {
        let next = connection.rotation().map(|rotation| &rotation.external_id);
        [Some(&binding.external_id), next]
            .into_iter()
            .flatten()
            .any(|external_id| self.world.sts.is_safe(&binding.role_arn, external_id))
    }

    fn take(&mut self, step: &Step) {
        self.allowed.clear();
        self.delivering = None;
        match step {
            Step::Role {
                account,
                name,
                connection,
                other,
                written,
            } => {
                let role_arn = role_of(account, name);
                let right = Trust::only(self.link(connection).external_id());
                let sts = &self.world.sts;
                match written {
                    Written::Right => sts.put_role(&role_arn, right),
                    Written::Both => sts.put_role(&role_arn, right.and(self.link(other).external_id())),
                    Written::IfExists => sts.put_role(&role_arn, right.if_exists()),
                    Written::Open => sts.put_role(&role_arn, Trust::open()),
                    Written::Nobody => sts.put_role(&role_arn, Trust::nobody()),
                    Written::Gone => sts.delete_role(&role_arn),
                    Written::Late => {
                        let from = self.world.clock.now() + SignedDuration::from_secs(20);
                        sts.put_role_assumable_from(&role_arn, right, from);
                    }
                }
            }
            Step::Send {
                stack,
                kind,
                connection,
                account,
                role,
                resource,
                signed,
            } => {
                let message = self.message(stack, *kind, connection, account, role, resource, *signed);
                self.messages.push(message);
            }
            Step::Launch { stack, connection } => {
                let external_id = self.link(connection).external_id().clone();
                let stack = stack.get(&self.stacks);
                let role_arn = role(&stack.stack_id.account(), ROLES[0]);
                self.world.sts.put_role(&role_arn, Trust::only(&external_id));
                let request = stack.create(&external_id, &role_arn);
                self.send_and_deliver(request);
            }
            Step::Deliver { message } if !self.messages.is_empty() => {
                let at = message.index(self.messages.len());
                self.deliver(at);
            }
            Step::Work { task, again } => {
                let waiting = self.world.queue.waiting().len();
                if waiting > 0 {
                    let queued = self.world.queue.take(task.index(waiting)).unwrap();
                    if *again {
                        self.world.queue.put_back(queued.clone());
                    }
                    self.allow_task(&queued.task);
                    let done = now(self.world.work(&queued.task, 1));
                    if !matches!(done, Ok(None)) && !again {
                        self.world.queue.put_back(queued);
                    }
                }
            }
            Step::Rotate { connection, cancel } => {
                let connection = self.link(connection).clone();
                self.allowed.insert(connection.id().to_string());
                let (tenant, id) = (connection.tenant(), connection.id());
                if *cancel {
                    let _ = now(self.world.rotate.cancel(tenant, id));
                } else {
                    let _ = now(self.world.rotate.start(tenant, id));
                }
                // From the table: a crash may have kept the answer from us.
                for stored in self.world.store.all_connections() {
                    let next = stored.rotation().map(|rotation| rotation.external_id.clone());
                    self.external_ids
                        .extend(next.map(|next| (next, stored.id().clone())));
                }
            }
            Step::FinishRotation { connection } => {
                let connection = self.link(connection).clone();
                if let (Some(bound), Some(rotation)) = (connection.live_binding(), connection.rotation()) {
                    let next = &rotation.external_id;
                    self.world.sts.put_role(&bound.role_arn, Trust::only(next));
                    let stack = self.stacks.iter().find(|stack| {
                        Some(&stack.stack_id) == bound.stack_id()
                            && stack.logical_resource_id == bound.logical_resource_id
                    });
                    let stack = stack.unwrap();
                    let request = stack.update(&bound.physical_resource_id, next, &bound.role_arn);
                    self.send_and_deliver(request);
                }
            }
            Step::FailsElsewhere {
                connection,
                role: name,
                renames,
                rotates,
            } => self.fail_elsewhere(connection, name, *renames, *rotates),
            Step::Disconnect { connection } => {
                let connection = self.link(connection).clone();
                self.allowed.insert(connection.id().to_string());
                let (tenant, id) = (connection.tenant(), connection.id());
                let _ = now(self.world.disconnect_by_vendor.run(tenant, id));
            }
            Step::Recheck { connection } => {
                let connection = self.link(connection).clone();
                self.allowed.insert(connection.id().to_string());
                let _ = now(self.world.recheck.run(connection.tenant(), connection.id()));
            }
            Step::Sweep => {
                self.world.clock.advance(i64::from(TICK_SECONDS));
                let _ = now(self.world.revalidate.run());
            }
            Step::Trouble { cause } => self.world.sts.trouble(*cause),
            Step::Wait { seconds } => self.world.clock.advance(*seconds),
            Step::Crash { call, after } => {
                self.crashed = true;
                let when = if *after { When::After } else { When::Before };
                self.world.faults.fail_call(*call, when);
            }
            Step::Deliver { .. } => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the parts of one message")]
    fn message(
        &self,
        stack: &Index,
        kind: RequestType,
        connection: &Index,
        account: &Index,
        role: &Index,
        resource: &Index,
        signed: bool,
    ) -> Message {
        let stack = stack.get(&self.stacks);
        // Update and Delete mostly have the external ID of the stack's last Create.
        let last = self.messages.iter().rev().find_map(|message| {
            let envelope = &message.envelope;
            let is_own = envelope.stack_id == stack.stack_id
                && envelope.logical_resource_id == stack.logical_resource_id;
            envelope.external_id().filter(|_| is_own)
        });
        let external_id = match (kind, last) {
            (RequestType::Update | RequestType::Delete, Some(last)) if connection.index(6) > 0 => last,
            _ => self.link(connection).external_id().clone(),
        };
        let external_id = &external_id;
        // Mostly the stack's own account: anything else is refused at once.
        let own = RoleArn::parse(&format!(
            "arn:aws:iam::{}:role/{}",
            stack.stack_id.account(),
            role.get(&ROLES)
        ))
        .unwrap();
        let role_arn = if account.index(8) == 0 {
            role_of(account, role)
        } else {
            own
        };
        let key = (stack.stack_id.to_string(), stack.logical_resource_id.clone());
        let invented = "invented-by-cloudformation".to_owned();
        let physical_id = match resource.index(4) {
            0 => invented,
            _ => self.physical_ids.get(&key).cloned().unwrap_or(invented),
        };
        let request = match kind {
            RequestType::Create => stack.create(external_id, &role_arn),
            RequestType::Update => stack.update(&physical_id, external_id, &role_arn),
            RequestType::Delete => stack.delete(&physical_id, external_id, &role_arn),
        };
        let request = request.sent_at(self.world.clock.now());
        let signed_request = signed.then(|| self.world.signed(request.clone()));
        Message::new(signed_request.unwrap_or(request), signed)
    }

    fn send_and_deliver(&mut self, request: StackRequest) {
        let request = self.world.signed(request);
        self.messages.push(Message::new(request, true));
        self.deliver(self.messages.len() - 1);
    }

    /// Sends a request and works until it is answered; the id that its resource has then, if it was
    /// a success.
    fn go_through(&mut self, request: StackRequest) -> Option<String> {
        self.world.clock.advance(1);
        let key = request.key.clone();
        self.send_and_deliver(request);
        self.check();
        self.drain();
        let answer = self.world.bucket.answer(&key)?;
        answer.success.then_some(answer.physical_resource_id)
    }

    fn fail_elsewhere(&mut self, connection: &Index, name: &Index, renames: bool, rotates: bool) {
        if self.crashed {
            return;
        }
        // CloudFormation does one thing after the other.
        self.world.sts.trouble(None);
        self.drain();
        let stored = self.world.store.all_connections();
        let is_active = |stored: &&Connection| stored.state().status() == Status::Active;
        let active: Vec<_> = stored.iter().filter(is_active).collect();
        if active.is_empty() {
            return;
        }
        let before = *connection.get(&active);
        let Some(bound) = before.live_binding() else {
            return;
        };
        let resource = |stack: &&CustomerStack| {
            Some(&stack.stack_id) == bound.stack_id()
                && stack.logical_resource_id == bound.logical_resource_id
        };
        let Some(stack) = self.stacks.iter().find(resource) else {
            return;
        };
        let next = before.rotation().map(|rotation| rotation.external_id.clone());
        let external_id = next.filter(|_| rotates).unwrap_or(bound.external_id.clone());
        let role_arn = role(&bound.account(), name.get::<&str>(&ROLES));
        let is_settled = bound.unsettled.is_none() && !before.takes_both();
        let is_safe = self.is_safe(before, bound);
        // What CloudFormation deleted, under whatever id, is nothing to go back to.
        let was_deleted = self.messages.iter().any(|message| {
            let envelope = &message.envelope;
            envelope.request_type == RequestType::Delete
                && Some(&envelope.stack_id) == bound.stack_id()
                && envelope.logical_resource_id == bound.logical_resource_id
        });
        self.world.sts.put_role(&role_arn, Trust::only(&external_id));
        let new = stack.resource(&format!("Renamed{}", self.messages.len()));
        let update = match renames {
            true => new.create(&external_id, &role_arn),
            false => stack.update(&bound.physical_resource_id, &external_id, &role_arn),
        };
        let back = |id: &str| match renames {
            true => new.delete(id, &external_id, &role_arn),
            false => stack.update(&bound.physical_resource_id, &bound.external_id, &bound.role_arn),
        };
        let rollback = back(&update.physical_resource_id());
        let went_through = self.go_through(update).is_some();
        self.world
            .sts
            .put_role(&bound.role_arn, Trust::only(&bound.external_id));
        let is_back = self.go_through(rollback).is_some();
        if went_through && is_back && is_settled && is_safe && !was_deleted {
            let after = self.world.store.all_connections();
            let after = after.iter().find(|after| after.id() == before.id()).unwrap();
            let what = |connection: &Connection| {
                let bound = connection.live_binding()?;
                let resource = (
                    bound.logical_resource_id.clone(),
                    bound.physical_resource_id.clone(),
                );
                let known = (connection.external_id().clone(), connection.rotation().cloned());
                Some((known, bound.role_arn.clone(), bound.external_id.clone(), resource))
            };
            assert_eq!(what(after), what(before), "{after:?}");
            self.undone += 1;
        }
    }

    /// Works until nothing waits.
    fn drain(&mut self) {
        self.delivering = None;
        let world = Rc::clone(&self.world);
        now(world.drain_looking(|task| {
            self.allowed.clear();
            self.allow_task(task);
            self.check();
        }));
    }

    fn deliver(&mut self, at: usize) {
        self.delivering = Some(at);
        let Message {
            request, envelope, ..
        } = &self.messages[at];
        let (request, envelope) = (request.clone(), envelope.clone());
        // A message can touch the connection that its external ID was made for, and no other (I2).
        if let Some(external_id) = envelope.external_id() {
            self.allow(&external_id);
        }
        if now(self.world.receive(&request)).is_ok() {
            self.messages[at].delivered = true;
        }
        if let Some(answer) = self.world.bucket.answer(&request.key) {
            let key = (request.stack_id.to_string(), envelope.logical_resource_id);
            self.physical_ids.insert(key, answer.physical_resource_id);
        }
    }

    fn allow(&mut self, external_id: &ExternalId) {
        let id = self.external_ids.get(external_id);
        self.allowed.extend(id.map(ToString::to_string));
    }

    fn allow_task(&mut self, task: &latchkey_core::ports::VerificationTask) {
        use latchkey_core::ports::VerificationTask as Task;
        match task {
            Task::Recheck { connection_id, .. } => {
                self.allowed.insert(connection_id.to_string());
            }
            Task::Chunk(chunk) => {
                let members = chunk.members.iter();
                self.allowed
                    .extend(members.map(|member| member.connection_id.to_string()));
            }
            Task::Request { key } => {
                let of = self.messages.iter().find(|message| message.request.key == *key);
                let external_id = of.and_then(|message| message.envelope.external_id());
                if let Some(external_id) = external_id {
                    self.allow(&external_id);
                }
                // A new stack may take the place of one in its account whose role is gone.
                let account = key.stack_id.as_ref().map(StackId::account);
                let held = self
                    .before
                    .iter()
                    .filter(|held| held.live_binding().map(Binding::account) == account);
                self.allowed.extend(held.map(|held| held.id().to_string()));
            }
        }
    }

    /// What holds after every single step.
    fn check(&mut self) {
        let after = self.world.store.all_connections();
        for (before, after) in self.before.iter().zip(&after) {
            assert_eq!(before.id(), after.id());
            assert!(
                before == after || self.allowed.contains(after.id().as_str()),
                "a step that has nothing to do with it changed {after:?}"
            );
            assert!(after.version() >= before.version());
            self.check_road_to_active(before, after);
            self.check_road_down(before, after);
            if let Some(expected) = after.expected_account()
                && let Some(binding) = after.live_binding()
            {
                assert_eq!(binding.account(), *expected);
            }
            if before.state().status() == Status::Disconnected {
                assert_eq!(before.state(), after.state(), "what ended stays ended");
            }
        }
        check_claims(&after);
        self.check_answers(&after);
        self.before = after;
    }

    /// I3: whenever a role is newly relied on, it is safe at that moment, as seen from outside.
    fn check_road_to_active(&self, before: &Connection, after: &Connection) {
        let State::Active {
            binding,
            last_verified_at,
        } = after.state()
        else {
            return;
        };
        let undone = before.live_binding().and_then(|binding| {
            let replaced = binding.unsettled.as_ref()?.replaces.as_deref()?;
            Some(*replaced == *after.state())
        });
        let restored = before
            .live_binding()
            .and_then(Binding::former_resource)
            .is_some_and(|former| former.request == binding.request);
        if undone == Some(true) || restored {
            return;
        }
        if let Some(bound) = before.live_binding()
            && bound.request != binding.request
            && bound.logical_resource_id == binding.logical_resource_id
        {
            self.check_is_latest(after, binding);
        }
        let is_new = before.state().status() != Status::Active
            || before.live_binding().map(|before| &before.role_arn) != Some(&binding.role_arn)
            || before.last_verified_at() != Some(*last_verified_at);
        if is_new {
            assert!(self.is_safe(after, binding), "relied on and not safe: {after:?}");
            assert_eq!(binding.role_arn.account(), binding.stack_id().unwrap().account());
        }
    }

    /// A request that was sent before another of its resource decides nothing once that one is
    /// answered.
    fn check_is_latest(&self, connection: &Connection, binding: &Binding) {
        let of = |message: &&Message| message.envelope.key == binding.request;
        let sent_at = self.messages.iter().find(of).unwrap().request.sent_at;
        for message in &self.messages {
            let envelope = &message.envelope;
            let is_later = envelope.request_type != RequestType::Delete
                && Some(&envelope.stack_id) == binding.stack_id()
                && envelope.logical_resource_id == binding.logical_resource_id
                && envelope.external_id().and_then(|id| self.external_ids.get(&id)) == Some(connection.id())
                && message.request.sent_at > sent_at;
            let answer = self.world.bucket.answer(&envelope.key);
            assert!(
                !is_later || !answer.is_some_and(|told| told.success),
                "{connection:?} by an older request"
            );
        }
    }

    /// Only what is wrong degrades, and only CloudFormation's own Delete of the very resource disconnects (I6).
    fn check_road_down(&self, before: &Connection, after: &Connection) {
        match after.state() {
            State::Degraded {
                binding,
                failed_checks,
                ..
            } => {
                let is_news = !matches!(before.state(), State::Degraded { failed_checks: known, .. } if known == failed_checks);
                let is_safe = self.is_safe(after, binding);
                let bound = before.live_binding();
                let went_back = bound.is_some_and(|before| before.request != binding.request);
                assert!(
                    !is_news || !is_safe || went_back,
                    "a safe role is degraded: {after:?}"
                );
            }
            State::Disconnected { reason, .. }
                if reason.code == ReasonCode::Superseded && before.state() != after.state() =>
            {
                let bound = before.live_binding().unwrap();
                assert!(
                    !self.is_safe(before, bound),
                    "a safe role is superseded: {before:?}"
                );
            }
            State::Disconnected { reason, .. }
                if reason.code == ReasonCode::StackDeleted && before.state() != after.state() =>
            {
                let bound = before.live_binding().unwrap();
                let Some(delivering) = self.delivering else {
                    // By a look at the role, after CloudFormation deleted it under an id that it made up.
                    assert!(bound.deletion_seen_at.is_some() && !self.is_safe(before, bound));
                    return;
                };
                let message = &self.messages[delivering];
                let envelope = &message.envelope;
                assert!(message.signed, "a forged Delete disconnects: {before:?}");
                assert_eq!(envelope.request_type, RequestType::Delete);
                assert_eq!(Some(&envelope.stack_id), bound.stack_id());
                let id = envelope.physical_resource_id.as_ref();
                assert_eq!(id, Some(&bound.physical_resource_id));
            }
            _ => {}
        }
    }

    /// What CloudFormation deleted after it made it is not connected any more.
    fn check_no_delete_was_lost(&self, connection: &Connection) {
        let Some(bound) = connection.live_binding() else {
            return;
        };
        let sent = |message: &&Message| message.envelope.key == bound.request;
        let made_at = self.messages.iter().find(sent).unwrap().request.sent_at;
        for message in &self.messages {
            let envelope = &message.envelope;
            let deletes_it = message.signed
                && envelope.request_type == RequestType::Delete
                && Some(&envelope.stack_id) == bound.stack_id()
                && envelope.logical_resource_id == bound.logical_resource_id
                && envelope.physical_resource_id.as_ref() == Some(&bound.physical_resource_id)
                && envelope.external_id().and_then(|id| self.external_ids.get(&id)) == Some(connection.id())
                && message.request.sent_at >= made_at;
            assert!(!deletes_it, "{connection:?} was deleted by {:?}", envelope.key);
        }
    }

    /// I5: what CloudFormation was told is true, and what it is told again is the same.
    fn check_answers(&mut self, connections: &[Connection]) {
        for message in &self.messages {
            let key = &message.request.key;
            let bodies = self.world.bucket.bodies(key);
            assert!(message.signed || bodies.is_empty(), "nobody else is answered");
            let Some(first) = bodies.first() else { continue };
            for body in &bodies {
                // What was told on the spot and crashed before it was written down may be told
                // otherwise, which nobody reads any more; a refusal never becomes a success.
                let same = if self.crashed {
                    !body.contains("\"SUCCESS\"") || first.contains("\"SUCCESS\"")
                } else {
                    body == first
                };
                assert!(same, "answers that differ: {first} {body}");
            }
        }
        // A settled connection is one whose stack was told SUCCESS, in the first answer that it read.
        for connection in connections {
            if let Some(binding) = connection.live_binding()
                && binding.unsettled.is_none()
            {
                let told = self.world.bucket.answer(&binding.request);
                assert!(told.is_some_and(|told| told.success), "{connection:?}");
            }
        }
    }

    /// Nothing fails any more, everything is delivered, and time passes.
    fn finish(&mut self) {
        self.world.faults.clear();
        self.world.sts.trouble(None);
        for at in 0..self.messages.len() {
            self.allowed.clear();
            // SNS delivers what no invocation took without an error.
            if !self.messages[at].delivered {
                self.deliver(at);
                assert!(self.messages[at].delivered);
                self.check();
            }
        }
        self.drain();
        for message in &self.messages {
            let answer = self.world.bucket.answer(&message.request.key);
            let is_answered = answer.is_some();
            assert_eq!(is_answered, message.signed, "{:?}", message.request.fields);
            if let (RequestType::Delete, Some(answer)) = (message.envelope.request_type, answer) {
                assert!(answer.success, "a Delete traps nobody");
            }
        }
        for connection in self.world.store.all_connections() {
            self.check_no_delete_was_lost(&connection);
            let status = connection.state().status();
            assert_ne!(
                status,
                Status::Verifying,
                "nothing is worked on for ever: {connection:?}"
            );
            let bound = connection.live_binding();
            assert!(
                bound.is_none_or(|bound| bound.unsettled.is_none()),
                "{connection:?}"
            );
        }
    }
}

fn role_of(account_index: &Index, name: &Index) -> RoleArn {
    role(
        &account(account_index.get::<&str>(&ACCOUNTS)),
        name.get::<&str>(&ROLES),
    )
}

/// One live connection for each account of a tenant, and for each role.
fn check_claims(connections: &[Connection]) {
    let (mut accounts, mut roles) = (BTreeSet::<(String, AccountId)>::new(), BTreeSet::new());
    for connection in connections {
        let Some(binding) = connection.live_binding() else {
            continue;
        };
        let account = (connection.tenant().to_string(), binding.account());
        assert!(accounts.insert(account), "an account twice: {connection:?}");
        let mut own = BTreeSet::from([binding.role_arn.to_string()]);
        let former = [Some(binding), binding.replaced()].map(|bound| bound?.former_resource());
        let more = former.into_iter().chain([binding.replaced()]).flatten();
        own.extend(more.map(|bound| bound.role_arn.to_string()));
        for role_arn in own {
            assert!(roles.insert(role_arn), "a role twice: {connection:?}");
        }
    }
}

fn run(steps: &[Step]) -> Run {
    let mut run = Run::new();
    for step in steps {
        run.take(step);
        run.check();
    }
    run.finish();
    run
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_breaks_an_invariant(steps in proptest::collection::vec(step(), 1..120)) {
        run(&steps);
    }

    #[test]
    fn without_a_crash_no_request_is_ever_told_two_different_things(steps in proptest::collection::vec(step(), 1..120)) {
        let steps: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::Crash { .. })).collect();
        run(&steps);
    }
}

#[test]
fn the_sequences_really_connect_refuse_disconnect_and_crash() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let steps = proptest::collection::vec(step(), 60..120);
    let mut told = BTreeMap::<&str, usize>::new();
    for _ in 0..100 {
        let run = run(&steps.new_tree(&mut runner).unwrap().current());
        for message in &run.messages {
            let name = match run.world.bucket.answer(&message.request.key) {
                Some(answer) if !answer.success => "failed",
                Some(answer) if answer.data.is_some() => "connected",
                Some(_) => "deleted",
                None => "forged",
            };
            *told.entry(name).or_default() += 1;
        }
        for connection in run.world.store.all_connections() {
            let history = run.world.history(connection.id());
            *told.entry("rotated").or_default() +=
                history.iter().filter(|event| *event == ROTATED_EVENT).count();
            *told.entry(connection.state().status().as_str()).or_default() += 1;
            if connection
                .reason()
                .is_some_and(|reason| reason.code == ReasonCode::Superseded)
            {
                *told.entry("superseded").or_default() += 1;
            }
        }
        *told.entry("undone").or_default() += run.undone;
    }
    for (name, at_least) in [
        ("connected", 100),
        ("deleted", 100),
        ("failed", 100),
        ("rotated", 10),
        ("forged", 100),
        ("undone", 30),
        ("superseded", 5),
        ("active", 30),
        ("degraded", 5),
        ("disconnected", 30),
        ("pending", 30),
    ] {
        assert!(told.get(name).is_some_and(|times| *times >= at_least), "{told:?}");
    }
}
