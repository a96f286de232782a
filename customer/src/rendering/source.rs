//! The folder that everything is rendered from: the manifest, the version, the changelog, the released versions.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    deployment_template::{TemplateVersion, sha256_hex},
    diff::Changes,
    manifest::{Manifest, ManifestError},
    snapshot::Snapshot,
};

use super::{RenderingError, TEMPLATE_FILE, render_all};

pub const MANIFEST_FILE: &str = "permissions.yaml";
pub const VERSIONS_FOLDER: &str = "versions";
/// The digests of the released versions' files, as `sha256sum` writes and checks them.
pub const DIGESTS_FILE: &str = "versions/SHA256SUMS";
/// What every entry of the changelog tells.
const WHAT_TO_DO: &str = "**What you have to do:**";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub manifest: Manifest,
    /// The version that is being written, or was released last.
    pub version: TemplateVersion,
    /// `CHANGELOG.md`.
    pub changelog: String,
    /// The released versions, the oldest first.
    pub released: Vec<Snapshot>,
    /// Released files that are not what was released.
    tampered: Vec<String>,
}

/// Why the folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{path}: {cause}", path = path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("{MANIFEST_FILE}: {0}")]
    Manifest(#[from] ManifestError),
    /// `version.txt` holds no version.
    #[error("version.txt: {0}")]
    Version(latchkey_core::domain::invalid::Invalid),
    /// A released version's file cannot be read.
    #[error("{path}: {cause}", path = path.display())]
    Snapshot { path: PathBuf, cause: serde_json::Error },
}

impl Source {
    pub fn of_repository() -> Result<Self, SourceError> {
        Self::read(repository_folder())
    }

    /// Reads a folder such as `customer/`.
    pub fn read(folder: &Path) -> Result<Self, SourceError> {
        let text = |name: &str| read(&folder.join(name));
        let manifest = Manifest::parse(&text(MANIFEST_FILE)?)?;
        let version =
            TemplateVersion::parse(text("version.txt")?.trim_end()).map_err(SourceError::Version)?;
        let (released, tampered) = released(folder)?;
        Ok(Self {
            manifest,
            version,
            changelog: text("CHANGELOG.md")?,
            released,
            tampered,
        })
    }

    /// What each version changed against the one before it, this one included, the oldest first. This one's entry is
    /// there even while it is not released.
    pub fn changes(&self) -> Vec<Changes> {
        let mut versions = self.released.clone();
        if !versions.iter().any(|released| released.version == self.version) {
            // The digest is no part of a difference.
            versions.push(Snapshot::of(&self.manifest, &self.version, ""));
        }
        let pairs = versions.windows(2);
        pairs
            .map(|pair| Changes::between(&pair[0], &pair[1], self.changelog_of(&pair[1].version)))
            .collect()
    }

    /// What this version changes against the last one that was released before it.
    pub fn changes_of_this_version(&self) -> Option<Changes> {
        self.changes()
            .into_iter()
            .find(|changes| changes.to == self.version.as_str())
    }

    /// The changelog's entry of a version, without its heading; empty where there is none.
    pub fn changelog_of(&self, version: &TemplateVersion) -> &str {
        let heading = format!("\n## {version}\n");
        let entry = self.changelog.split_once(&heading).map_or("", |(_, rest)| rest);
        entry.split("\n## ").next().unwrap_or_default().trim()
    }

    /// What this version grants, as it is kept once it is released.
    pub fn snapshot(&self) -> Result<Snapshot, RenderingError> {
        Ok(Snapshot::of(&self.manifest, &self.version, &self.template()?))
    }

    /// The connection template as it is rendered now, with its placeholders.
    fn template(&self) -> Result<String, RenderingError> {
        let rendered = render_all(self)?;
        let template = rendered.into_iter().find(|file| file.path == TEMPLATE_FILE);
        Ok(template.map(|template| template.text).unwrap_or_default())
    }

    pub fn is_released(&self) -> bool {
        self.released
            .iter()
            .any(|released| released.version == self.version)
    }

