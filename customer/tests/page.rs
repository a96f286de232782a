//! The security page: self-contained, well formed, and nothing in it that a manifest's texts could turn into markup.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what does not fit fails the test"
)]

mod support;

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;
use support::{Copy, EXTERNAL_ID, TIERS, cloudformation::Stack};

/// A text that tries to leave every place that it is put into.
const HOSTILE: &str =
    r#"<script>alert(1)</script> "q" 'a' & | `b` ${x} %{y} $(touch /tmp/latchkey-pwned) {{z}} [l](u) \"#;

fn page() -> String {
    Copy::of_repository().read("rendered/security.html")
}

/// All tags of a page, in order, as name and the rest.
fn tags(html: &str) -> Vec<(String, String)> {
    let style = html.split_once("<style>").unwrap();
    let rest = style.1.split_once("</style>").unwrap().1;
    format!("{}{rest}", style.0)
        .split('<')
        .skip(1)
        .map(|tag| {
            let inside = tag.split('>').next().unwrap();
            let (name, rest) = inside.split_once([' ', '\n']).unwrap_or((inside, ""));
            (name.to_owned(), rest.to_owned())
        })
        .collect()
}

/// The values of an attribute over the whole page.
fn values(html: &str, attribute: &str) -> Vec<String> {
    html.split(&format!(" {attribute}=\""))
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    let html = page();
    for word in [
        "<script",
        "<link",
        "<iframe",
        "<img",
        "<object",
        "<embed",
        "@import",
        "url(http",
        " src=",
        "javascript:",
        "data:",
    ] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(
        html.contains("default-src 'none'"),
        "no policy that forbids loading"
    );
    let handlers: Vec<&str> = html
        .split(" on")
        .skip(1)
        .map(|rest| rest.split('=').next().unwrap())
        .filter(|name| name.len() < 12 && !name.contains(' '))
        .collect();
    assert_eq!(handlers, Vec::<&str>::new());
    let outside: Vec<String> = values(&html, "href")
        .into_iter()
        .filter(|link| !link.starts_with('#'))
        .collect();
    // As a browser reads it.
    let outside: Vec<String> = outside.iter().map(|link| link.replace("&#x2f;", "/")).collect();
    assert_eq!(outside, ["https://vendor.example"]);
}

#[test]
fn the_page_is_well_formed_and_can_be_read_without_seeing_it() {
    let html = page();
    let (mut open, void) = (Vec::new(), ["meta", "br", "!doctype", "rect", "path"]);
    for (name, rest) in tags(&html) {
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else if !void.contains(&name.as_str()) && !rest.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new());
    assert!(html.contains("<html lang=\"en\">") && html.contains("<meta name=\"viewport\""));
    assert_eq!(html.matches("<h1>").count(), 1);
    let ids: BTreeSet<String> = values(&html, "id").into_iter().collect();
    assert_eq!(ids.len(), values(&html, "id").len(), "an id is there twice");
    for link in values(&html, "href")
        .iter()
        .filter_map(|link| link.strip_prefix('#'))
    {
        assert!(ids.contains(link), "{link}");
    }
    // The picture says in words what it shows, and every header cell what it is the header of.
    assert!(html.contains("role=\"img\" aria-labelledby=\"picture-title picture-text\""));
    assert!(ids.contains("picture-title") && ids.contains("picture-text"));
    assert_eq!(
        html.matches("<th ").count(),
        html.matches("<th scope=\"col\"").count()
    );
    for media in ["prefers-color-scheme: dark", "@media print", "max-width: 40rem"] {
        assert!(html.contains(media), "{media}");
    }
}

#[test]
fn both_pages_have_every_permission_with_its_level_and_reason_and_every_canary() {
    let copy = Copy::of_repository();
    let manifest = latchkey_customer::manifest::Manifest::parse(&copy.read("permissions.yaml")).unwrap();
    for page in ["rendered/security.html", "SECURITY.md"] {
        let text = copy.read(page);
        for tier in TIERS {
            assert!(text.contains(tier), "{page}: {tier}");
        }
        for statement in manifest.tiers.iter().flat_map(|tier| &tier.statements) {
            for action in &statement.actions {
                assert_eq!(text.matches(action.as_str()).count(), 1, "{page}: {action}");
            }
            assert!(
                text.contains(statement.reason.as_str()),
                "{page}: {}",
                statement.reason
            );
            assert!(text.contains(statement.access_level.as_str()), "{page}");
        }
        for canary in &manifest.canaries {
            assert!(text.contains(canary.as_str()), "{page}: {canary}");
        }
        for kept in &manifest.data {
            assert!(text.contains(kept.deleted.as_str()), "{page}: {}", kept.deleted);
        }
    }
}

