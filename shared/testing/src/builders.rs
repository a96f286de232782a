//! Things of the domain, valid and in one line.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use jiff::{SignedDuration, Timestamp};
use latchkey_core::{
    domain::{
        audit::{Actor, AuditEntry},
        aws::{AccountId, Region, RoleArn, TopicArn},
        connection::{Connection, Launch, TemplateRef},
        ids::TenantId,
        profile::Profile,
        proof::verdict::{Probe, Probes, Proof, Verdict, judge},
    },
    ports::IdSource,
    use_cases::start_connection::NewConnection,
};
use serde_json::Value;

pub const VENDOR_ACCOUNT: &str = "111111111111";
pub const VENDOR_ROLE_PATH: &str = "/latchkey/";
/// The region of every stack that does not say otherwise.
pub const REGION: &str = "eu-west-1";
/// How long a link works, in seconds.
pub const LINK_LIFETIME_SECONDS: i64 = 7 * 24 * 3_600;

pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub fn account(digits: &str) -> AccountId {
    AccountId::parse(digits).unwrap()
}

pub fn role(account: &AccountId, name: &str) -> RoleArn {
    RoleArn::parse(&format!("arn:aws:iam::{account}:role/{name}")).unwrap()
}

pub fn topic(region: &Region) -> TopicArn {
    TopicArn::of(region, &account(VENDOR_ACCOUNT), "latchkey-listener").unwrap()
}

pub fn template() -> TemplateRef {
    TemplateRef {
        version: "1.0.0".to_owned(),
        url: "https://templates.example/latchkey/1.0.0/connection-template.yaml".to_owned(),
    }
}

/// What a new connection is made of.
pub fn launch(tenant: &TenantId, ids: &dyn IdSource, now: Timestamp) -> Launch {
    Launch {
        tenant: tenant.clone(),
        id: ids.connection_id(),
        external_id: ids.external_id(),
        profile: Profile::new("Acme".to_owned(), None, BTreeMap::new()).unwrap(),
        expected_account: None,
        permission_tier: None,
        launch_region: Region::parse(REGION).unwrap(),
        template: template(),
        organization: None,
        created_at: now,
        expires_at: now
            .checked_add(SignedDuration::from_secs(LINK_LIFETIME_SECONDS))
            .unwrap(),
    }
}

pub fn pending(tenant: &TenantId, ids: &dyn IdSource, now: Timestamp) -> Connection {
    Connection::new(launch(tenant, ids, now))
}

/// What a vendor asks for, for any account.
pub fn wish() -> NewConnection {
    NewConnection {
        profile: Profile::new("Acme".to_owned(), None, BTreeMap::new()).unwrap(),
        account_id: None,
        permission_tier: None,
        region: None,
        organization: None,
    }
}

/// The same connection with other values of some fields, by their names in the table: for what the state machine
/// would not make of it in one step.
pub fn altered(connection: &Connection, fields: Value) -> Connection {
    let mut stored = serde_json::to_value(connection).unwrap();
    let (Value::Object(all), Value::Object(fields)) = (&mut stored, fields) else {
        panic!("fields are an object");
    };
    all.extend(fields);
    serde_json::from_value(stored).unwrap()
}

pub fn created(connection: &Connection) -> AuditEntry {
    let at = connection.created_at();
    AuditEntry::new(connection, Actor::VendorApi, "created", None, at)
}

/// A proof of a role, won as every proof is: from four probes that went as they should.
pub fn proof(role_arn: &RoleArn) -> Proof {
    let probes = Probes {
        right_external_id: Probe::Accepted {
            caller_account: role_arn.account(),
        },
        no_external_id: Some(Probe::Refused),
        wrong_external_id: Some(Probe::Refused),
        similar_external_id: Some(Probe::Refused),
    };
    match judge(&probes, role_arn) {
        Verdict::Proven(proof) => proof,
        verdict => panic!("{verdict:?}"),
    }
}

/// A number that no other test has, not even one over the same table.
pub fn fresh_number() -> u64 {
    RandomState::new().build_hasher().finish()
}

pub fn fresh_account() -> AccountId {
    account(&format!("{:012}", fresh_number() % 1_000_000_000_000))
}

pub fn fresh_tenant() -> TenantId {
    tenant(&format!("tenant-{:x}", fresh_number()))
}
