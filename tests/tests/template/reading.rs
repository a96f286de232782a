//! Reading templates: what refers to what, and who may do what.

use std::collections::BTreeSet;

use latchkey_tests::sam_template::load;
use serde_json::Value;

use crate::checking::Problems;

pub fn vendor() -> Value {
    load("template.yaml").unwrap()
}

pub fn topic() -> Value {
    load("functions/custom-resource-listener/listener-topic.yaml").unwrap()
}

pub fn customer() -> Value {
    load("customer/connection-template.yaml").unwrap()
}

pub fn resources<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let all = template["Resources"]
        .as_object()
        .expect("a template has resources");
    all.iter()
        .filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), resource))
}

pub fn properties<'a>(template: &'a Value, id: &str) -> &'a Value {
    &template["Resources"][id]["Properties"]
}

/// The resource that a `Ref`, a `Fn::GetAtt` or the first variable of a `Fn::Sub` is about.
pub fn target(value: &Value) -> Option<&str> {
    if let Some(id) = value["Ref"].as_str() {
        return Some(id);
    }
    if let Some(id) = value["Fn::GetAtt"][0].as_str() {
        return Some(id);
    }
    let text = value["Fn::Sub"].as_str()?;
    let variable = text.split_once("${")?.1.split_once('}')?.0;
    (!variable.starts_with("AWS::")).then(|| variable.split('.').next().unwrap_or(variable))
}

pub fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        single => vec![single],
    }
}

pub fn texts(value: &Value) -> BTreeSet<&str> {
    list(value).into_iter().filter_map(Value::as_str).collect()
}

/// A function's property, or the one that `Globals` gives it.
pub fn function_property<'a>(template: &'a Value, function: &str, name: &str) -> &'a Value {
    let own = &properties(template, function)[name];
    if own.is_null() {
        &template["Globals"]["Function"][name]
    } else {
        own
    }
}

pub fn role_of<'a>(template: &'a Value, function: &str) -> Option<&'a str> {
    target(&properties(template, function)["Role"])
}

/// All statements of a role's inline policies and of the policies that are attached to it.
pub fn statements<'a>(template: &'a Value, role: &str) -> Vec<&'a Value> {
    let inline = list(&properties(template, role)["Policies"])
        .into_iter()
        .map(|policy| &policy["PolicyDocument"]);
    // Those of single-account deployments are looked at in `doors`.
    let attached = resources(template, "AWS::IAM::Policy")
        .filter(|(_, policy)| policy["Condition"] != "LetsInSingleAccounts")
        .filter(|(_, policy)| {
            list(&policy["Properties"]["Roles"])
                .into_iter()
                .any(|r| target(r) == Some(role))
        })
        .map(|(_, policy)| &policy["Properties"]["PolicyDocument"]);
    inline
        .chain(attached)
        .flat_map(|document| list(&document["Statement"]))
        .collect()
}

/// Whether a role may do `action` on the resource `on`, without condition.
pub fn allows(template: &Value, role: &str, action: &str, on: &str) -> bool {
    statements(template, role).into_iter().any(|statement| {
        statement["Effect"] == "Allow"
            && statement["Condition"].is_null()
            && texts(&statement["Action"]).contains(action)
            && list(&statement["Resource"])
                .into_iter()
                .any(|resource| target(resource) == Some(on))
    })
}

pub fn differences<T: Ord + std::fmt::Display>(
    what: &str,
    found: &BTreeSet<T>,
    expected: &BTreeSet<T>,
) -> Problems {
    let missing = expected
        .difference(found)
        .map(|item| format!("{what}: {item} is missing"));
    let extra = found
        .difference(expected)
        .map(|item| format!("{what}: {item} is not expected"));
    missing.chain(extra).collect()
}
