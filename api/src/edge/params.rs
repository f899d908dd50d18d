//! Path and query parameters, with faults that say which one and how to mend it.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;

use crate::ApiError;

/// An id in a path, decoded. What cannot be an id is not found.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            // PostgreSQL's texts hold every character but this one, so nothing has such an id.
            Ok(Path(id)) if !id.contains('\0') => Ok(Self(id)),
            Ok(_) | Err(_) => Err(ApiError::not_found("Not Found")),
        }
    }
}

/// The ids of a campaign and of an influencer in it, decoded.
#[derive(Debug)]
pub(crate) struct MemberPath {
    pub(crate) campaign: String,
    pub(crate) influencer: String,
}

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((campaign, influencer))) if !campaign.contains('\0') && !influencer.contains('\0') => {
                Ok(Self { campaign, influencer })
            }
            Ok(_) | Err(_) => Err(ApiError::not_found("Not Found")),
        }
    }
}

/// A text in a query that is compared with texts of the tables.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TextParam(pub(crate) String);

impl TryFrom<String> for TextParam {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains('\0') { Err("contiene el carácter nulo (%00)") } else { Ok(Self(text)) }
    }
}

/// A number in a path or a query.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Number(pub(crate) i64);

impl TryFrom<String> for Number {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self).map_err(|_| "debe ser un número")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(number) =
            Path::<i64>::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found("Not Found"))?;
        Ok(Self(number))
    }
}

/// The query parameters as a `T`; 422 names the parameter that cannot be.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let mut seen = HashSet::new();
        if let Some((twice, _)) = pairs.clone().find(|(name, _)| !seen.insert(name.clone())) {
            return Err(ApiError::parameter(twice.into_owned(), "aparece más de una vez"));
        }
        let deserializer = serde_urlencoded::Deserializer::new(pairs);
        serde_path_to_error::deserialize(deserializer).map(Self).map_err(|error| {
            let name = error.path().to_string();
            ApiError::parameter(name, error.into_inner().to_string())
        })
    }
}
