//! Packs the dashboard's files: `dashboard.rs` in the folder of what was built is the table of them, by their paths.

use std::io::{Result, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Where they are.
pub const FOLDER: &str = "assets/dashboard";

/// Packs them with gzip, each as it is sent; the table is empty unless they are wanted.
#[expect(clippy::disallowed_methods, reason = "what is built is for everybody, and the program's own writers are not there yet")]
pub fn pack(wanted: bool) -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let files = if wanted { files_below(Path::new(FOLDER))? } else { Vec::new() };
    let mut rows = String::new();
    for (number, file) in files.iter().enumerate() {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&fs::read(file)?)?;
        let packed = out.join(format!("{number}.gz"));
        fs::write(&packed, packer.finish()?)?;
        let name = file.strip_prefix(FOLDER).unwrap_or(file).to_string_lossy().replace('\\', "/");
        rows.push_str(&format!("    ({name:?}, include_bytes!({packed:?})),\n"));
    }
    fs::write(out.join("dashboard.rs"), format!("&[\n{rows}]\n"))
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
