//! Everything that is published for one version: rendered for a deployment, each file under its own immutable key.

use std::io::{Cursor, Write as _};

use jiff::Timestamp;
use latchkey_core::domain::template_version::{MODULE_NAME, PublishedFile, PublishedVersion};
use serde_json::json;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::{
    deployment::Deployment,
    deployment_template::{
        RenderError, TemplateValues, deployment_placeholders, fill, render_source, sha256_hex,
    },
    policy::{MAX_TRUST_POLICY_CHARS, longest_trust_policy},
    rendering::{Rendered, RenderingError, Source, TEMPLATE_FILE, render_all},
};

/// What the bucket policy of template.yaml opens for everybody.
pub const PUBLIC_PREFIX: &str = "customer-templates/";
/// The template's name, which customers see at the end of its URL.
pub const TEMPLATE_NAME: &str = "latchkey-connection.yaml";
/// Where the module's files lie in `customer/`.
const MODULE_FOLDER: &str = "rendered/terraform/";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, at the end of the URL.
    pub name: String,
    pub content: Vec<u8>,
    pub content_type: &'static str,
    /// The SHA-256 of its content, in lower-case hexadecimal.
    pub sha256: String,
    pub key: String,
    /// The https URL that it is read from.
    pub url: String,
}

/// What is published for one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub template: File,
    pub files: Vec<File>,
    /// The SHA-256 of what all of it is rendered as, before anything of a deployment is filled in.
    pub identity: String,
}

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A text could not be rendered.
    #[error(transparent)]
    Rendering(#[from] RenderingError),
    /// A text could not be filled in for the deployment.
    #[error("{0}: {1}")]
    Placeholders(String, RenderError),
    /// IAM would refuse the role of a customer who uses every option.
    #[error(
        "a trust policy could have {0} characters; IAM takes {MAX_TRUST_POLICY_CHARS}: give the vendor's roles a shorter path"
    )]
    TrustTooLong(usize),
    /// The archive could not be made.
    #[error("{MODULE_NAME}: {0}")]
    Archive(#[from] zip::result::ZipError),
}

impl Bundle {
    /// Renders `source` for a deployment. The same source and deployment make the same bytes.
    pub fn of(source: &Source, deployment: &Deployment) -> Result<Self, BundleError> {
        let rendered = render_all(source)?;
        let text = |path: &str| {
            rendered
                .iter()
                .find(|file| file.path == path)
                .map_or("", |file| file.text.as_str())
        };
        let values = &deployment.values;
        let longest = longest_trust_policy(values);
        if longest > MAX_TRUST_POLICY_CHARS {
            return Err(BundleError::TrustTooLong(longest));
        }
        let of_template = |error| BundleError::Placeholders(TEMPLATE_FILE.to_owned(), error);
        let template =
            render_source(text(TEMPLATE_FILE), source.version.clone(), values).map_err(of_template)?;
        let place = |name: &str, content_type, content: Vec<u8>| {
            File::of(source, deployment, name, content_type, content)
        };
        let template = place(TEMPLATE_NAME, "application/yaml", template.text.into_bytes());
        let mut placeholders = deployment_placeholders(values, &source.version).to_vec();
        placeholders.extend([
            ("__HUB_REGION__", deployment.region.as_str()),
            ("__PARTITION__", deployment.region.partition().as_str()),
            ("__TEMPLATE_BUCKET__", deployment.bucket.as_str()),
            ("__TEMPLATE_URL__", template.url.as_str()),
            ("__TEMPLATE_SHA256__", template.sha256.as_str()),
        ]);
        let filled = |file: &Rendered| {
            fill(&file.text, &placeholders)
                .map_err(|error| BundleError::Placeholders(file.path.clone(), error))
        };
        let (mut files, mut module) = (Vec::new(), Vec::new());
        let mut identity = vec![(TEMPLATE_FILE, text(TEMPLATE_FILE))];
        for file in &rendered {
            let before = files.len() + module.len();
            if let Some(name) = file.path.strip_prefix(MODULE_FOLDER) {
                module.push((name, filled(file)?));
            } else if let Some((name, content_type)) = published_name(source, &file.path) {
                files.push(place(&name, content_type, filled(file)?.into_bytes()));
            }
            if files.len() + module.len() > before {
                identity.push((&file.path, &file.text));
            }
        }
        files.push(place(MODULE_NAME, "application/zip", archive(&module)?));
        let identity = sha256_hex(json!(identity).to_string().as_bytes());
        Ok(Self {
            template,
            files,
            identity,
        })
    }

