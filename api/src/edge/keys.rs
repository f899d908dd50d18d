//! What a path says, said in the body: so a command is logged whole.

use bytes::Bytes;
use serde::de::IgnoredAny;
use std::collections::HashMap;

use crate::ApiError;

/// The body with the path's `keys` first; all else stays as it was sent. A key that the path says must not be in the body.
pub(crate) fn with_keys(keys: &[(&'static str, &str)], body: &Bytes) -> Result<Bytes, ApiError> {
    // What is no object is refused later, with what is wrong with it.
    let sent: HashMap<String, IgnoredAny> = serde_json::from_slice(body).unwrap_or_default();
    if let Some((key, _)) = keys.iter().find(|(key, _)| sent.contains_key(*key)) {
        return Err(ApiError::parameter(*key, "está en la ruta; omítalo del cuerpo"));
    }
    let Some(rest) = body.trim_ascii_start().strip_prefix(b"{") else { return Ok(body.clone()) };
    let comma = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
    let said = |(key, value): &(&str, &str)| format!("\"{key}\":{}", serde_json::Value::from(*value));
    let said = keys.iter().map(said).collect::<Vec<_>>().join(",");
    Ok([b"{", said.as_bytes(), comma.as_bytes(), rest].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_keys_go_into_the_body_and_nothing_else_changes() {
        let with = |keys: &[(&'static str, &str)], text: &'static str| {
            with_keys(keys, &Bytes::from_static(text.as_bytes())).map(|it| String::from_utf8(it.to_vec()).unwrap())
        };
        let campaign = &[("campaña_id", "a\"ñ")][..];
        assert_eq!(with(campaign, " {\"monto\":1.10}").unwrap(), "{\"campaña_id\":\"a\\\"ñ\",\"monto\":1.10}");
        assert_eq!(with(campaign, "{ }").unwrap(), "{\"campaña_id\":\"a\\\"ñ\" }");
        assert_eq!(with(campaign, "[]").unwrap(), "[]");
        assert!(with(campaign, "{\"campaña_id\":\"b\"}").is_err());
        let both = &[("campaña_id", "c"), ("influencer_id", "i")];
        assert_eq!(with(both, "{}").unwrap(), "{\"campaña_id\":\"c\",\"influencer_id\":\"i\"}");
        assert!(with(both, "{\"influencer_id\":null}").is_err());
    }
}