/// The repository's manifest with a hostile text in every place that takes a sentence.
fn hostile() -> Copy {
    let copy = Copy::unreleased();
    let text = serde_json::to_string(HOSTILE).unwrap();
    for (from, to) in [
        ("name: Example Vendor", format!("name: {text}")),
        (
            "purpose: Shows your teams what runs in their AWS accounts.",
            format!("purpose: {text}"),
        ),
        (
            "security_contact: security@vendor.example",
            format!("security_contact: {text}"),
        ),
        ("title: Inventory read\n", format!("title: {text}\n")),
        (
            "summary: The inventory, and what it costs.",
            format!("summary: {text}"),
        ),
        (
            "reason: to group what runs by your own tags",
            format!("reason: {text}"),
        ),
        ("where: the same table", format!("where: {text}")),
        (
            "    statements:\n      - sid: ReadCost",
            format!(
                "    managed_policies: [{{arn: \"arn:${{partition}}:iam::aws:policy/AmazonS3ReadOnlyAccess\", reason: {text}, reads_data: {text}}}]\n    statements:\n      - sid: ReadCost"
            ),
        ),
    ] {
        copy.replace("permissions.yaml", from, &to);
    }
    // What its reasons change is told against a version that has none of them.
    copy.forget("1.1.0");
    copy.succeeds(&["render"]);
    copy
}

#[test]
fn a_hostile_text_stays_a_text_on_both_pages() {
    let copy = hostile();
    let html = copy.read("rendered/security.html");
    assert!(
        !html.contains("<script") && html.contains("&lt;script&gt;alert(1)&lt;"),
        "{html}"
    );
    // The same tags as without it, and one more row.
    let names = |html: &str| {
        tags(html)
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| name.ends_with("script"))
            .count()
    };
    assert_eq!(names(&html), 0);
    let markdown = copy.read("SECURITY.md");
    assert!(
        !markdown.contains("<script") && !markdown.contains("[l](u)"),
        "{markdown}"
    );
    for row in markdown
        .lines()
        .filter(|line| line.contains("alert(1)") && line.starts_with('|'))
    {
        let cells = row.replace("\\|", "").matches('|').count();
        assert!(cells == 6 || cells == 4, "{row}");
    }
    let changes = copy.read("rendered/versions/1.0.0-to-1.2.0.md");
    assert!(
        !changes.contains("<script") && changes.contains("&lt;script"),
        "{changes}"
    );
}

#[test]
fn a_hostile_text_stays_a_text_on_every_other_road() {
    let copy = hostile();
    let stack = Stack::of(
        &copy.read("connection-template.yaml"),
        &[("ExternalId", EXTERNAL_ID)],
    )
    .unwrap();
    assert_eq!(
        stack.resources(),
        ["Connection", "ConnectionPermissions", "ConnectionRole"]
    );
    let variables = hcl::parse(&copy.read("rendered/terraform/variables.tf")).unwrap();
    let tier = variables
        .blocks()
        .find(|block| block.labels()[0].as_str() == "permission_tier")
        .unwrap();
    let description = tier
        .body()
        .attributes()
        .find(|attribute| attribute.key() == "description")
        .unwrap();
    // A text without a template in it is the text itself.
    let value = hcl::eval::Evaluate::evaluate(description.expr(), &hcl::eval::Context::new()).unwrap();
    assert!(value.as_str().unwrap().contains(HOSTILE), "{value}");
    hcl::parse(&copy.read("rendered/terraform/main.tf")).unwrap();
    let script = copy.path("rendered/create-role.sh");
    // `bash -n` reads without running; no command of the text may be in it but in a comment.
    assert!(
        Command::new("bash")
            .arg("-n")
            .arg(&script)
            .status()
            .unwrap()
            .success()
    );
    for line in copy
        .read("rendered/create-role.sh")
        .lines()
        .filter(|line| line.contains("latchkey-pwned"))
    {
        assert!(line.trim_start().starts_with('#'), "{line}");
    }
    for line in copy
        .read("connection-template.yaml")
        .lines()
        .filter(|line| line.contains("latchkey-pwned"))
    {
        let line = line.trim_start();
        assert!(
            line.starts_with('#') || line.starts_with("Description: \""),
            "{line}"
        );
    }
}

/// The permissions of the handlers of `AWS::IAM::Role` and `AWS::IAM::Policy` in CloudFormation's
/// published schemas, without those for managed policies, which the page names beside its policy.
const HANDLERS_NEED: [&str; 15] = [
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
];

#[test]
fn the_role_for_cloudformation_has_what_its_handlers_need_and_no_wildcard() {
    let page = Copy::of_repository().read("rendered/PLATFORM.md");
    let block = page
        .split("```json\n")
        .last()
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let policy: Value = serde_json::from_str(block).unwrap();
    let actions: Vec<&str> = policy["Statement"][0]["Action"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for needed in HANDLERS_NEED {
        assert!(actions.contains(&needed), "{needed}");
    }
    assert!(!actions.iter().any(|action| action.contains('*')), "{actions:?}");
    // Nothing by which the role could become another one than the template's.
    for more in ["iam:PassRole", "iam:AttachRolePolicy", "iam:CreateUser"] {
        assert!(!actions.contains(&more), "{more}");
    }
    assert_eq!(policy["Statement"][1]["Action"], "sns:Publish");
}