    pub fn published(
        &self,
        source: &Source,
        values: &TemplateValues,
        published_at: Timestamp,
    ) -> PublishedVersion {
        let files = self.files.iter().map(|file| PublishedFile {
            name: file.name.clone(),
            url: file.url.clone(),
            sha256: file.sha256.clone(),
        });
        PublishedVersion {
            version: source.version.to_string(),
            url: self.template.url.clone(),
            sha256: self.template.sha256.clone(),
            published_at,
            changes: source.changes_of_this_version().map(|changes| json!(changes)),
            changelog: source.changelog_of(&source.version).to_owned(),
            parameters: parameters(&self.template.content),
            files: files.collect(),
            identity: Some(self.identity.clone()),
            vendor: format!(
                "{} {} {}",
                values.vendor_account, values.role_path, values.topic_name
            ),
            regions: values.served_regions.to_string(),
            earlier: Vec::new(),
        }
    }
}

impl File {
    fn of(
        source: &Source,
        deployment: &Deployment,
        name: &str,
        content_type: &'static str,
        content: Vec<u8>,
    ) -> Self {
        let sha256 = sha256_hex(&content);
        let key = format!("{PUBLIC_PREFIX}{}/{sha256}/{name}", source.version);
        let (bucket, region) = (&deployment.bucket, &deployment.bucket_region);
        // The regional form: it needs no redirect, and exists in every partition. No part needs encoding.
        let url = format!(
            "https://{bucket}.s3.{region}.{}/{key}",
            region.partition().dns_suffix()
        );
        Self {
            name: name.to_owned(),
            content,
            content_type,
            sha256,
            key,
            url,
        }
    }
}

/// The names of a template's parameters, in their order.
fn parameters(template: &[u8]) -> Vec<String> {
    let template: serde_yaml_ng::Value = serde_yaml_ng::from_slice(template).unwrap_or_default();
    let names = template["Parameters"]
        .as_mapping()
        .into_iter()
        .flat_map(|all| all.keys());
    names.filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

/// The name and media type of a rendered file that customers are given, if it is one. What is for the vendor's own service, and the
/// differences between former versions, stay here.
fn published_name(source: &Source, path: &str) -> Option<(String, &'static str)> {
    match path {
        "SECURITY.md" => return Some(("SECURITY.md".to_owned(), "text/markdown; charset=utf-8")),
        "rendered/ORGANIZATION.md" | "rendered/PLATFORM.md" => {
            let name = path.trim_start_matches("rendered/").to_owned();
            return Some((name, "text/markdown; charset=utf-8"));
        }
        "rendered/security.html" => return Some(("security.html".to_owned(), "text/html; charset=utf-8")),
        "rendered/create-role.sh" => {
            return Some(("create-role.sh".to_owned(), "text/x-shellscript; charset=utf-8"));
        }
        _ => {}
    }
    if let Some(name) = path.strip_prefix("rendered/iam/") {
        let is_trust = name == "trust-policy.json";
        let name = if is_trust {
            name.to_owned()
        } else {
            format!("permissions-{name}")
        };
        return Some((name, "application/json"));
    }
    let to_this_version = format!("-to-{}.md", source.version);
    (path.starts_with("rendered/versions/") && path.ends_with(&to_this_version))
        .then(|| ("changes.md".to_owned(), "text/markdown; charset=utf-8"))
}

/// A zip archive that is the same for the same files, whenever and wherever it is made.
fn archive(files: &[(&str, String)]) -> Result<Vec<u8>, zip::result::ZipError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(format!("latchkey-terraform/{name}"), options)?;
        writer.write_all(text.as_bytes())?;
    }
    Ok(writer.finish()?.into_inner())
}

#[cfg(test)]
mod tests;
