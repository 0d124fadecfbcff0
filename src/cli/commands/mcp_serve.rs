//! `loopsy mcp-serve`: what a coding agent starts.

use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use crate::base::secret::Secret;
use crate::base::{Error, Result};
use crate::cli::Session;
use crate::client::local::Overrides;
use crate::mcp;
use crate::platform::memory;

/// By when an agent has asked for what it asks for at the beginning: who this is, and the lists.
const SETTLED: Duration = Duration::from_secs(1);

/// Carries out the command.
pub fn run(session: &Session) -> Result<ExitCode> {
    let overrides = Overrides { port: port(said("LOOPSY_PORT").as_deref())?, key: said("LOOPSY_API_KEY").map(Secret::new) };
    let own = mcp::Own::new(session.home.clone(), overrides);
    session.wait(async {
        let mut served = pin!(mcp::serve(own));
        tokio::select! {
            ended = &mut served => return ended,
            () = tokio::time::sleep(SETTLED) => memory::forget_startup(),
        }
        served.await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn said(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

fn port(text: Option<&str>) -> Result<Option<u16>> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(Error::invalid(format!("LOOPSY_PORT: {text:?} is not a port"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_from_outside_is_checked() {
        assert_eq!(port(None).unwrap(), None);
        assert_eq!(port(Some("19632")).unwrap(), Some(19632));
        for wrong in ["0", "x", "70000", "-1"] {
            assert!(port(Some(wrong)).unwrap_err().message.contains("LOOPSY_PORT"), "{wrong}");
        }
    }
}
