//! A trust policy's JSON as typed statements.

use serde_json::Value;

use super::{Truth, condition::Condition, pattern::Pattern};
use crate::domain::{aws::AccountId, invalid::Invalid};

const WHAT: &str = "trust policy";

/// One statement. What of it we do not know makes it uncertain, never void.
pub(super) struct Statement {
    /// Its `Sid`, where it has one that can be shown.
    pub(super) sid: Option<String>,
    pub(super) allow: bool,
    pub(super) principals: Vec<Principal>,
    actions: Vec<Pattern>,
    /// `NotAction`: every action but those.
    but_actions: bool,
    pub(super) conditions: Vec<Condition>,
    /// Whether it has elements that a trust policy does not have, as `NotPrincipal`.
    foreign: bool,
}

/// Whom a statement names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Principal {
    /// `*`
    Anyone,
    /// An account, by its id or as its root: everybody in it whom the account itself lets.
    Account(AccountId),
    /// One user, role or session. IAM allows no wildcard in it.
    Arn(String),
    /// A user or role that was deleted: only its unique id is left.
    Deleted,
    /// An AWS service.
    Service(String),
    /// An identity provider.
    Federated(String),
    /// What IAM's reference does not list for a trust policy.
    Unknown,
}

/// The statements of a document, and whether policy variables are filled in.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, Invalid> {
    let document: Value = serde_json::from_str(text).map_err(|_| Invalid::new(WHAT, "is not JSON"))?;
    let document = document
        .as_object()
        .ok_or(Invalid::new(WHAT, "is not an object"))?;
    // Before this version `${…}` stood for itself.
    let variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().map(|it| statement(it, variables)).collect(),
        Some(statement_alone) => Ok(vec![statement(statement_alone, variables)?]),
        None => Err(Invalid::new(WHAT, "has no statement")),
    }
}

fn statement(value: &Value, variables: bool) -> Result<Statement, Invalid> {
    const ELEMENTS: [&str; 6] = ["Sid", "Effect", "Principal", "Action", "NotAction", "Condition"];
    let fields = value
        .as_object()
        .ok_or(Invalid::new(WHAT, "has a statement that is not an object"))?;
    let allow = match fields.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => {
            return Err(Invalid::new(
                WHAT,
                "has a statement that neither allows nor denies",
            ));
        }
    };
    let (actions, but_actions) = match (fields.get("Action"), fields.get("NotAction")) {
        (Some(actions), None) => (actions, false),
        (None, Some(actions)) => (actions, true),
        _ => {
            return Err(Invalid::new(
                WHAT,
                "has a statement without Action or NotAction, or with both",
            ));
        }
    };
    let actions = texts(actions).ok_or(Invalid::new(WHAT, "has an action that is not a text"))?;
    let (principals, conditions) = (fields.get("Principal"), fields.get("Condition"));
    Ok(Statement {
        sid: fields
            .get("Sid")
            .and_then(Value::as_str)
            .filter(|it| is_sid(it))
            .map(str::to_owned),
        allow,
        principals: principals.map_or_else(|| vec![Principal::Unknown], principals_of),
        actions: actions
            .iter()
            .map(|it| Pattern::glob(&it.to_ascii_lowercase()))
            .collect(),
        but_actions,
        conditions: conditions.map_or_else(Vec::new, |it| conditions_of(it, variables)),
        foreign: fields.keys().any(|field| !ELEMENTS.contains(&field.as_str())),
    })
}

/// IAM allows letters and digits alone; what else is there is not repeated to anybody.
fn is_sid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn principals_of(value: &Value) -> Vec<Principal> {
    let of_kind = |(kind, values): (&String, &Value)| match texts(values) {
        Some(values) => values.into_iter().map(|it| Principal::new(kind, it)).collect(),
        None => vec![Principal::Unknown],
    };
    match value {
        Value::Object(kinds) => kinds.iter().flat_map(of_kind).collect(),
        Value::String(name) if name == "*" => vec![Principal::Anyone],
        _ => vec![Principal::Unknown],
    }
}

impl Principal {
    fn new(kind: &str, name: String) -> Self {
        match kind {
            "AWS" => Self::aws(name),
            "Service" => Self::Service(name),
            "Federated" => Self::Federated(name),
            _ => Self::Unknown,
        }
    }

    fn aws(name: String) -> Self {
        if name == "*" {
            return Self::Anyone;
        }
        let root = name
            .strip_prefix("arn:")
            .and_then(|arn| arn.strip_suffix(":root"));
        let account = root
            .and_then(|arn| Some(arn.split_once(":iam::")?.1))
            .unwrap_or(&name);
        if let Ok(account) = AccountId::parse(account) {
            return Self::Account(account);
        }
        // Unique ids: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
        let unique_id = name.len() >= 16
            && (name.starts_with("AROA") || name.starts_with("AIDA"))
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        match name {
            _ if unique_id => Self::Deleted,
            arn if arn.starts_with("arn:") => Self::Arn(arn),
            _ => Self::Unknown,
        }
    }
}

fn conditions_of(value: &Value, variables: bool) -> Vec<Condition> {
    let of_operator = |(operator, keys): (&String, &Value)| match keys {
        Value::Object(keys) => keys
            .iter()
            .map(|(key, values)| Condition::new(operator, key, texts(values), variables))
            .collect(),
        _ => vec![Condition::unreadable()],
    };
    match value {
        Value::Object(operators) => operators.iter().flat_map(of_operator).collect(),
        _ => vec![Condition::unreadable()],
    }
}

/// A text or a list of them; a number or a truth value stands for its text.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}

impl Statement {
    /// Whether it is about `action`, such as `sts:AssumeRole`.
    pub(super) fn covers(&self, action: &str) -> Truth {
        let action = action.to_ascii_lowercase();
        let named = Truth::any(self.actions.iter().map(|pattern| pattern.matches(&action)));
        let covered = if self.but_actions { !named } else { named };
        if self.foreign {
            covered.min(Truth::Maybe)
        } else {
            covered
        }
    }
}
