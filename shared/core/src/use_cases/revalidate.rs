//! A tick of the clock puts the connections that are due on the sweep's queue, as many as STS has calls for.

use std::sync::Arc;

use crate::{
    domain::sweep::{
        CALLS_OF_A_PROOF, Chunk, Cursor, Group, Member, Progress, SweepKey, SweepPlan, chunks, tick_at,
    },
    ports::{Clock, SweepIndex, Unavailable, VerificationQueue, VerificationTask},
};

/// Longest delay that SQS gives a message, in seconds.
const MAX_DELAY_SECONDS: u32 = 900;
/// A slot is not spread thinner than this part of the calls that STS has for it: a small one is done soon.
const THINNEST: u32 = 10;
/// Slots after which the cursor is stored even if there is more to do: what a crash lets repeat.
const SLOTS_BETWEEN_SAVES: usize = 4;

/// Most slots of a group that one run reads, so that it ends well before its function's time-out even where a day was missed
/// and each of them has only a few connections.
const MOST_SLOTS_OF_A_RUN: usize = 360;

/// How much a sweep may ask of STS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepBudget {
    /// Calls of STS a second.
    pub calls_per_second: u32,
    /// Length of a tick, in seconds.
    pub tick_seconds: u32,
    /// A healthy connection is proven anew, negative probes and permissions included, in every so many-th sweep; in the
    /// others it is only entered.
    pub proof_every: u32,
}

/// What a tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// The tick that it was.
    pub tick: i64,
    /// How many slots were read, in part or completely.
    pub slots: usize,
    /// How many connections were queued.
    pub queued: usize,
    /// In how many messages.
    pub messages: usize,
    /// How many slots are due and have to wait for the next tick.
    pub left: usize,
}

/// Queues checks.
pub struct Revalidate {
    /// Where the due ones are found.
    pub index: Arc<dyn SweepIndex>,
    /// Where chunks wait.
    pub queue: Arc<dyn VerificationQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How the sweep is cut.
    pub plan: SweepPlan,
    /// What it may cost STS.
    pub budget: SweepBudget,
}

/// One slot to work on.
struct Turn {
    group: Group,
    tick: i64,
    after: Option<SweepKey>,
    /// When its messages are to be seen, in seconds from now.
    window: (u32, u32),
}

/// What came of a slot.
struct Queued {
    /// Whom the budget ended at; `None` if the slot is done.
    ended_at: Option<SweepKey>,
    connections: usize,
    messages: usize,
}

impl Revalidate {
    /// Queues what is due since the last tick, degraded connections first, as far as the budget of a tick allows; the
    /// rest is due at the next one. How far it came is stored last: a crash repeats some slots, and a connection that is
    /// checked twice takes no harm.
    pub async fn run(&self) -> Result<Swept, Unavailable> {
        let tick = tick_at(self.clock.now(), self.budget.tick_seconds);
        let mut cursor = self.index.cursor().await?;
        let all = self
            .budget
            .calls_per_second
            .saturating_mul(self.budget.tick_seconds);
        let mut swept = Swept {
            tick,
            ..Swept::default()
        };
        // However many are degraded, half of the budget is left for those that are well.
        let mut spent = 0;
        for (group, allowed) in [(Group::Degraded, all / 2), (Group::Active, all)] {
            let goes_on = self.sweep(group, &mut cursor, &mut spent, allowed, &mut swept);
            if !goes_on.await? {
                // Another run is at work, and has the rest.
                return Ok(swept);
            }
        }
        if swept.slots > 0 {
            self.save(&mut cursor).await?;
        }
        Ok(swept)
    }

