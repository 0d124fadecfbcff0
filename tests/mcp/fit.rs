//! Whether a value fits a JSON Schema, as far as the tools' schemas go.

use serde_json::Value;

/// Why the value does not fit; nothing where it does.
pub fn misfit(schema: &Value, value: &Value, at: &str) -> Option<String> {
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
        _ => return Some(format!("{at}: the schema names no type")),
    };
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{at}: {other}"),
    };
    if !types.iter().any(|name| is(name)) {
        return Some(format!("{at}: {value} is not {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        return Some(format!("{at}: {value} is not one of {}", schema["enum"]));
    }
    if let Some(object) = value.as_object() {
        let missing = schema["required"].as_array().into_iter().flatten().find(|name| !object.contains_key(name.as_str().unwrap()));
        if let Some(name) = missing {
            return Some(format!("{at}: {name} is missing"));
        }
        for (name, inner) in object {
            let known = &schema["properties"][name];
            let known = if known.is_null() { &schema["additionalProperties"] } else { known };
            if known.is_null() && schema["properties"].is_null() {
                continue;
            }
            if known.is_null() {
                return Some(format!("{at}: the schema does not know {name}"));
            }
            if let Some(why) = misfit(known, inner, &format!("{at}.{name}")) {
                return Some(why);
            }
        }
    }
    value.as_array().into_iter().flatten().find_map(|inner| misfit(&schema["items"], inner, &format!("{at}[]")))
}
