//! `loopsy init`: everything that a daemon needs before its first start.

use std::process::ExitCode;

use serde_json::json;

use crate::base::Result;
use crate::base::secret::Secret;
use crate::cli::Session;
use crate::home::{config_file, identity};
use crate::platform::host;

/// Creates what is missing and changes nothing that is there.
pub fn run(session: &Session) -> Result<ExitCode> {
    let Session { home, console } = session;
    home.create()?.iter().for_each(|warning| console.warn(warning));
    let (node_id, warning) = identity::load_or_create(home)?;
    warning.iter().for_each(|warning| console.warn(warning));
    let text = config_file::init_text(&Secret::generate()?, &host::hostname(), &host::home_dir());
    let created = config_file::create(home, &text)?;
    let path = home.config();
    if console.wants_json() {
        console.json(&json!({ "created": created, "config": path, "nodeId": node_id }))?;
    } else if created {
        console.note(format!("Configuration created: {}", path.display()));
        console.note("Next: loopsy start");
    } else {
        console.note(format!("Configuration exists, nothing was changed: {}", path.display()));
        // Said at the moment when somebody looks at it.
        config_file::load(&path)?.warnings.iter().for_each(|warning| console.warn(warning));
    }
    Ok(ExitCode::SUCCESS)
}
