//! The OpenAPI 3.1 document, made from the types that serve the routes.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::operation::{Access, BASE, Operation, Payload, Reply, Spec};
use crate::base::Code;

/// What the document needs to know of one operation.
#[derive(Clone)]
pub struct Description {
    /// All but the types.
    pub spec: Spec,
    /// Schema of the request type.
    pub request: fn(&mut SchemaGenerator) -> Schema,
    /// Schema of a reply, or of one item of it.
    pub reply: fn(&mut SchemaGenerator) -> Schema,
    /// Content type of a good answer.
    pub content_type: &'static str,
    /// For a listing, the member that holds the items.
    pub field: Option<&'static str>,
}

impl Description {
    /// Describes an operation.
    pub fn of<O: Operation>() -> Self {
        Self {
            spec: O::SPEC,
            request: |generator| O::json_schema(generator),
            reply: |generator| generator.subschema_for::<<O::Reply as Reply>::Item>(),
            content_type: O::Reply::CONTENT_TYPE,
            field: O::Reply::FIELD,
        }
    }
    /// The operation in one sentence: the first paragraph of its type's documentation.
    pub fn summary(&self) -> String {
        let schema = (self.request)(&mut SchemaGenerator::default());
        let text = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        text.split("\n\n").next().unwrap_or_default().replace('\n', " ")
    }
}

/// Writes the document.
pub fn document(operations: &[Description]) -> Value {
    let mut generator =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator();
    let mut paths = Map::new();
    for operation in operations {
        let described = describe(operation, &mut generator);
        let methods = paths.entry(format!("{BASE}{}", operation.spec.path)).or_insert_with(|| json!({}));
        methods[operation.spec.method.as_str().to_lowercase()] = described;
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Failure".into(), failure_schema());
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Loopsy", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "What a Loopsy daemon can be asked. Every failure has the shape of the schema Failure." },
        "paths": paths,
        "components": { "schemas": schemas, "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } } },
        "security": [{ "key": [] }],
    })
}

fn failure_schema() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| format!("{} {}: {}", code.number(), code.name(), code.meaning())).collect();
    json!({ "type": "object", "required": ["error"], "properties": { "error": { "type": "object", "required": ["code", "message"], "properties": {
        "code": { "type": "integer", "description": codes.join("\n") }, "message": { "type": "string" }, "hint": { "type": "string" }, "details": {},
    } } } })
}

/// A request that wraps another type refers to it; what is wanted are that type's fields, under its own words.
fn resolved(mut schema: Value, generator: &SchemaGenerator) -> Value {
    let inner = schema["$ref"].as_str().and_then(|name| generator.definitions().get(name.rsplit('/').next()?)).cloned();
    if let Some(Value::Object(inner)) = inner {
        for (name, value) in inner {
            schema.as_object_mut().map(|schema| schema.entry(name).or_insert(value));
        }
    }
    schema
}

fn describe(operation: &Description, generator: &mut SchemaGenerator) -> Value {
    let spec = &operation.spec;
    let request = resolved((operation.request)(generator).to_value(), generator);
    let properties = request["properties"].as_object().cloned().unwrap_or_default();
    let required: Vec<&str> = request["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut body = Map::new();
    let mut parameters = Vec::new();
    for (name, schema) in properties {
        let header = spec.headers.iter().find(|(field, _)| *field == name).map(|(_, header)| *header);
        let (place, shown) = match header {
            _ if spec.path_fields().any(|field| field == name) => ("path", name.as_str()),
            Some(header) => ("header", header),
            None if spec.has_json_body() => {
                body.insert(name, schema);
                continue;
            }
            None => ("query", name.as_str()),
        };
        let mut schema = schema;
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter =
            json!({ "name": shown, "in": place, "required": place == "path" || required.contains(&name.as_str()), "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameters.push(parameter);
    }
    if let Some(field) = spec.resume {
        let description = format!("The last event that was seen; it stands for `{field}`.");
        parameters.push(json!({ "name": "Last-Event-ID", "in": "header", "required": false, "schema": { "type": "integer" }, "description": description }));
    }
    let item = (operation.reply)(generator).to_value();
    let reply = match operation.field {
        Some(field) => json!({ "type": "object", "required": [field], "properties": { field: { "type": "array", "items": item } } }),
        None if operation.content_type == "application/octet-stream" => json!({ "type": "string", "format": "binary" }),
        None => item,
    };
    let done = if spec.created { "201" } else { "200" };
    let good = if matches!(spec.payload, Payload::WebSocket(_)) {
        json!({ "101": { "description": "The connection is a WebSocket now." } })
    } else if spec.method == http::Method::HEAD {
        json!({ "200": { "description": "The answer is in the headers." } })
    } else {
        json!({ done: { "description": "Done.", "content": { operation.content_type: { "schema": reply } } } })
    };
    let access = match spec.access {
        Access::Open => "Open to all.".into(),
        Access::Peers => "For paired peers and the owner.".into(),
        Access::Permitted(permission) => format!("For peers with the permission `{}` and the owner.", permission.name()),
        Access::Owner => "For the owner of the machine.".to_owned(),
    };
    let text = request["description"].as_str().unwrap_or_default();
    let mut described = json!({
        "operationId": spec.name,
        "tags": [spec.name.split('.').next().unwrap_or_default()],
        "summary": operation.summary(),
        "description": format!("{text}\n\n{access}"),
        "parameters": parameters,
        "responses": good,
    });
    described["responses"]["default"] =
        json!({ "description": "It failed.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Failure" } } } });
    if spec.access == Access::Open {
        described["security"] = json!([]);
    }
    match spec.payload {
        Payload::Raw => {
            described["requestBody"] = json!({ "required": true, "content": { "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } } })
        }
        Payload::Json(_) if !body.is_empty() => {
            let required: Vec<_> = required.into_iter().filter(|name| body.contains_key(*name)).collect();
            described["requestBody"] = json!({ "required": !required.is_empty(),
                "content": { "application/json": { "schema": { "type": "object", "properties": body, "required": required } } } });
        }
        _ => {}
    }
    described
}