    /// Works through the due slots of a group. `false` if another run has moved the cursor.
    async fn sweep(
        &self,
        group: Group,
        cursor: &mut Cursor,
        spent: &mut u32,
        allowed: u32,
        swept: &mut Swept,
    ) -> Result<bool, Unavailable> {
        let due = self.plan.due(group, cursor.progress(group), swept.tick);
        let in_all = due.len();
        let number = in_all.min(MOST_SLOTS_OF_A_RUN);
        for (at, due) in due.into_iter().enumerate() {
            if at == number || *spent + CALLS_OF_A_PROOF > allowed {
                swept.left += in_all - at;
                break;
            }
            let turn = Turn {
                group,
                tick: due.tick,
                after: due.before.within.clone(),
                window: self.window(group, at, number, *spent),
            };
            let queued = self.queue_slot(turn, spent, allowed).await?;
            swept.slots += 1;
            swept.queued += queued.connections;
            swept.messages += queued.messages;
            let is_done = queued.ended_at.is_none();
            let progress = match queued.ended_at {
                None => due.after,
                within => Progress { within, ..due.before },
            };
            cursor.advance(group, progress);
            if !is_done {
                swept.left += in_all - at;
                break;
            }
            if swept.slots.is_multiple_of(SLOTS_BETWEEN_SAVES) && !self.save(cursor).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stores the cursor. `false` if another run has moved it.
    async fn save(&self, cursor: &mut Cursor) -> Result<bool, Unavailable> {
        let is_ours = self.index.move_cursor(cursor).await?;
        cursor.version += 1;
        Ok(is_ours)
    }

    /// When the messages of a slot are to be seen: slots share the tick between them; degraded connections come as soon
    /// as their calls can be made.
    fn window(&self, group: Group, at: usize, number: usize, spent: u32) -> (u32, u32) {
        let SweepBudget {
            calls_per_second,
            tick_seconds,
            ..
        } = self.budget;
        match group {
            Group::Degraded => (spent / calls_per_second.max(1), tick_seconds),
            Group::Active => {
                let part = |at: usize| {
                    let share = u64::from(tick_seconds) * at as u64 / number.max(1) as u64;
                    u32::try_from(share).unwrap_or(tick_seconds)
                };
                (part(at), part(at + 1))
            }
        }
    }

    async fn queue_slot(&self, turn: Turn, spent: &mut u32, allowed: u32) -> Result<Queued, Unavailable> {
        let slot = self.plan.slot_at(turn.group, turn.tick);
        let queried_at = self.clock.now();
        let mut members: Vec<Member> = Vec::new();
        let mut after = turn.after.clone();
        let ended_at = 'pages: loop {
            let page = self.index.slot_page(&slot, after).await?;
            for found in page.members {
                let member = self.what_is_due(&turn, found);
                if *spent + member.calls() > allowed {
                    break 'pages members.last().map(Member::key).or(turn.after.clone());
                }
                *spent += member.calls();
                members.push(member);
            }
            after = members.last().map(Member::key);
            if !page.has_more || after.is_none() {
                break None;
            }
        };
        let connections = members.len();
        let chunks = chunks(members);
        let (begin, end) = turn.window;
        let number = u32::try_from(chunks.len()).unwrap_or(u32::MAX).max(1);
        let mut calls = 0;
        let tasks: Vec<(VerificationTask, u16)> = (0..)
            .zip(chunks)
            .map(|(at, members)| {
                let delay = match turn.group {
                    Group::Degraded => begin + calls / self.budget.calls_per_second.max(1),
                    Group::Active => {
                        let thinnest = calls.saturating_mul(THINNEST) / self.budget.calls_per_second.max(1);
                        begin + ((end - begin) * at / number).min(thinnest)
                    }
                };
                calls += members.iter().map(Member::calls).sum::<u32>();
                let chunk = Chunk {
                    group: turn.group,
                    slot: slot.clone(),
                    tick: turn.tick,
                    queried_at,
                    members,
                };
                let delay = u16::try_from(delay.min(MAX_DELAY_SECONDS)).unwrap_or_default();
                (VerificationTask::Chunk(chunk), delay)
            })
            .collect();
        if !tasks.is_empty() {
            self.queue.send_spread(&tasks).await?;
        }
        Ok(Queued {
            ended_at,
            connections,
            messages: tasks.len(),
        })
    }

    /// What is due for a connection: a look, or a proof, for which it is read.
    fn what_is_due(&self, turn: &Turn, mut member: Member) -> Member {
        let SweepBudget { proof_every, .. } = self.budget;
        let is_proof_due = turn.group == Group::Degraded
            || self
                .plan
                .is_due_for_proof(&member.connection_id, turn.tick, proof_every);
        if is_proof_due {
            member.look = None;
        }
        member
    }
}
