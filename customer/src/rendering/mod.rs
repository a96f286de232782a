//! Everything that a customer runs or reads, rendered from the manifest.

mod documents;
mod engine;
mod files;
mod source;
mod view;

pub use files::{FolderError, stale, write};
pub use source::{MANIFEST_FILE, Source, SourceError, release, repository_folder};

use serde::Serialize;

use crate::{diff::Changes, tiers::verifier_tier};
use view::View;

/// The template, in `customer/`.
pub const TEMPLATE_FILE: &str = "connection-template.yaml";
/// The security page that a browser shows, in `customer/`.
pub const PAGE_FILE: &str = "rendered/security.html";
/// The folder of everything that is rendered and is not where readers look for it first.
pub const RENDERED_FOLDER: &str = "rendered";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its path in `customer/`, with slashes.
    pub path: String,
    /// Its text, with the placeholders that publishing fills in.
    pub text: String,
}

/// Why something could not be rendered: a mistake in a text of `customer/templates/`.
#[derive(Debug, thiserror::Error)]
#[error("rendering {path}: {cause:#}")]
pub struct RenderingError {
    pub path: String,
    pub cause: minijinja::Error,
}

/// What the texts are filled in from.
#[derive(Serialize)]
struct Context<'a> {
    #[serde(flatten)]
    view: &'a View,
    tier_help: String,
    source_ip_help: String,
    organization_help: String,
    access_until_help: &'static str,
    /// The longest name of a tier, in quotes.
    tier_width: usize,
}

/// Renders everything, in the order of the paths.
pub fn render_all(source: &Source) -> Result<Vec<Rendered>, RenderingError> {
    let view = View::of(&source.manifest, &source.version);
    let context = Context {
        tier_help: documents::tier_help(source),
        source_ip_help: documents::source_ip_help(source),
        organization_help: documents::organization_help(source),
        access_until_help: documents::ACCESS_UNTIL_HELP,
        tier_width: source
            .manifest
            .offered_tiers
            .iter()
            .map(|name| name.as_str().len() + 2)
            .max()
            .unwrap_or(0),
        view: &view,
    };
    let mut rendered = Vec::new();
    for (path, text) in [
        (TEMPLATE_FILE, "connection-template.yaml"),
        ("rendered/terraform/main.tf", "terraform/main.tf"),
        ("rendered/terraform/variables.tf", "terraform/variables.tf"),
        ("rendered/terraform/outputs.tf", "terraform/outputs.tf"),
        ("rendered/terraform/README.md", "terraform/README.md"),
        ("rendered/ORGANIZATION.md", "organization.md"),
        ("rendered/PLATFORM.md", "platform.md"),
        ("SECURITY.md", "security.md"),
        (PAGE_FILE, "security.html"),
    ] {
        rendered.push(filled(path, text, &context)?);
    }
    rendered.push(Rendered {
        path: "rendered/terraform/versions.tf".to_owned(),
        text: include_str!("../../templates/terraform/versions.tf").to_owned(),
    });
    rendered.push(filled(
        "rendered/create-role.sh",
        "create-role.sh",
        &documents::script(source),
    )?);
    rendered.extend(documents::policies(source));
    let tiers: Vec<_> = source
        .manifest
        .offered()
        .into_iter()
        .map(|tier| verifier_tier(&source.manifest, tier))
        .collect();
    rendered.push(json("rendered/tiers.json", &tiers));
    let offered: Vec<_> = source
        .manifest
        .offered()
        .into_iter()
        .map(|tier| serde_json::json!({ "name": tier.name.as_str(), "summary": tier.summary.to_string() }))
        .collect();
    rendered.push(json("rendered/offered-tiers.json", &offered));
    if let Some(tier) = tiers
        .iter()
        .find(|tier| tier.name == source.manifest.default_tier.as_str())
    {
        rendered.push(json("tier.json", tier));
    }
    for changes in source.changes() {
        let path = format!("rendered/versions/{}-to-{}", changes.from, changes.to);
        rendered.push(json(&format!("{path}.json"), &changes));
        rendered.push(filled(
            &format!("{path}.md"),
            "changes.md",
            &changes_text(&changes),
        )?);
    }
    rendered.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(rendered)
}

/// A difference between versions, as its Markdown is filled in.
#[derive(Serialize)]
struct ChangesText<'a> {
    from: &'a str,
    to: &'a str,
    lines: Vec<String>,
    changelog: &'a str,
}

fn changes_text(changes: &Changes) -> ChangesText<'_> {
    ChangesText {
        from: &changes.from,
        to: &changes.to,
        lines: changes.changes.iter().map(|change| change.sentence()).collect(),
        changelog: changes.changelog.trim(),
    }
}

fn filled(path: &str, text: &str, context: &impl Serialize) -> Result<Rendered, RenderingError> {
    let failed = |cause| RenderingError {
        path: path.to_owned(),
        cause,
    };
    let mut text = engine::fill(text, context).map_err(failed)?;
    // A text file ends with one line break, whatever its last block was.
    text.truncate(text.trim_end().len());
    text.push('\n');
    Ok(Rendered {
        path: path.to_owned(),
        text,
    })
}

fn json(path: &str, value: &impl Serialize) -> Rendered {
    // Through `Value`, whose fields are sorted: the same text in every build.
    let value = serde_json::json!(value);
    Rendered {
        path: path.to_owned(),
        text: format!("{value:#}\n"),
    }
}
