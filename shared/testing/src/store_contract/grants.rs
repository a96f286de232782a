//! Who was let in at the listener topics is remembered, and read as it stands.

use super::{
    super::builders::{fresh_account, fresh_tenant, launch},
    IDS, now,
};
use latchkey_core::{
    domain::{
        connection::{Connection, Launch},
        listener_access::{Grant, KnownTopics},
    },
    ports::{GrantStore, KnownTopicsStore},
};

/// One for each connection, whatever else it has in common with another.
pub(super) async fn a_grant_is_remembered_once_and_forgotten<S: GrantStore>(store: &S) {
    let account = fresh_account();
    let [one, other] = [(); 2].map(|()| {
        let connection = Connection::new(Launch {
            expected_account: Some(account.clone()),
            ..launch(&fresh_tenant(), &*IDS, now())
        });
        Grant::of(&connection).unwrap()
    });
    let kept = async || {
        let mut grants = store.grants().await.unwrap();
        grants.retain(|grant| grant.account == account);
        grants.sort_by(|a, b| a.connection_id.cmp(&b.connection_id));
        grants
    };
    assert_eq!(kept().await, []);
    for grant in [&one, &other, &one] {
        store.remember_grant(grant).await.unwrap();
    }
    let mut both = vec![one.clone(), other.clone()];
    both.sort_by(|a, b| a.connection_id.cmp(&b.connection_id));
    assert_eq!(kept().await, both);
    for _ in 0..2 {
        store.forget_grant(&one).await.unwrap();
        assert_eq!(kept().await, std::slice::from_ref(&other));
    }
}

/// One item for all: whoever asked last knows best.
pub(super) async fn what_is_known_of_the_topics_is_what_was_kept_last<S: KnownTopicsStore>(store: &S) {
    for topics in [
        &[("eu-west-1", true), ("us-east-1", false)][..],
        &[("us-east-1", true)],
    ] {
        let topics = topics
            .iter()
            .map(|(region, is_there)| (region.parse().unwrap(), *is_there));
        let known = KnownTopics {
            asked_at: now(),
            topics: topics.collect(),
        };
        store.keep_known_topics(&known).await.unwrap();
        assert_eq!(store.known_topics().await.unwrap(), Some(known));
    }
}