    /// What is wrong with the versions: a released one that changed, one that goes back, an entry that is missing.
    pub fn version_problems(&self) -> Result<Vec<String>, RenderingError> {
        let mut problems = self.tampered.clone();
        let version = &self.version;
        if let Some(last) = self.released.last().filter(|last| last.version > *version) {
            problems.push(format!(
                "version.txt says {version}, but {} was released",
                last.version
            ));
        }
        if let Some(released) = self.released.iter().find(|released| released.version == *version)
            && *released != self.snapshot()?
        {
            problems.push(format!(
                "permissions or template changed since {version} was released; raise version.txt and write its entry into CHANGELOG.md"
            ));
        }
        if !self.changelog_of(version).contains(WHAT_TO_DO) {
            problems.push(format!(
                "CHANGELOG.md has no entry \"## {version}\" with \"{WHAT_TO_DO}\""
            ));
        }
        Ok(problems)
    }
}

/// Keeps this version for ever: what it grants, the template's text, and the digest of what it grants, which holds that
/// of the text. An error for a version that is released already.
pub fn release(folder: &Path, source: &Source) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    if source.is_released() {
        return Err(format!("{} is released already", source.version).into());
    }
    let text = source.snapshot()?.text();
    let name = format!("{}.json", source.version);
    let versions = folder.join(VERSIONS_FOLDER);
    fs::write(versions.join(template_name(&source.version)), source.template()?)?;
    fs::write(versions.join(&name), &text)?;
    let mut digests = read(&folder.join(DIGESTS_FILE)).unwrap_or_default();
    digests.push_str(&format!("{}  {name}\n", sha256_hex(text.as_bytes())));
    fs::write(folder.join(DIGESTS_FILE), digests)?;
    Ok(name)
}

/// The file of a released version's template, with its placeholders.
fn template_name(version: &TemplateVersion) -> String {
    format!("{version}.yaml")
}

/// `customer/` of the repository that this was built from.
pub fn repository_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The released versions, the oldest first, and what is wrong with their files.
fn released(folder: &Path) -> Result<(Vec<Snapshot>, Vec<String>), SourceError> {
    let digests = read(&folder.join(DIGESTS_FILE))?;
    let (mut found, mut tampered, mut files) = (Vec::new(), Vec::new(), 0);
    let versions = folder.join(VERSIONS_FOLDER);
    for entry in fs::read_dir(&versions).map_err(|cause| SourceError::File {
        path: versions.clone(),
        cause,
    })? {
        let path = entry
            .map_err(|cause| SourceError::File {
                path: versions.clone(),
                cause,
            })?
            .path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        files += 1;
        let text = read(&path)?;
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if !digests
            .lines()
            .any(|line| line == format!("{}  {name}", sha256_hex(text.as_bytes())))
        {
            tampered.push(format!(
                "{VERSIONS_FOLDER}/{name} is not what was released ({DIGESTS_FILE})"
            ));
        }
        let snapshot: Snapshot = serde_json::from_str(&text).map_err(|cause| SourceError::Snapshot {
            path: path.clone(),
            cause,
        })?;
        if name != format!("{}.json", snapshot.version) {
            tampered.push(format!("{VERSIONS_FOLDER}/{name} is about {}", snapshot.version));
        }
        let template = template_name(&snapshot.version);
        if sha256_hex(read(&versions.join(&template))?.as_bytes()) != snapshot.template_sha256 {
            tampered.push(format!(
                "{VERSIONS_FOLDER}/{template} is not what was released ({VERSIONS_FOLDER}/{name})"
            ));
        }
        found.push(snapshot);
    }
    if digests.lines().count() != files {
        tampered.push(format!(
            "{DIGESTS_FILE} and the files beside it are not the same versions"
        ));
    }
    found.sort_by(|a, b| a.version.cmp(&b.version));
    Ok((found, tampered))
}

fn read(path: &Path) -> Result<String, SourceError> {
    fs::read_to_string(path).map_err(|cause| SourceError::File {
        path: path.to_owned(),
        cause,
    })
}
