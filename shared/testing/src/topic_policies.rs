//! The policies of the listener topics, and a hand that tampers with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use latchkey_core::{
    domain::aws::{AccountId, Region},
    ports::{ListenerTopics, Permitted, TopicPermissions, Unavailable},
};

use super::faults::{Faults, Operation};

/// Topics with room for so many accounts each.
pub struct TopicPolicies {
    faults: Arc<Faults>,
    room: usize,
    permitted: Mutex<BTreeMap<Region, BTreeSet<AccountId>>>,
    missing: Mutex<BTreeSet<Region>>,
    unknown: Mutex<BTreeSet<AccountId>>,
}

impl TopicPolicies {
    pub fn new(faults: Arc<Faults>, room: usize) -> Self {
        Self {
            faults,
            room,
            permitted: Mutex::default(),
            missing: Mutex::default(),
            unknown: Mutex::default(),
        }
    }

    pub fn accounts(&self, region: &Region) -> Vec<AccountId> {
        let permitted = self.permitted.lock().unwrap();
        permitted.get(region).into_iter().flatten().cloned().collect()
    }

    /// Somebody makes a region's topic, or takes it away.
    pub fn make(&self, region: &Region, is_there: bool) {
        let mut missing = self.missing.lock().unwrap();
        if is_there {
            missing.remove(region);
        } else {
            missing.insert(region.clone());
        }
    }

    /// AWS knows an account no more, or never did.
    pub fn close(&self, account: &AccountId) {
        self.unknown.lock().unwrap().insert(account.clone());
    }

    /// Somebody takes an account's permission away, or gives one.
    pub fn tamper(&self, region: &Region, account: &AccountId, permitted: bool) {
        let mut all = self.permitted.lock().unwrap();
        let accounts = all.entry(region.clone()).or_default();
        if permitted {
            accounts.insert(account.clone());
        } else {
            accounts.remove(account);
        }
    }
}

#[async_trait]
impl ListenerTopics for TopicPolicies {
    async fn is_there(&self, region: &Region) -> Result<bool, Unavailable> {
        self.faults.run(Operation::AskForTopic, || {
            !self.missing.lock().unwrap().contains(region)
        })
    }
}

#[async_trait]
impl TopicPermissions for TopicPolicies {
    async fn permit(&self, region: &Region, account: &AccountId) -> Result<Permitted, Unavailable> {
        self.faults.run(Operation::Permit, || {
            let mut all = self.permitted.lock().unwrap();
            let accounts = all.entry(region.clone()).or_default();
            if !accounts.contains(account) && self.unknown.lock().unwrap().contains(account) {
                return Permitted::NoSuchAccount;
            }
            if !accounts.contains(account) && accounts.len() >= self.room {
                return Permitted::PolicyFull;
            }
            accounts.insert(account.clone());
            Permitted::Yes
        })
    }

    async fn withdraw(&self, region: &Region, account: &AccountId) -> Result<(), Unavailable> {
        self.faults
            .run(Operation::Withdraw, || self.tamper(region, account, false))
    }

    async fn permitted(&self, region: &Region) -> Result<BTreeSet<AccountId>, Unavailable> {
        self.faults.run(Operation::ReadPolicy, || {
            self.accounts(region).into_iter().collect()
        })
    }
}
