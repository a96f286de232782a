//! The IAM documents for those who make the role by hand, and the help texts that depend on the manifest.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Rendered, Source, json as json_file};
use crate::{
    manifest::texts::TierName,
    policy::{POLICY_NAME, policy_document, trust_document, with_texts},
};

/// Around the name of a shell variable, until its `$` is written: characters that no policy can hold.
const SHELL_MARKS: [char; 2] = ['\u{e000}', '\u{e001}'];

/// What the script is filled in from.
#[derive(Serialize)]
pub struct Script {
    tiers: Vec<ScriptTier>,
    default_tier: String,
    policy_name: &'static str,
    trust_shell: String,
}

#[derive(Serialize)]
struct ScriptTier {
    name: String,
    summary: String,
    policy_shell: String,
    managed_policies: Vec<ScriptPolicy>,
}

#[derive(Serialize)]
struct ScriptPolicy {
    arn_shell: String,
}

pub fn script(source: &Source) -> Script {
    let manifest = &source.manifest;
    let tiers = manifest.offered().into_iter().map(|tier| ScriptTier {
        name: tier.name.to_string(),
        summary: tier.summary.to_string(),
        policy_shell: for_shell(&policy_document(manifest, &tier.name)),
        managed_policies: manifest
            .managed_policies(&tier.name)
            .into_iter()
            .map(|policy| ScriptPolicy {
                arn_shell: policy.arn.as_str().replace("${partition}", "$PARTITION"),
            })
            .collect(),
    });
    Script {
        tiers: tiers.collect(),
        default_tier: manifest.default_tier.to_string(),
        policy_name: POLICY_NAME,
        // The variable holds a condition and its comma, or nothing.
        trust_shell: for_shell(&trust_document()).replacen("\"StringEquals\"", "${UNTIL}\"StringEquals\"", 1),
    }
}

/// A document for a here-document of a shell: its placeholders are variables, everything else is text.
fn for_shell(document: &Value) -> String {
    let marked = with_texts(document, &|text| {
        let variables = [
            ("${partition}", "PARTITION"),
            ("${account}", "ACCOUNT_ID"),
            ("${region}", "REGION"),
            ("${role_arn}", "ROLE_ARN"),
            ("${external_id}", "EXTERNAL_ID"),
        ];
        let [before, after] = SHELL_MARKS;
        let marked = variables
            .iter()
            .fold(text.to_owned(), |text, (placeholder, name)| {
                text.replace(placeholder, &format!("{before}{name}{after}"))
            });
        json!(marked)
    });
    let mut shell = String::new();
    for letter in format!("{marked:#}").chars() {
        match letter {
            '\\' | '$' | '`' => shell.extend(['\\', letter]),
            mark if mark == SHELL_MARKS[0] => shell.push_str("${"),
            mark if mark == SHELL_MARKS[1] => shell.push('}'),
            other => shell.push(other),
        }
    }
    shell
}

/// The trust policy, and the permissions of each tier, as IAM takes them once the customer's own values are in.
pub fn policies(source: &Source) -> Vec<Rendered> {
    let mut rendered = vec![json_file(
        "rendered/iam/trust-policy.json",
        &for_reader(&trust_document()),
    )];
    for tier in source.manifest.offered() {
        let document = for_reader(&policy_document(&source.manifest, &tier.name));
        rendered.push(json_file(&policy_path(&tier.name), &document));
    }
    rendered
}

/// Where the permissions of a tier lie.
pub fn policy_path(tier: &TierName) -> String {
    format!("rendered/iam/{tier}.json")
}

/// A document for somebody who puts their own values in. The vendor's are put in by publishing.
fn for_reader(document: &Value) -> Value {
    with_texts(document, &|text| {
        let values = [
            ("${partition}", "__PARTITION__"),
            ("${account}", "YOUR_ACCOUNT_ID"),
            ("${region}", "YOUR_REGION"),
            ("${role_arn}", "YOUR_ROLE_ARN"),
            ("${external_id}", "YOUR_EXTERNAL_ID"),
        ];
        json!(values.iter().fold(text.to_owned(), |text, (placeholder, value)| {
            text.replace(placeholder, value)
        }))
    })
}

/// What each tier is, for a parameter's description.
pub fn tier_help(source: &Source) -> String {
    let tiers = source
        .manifest
        .offered()
        .into_iter()
        .map(|tier| format!("{}: {}", tier.name, tier.summary));
    format!(
        "What the vendor may do; the security page has every permission with its reason. {}",
        tiers.collect::<Vec<_>>().join(" ")
    )
}

/// What to enter as the vendor's addresses.
pub fn source_ip_help(source: &Source) -> String {
    let ranges: Vec<&str> = source
        .manifest
        .vendor
        .source_ips
        .iter()
        .map(|range| range.as_str())
        .collect();
    let vendors = if ranges.is_empty() {
        "The vendor's calls come from no fixed addresses: leave it empty.".to_owned()
    } else {
        format!("The vendor's calls come from {}.", ranges.join(","))
    };
    format!("Lets the vendor in from these address ranges only. {vendors} Empty for none.")
}

/// What to enter as the vendor's organization.
pub fn organization_help(source: &Source) -> String {
    let vendors = match &source.manifest.vendor.organization_id {
        Some(id) => format!("The vendor's is {id}."),
        None => "The vendor names none: leave it empty.".to_owned(),
    };
    format!("Lets the vendor in only from an account of this AWS organization. {vendors} Empty for none.")
}

/// What a day for the end of the access does.
pub const ACCESS_UNTIL_HELP: &str = "The day on which the vendor's access ends by itself, at 00:00 UTC, such as 2030-06-30. Nobody is \
     let in from then on; an update with a later day lets the vendor in again. Empty for no end.";
