//! The rendered files on disk.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{RENDERED_FOLDER, Rendered};

/// Why a rendered file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}", path = path.display())]
pub struct FolderError {
    path: PathBuf,
    cause: io::Error,
}

fn at(path: &Path) -> impl Fn(io::Error) -> FolderError {
    move |cause| FolderError {
        path: path.to_owned(),
        cause,
    }
}

/// Writes everything into `folder`, and removes what is not rendered any more. Returns the paths that changed.
pub fn write(folder: &Path, rendered: &[Rendered]) -> Result<Vec<String>, FolderError> {
    let mut changed = Vec::new();
    for file in rendered {
        let path = folder.join(&file.path);
        if fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        fs::write(&path, &file.text).map_err(at(&path))?;
        changed.push(file.path.clone());
    }
    for path in left_over(folder, rendered)? {
        fs::remove_file(folder.join(&path)).map_err(at(&folder.join(&path)))?;
        changed.push(path);
    }
    Ok(changed)
}

/// The rendered files of `folder` that are not what they should be.
pub fn stale(folder: &Path, rendered: &[Rendered]) -> Result<Vec<String>, FolderError> {
    let differs =
        |file: &&Rendered| !fs::read_to_string(folder.join(&file.path)).is_ok_and(|text| text == file.text);
    let mut stale: Vec<String> = rendered
        .iter()
        .filter(differs)
        .map(|file| file.path.clone())
        .collect();
    stale.extend(left_over(folder, rendered)?);
    Ok(stale)
}

/// Files of the rendered folder that nothing renders.
fn left_over(folder: &Path, rendered: &[Rendered]) -> Result<Vec<String>, FolderError> {
    let known: BTreeSet<PathBuf> = rendered.iter().map(|file| folder.join(&file.path)).collect();
    let mut found = Vec::new();
    let mut folders = vec![folder.join(RENDERED_FOLDER)];
    while let Some(next) = folders.pop() {
        if !next.exists() {
            continue;
        }
        for entry in fs::read_dir(&next).map_err(at(&next))? {
            let path = entry.map_err(at(&next))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !known.contains(&path) {
                let relative = path.strip_prefix(folder).unwrap_or(&path);
                found.push(relative.display().to_string());
            }
        }
    }
    found.sort();
    Ok(found)
}
