//! As much of CloudFormation as it takes to see what a template makes for given parameters: the functions that ours uses,
//! by AWS's own rules, and an error for any other.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// A template with the parameters of one stack.
pub struct Stack {
    template: Value,
    parameters: BTreeMap<String, Value>,
}

/// Stands for `AWS::NoValue` until it is dropped.
const NO_VALUE: &str = "\u{0}no value";

impl Stack {
    /// A stack in account 222222222222, eu-west-1. A parameter that is not given has its default; one that its own rule refuses, or
    /// that the template does not know, is an error.
    pub fn of(template: &str, given: &[(&str, &str)]) -> Result<Self, String> {
        let template = to_json(serde_yaml_ng::from_str(template).map_err(|error| error.to_string())?);
        let mut parameters = BTreeMap::new();
        let declared = template["Parameters"].as_object().ok_or("no parameters")?;
        for (name, declaration) in declared {
            let value = given
                .iter()
                .find(|(given, _)| given == name)
                .map(|(_, value)| *value);
            let value = value
                .or(declaration["Default"].as_str())
                .ok_or(format!("{name} is missing"))?;
            if let Some(allowed) = declaration["AllowedValues"].as_array()
                && !allowed.contains(&json!(value))
            {
                return Err(format!("{name} is not one of its values"));
            }
            let is_list = declaration["Type"] == "CommaDelimitedList";
            let items: Vec<&str> = value.split(',').map(str::trim).collect();
            parameters.insert(name.clone(), if is_list { json!(items) } else { json!(value) });
        }
        if let Some((name, _)) = given.iter().find(|(name, _)| !declared.contains_key(*name)) {
            return Err(format!("there is no parameter {name}"));
        }
        Ok(Self { template, parameters })
    }

    /// The names of the resources that are made.
    pub fn resources(&self) -> Vec<String> {
        let all = self.template["Resources"].as_object().unwrap();
        let is_made = |resource: &Value| {
            resource["Condition"]
                .as_str()
                .is_none_or(|name| self.condition(name))
        };
        all.iter()
            .filter(|(_, resource)| is_made(resource))
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub fn properties(&self, resource: &str) -> Value {
        self.resolve(&self.template["Resources"][resource]["Properties"])
    }

    fn condition(&self, name: &str) -> bool {
        self.holds(&self.template["Conditions"][name])
    }

    fn holds(&self, condition: &Value) -> bool {
        let (function, argument) =
            only_entry(condition).unwrap_or_else(|| panic!("no condition: {condition}"));
        let all = |argument: &Value| argument.as_array().unwrap().clone();
        match function.as_str() {
            "Condition" => self.condition(argument.as_str().unwrap()),
            "Fn::Not" => !self.holds(&argument[0]),
            "Fn::Or" => {
                assert!(
                    (2..=10).contains(&all(argument).len()),
                    "Fn::Or takes two to ten conditions"
                );
                all(argument).iter().any(|condition| self.holds(condition))
            }
            "Fn::Equals" => self.resolve(&argument[0]) == self.resolve(&argument[1]),
            other => panic!("{other} is no condition that is known here"),
        }
    }

    fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items
                .iter()
                .map(|item| self.resolve(item))
                .filter(|item| *item != NO_VALUE)
                .collect(),
            Value::Object(fields) => {
                if let Some((function, argument)) =
                    only_entry(value).filter(|(name, _)| *name == "Ref" || name.starts_with("Fn::"))
                {
                    return self.call(function, argument);
                }
                let resolved = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.resolve(value)));
                Value::Object(resolved.filter(|(_, value)| *value != NO_VALUE).collect())
            }
            other => other.clone(),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Value {
        match function {
            "Ref" => self.named(argument.as_str().unwrap()),
            "Fn::GetAtt" => json!(format!(
                "{}.{}",
                argument[0].as_str().unwrap(),
                argument[1].as_str().unwrap()
            )),
            "Fn::If" => {
                let index = if self.condition(argument[0].as_str().unwrap()) {
                    1
                } else {
                    2
                };
                self.resolve(&argument[index])
            }
            "Fn::Sub" => {
                let text = argument.as_str().unwrap();
                let names = text
                    .split("${")
                    .skip(1)
                    .map(|rest| rest.split('}').next().unwrap());
                let filled = names.fold(text.to_owned(), |text, name| {
                    text.replace(&format!("${{{name}}}"), self.named(name).as_str().unwrap())
                });
                json!(filled)
            }
            "Fn::Join" => {
                let items = self.resolve(&argument[1]);
                let items: Vec<&str> = items
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item.as_str().unwrap())
                    .collect();
                json!(items.join(argument[0].as_str().unwrap()))
            }
            "Fn::Split" => {
                let text = self.resolve(&argument[1]);
                json!(
                    text.as_str()
                        .unwrap()
                        .split(argument[0].as_str().unwrap())
                        .collect::<Vec<_>>()
                )
            }
            "Fn::Select" => {
                let index = argument[0].as_u64().unwrap() as usize;
                self.resolve(&argument[1])[index].clone()
            }
            other => panic!("{other} is no function that is known here"),
        }
    }

    fn named(&self, name: &str) -> Value {
        match name {
            "AWS::NoValue" => json!(NO_VALUE),
            "AWS::Partition" => json!("aws"),
            "AWS::Region" => json!("eu-west-1"),
            "AWS::AccountId" => json!("222222222222"),
            "AWS::StackId" => {
                json!(
                    "arn:aws:cloudformation:eu-west-1:222222222222:stack/x/0d1f2a30-96c5-11ef-8a3b-0affd1b2c3d4"
                )
            }
            _ if !self.template["Resources"][name].is_null() => json!(name),
            _ => self
                .parameters
                .get(name)
                .cloned()
                .unwrap_or_else(|| panic!("there is no {name}")),
        }
    }
}

fn only_entry(value: &Value) -> Option<(&String, &Value)> {
    value
        .as_object()
        .filter(|fields| fields.len() == 1)?
        .iter()
        .next()
}

/// YAML with CloudFormation's short tags, in the long form.
fn to_json(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let name = name.trim_start_matches('!');
            let value = to_json(tagged.value);
            match name {
                "Ref" | "Condition" => json!({ name: value }),
                "GetAtt" => {
                    let (resource, attribute) = value.as_str().unwrap().split_once('.').unwrap();
                    json!({ "Fn::GetAtt": [resource, attribute] })
                }
                name => json!({ format!("Fn::{name}"): value }),
            }
        }
        Yaml::Sequence(items) => items.into_iter().map(to_json).collect(),
        Yaml::Mapping(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name.as_str().unwrap().to_owned(), to_json(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => json!(value),
        Yaml::Number(value) => json!(value.as_i64()),
        Yaml::String(value) => json!(value),
    }
}
