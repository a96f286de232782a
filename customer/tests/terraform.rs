//! The Terraform module, read by an HCL parser and evaluated by it: the provider is not in any package registry, so `terraform validate` is
//! not part of the tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what does not fit fails the test"
)]

mod support;

use std::collections::BTreeSet;

use hcl::{
    Attribute, Body, Expression, Structure, Traversal, TraversalOperator, Value as Hcl,
    eval::{Context, Evaluate, FuncArgs, FuncDef, ParamType},
    expr::ObjectKey,
};
use serde_json::{Value, json};
use support::{Copy, EXTERNAL_ID, ROLE_ARN, TIERS, iam_policy, iam_trust};

const FILES: [&str; 4] = ["main.tf", "variables.tf", "outputs.tf", "versions.tf"];

fn module(copy: &Copy) -> Body {
    let structures = FILES.iter().flat_map(|file| {
        let text = copy.read(&format!("rendered/terraform/{file}"));
        hcl::parse(&text)
            .unwrap_or_else(|error| panic!("{file}: {error}"))
            .into_iter()
    });
    structures.collect()
}

/// The blocks of a kind, by their labels.
fn blocks<'a>(body: &'a Body, kind: &str) -> Vec<(Vec<String>, &'a Body)> {
    let blocks = body.blocks().filter(|block| block.identifier() == kind);
    blocks
        .map(|block| {
            (
                block
                    .labels()
                    .iter()
                    .map(|label| label.as_str().to_owned())
                    .collect(),
                block.body(),
            )
        })
        .collect()
}

fn locals(body: &Body) -> Vec<&Attribute> {
    blocks(body, "locals")
        .into_iter()
        .flat_map(|(_, body)| body.attributes())
        .collect()
}

fn attribute<'a>(body: &'a Body, name: &str) -> &'a Expression {
    body.attributes()
        .find(|attribute| attribute.key() == name)
        .unwrap_or_else(|| panic!("{name} is missing"))
        .expr()
}

/// What an expression refers to, by the first words: `var.x`, `local.x`, `data.x.y`, `aws_x.y`, `each.value`.
fn references(expression: &Expression, found: &mut BTreeSet<String>) {
    match expression {
        Expression::Traversal(traversal) => {
            found.insert(reference(traversal));
            references(&traversal.expr, found);
            for operator in &traversal.operators {
                if let TraversalOperator::Index(index) = operator {
                    references(index, found);
                }
            }
        }
        Expression::Array(items) => items.iter().for_each(|item| references(item, found)),
        Expression::Object(fields) => {
            for (key, value) in fields {
                if let ObjectKey::Expression(key @ Expression::Traversal(_)) = key {
                    references(key, found);
                }
                references(value, found);
            }
        }
        Expression::FuncCall(call) => call.args.iter().for_each(|argument| references(argument, found)),
        Expression::Parenthesis(inner) => references(inner, found),
        Expression::Conditional(choice) => {
            for part in [&choice.cond_expr, &choice.true_expr, &choice.false_expr] {
                references(part, found);
            }
        }
        Expression::Operation(operation) => match &**operation {
            hcl::Operation::Unary(unary) => references(&unary.expr, found),
            hcl::Operation::Binary(binary) => {
                references(&binary.lhs_expr, found);
                references(&binary.rhs_expr, found);
            }
        },
        Expression::ForExpr(each) => {
            references(&each.collection_expr, found);
            references(&each.value_expr, found);
        }
        Expression::TemplateExpr(template) => {
            let template = hcl::Template::from_expr(template).unwrap();
            for element in template.elements() {
                if let hcl::template::Element::Interpolation(interpolation) = element {
                    references(&interpolation.expr, found);
                }
            }
        }
        _ => {}
    }
}

