//! How a request type becomes a path, a query, headers and a body, and back. Used by both ends.
//!
//! The rule: fields named in the path template go there, fields that the spec lists as headers go there; what is left
//! goes to a JSON body (PUT, POST), else to the query.

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde_json::{Map, Value};

use super::operation::{BASE, Operation, Spec};
use crate::base::{Error, Result};

/// Header with the number of a failure: the answer to HEAD has no body that could tell it.
pub const ERROR: &str = "x-loopsy-error";
/// Header with the caller's node id.
pub const NODE_ID: &str = "x-loopsy-node-id";
/// Header with which the owner has a request sent on to a peer.
pub const PEER: &str = "x-loopsy-peer";
/// Header with the number of the last event that the reader of a stream has seen.
pub const LAST_EVENT: &str = "last-event-id";
/// Longest message over a WebSocket, bytes, unless the operation has a lower limit; both ends hold to it.
pub const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// Whether whoever sent these headers reads trailers.
pub fn reads_trailers(headers: &HeaderMap) -> bool {
    let said = headers.get_all(http::header::TE).iter().filter_map(|value| value.to_str().ok());
    said.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("trailers"))
}

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path (as JavaScript's `encodeURIComponent`, a little stricter).
pub fn segment(text: &str) -> String {
    // A segment of dots would be taken for "this folder" by clients and proxies on the way.
    if text == "." || text == ".." { text.replace('.', "%2E") } else { utf8_percent_encode(text, SEGMENT).to_string() }
}

/// A request as it travels.
#[derive(Debug, PartialEq)]
pub struct Encoded {
    /// Path and query.
    pub target: String,
    /// Header-borne fields.
    pub headers: Vec<(&'static str, String)>,
    /// JSON body.
    pub body: Option<Vec<u8>>,
}

/// Writes a request.
pub fn encode<O: Operation>(op: &O) -> Result<Encoded> {
    match serde_json::to_value(op) {
        Ok(Value::Object(fields)) => encode_fields(&O::SPEC, fields),
        Ok(Value::Null) => encode_fields(&O::SPEC, Map::new()),
        Ok(_) => Err(Error::internal("a request must be a struct", O::SPEC.name)),
        Err(cause) => Err(Error::internal("a request could not be written", cause)),
    }
}

/// Writes a request that is known by its fields only.
pub fn encode_fields(spec: &Spec, mut fields: Map<String, Value>) -> Result<Encoded> {
    let mut target = String::from(BASE);
    for part in spec.path.split('/').skip(1) {
        target.push('/');
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => target.push_str(&segment(&path_field(name, fields.remove(name))?)),
            None => target.push_str(part),
        }
    }
    let mut headers = Vec::new();
    for (field, header) in spec.headers {
        if let Some(value) = fields.remove(*field).filter(|value| !value.is_null()) {
            headers.push((*header, text(&value)));
        }
    }
    if spec.has_json_body() {
        let body = serde_json::to_vec(&Value::Object(fields)).map_err(|cause| Error::internal("a request could not be written", cause))?;
        return Ok(Encoded { target, headers, body: Some(body) });
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        query.append_pair(name, &text(value));
    }
    let query = query.finish();
    if !query.is_empty() {
        target.push('?');
        target.push_str(&query);
    }
    Ok(Encoded { target, headers, body: None })
}

/// What stands for a field in the path; without it the path would be another one.
fn path_field(name: &str, value: Option<Value>) -> Result<String> {
    match value {
        None | Some(Value::Null) => Err(Error::invalid(format!("{name} is missing"))),
        Some(value) => Some(text(&value)).filter(|text| !text.is_empty()).ok_or_else(|| Error::invalid(format!("{name} is empty"))),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Reads a request. `params` are the raw (still encoded) path segments that the router matched.
///
/// # Errors
/// `INVALID_REQUEST`, naming the field.
pub fn decode<O: Operation>(params: &[(&str, &str)], query: &str, headers: &HeaderMap, body: &[u8]) -> Result<O> {
    let spec = O::SPEC;
    let mut fields: Vec<(String, Loose)> = Vec::new();
    let from_body = spec.has_json_body();
    if from_body && !body.trim_ascii().is_empty() {
        let map: Map<String, Value> =
            serde_json::from_slice(body).map_err(|cause| Error::invalid(format!("the body is not a JSON object: {cause}")))?;
        fields.extend(map.into_iter().map(|(name, value)| (name, Loose::Json(value))));
    }
    let bound = |name: &str| spec.path_fields().any(|field| field == name) || spec.headers.iter().any(|(field, _)| *field == name);
    fields.retain(|(name, _)| !bound(name));
    if !from_body {
        for (name, value) in query_pairs(query)? {
            // The first of two equal names counts, and a name of a path or header field does not come from here.
            if !bound(&name) && !fields.iter().any(|(known, _)| *known == name) {
                fields.push((name, Loose::Text(value)));
            }
        }
    }
    for (field, header) in spec.headers {
        if let Some(value) = headers.get(*header) {
            let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Error::invalid(format!("the header {header} is not UTF-8")))?;
            fields.push(((*field).to_owned(), Loose::Text(value.to_owned())));
        }
    }
    if let (Some(field), Some(last)) = (spec.resume, headers.get(LAST_EVENT).filter(|last| !last.is_empty())) {
        // It is newer than what stands in the address, which a client that connects again repeats.
        fields.retain(|(name, _)| name != field);
        fields.push((field.to_owned(), Loose::Text(String::from_utf8_lossy(last.as_bytes()).into_owned())));
    }
    for (name, raw) in params {
        fields.push(((*name).to_owned(), Loose::Text(path_text(name, raw)?)));
    }
    from_fields(fields)
}

/// The text of a field in the path.
///
/// # Errors
/// `INVALID_REQUEST` where it is not UTF-8.
pub fn path_text(name: &str, raw: &str) -> Result<String> {
    let text = percent_decode_str(raw).decode_utf8().map_err(|_| Error::invalid(format!("{name} in the path is not UTF-8")))?;
    Ok(text.into_owned())
}

/// Reads a request from one JSON object that holds all fields, as agents and `loopsy api` write it.
pub fn from_object<O: Operation>(object: Map<String, Value>) -> Result<O> {
    from_fields(object.into_iter().map(|(name, value)| (name, Loose::Json(value))).collect())
}

fn from_fields<T: DeserializeOwned>(fields: Vec<(String, Loose)>) -> Result<T> {
    let deserializer = MapDeserializer::<_, serde_json::Error>::new(fields.into_iter());
    serde_path_to_error::deserialize(deserializer).map_err(|cause| {
        let path = cause.path().to_string();
        let inner = cause.inner().to_string();
        Error::invalid(if path.is_empty() || path == "." { inner } else { format!("{path}: {inner}") })
    })
}

fn query_pairs(query: &str) -> Result<Vec<(String, String)>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| {
                let spaced = text.replace('+', " ");
                percent_decode_str(&spaced)
                    .decode_utf8()
                    .map(|text| text.into_owned())
                    .map_err(|_| Error::invalid("the query is not UTF-8"))
            };
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// A field as it came: typed JSON, or text whose type the target type must tell.
enum Loose {
    Json(Value),
    Text(String),
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Loose {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parse {
    ($($method:ident $type:ty => $visit:ident),* $(,)?) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            match self {
                Loose::Json(value) => de::Deserializer::$method(value, visitor),
                Loose::Text(text) => match text.parse::<$type>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(de::Error::invalid_value(de::Unexpected::Str(&text), &visitor)),
                },
            }
        }
    )* };
}

