//! What schemars derives, made right for readers.

use serde_json::Value;

/// Optional fields that the server writes are absent, never null.
pub(super) fn absent_not_null(object: &mut Value) {
    let required = object["required"].as_array().cloned().unwrap_or_default();
    let Some(fields) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, field) in fields.iter_mut().filter(|(name, _)| !required.contains(&Value::from(name.as_str()))) {
        for choices in ["type", "anyOf"] {
            if let Some(choices) = field.get_mut(choices).and_then(Value::as_array_mut) {
                choices.retain(|choice| choice != "null" && choice["type"] != "null");
            }
        }
    }
}

/// Numbers that the server reads have the end of their type.
pub(super) fn bounded(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let end = match fields.get("format").and_then(Value::as_str) {
                Some("uint16") => Some(u64::from(u16::MAX)),
                Some("uint32") => Some(u64::from(u32::MAX)),
                Some("uint64") => Some(u64::MAX),
                _ => None,
            };
            if let Some(end) = end {
                fields.entry("maximum").or_insert_with(|| end.into());
            }
            fields.values_mut().for_each(bounded);
        }
        Value::Array(items) => items.iter_mut().for_each(bounded),
        _ => {}
    }
}

/// Descriptions come from rustdoc, whose links do not work here.
pub(super) fn without_links(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
            }
            fields.values_mut().for_each(without_links);
        }
        Value::Array(items) => items.iter_mut().for_each(without_links),
        _ => {}
    }
}
