//! Filling in the texts of `customer/templates/`.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use crate::markdown::markdown;

/// The texts, by the name of what they render; a name in `.html` escapes all that is filled in.
const TEMPLATES: [(&str, &str); 11] = [
    (
        "connection-template.yaml",
        include_str!("../../templates/connection-template.yaml.jinja"),
    ),
    (
        "terraform/main.tf",
        include_str!("../../templates/terraform/main.tf.jinja"),
    ),
    (
        "terraform/variables.tf",
        include_str!("../../templates/terraform/variables.tf.jinja"),
    ),
    (
        "terraform/outputs.tf",
        include_str!("../../templates/terraform/outputs.tf.jinja"),
    ),
    (
        "terraform/README.md",
        include_str!("../../templates/terraform/README.md.jinja"),
    ),
    (
        "create-role.sh",
        include_str!("../../templates/create-role.sh.jinja"),
    ),
    (
        "organization.md",
        include_str!("../../templates/organization.md.jinja"),
    ),
    ("platform.md", include_str!("../../templates/platform.md.jinja")),
    ("security.md", include_str!("../../templates/security.md.jinja")),
    (
        "security.html",
        include_str!("../../templates/security.html.jinja"),
    ),
    ("changes.md", include_str!("../../templates/changes.md.jinja")),
];

/// Renders the text `name` with `context`. An error is a mistake in the text, not in a manifest.
pub fn fill(name: &str, context: &impl Serialize) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment.add_filter("quoted", quoted);
    environment.add_filter("hcl", |text: String| hcl_string(&text));
    environment.add_filter("literal", |value: Value, depth: usize| {
        hcl_value(&serde_json::json!(value), depth)
    });
    environment.add_filter("pad", |text: String, width: usize| format!("{text:width$}"));
    environment.add_filter("flow", |value: Value| serde_json::json!(value).to_string());
    environment.add_filter("md", |text: String| markdown(&text));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    environment.get_template(name)?.render(context)
}

/// A text in double quotes as JSON, YAML and (without `$`) a shell's comment take it.
fn quoted(text: String) -> String {
    serde_json::json!(text).to_string()
}

/// A text in double quotes as Terraform takes it: nothing in it is a template.
pub fn hcl_string(text: &str) -> String {
    quoted(text.replace("${", "$${").replace("%{", "%%{"))
}

/// A JSON value as Terraform writes it.
fn hcl_value(value: &serde_json::Value, depth: usize) -> String {
    let indent = |depth: usize| "  ".repeat(depth);
    match value {
        serde_json::Value::String(text) => hcl_string(text),
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| hcl_value(item, depth)).collect();
            format!("[{}]", items.join(", "))
        }
        serde_json::Value::Object(fields) => {
            // As `terraform fmt` does it: names line up where every value stands on one line.
            let is_flat = !fields.values().any(serde_json::Value::is_object);
            let longest = fields.keys().map(|name| quoted(name.clone()).len()).max();
            let width = longest.filter(|_| is_flat).unwrap_or(0);
            let lines: Vec<String> = fields
                .iter()
                .map(|(name, value)| {
                    let name = quoted(name.clone());
                    format!(
                        "{}{name:width$} = {}\n",
                        indent(depth + 1),
                        hcl_value(value, depth + 1)
                    )
                })
                .collect();
            format!("{{\n{}{}}}", lines.concat(), indent(depth))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_stays_text() {
        assert_eq!(hcl_string("a\"${x}%{if}\\"), r#""a\"$${x}%%{if}\\""#);
        assert_eq!(quoted("a\nb\"c".to_owned()), r#""a\nb\"c""#);
        let value = serde_json::json!({"StringLike": {"aws:TagKeys": ["x"]}});
        assert_eq!(
            hcl_value(&value, 0),
            "{\n  \"StringLike\" = {\n    \"aws:TagKeys\" = [\"x\"]\n  }\n}"
        );
    }
}
