//! Whether a later version of a schema reads as the known one does. The text comes from a broker on which anybody may
//! register, so it is judged as JSON, by depth and size, before any Avro library sees it.
//!
//! References to named types are refused: a schema is then a tree, which cannot recurse and takes linear time.

use serde_json::{Map, Value};

use super::DEPTH_MAX;

const PRIMITIVES: [&str; 7] = ["boolean", "int", "long", "float", "double", "bytes", "string"];

/// The text to parse in place of `text`: what was judged and nothing else. Or why not.
pub(super) fn judge(pinned: &str, text: &str) -> Result<String, String> {
    let read = |text| serde_json::from_str::<Value>(text).map_err(|error| format!("not JSON: {error}"));
    let (pinned, mut found) = (read(pinned)?, read(text)?);
    same(&pinned, &mut found, "the record", DEPTH_MAX)?;
    Ok(found.to_string())
}

/// Whether a datum of `found` reads as `pinned`; extra fields of records apart.
fn same(pinned: &Value, found: &mut Value, path: &str, depth: usize) -> Result<(), String> {
    let differs = || Err(format!("{path} has another type"));
    // What is added to fields of `pinned` itself may be deeper; that the pinned ones are not is known.
    let depth = depth.checked_sub(1).ok_or_else(|| format!("{path} is too deep"))?;
    match pinned {
        Value::Array(variants) => match found {
            Value::Array(found) if found.len() == variants.len() => {
                variants.iter().zip(found).try_for_each(|(pinned, found)| same(pinned, found, path, depth))
            }
            _ => differs(),
        },
        Value::Object(object) if type_of(pinned) == "record" => {
            let same_name = type_of(found) == "record" && found.get("name") == object.get("name");
            if !same_name || found.get("namespace").is_some() {
                return Err(format!("{path} is not the record {}", object.get("name").unwrap_or(&Value::Null)));
            }
            fields(object, found, depth)
        }
        Value::Object(object) if type_of(pinned) == "array" => match (object.get("items"), found.get_mut("items")) {
            (Some(pinned), Some(items)) => same(pinned, items, path, depth),
            _ => differs(),
        },
        _ => {
            let attributes = ["logicalType", "precision", "scale"];
            let equal = type_of(pinned) == type_of(found)
                && attributes.into_iter().all(|name| pinned.get(name) == found.get(name));
            if equal { Ok(()) } else { differs() }
        }
    }
}

fn fields(pinned: &Map<String, Value>, found: &mut Value, depth: usize) -> Result<(), String> {
    let known = pinned.get("fields").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let found = found.get_mut("fields").and_then(Value::as_array_mut).ok_or("a record has no list of fields")?;
    let mut seen = Vec::with_capacity(found.len());
    for field in found {
        let name = field.get("name").and_then(Value::as_str).ok_or("a field has no name")?.to_owned();
        let of_field = field.get_mut("type").ok_or_else(|| format!("{name} has no type"))?;
        match known.iter().find(|field| field.get("name").and_then(Value::as_str) == Some(&name)) {
            Some(pinned) => same(&pinned["type"], of_field, &name, depth)?,
            None => nullable(of_field, &name, depth)?,
        }
        seen.push(name);
    }
    seen.sort_unstable();
    match seen.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("{} is there twice", pair[0])),
        None => Ok(()),
    }
}

fn nullable(extra: &mut Value, path: &str, depth: usize) -> Result<(), String> {
    let has_null = extra.as_array().is_some_and(|variants| variants.iter().any(|variant| type_of(variant) == "null"));
    if has_null { skippable(extra, path, depth) } else { Err(format!("{path} is new and not nullable")) }
}

/// Whether values of an extra field can be skipped, in a time that goes with their bytes: everything but the null of
/// a union takes at least one, so that no list can have more items than bytes.
fn skippable(extra: &mut Value, path: &str, depth: usize) -> Result<(), String> {
    let unread = |what: &str| Err(format!("{path} is new and {what}"));
    if PRIMITIVES.contains(&type_of(extra)) {
        // A decimal or a UUID is skipped as the bytes that it is, whatever they say.
        if let Some(object) = extra.as_object_mut() {
            object.retain(|attribute, _| attribute == "type");
        }
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or_else(|| format!("{path} is too deep"))?;
    if let Value::Array(variants) = extra {
        let of_value = |variant: &mut Value| type_of(variant) != "null";
        return variants
            .iter_mut()
            .filter_map(|variant| of_value(variant).then_some(variant))
            .try_for_each(|variant| skippable(variant, path, depth));
    }
    match type_of(extra) {
        "array" => extra.get_mut("items").map_or_else(|| unread("has no items"), |it| skippable(it, path, depth)),
        "map" => extra.get_mut("values").map_or_else(|| unread("has no values"), |it| skippable(it, path, depth)),
        "enum" => Ok(()),
        "fixed" if extra.get("size").and_then(Value::as_u64).is_some_and(|size| size > 0) => {
            if let Some(object) = extra.as_object_mut() {
                object.remove("logicalType");
            }
            Ok(())
        }
        "record" => match extra.get_mut("fields").and_then(Value::as_array_mut) {
            Some(fields) if !fields.is_empty() => fields.iter_mut().try_for_each(|field| {
                field.get_mut("type").map_or_else(|| unread("has no type"), |it| skippable(it, path, depth))
            }),
            _ => unread("has no fields"),
        },
        other => unread(&format!("of the type {other:?}, which is not read")),
    }
}

/// The name of a type, written alone or in an object; empty for a union.
fn type_of(schema: &Value) -> &str {
    schema.as_str().or_else(|| schema.get("type")?.as_str()).unwrap_or_default()
}