fn reference(traversal: &Traversal) -> String {
    let Expression::Variable(root) = &traversal.expr else {
        return String::new();
    };
    let length = if root.as_str() == "data" { 2 } else { 1 };
    let words = traversal
        .operators
        .iter()
        .take(length)
        .filter_map(|operator| match operator {
            TraversalOperator::GetAttr(name) => Some(name.as_str().to_owned()),
            _ => None,
        });
    std::iter::once(root.as_str().to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(".")
}

fn all_references(body: &Body, found: &mut BTreeSet<String>) {
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => references(attribute.expr(), found),
            Structure::Block(block) => all_references(block.body(), found),
        }
    }
}

#[test]
fn the_module_makes_the_role_its_policy_and_the_message_and_nothing_else() {
    let module = module(&Copy::of_repository());
    let named = |kind| {
        blocks(&module, kind)
            .into_iter()
            .map(|(labels, _)| labels.join("."))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        named("resource"),
        [
            "aws_iam_role.connection",
            "aws_iam_role_policy.connection",
            "aws_iam_role_policy_attachment.connection",
            "aws_cloudformation_stack.connection",
        ]
    );
    assert_eq!(
        named("data"),
        [
            "aws_partition.current",
            "aws_caller_identity.current",
            "aws_region.current"
        ]
    );
    assert_eq!(
        named("output"),
        ["role_arn", "connection_id", "status", "template_version"]
    );
}

#[test]
fn every_reference_resolves_and_every_variable_and_local_is_used() {
    let module = module(&Copy::of_repository());
    let mut declared: BTreeSet<String> = BTreeSet::new();
    for (kind, prefix) in [("variable", "var."), ("data", "data."), ("resource", "")] {
        declared.extend(
            blocks(&module, kind)
                .into_iter()
                .map(|(labels, _)| format!("{prefix}{}", labels.join("."))),
        );
    }
    declared.extend(
        locals(&module)
            .iter()
            .map(|local| format!("local.{}", local.key())),
    );
    let mut used = BTreeSet::new();
    all_references(&module, &mut used);
    // Made by Terraform itself and by the names of loops.
    let used: BTreeSet<String> = used
        .into_iter()
        .filter(|name| !name.is_empty() && name != "each.value")
        .collect();
    let missing: Vec<&String> = used.difference(&declared).collect();
    assert_eq!(missing, Vec::<&String>::new());
    let idle: Vec<&String> = declared
        .difference(&used)
        .filter(|name| {
            !name.starts_with("aws_cloudformation_stack.") && !name.starts_with("aws_iam_role_policy")
        })
        .collect();
    assert_eq!(idle, Vec::<&String>::new());
}

#[test]
fn every_variable_says_what_it_is_and_checks_what_it_is_given() {
    let module = module(&Copy::of_repository());
    for (labels, body) in blocks(&module, "variable") {
        let name = labels.join("");
        attribute(body, "description");
        attribute(body, "type");
        let checks = blocks(body, "validation");
        assert!(name == "tags" || checks.len() == 1, "{name}");
        for (_, check) in checks {
            attribute(check, "error_message");
            let mut used = BTreeSet::new();
            references(attribute(check, "condition"), &mut used);
            assert!(used.contains(&format!("var.{name}")), "{name}");
        }
        let has_default = body.attributes().any(|attribute| attribute.key() == "default");
        assert_eq!(has_default, name != "external_id", "{name}");
    }
}

