//! What a caller wrote, taken apart: which machine is meant, and the fields of the action.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::schema::Object;
use crate::api::peers::DEFAULT_PORT;
use crate::base::text::closest;
use crate::base::{Error, Result};
use crate::net::Address;

/// Whose daemon a tool may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This machine's alone: there is no peer among the arguments.
    Own,
    /// A peer's.
    Peer,
    /// A peer's, or this machine's unless one is named.
    Any,
}

/// Fields that name a machine, as the Node version's tools have them: (name, type, words).
const LEGACY: [(&str, &str, &str); 3] =
    [("peerAddress", "string", "Legacy."), ("peerPort", "integer", "Legacy."), ("peerApiKey", "string", "Legacy.")];
/// What older callers add to some calls, and nothing depends on.
const IGNORED: &str = "sender";

impl Reach {
    /// Adds the fields that name a machine to a schema, with those of older callers where there are such.
    pub fn describe(self, schema: &mut Object, legacy: bool) {
        if self == Self::Own {
            return;
        }
        let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
        let words = match self {
            Self::Any => "The machine; this one unless given.",
            _ => "The machine, by name or address.",
        };
        properties.insert("peer".into(), json!({ "type": "string", "description": words }));
        for (name, kind, words) in LEGACY.into_iter().filter(|_| legacy) {
            properties.insert(name.into(), json!({ "type": kind, "description": words }));
        }
    }
}

/// Takes the machine that is meant out of the arguments.
///
/// # Errors
/// `INVALID_REQUEST`, naming the argument.
pub fn machine(fields: &mut Object) -> Result<Option<String>> {
    let peer = text(fields, "peer")?;
    let hostname = text(fields, "peerHostname")?;
    let address = text(fields, "peerAddress")?;
    text(fields, "peerApiKey")?;
    let port = match fields.remove("peerPort") {
        None | Some(Value::Null) => DEFAULT_PORT,
        Some(port) => port
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0)
            .ok_or_else(|| Error::invalid(format!("the argument peerPort is not a port: {port}")))?,
    };
    let by_address = match address {
        Some(address) => {
            Some(Address::new(&address, port).map_err(|error| Error::invalid(format!("the argument peerAddress: {error}")))?.to_string())
        }
        None => None,
    };
    Ok(peer.or(by_address).or(hostname))
}

fn text(fields: &mut Object, name: &str) -> Result<Option<String>> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(Error::invalid(format!("the argument {name} is not a text"))),
    }
}

/// Checks that every argument is one of the schema's.
///
/// # Errors
/// `INVALID_REQUEST`, naming the argument and what there is.
pub fn check_names(fields: &Object, schema: &Object) -> Result<()> {
    let Some(Value::Object(known)) = schema.get("properties") else { return Ok(()) };
    let Some(strange) = fields.keys().find(|name| !known.contains_key(*name) && !name.starts_with(IGNORED)) else { return Ok(()) };
    let error = Error::invalid(format!("there is no argument {strange:?}"));
    let names: Vec<&str> = known.keys().map(String::as_str).filter(|name| LEGACY.iter().all(|(legacy, ..)| legacy != name)).collect();
    Err(match closest(strange, names.iter().copied()) {
        Some(name) => error.hint(format!("Did you mean {name}?")),
        None => error.hint(format!("There are: {}.", names.join(", "))),
    })
}

/// The action that the arguments describe.
///
/// # Errors
/// `INVALID_REQUEST`, naming the argument.
pub fn decode<T: DeserializeOwned>(mut fields: Object) -> Result<T> {
    // Some models write null for what they leave out.
    fields.retain(|_, value| !value.is_null());
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|cause| {
        let (path, inner) = (cause.path().to_string(), cause.inner().to_string());
        Error::invalid(match inner.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            Some(name) if path == "." => format!("the argument {name} is missing"),
            Some(_) | None => format!("the argument {path}: {inner}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::context::ContextGet;

    fn fields(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }
    fn meant(value: Value) -> Result<Option<String>> {
        machine(&mut fields(value))
    }

    #[test]
    fn a_machine_is_named_in_several_ways() {
        assert_eq!(meant(json!({})).unwrap(), None);
        assert_eq!(meant(json!({ "peer": " kai " })).unwrap().as_deref(), Some("kai"));
        assert_eq!(meant(json!({ "peer": "", "peerHostname": "kai" })).unwrap().as_deref(), Some("kai"));
        assert_eq!(meant(json!({ "peerAddress": "192.0.2.7" })).unwrap().as_deref(), Some("192.0.2.7:19532"));
        assert_eq!(meant(json!({ "peerAddress": "fe80::1", "peerPort": 7 })).unwrap().as_deref(), Some("[fe80::1]:7"));
        assert_eq!(meant(json!({ "peer": "kai", "peerAddress": "192.0.2.7", "peerApiKey": "k" })).unwrap().as_deref(), Some("kai"));
        for (wrong, name) in [
            (json!({ "peer": 7 }), "peer"),
            (json!({ "peerAddress": "a", "peerPort": "x" }), "peerPort"),
            (json!({ "peerPort": 70_000 }), "peerPort"),
            (json!({ "peerPort": 0 }), "peerPort"),
            (json!({ "peerAddress": "a b" }), "peerAddress"),
            (json!({ "peerApiKey": [] }), "peerApiKey"),
        ] {
            assert!(meant(wrong).unwrap_err().message.contains(name), "{name}");
        }
    }
    #[test]
    fn a_wrong_argument_is_named() {
        let said = |value: Value| decode::<ContextGet>(fields(value)).unwrap_err().message;
        assert_eq!(said(json!({})), "the argument key is missing");
        assert_eq!(said(json!({ "key": null })), "the argument key is missing");
        assert!(said(json!({ "key": 7 })).starts_with("the argument key: invalid type"));
    }
    #[test]
    fn an_argument_that_is_not_there_is_named_with_those_that_are() {
        let schema = fields(json!({ "properties": { "command": {}, "timeout": {}, "peerPort": {} } }));
        assert!(check_names(&fields(json!({ "command": 1, "senderPort": 2 })), &schema).is_ok());
        let typo = check_names(&fields(json!({ "comand": 1 })), &schema).unwrap_err();
        assert_eq!((typo.message.as_str(), typo.hint.as_deref()), ("there is no argument \"comand\"", Some("Did you mean command?")));
        let other = check_names(&fields(json!({ "shape": 1 })), &schema).unwrap_err();
        assert_eq!(other.hint.as_deref(), Some("There are: command, timeout."));
    }
}
