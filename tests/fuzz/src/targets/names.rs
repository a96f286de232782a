//! Ids and ARNs: what is accepted is kept exactly as it came, and is what it says.

use std::{fmt::Display, str::FromStr};

use latchkey_core::domain::{
    aws::{AccountId, Region, RoleArn, StackId, TopicArn},
    external_id::{EXTERNAL_ID_CHARS, ExternalId},
    ids::{ConnectionId, MAX_TENANT_ID_CHARS, TenantId},
    invalid::Invalid,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{INPUTS, each_text};
use crate::mangle::lines;

/// Characters that end or begin something for a reader on the way: a line, a key, an attribute, a path of a table.
const DANGEROUS: [char; 7] = ['\n', '\r', '\0', '"', '<', '\u{202e}', ' '];
/// What separates the parts of a table's key. IAM allows it in a role's path, and a role's ARN is the last part of its key.
const KEY_SEPARATOR: char = '#';

/// Parses mangled texts, and expects of what is accepted that printing and reading it gives the same again.
fn same_again<T>(holds: impl Fn(&T, &str) + std::panic::RefUnwindSafe)
where
    T: FromStr<Err = Invalid> + Display + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let seeds = lines("names.txt");
    each_text(INPUTS, &seeds, |text| {
        let as_json = serde_json::to_string(&text).unwrap();
        let read = serde_json::from_str::<T>(&as_json);
        match text.parse::<T>() {
            Ok(parsed) => {
                assert_eq!(parsed.to_string(), text);
                assert_eq!(read.unwrap(), parsed);
                assert_eq!(serde_json::to_string(&parsed).unwrap(), as_json);
                assert!(!text.contains(DANGEROUS) && text.len() <= 2_048, "{text:?}");
                let is_role = text.contains(":role/");
                assert!(!text.contains(KEY_SEPARATOR) || is_role, "{text:?}");
                holds(&parsed, &text);
            }
            Err(invalid) => {
                assert!(read.is_err(), "serde reads what the parser refuses: {text:?}");
                // A refusal is for whoever reads logs and stack events: it repeats nothing of a long input.
                let told = invalid.to_string();
                assert!(told.len() < 200, "{told}");
                assert!(text.len() < 24 || !told.contains(&text), "{told}");
            }
        }
    });
}

#[test]
fn an_external_id_is_thirty_two_letters_and_digits() {
    same_again::<ExternalId>(|id, text| {
        assert_eq!(text.len(), EXTERNAL_ID_CHARS);
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
        let fresh = ExternalId::parse("abcdefghijklmnopqrstuvwxyz012345").unwrap();
        assert_ne!(id.near_miss(&fresh), *id);
        assert!(id.near_miss(&fresh).as_str().parse::<ExternalId>().is_ok());
    });
}

#[test]
fn a_connection_id_is_its_prefix_and_letters_and_digits() {
    same_again::<ConnectionId>(|_, text| {
        assert!(text.starts_with("conn_") && text.len() == 29);
    });
}

#[test]
fn a_tenant_is_short_and_of_one_line() {
    same_again::<TenantId>(|_, text| assert!((1..=MAX_TENANT_ID_CHARS).contains(&text.len())));
}

#[test]
fn an_account_is_twelve_digits() {
    same_again::<AccountId>(|_, text| {
        assert!(text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()))
    });
}

#[test]
fn a_region_is_a_host_label_of_the_partition_that_it_names() {
    same_again::<Region>(|region, text| {
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
        assert!(text.len() <= 25 && !region.partition().dns_suffix().is_empty());
    });
}

#[test]
fn a_role_arn_names_one_role_of_one_account() {
    same_again::<RoleArn>(|arn, text| {
        let parts: Vec<&str> = text.split(':').collect();
        assert_eq!(parts.len(), 6, "{text}");
        assert_eq!((parts[0], parts[2], parts[3]), ("arn", "iam", ""));
        assert_eq!(parts[1], arn.partition().as_str());
        assert_eq!(parts[4], arn.account().as_str());
        assert!(parts[5].starts_with("role/"), "{text}");
        assert!(!text.contains(['*', '?']), "{text}");
        assert!(text.ends_with(arn.name()) && !arn.name().is_empty());
    });
}

#[test]
fn a_stack_id_names_one_stack_of_one_account_and_region() {
    same_again::<StackId>(|id, text| {
        let parts: Vec<&str> = text.split(':').collect();
        assert_eq!(parts.len(), 6, "{text}");
        assert_eq!(
            (parts[2], parts[3], parts[4]),
            ("cloudformation", id.region().as_str(), id.account().as_str())
        );
        assert_eq!(id.region().partition(), id.partition());
        assert!(parts[5].starts_with("stack/") && !text.contains('|'));
    });
}

#[test]
fn a_topic_arn_names_one_topic_of_one_account_and_region() {
    same_again::<TopicArn>(|topic, text| {
        let parts: Vec<&str> = text.split(':').collect();
        assert_eq!(parts.len(), 6, "a subscription is no topic: {text}");
        assert_eq!((parts[2], parts[3]), ("sns", topic.region().as_str()));
        assert_eq!(parts[1], topic.region().partition().as_str());
    });
}