/// `merge`, `length` and `split` as Terraform has them, as far as the module uses them.
fn context(
    tier: &str,
    organization: Option<&str>,
    source_ips: &[&str],
    until: Option<&str>,
) -> Context<'static> {
    let mut context = Context::new();
    let merge = |arguments: FuncArgs| {
        let mut merged = hcl::Map::new();
        for argument in arguments.into_values() {
            match argument {
                Hcl::Object(fields) => merged.extend(fields),
                other => return Err(format!("{other} is no object")),
            }
        }
        Ok(Hcl::Object(merged))
    };
    let length = |arguments: FuncArgs| match &arguments[0] {
        Hcl::Array(items) => Ok(Hcl::from(items.len())),
        other => Err(format!("{other} is no list")),
    };
    context.declare_func(
        "merge",
        FuncDef::builder().variadic_param(ParamType::Any).build(merge),
    );
    let split = |arguments: FuncArgs| match (&arguments[0], &arguments[1]) {
        (Hcl::String(between), Hcl::String(text)) => Ok(text.split(between).collect::<Vec<_>>().into()),
        other => Err(format!("{other:?} are no texts")),
    };
    context.declare_func(
        "split",
        FuncDef::builder().variadic_param(ParamType::Any).build(split),
    );
    context.declare_func("length", FuncDef::builder().param(ParamType::Any).build(length));
    let declare = |context: &mut Context<'static>, name: &str, value: Value| {
        context.declare_var(name, serde_json::from_value::<Hcl>(value).unwrap());
    };
    declare(
        &mut context,
        "var",
        json!({
            "external_id": EXTERNAL_ID,
            "permission_tier": tier,
            "allowed_organization_id": organization,
            "allowed_source_ips": source_ips,
            "access_until": until,
        }),
    );
    declare(
        &mut context,
        "data",
        json!({
            "aws_partition": {"current": {"partition": "aws"}},
            "aws_caller_identity": {"current": {"account_id": "222222222222"}},
        }),
    );
    declare(
        &mut context,
        "aws_iam_role",
        json!({"connection": {"arn": ROLE_ARN, "name": "latchkey-connection"}}),
    );
    context
}

/// The module's locals, evaluated one after another as they refer to each other.
fn evaluated(module: &Body, mut context: Context<'static>) -> Value {
    let mut values = serde_json::Map::new();
    values.insert("region".to_owned(), json!("eu-west-1"));
    for local in locals(module).into_iter().filter(|local| local.key() != "region") {
        context.declare_var(
            "local",
            serde_json::from_value::<Hcl>(Value::Object(values.clone())).unwrap(),
        );
        let value = local
            .expr()
            .evaluate(&context)
            .unwrap_or_else(|error| panic!("{}: {error}", local.key()));
        values.insert(local.key().to_owned(), serde_json::to_value(value).unwrap());
    }
    Value::Object(values)
}

/// The argument of `jsonencode(…)`.
fn encoded(expression: &Expression) -> &Expression {
    match expression {
        Expression::FuncCall(call) if call.name.name.as_str() == "jsonencode" => &call.args[0],
        other => panic!("{other:?} is no jsonencode"),
    }
}

#[test]
fn the_module_grants_each_tier_and_trusts_the_same_as_the_iam_documents() {
    let copy = Copy::of_repository();
    let module = module(&copy);
    let resources = blocks(&module, "resource");
    let policy = resources
        .iter()
        .find(|(labels, _)| labels[0] == "aws_iam_role_policy")
        .unwrap()
        .1;
    for tier in TIERS {
        let mut context = context(tier, None, &[], None);
        let locals = evaluated(&module, context.clone());
        assert_eq!(locals["trust_policy"], iam_trust(&copy), "{tier}");
        context.declare_var("local", serde_json::from_value::<Hcl>(locals).unwrap());
        let document = encoded(attribute(policy, "policy")).evaluate(&context).unwrap();
        assert_eq!(
            serde_json::to_value(document).unwrap(),
            iam_policy(&copy, tier),
            "{tier}"
        );
    }
}

#[test]
fn the_modules_options_narrow_the_trust_as_the_templates_do() {
    let copy = Copy::of_repository();
    let locals = evaluated(
        &module(&copy),
        context(
            "self-check",
            Some("o-abcdefghij"),
            &["192.0.2.0/24"],
            Some("2030-06-30"),
        ),
    );
    let mut expected = iam_trust(&copy);
    expected["Statement"][0]["Condition"]["StringEquals"]["aws:PrincipalOrgID"] = json!("o-abcdefghij");
    expected["Statement"][0]["Condition"]["IpAddress"] = json!({ "aws:SourceIp": ["192.0.2.0/24"] });
    expected["Statement"][0]["Condition"]["DateLessThan"] =
        json!({ "aws:CurrentTime": "2030-06-30T00:00:00Z" });
    assert_eq!(locals["trust_policy"], expected);
}

