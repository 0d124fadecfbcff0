//! Packs the dashboard's files into the folder `dashboard` of what was built.

use std::io::{Result, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Where they are.
pub const FOLDER: &str = "assets/dashboard";

/// Packs them with gzip, each as it is sent, into the folder that the program embeds; none unless they are wanted.
#[expect(clippy::disallowed_methods, reason = "what is built is for everybody, and the program's own writers are not there yet")]
pub fn pack(wanted: bool) -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("dashboard");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    let files = if wanted { files_below(Path::new(FOLDER))? } else { Vec::new() };
    for file in files {
        let packed = out.join(file.strip_prefix(FOLDER).unwrap_or(&file));
        fs::create_dir_all(packed.parent().unwrap_or(&out))?;
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&fs::read(file)?)?;
        fs::write(packed, packer.finish()?)?;
    }
    Ok(())
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
    Ok(found)
}
