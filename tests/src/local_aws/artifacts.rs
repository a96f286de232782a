//! The functions' zip files, as `sam build` would make them, from the binaries that cargo just built.

use std::io::{Cursor, Write as _};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{Error, failed, sam_template::function_binary};

/// A zip file with `binary` as `bootstrap`. Stored, not deflated: it goes over loopback once.
pub fn function_zip(binary: &str) -> Result<Vec<u8>, Error> {
    let path = function_binary(binary);
    let bytes = std::fs::read(&path).map_err(|error| {
        failed(
            &format!("reading {} (run `cargo build --workspace`)", path.display()),
            &error,
        )
    })?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(bytes.len() + 1_024)));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(&bytes)?;
    Ok(zip.finish()?.into_inner())
}