#[test]
fn the_modules_stack_holds_the_message_alone_as_the_template_sends_it_and_comes_last() {
    let copy = Copy::of_repository();
    let module = module(&copy);
    let stack = blocks(&module, "resource")
        .into_iter()
        .find(|(labels, _)| labels[0] == "aws_cloudformation_stack")
        .unwrap()
        .1;
    let mut context = context("inventory", None, &[], Some("2030-06-30"));
    let locals = evaluated(&module, context.clone());
    context.declare_var("local", serde_json::from_value::<Hcl>(locals).unwrap());
    let template = serde_json::to_value(
        encoded(attribute(stack, "template_body"))
            .evaluate(&context)
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        template["Resources"],
        json!({ "Connection": {
            "Type": "Custom::LatchkeyConnection",
            "Properties": {
                "ServiceToken": "arn:aws:sns:eu-west-1:__VENDOR_ACCOUNT_ID__:__LISTENER_TOPIC_NAME__",
                "ServiceTimeout": 300,
                "ExternalId": EXTERNAL_ID,
                "RoleArn": ROLE_ARN,
                "TemplateVersion": "__TEMPLATE_VERSION__",
                "PermissionTier": "inventory",
                "MadeBy": "terraform",
                "AccessUntil": "2030-06-30",
            },
        } })
    );
    let mut before = BTreeSet::new();
    references(attribute(stack, "depends_on"), &mut before);
    assert_eq!(
        before,
        [
            "aws_iam_role_policy.connection",
            "aws_iam_role_policy_attachment.connection"
        ]
        .map(str::to_owned)
        .into()
    );
}

#[test]
fn what_the_documents_tell_to_type_is_hcl_and_shell() {
    let copy = Copy::of_repository();
    let mut seen = 0;
    for document in [
        "SECURITY.md",
        "rendered/ORGANIZATION.md",
        "rendered/PLATFORM.md",
        "rendered/terraform/README.md",
    ] {
        let text = copy.read(document);
        for block in text.split("```").skip(1).step_by(2) {
            if let Some(code) = block.strip_prefix("hcl\n") {
                hcl::parse(code).unwrap_or_else(|error| panic!("{document}: {error}"));
                seen += 1;
            } else if let Some(code) = block.strip_prefix("sh\n") {
                let read = std::process::Command::new("bash")
                    .args(["-n", "-c", code])
                    .output()
                    .unwrap();
                assert!(
                    read.status.success() && read.stderr.is_empty(),
                    "{document}: {read:?}"
                );
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 11, "blocks");
}

/// Where the program is; without it the parser above is what reads the module.
#[test]
fn the_module_is_as_terraform_formats_it() {
    let folder = latchkey_customer::rendering::repository_folder().join("rendered/terraform");
    let format = std::process::Command::new("terraform")
        .args(["fmt", "-check", "-diff", "-no-color"])
        .arg(folder)
        .output();
    if let Ok(format) = format {
        assert!(
            format.status.success(),
            "{}",
            String::from_utf8_lossy(&format.stdout)
        );
    }
}

#[test]
fn a_broken_module_would_be_noticed() {
    assert!(hcl::parse("resource \"a\" \"b\" {\n  x = [\n}\n").is_err());
    let mut found = BTreeSet::new();
    all_references(
        &hcl::parse("x = \"${local.nowhere}-${var.y}\"\nz = [for a in local.b : data.c.d.e]\n").unwrap(),
        &mut found,
    );
    for name in ["local.nowhere", "var.y", "local.b", "data.c.d"] {
        assert!(found.contains(name), "{name} in {found:?}");
    }
}
