//! The shape of a tool: one type whose fields are its arguments, one line in the table of tools.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rmcp::model::{self, CallToolResult, ContentBlock, ToolAnnotations};
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{self, Done};
use super::arguments::{self, Reach};
use super::call::Call;
use super::own::Own;
use super::schema::{self, Object};
use crate::base::{Code, Error, Result};

/// A type that is what a tool does: its fields are the arguments.
pub trait Action: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// What comes back.
    type Answer: Serialize + JsonSchema + Send + 'static;
    /// Fails where this machine refuses it, whichever machine it is about.
    fn check(&self, _call: &Call) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Does it.
    fn act(self, call: &Call) -> impl Future<Output = Result<Self::Answer>> + Send;
    /// Tells what came of it, in few words.
    fn tell(answer: &Self::Answer, call: &Call) -> String;
}

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only looks.
    Reads,
    /// It adds something each time.
    Adds,
    /// It puts something in a place; doing it again changes nothing more.
    Puts,
    /// It may change or remove anything; doing it again may do it again.
    Destroys,
    /// It removes or overwrites something; doing it again changes nothing more.
    Removes,
}

/// What comes of a call; a failure with the machine whose it is, where that was named.
type Doing<'a> = Pin<Box<dyn Future<Output = Result<Done, (Error, Option<&'a str>)>> + Send + 'a>>;

/// One row of the table.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    title: &'static str,
    about: &'static str,
    reach: Reach,
    effect: Effect,
    open: bool,
    legacy: bool,
    input: fn() -> Object,
    output: fn() -> Object,
    act: for<'a> fn(&'a Call, Object) -> Result<Doing<'a>>,
}

/// Reads the arguments, and answers what remains to be done.
fn act<A: Action>(call: &Call, fields: Object) -> Result<Doing<'_>> {
    let action: A = arguments::decode(fields)?;
    Ok(Box::pin(async move {
        action.check(call).await.map_err(|error| (error, None))?;
        let done = action.act(call).await.map_err(|error| (error, call.machine()))?;
        let text = A::tell(&done, call);
        Done::of(&done, text).map_err(|error| (error, None))
    }))
}

impl Tool {
    /// The tool that does an action. `about` is for the model: when to use it, and what comes back.
    pub const fn of<A: Action>(name: &'static str, title: &'static str, reach: Reach, effect: Effect, about: &'static str) -> Self {
        Self {
            name,
            title,
            about,
            reach,
            effect,
            open: false,
            legacy: true,
            input: schema::input::<A>,
            output: schema::output::<A::Answer>,
            act: act::<A>,
        }
    }
    /// What it does can touch anything that the other machine can reach.
    pub const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Nobody names machines to it as the Node version's tools had them named.
    pub const fn ours(mut self) -> Self {
        self.legacy = false;
        self
    }

    /// The schema of its arguments.
    pub fn input(&self) -> Object {
        let mut schema = (self.input)();
        self.reach.describe(&mut schema, self.legacy);
        schema
    }

    /// How it is listed.
    pub fn listed(&self) -> model::Tool {
        let (reads, destroys, idempotent) = match self.effect {
            Effect::Reads => (true, false, true),
            Effect::Adds => (false, false, false),
            Effect::Puts => (false, false, true),
            Effect::Destroys => (false, true, false),
            Effect::Removes => (false, true, true),
        };
        let hints = ToolAnnotations::new().read_only(reads).destructive(destroys).idempotent(idempotent).open_world(self.open);
        model::Tool::new(self.name, self.about, self.input())
            .with_title(self.title)
            .with_raw_output_schema(Arc::new((self.output)()))
            .with_annotations(hints)
    }

    /// Calls it. A failure is a result too: the model reads it and goes on.
    pub async fn call(&self, own: &Arc<Own>, context: &RequestContext<rmcp::RoleServer>, mut fields: Object) -> CallToolResult {
        let machine = if self.reach == Reach::Own { Ok(None) } else { arguments::machine(&mut fields) };
        let machine = match machine.and_then(|machine| arguments::check_names(&fields, &(self.input)()).map(|()| machine)) {
            Ok(machine) => machine,
            Err(error) => return failed(&error, None),
        };
        let call = Call::new(own.clone(), context, machine);
        if self.reach == Reach::Peer && call.machine().is_none() {
            return failed(&call.with_names(Error::invalid("the argument peer is missing")).await, None);
        }
        let doing = match (self.act)(&call, fields) {
            Ok(doing) => doing,
            Err(error) => return failed(&error, None),
        };
        match doing.await {
            Ok(done) => succeeded(done),
            Err((error, _)) if error.code == Code::PeerNotFound => failed(&call.with_names(error).await, None),
            Err((error, machine)) => failed(&error, machine),
        }
    }
}

/// How the protocol has what came of a call.
pub fn succeeded(done: Done) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(done.text)]);
    result.structured_content = Some(done.structured);
    result
}

fn failed(error: &Error, machine: Option<&str>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(answer::failure(error, machine))])
}
