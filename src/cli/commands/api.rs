//! `loopsy api`: any operation by its name, for scripts.

use std::process::ExitCode;

use serde_json::Value;

use super::task::answer;
use crate::api::Operation;
use crate::api::tasks::TaskApprove;
use crate::base::text::closest;
use crate::base::{Error, Result};
use crate::cli::Session;
use crate::cli::app::Api;
use crate::client::raw::{Answer, Call};
use crate::daemon::routes::routes;

/// Carries out the command.
pub fn run(session: &Session, args: &Api) -> Result<ExitCode> {
    let operations = routes().descriptions();
    let Some(name) = &args.name else {
        let rows: Vec<_> = operations
            .iter()
            .map(|operation| {
                vec![operation.spec.name.to_owned(), format!("{} {}", operation.spec.method, operation.spec.path), operation.summary()]
            })
            .collect();
        session.console.table(&["NAME", "ROUTE", "WHAT"], &rows)?;
        return Ok(ExitCode::SUCCESS);
    };
    let operation = operations.iter().find(|operation| operation.spec.name == *name).ok_or_else(|| {
        let error = Error::invalid(format!("there is no operation {name:?}"));
        match closest(name, operations.iter().map(|operation| operation.spec.name)) {
            Some(known) => error.hint(format!("Did you mean {known}?")),
            None => error.hint("List them with: loopsy api"),
        }
    })?;
    if operation.spec.name == TaskApprove::SPEC.name {
        answer::permitted(session)?;
    }
    let fields = match args.request.as_deref().map(serde_json::from_str::<Value>) {
        None => serde_json::Map::new(),
        Some(Ok(Value::Object(fields))) => fields,
        Some(_) => return Err(Error::invalid("the request is not a JSON object").hint("Write it like '{\"key\":\"build/status\"}'.")),
    };
    session.wait(async {
        let link = session.link()?;
        let link = args.peer.as_deref().map_or_else(|| link.clone(), |peer| link.via(peer));
        let mut answer = link.raw(&Call { spec: &operation.spec, fields }).await?;
        while let Some(piece) = answer.next().await? {
            match piece {
                Answer::Json(value) => session.console.json(&value)?,
                Answer::Event(value) => session.console.json_line(&value)?,
                Answer::Bytes(bytes) => session.console.bytes(&bytes)?,
            }
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