impl<'de> de::Deserializer<'de> for Loose {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Loose::Json(value) => value.deserialize_any(visitor),
            Loose::Text(text) => visitor.visit_string(text),
        }
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Loose::Json(Value::Null) => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self {
            Loose::Json(value) => value.deserialize_enum(name, variants, visitor),
            Loose::Text(text) => visitor.visit_enum(text.into_deserializer()),
        }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }
    parse! {
        deserialize_bool bool => visit_bool,
        deserialize_u8 u8 => visit_u8, deserialize_u16 u16 => visit_u16, deserialize_u32 u32 => visit_u32, deserialize_u64 u64 => visit_u64,
        deserialize_i32 i32 => visit_i32, deserialize_i64 i64 => visit_i64, deserialize_f64 f64 => visit_f64,
    }
    serde::forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::context::{ContextDelete, ContextList, ContextSet};
    use crate::base::Code;

    fn round<O: Operation + PartialEq + std::fmt::Debug>(op: O) {
        let encoded = encode(&op).unwrap();
        let (path, query) = encoded.target.split_once('?').unwrap_or((&encoded.target, ""));
        let template = format!("{BASE}{}", O::SPEC.path);
        let params: Vec<(&str, &str)> =
            template.split('/').zip(path.split('/')).filter_map(|(t, v)| Some((t.strip_prefix('{')?.strip_suffix('}')?, v))).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in &encoded.headers {
            headers.insert(*name, value.parse().unwrap());
        }
        assert_eq!(decode::<O>(&params, query, &headers, encoded.body.as_deref().unwrap_or(b"")).unwrap(), op);
    }

    #[test]
    fn every_shape_survives_the_wire() {
        round(ContextSet { key: "inbox:leo/1 %2F?#é".into(), value: "ü\n".into(), ttl: Some(0.5), ..ContextSet::example() });
        round(ContextSet { key: "42".into(), value: "true".into(), ttl: None, if_match: Some("\"7\"".into()), if_none_match: None });
        round(ContextSet { key: "..".into(), ..ContextSet::example() });
        round(ContextList { prefix: Some("7+ &".into()), limit: Some(7), after: None, keys_only: true });
        round(ContextList::default());
        round(ContextDelete { key: "a/b".into(), if_match: None });
    }

    #[test]
    fn a_path_without_its_field_is_not_written() {
        assert_eq!(encode(&ContextSet { key: String::new(), ..ContextSet::example() }).unwrap_err().message, "key is empty");
        assert_eq!(encode_fields(&ContextSet::SPEC, Map::new()).unwrap_err().message, "key is missing");
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        let no_headers = HeaderMap::new();
        let error = decode::<ContextList>(&[], "limit=many", &no_headers, b"").unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
        assert!(error.message.starts_with("limit:"), "{error}");
        let error = decode::<ContextSet>(&[("key", "a")], "", &no_headers, br#"{"value":7}"#).unwrap_err();
        assert!(error.message.starts_with("value:"), "{error}");
        let error = decode::<ContextSet>(&[("key", "a")], "", &no_headers, b"{}").unwrap_err();
        assert!(error.message.contains("value"), "{error}");
    }

    #[test]
    fn hostile_bytes_are_invalid_requests() {
        let no_headers = HeaderMap::new();
        for (params, query, body) in [
            (vec![("key", "%ff%fe")], "", &b"{\"value\":\"a\"}"[..]),
            (vec![("key", "a")], "", b"[1]"),
            (vec![("key", "a")], "", b"{\"value\":\"a\",\"ttl\":1e999}"),
            (vec![("key", "a")], "", b"{\"value\":\"\xff\"}"),
            (vec![("key", "a")], "", b"nonsense"),
        ] {
            assert_eq!(decode::<ContextSet>(&params, query, &no_headers, body).unwrap_err().code, Code::InvalidRequest, "{query} {body:?}");
        }
        assert_eq!(decode::<ContextList>(&[], "prefix=%ff", &no_headers, b"").unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn the_path_names_the_key_whatever_the_body_says() {
        let op = decode::<ContextSet>(&[("key", "a")], "key=c", &HeaderMap::new(), br#"{"value":"v","key":"b"}"#).unwrap();
        assert_eq!(op.key, "a");
    }
}
