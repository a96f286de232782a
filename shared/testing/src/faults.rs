//! Calls that fail when a test says so, and steps of others that come in between.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use latchkey_core::ports::Unavailable;

/// A call of a port that a fake can let fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Insert,
    Get,
    FindByExternalId,
    List,
    ListFiled,
    FindByAccount,
    FindById,
    FindByRole,
    ListByAccount,
    CountFor,
    Seats,
    Commit,
    FindRequest,
    MarkResourceDeleted,
    CountForgedDelete,
    ResourceDeletedSince,
    SlotPage,
    Cursor,
    MoveCursor,
    RecordChunk,
    ReadLedger,
    CurrentTemplate,
    TemplateVersions,
    QueueSend,
    AnswerSend,
    RememberGrant,
    ForgetGrant,
    Grants,
    Permit,
    Withdraw,
    ReadPolicy,
    AskForTopic,
    KnownTopics,
    KeepKnownTopics,
}

/// Whether a failing call does what it was asked before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Before,
    /// It did everything, and the caller is not told: a crash right after it looks the same.
    After,
}

type Step = Box<dyn FnOnce() + Send>;

/// What shall go wrong, and what was called.
#[derive(Default)]
pub struct Faults {
    planned: Mutex<BTreeMap<Operation, VecDeque<When>>>,
    planned_call: Mutex<Option<(usize, When)>>,
    steps: Mutex<Vec<(Operation, Step)>>,
    stepping: AtomicBool,
    calls: Mutex<Vec<Operation>>,
}

impl Faults {
    pub fn fail_next(&self, operation: Operation, times: usize, when: When) {
        let mut planned = self.planned.lock().unwrap();
        let calls = planned.entry(operation).or_default();
        calls.extend(std::iter::repeat_n(when, times));
    }

    /// Makes one call fail, counted over all operations from now on: the first is 0.
    pub fn fail_call(&self, number: usize, when: When) {
        let at = self.calls.lock().unwrap().len() + number;
        *self.planned_call.lock().unwrap() = Some((at, when));
    }

    /// Takes back every fault that was planned and did not come; whether there was one.
    pub fn clear(&self) -> bool {
        let call = self.planned_call.lock().unwrap().take();
        let planned = std::mem::take(&mut *self.planned.lock().unwrap());
        call.is_some() || planned.values().any(|left| !left.is_empty())
    }

    /// Lets somebody else take a step right before the next call of `operation`.
    pub fn before_next(&self, operation: Operation, step: impl FnOnce() + Send + 'static) {
        self.steps.lock().unwrap().push((operation, Box::new(step)));
    }

    pub fn count(&self, operation: Operation) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| **call == operation).count()
    }

    /// Does `effect`, unless `operation` is to fail.
    pub(super) fn run<T>(&self, operation: Operation, effect: impl FnOnce() -> T) -> Result<T, Unavailable> {
        if let Some(step) = self.take_step(operation) {
            step();
            self.stepping.store(false, Ordering::Relaxed);
        }
        match self.next_fault(operation) {
            None => Ok(effect()),
            Some(When::Before) => Err(Unavailable::new("test.fault", format!("{operation:?}, before"))),
            Some(When::After) => {
                effect();
                Err(Unavailable::new("test.fault", format!("{operation:?}, after")))
            }
        }
    }

    fn take_step(&self, operation: Operation) -> Option<Step> {
        let mut steps = self.steps.lock().unwrap();
        let at = steps.iter().position(|(at, _)| *at == operation)?;
        // What a step calls itself is not interrupted.
        if self.stepping.swap(true, Ordering::Relaxed) {
            return None;
        }
        Some(steps.remove(at).1)
    }

    fn next_fault(&self, operation: Operation) -> Option<When> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(operation);
            calls.len() - 1
        };
        let mut planned_call = self.planned_call.lock().unwrap();
        if let Some((at, when)) = *planned_call
            && at == number
        {
            *planned_call = None;
            return Some(when);
        }
        self.planned.lock().unwrap().get_mut(&operation)?.pop_front()
    }
}
