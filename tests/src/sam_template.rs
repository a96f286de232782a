//! Reads CloudFormation and SAM templates as their long JSON form, so that tests can look at what YAML's short tags
//! say, and so that the local AWS can be given the real `template.yaml` with its code in a bucket.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// Why a template could not be read or prepared.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Yaml(#[from] serde_yaml_ng::Error),
    /// It has something that CloudFormation's YAML does not have.
    #[error("{0} is no part of a CloudFormation template")]
    Unsupported(String),
}

/// The functions of a template: each one's folder below `functions/`, and its logical id.
pub fn functions(template: &Value) -> Vec<(String, String)> {
    let resources = template["Resources"].as_object();
    resources
        .into_iter()
        .flatten()
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
        .filter_map(|(id, resource)| {
            let code = resource["Properties"]["CodeUri"].as_str()?;
            Some((code.strip_prefix("functions/")?.to_owned(), id.clone()))
        })
        .collect()
}

/// Where `cargo build --workspace` puts a function's binary.
pub fn function_binary(function: &str) -> PathBuf {
    repository_path("target/debug").join(function)
}

pub fn repository_path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

/// Reads a template of the repository, such as `template.yaml`.
pub fn load(relative: &str) -> Result<Value, TemplateError> {
    let path = repository_path(relative);
    let text = std::fs::read_to_string(&path).map_err(|source| TemplateError::Io { path, source })?;
    parse(&text)
}

/// Reads a template. Short tags become the long form: `!Ref X` is `{"Ref": "X"}`, `!GetAtt X.Arn` is
/// `{"Fn::GetAtt": ["X", "Arn"]}`.
pub fn parse(text: &str) -> Result<Value, TemplateError> {
    to_json(serde_yaml_ng::from_str(text)?)
}

fn to_json(yaml: Yaml) -> Result<Value, TemplateError> {
    let unsupported = |what: String| Err(TemplateError::Unsupported(what));
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => json!(value),
        Yaml::String(value) => json!(value),
        Yaml::Number(value) => match (value.as_i64(), value.as_f64()) {
            (Some(whole), _) => json!(whole),
            (None, Some(fraction)) => json!(fraction),
            (None, None) => return unsupported(format!("the number {value}")),
        },
        Yaml::Sequence(values) => values.into_iter().map(to_json).collect::<Result<_, _>>()?,
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let Yaml::String(key) = key else {
                    return unsupported(format!("the key {key:?}, which is not a text"));
                };
                object.insert(key, to_json(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let value = to_json(tagged.value)?;
            match tagged.tag.to_string().trim_start_matches('!') {
                name @ ("Ref" | "Condition") => json!({ name: value }),
                "GetAtt" => match value.as_str().and_then(|text| text.split_once('.')) {
                    Some((resource, attribute)) => json!({ "Fn::GetAtt": [resource, attribute] }),
                    None => json!({ "Fn::GetAtt": value }),
                },
                name @ ("Sub" | "Join" | "Split" | "Select" | "If" | "Equals" | "Not" | "And" | "Or"
                | "FindInMap" | "ImportValue" | "Base64" | "GetAZs" | "Cidr" | "Length"
                | "ToJsonString" | "Transform") => {
                    json!({ format!("Fn::{name}"): value })
                }
                name => return unsupported(format!("the tag !{name}")),
            }
        }
    })
}

/// The template as JSON text with each function's local `CodeUri` (such as `functions/revalidator`) replaced by the
/// bucket and the key that `locate` says for it: what CloudFormation takes.
pub fn with_code_in_s3(
    template: &Value,
    mut locate: impl FnMut(&str) -> (String, String),
) -> Result<String, TemplateError> {
    let mut template = template.clone();
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for (id, resource) in resources.into_iter().flatten() {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        let Some(local) = resource["Properties"]["CodeUri"].as_str().map(str::to_owned) else {
            let what = format!("{id} without a local CodeUri");
            return Err(TemplateError::Unsupported(what));
        };
        let (bucket, key) = locate(&local);
        resource["Properties"]["CodeUri"] = json!({ "Bucket": bucket, "Key": key });
    }
    Ok(template.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_are_read_as_their_long_forms() {
        let template = parse(concat!(
            "a: !Ref X\n",
            "b: !GetAtt X.Nested.Arn\n",
            "c: !Sub 'arn:${AWS::Partition}:x'\n",
            "d: !If [IsLocal, !Ref 'AWS::NoValue', {Bool: {k: 'true'}}]\n",
            "e: !Equals [!Ref A, '']\n",
            "f: [!Not [!Condition B], 1, true]\n",
        ))
        .unwrap();
        assert_eq!(
            template,
            json!({
                "a": {"Ref": "X"},
                "b": {"Fn::GetAtt": ["X", "Nested.Arn"]},
                "c": {"Fn::Sub": "arn:${AWS::Partition}:x"},
                "d": {"Fn::If": ["IsLocal", {"Ref": "AWS::NoValue"}, {"Bool": {"k": "true"}}]},
                "e": {"Fn::Equals": [{"Ref": "A"}, ""]},
                "f": [{"Fn::Not": [{"Condition": "B"}]}, 1, true],
            })
        );
    }

    #[test]
    fn a_tag_that_cloudformation_does_not_have_is_refused() {
        assert!(matches!(parse("a: !Reff X"), Err(TemplateError::Unsupported(_))));
        assert!(matches!(parse("1: x"), Err(TemplateError::Unsupported(_))));
        assert!(matches!(parse("a: ["), Err(TemplateError::Yaml(_))));
    }

    #[test]
    fn every_function_gets_its_code_from_the_bucket_and_nothing_else_changes() {
        let template = load("template.yaml").unwrap();
        let mut asked = Vec::new();
        let wanted = functions(&template).into_iter();
        let wanted: Vec<String> = wanted.map(|(folder, _)| format!("functions/{folder}")).collect();
        let text = with_code_in_s3(&template, |local| {
            asked.push(local.to_owned());
            ("artifacts".to_owned(), format!("{local}.zip"))
        })
        .unwrap();
        assert_eq!(asked, wanted);
        assert!(wanted.contains(&"functions/revalidator".to_owned()), "{wanted:?}");
        let mut packaged: Value = serde_json::from_str(&text).unwrap();
        let code = packaged["Resources"]["RevalidatorFunction"]["Properties"]["CodeUri"].take();
        assert_eq!(
            code,
            json!({ "Bucket": "artifacts", "Key": "functions/revalidator.zip" })
        );
        packaged["Resources"]["RevalidatorFunction"]["Properties"]["CodeUri"] =
            json!("functions/revalidator");
        assert_eq!(
            packaged["Resources"]["RevalidatorFunction"],
            template["Resources"]["RevalidatorFunction"]
        );
    }
}
