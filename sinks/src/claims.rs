//! `claims`: who was first with an id. The insert decides; nothing else does.

use schemas::{Claim, ClaimKey, Content, HeldClaim, Kind};
use sqlx::types::Uuid;
use std::collections::HashSet;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

const INSERT: &str = "
INSERT INTO claims (tenant, kind, id, content, line, ledger, entry, index, day)
SELECT $1, c.kind, c.id, c.content, $2, c.ledger, c.entry, c.index, $3
FROM unnest($4::smallint[], $5::uuid[], $6::uuid[], $7::bigint[], $8::bigint[], $9::int[])
     AS c(kind, id, content, ledger, entry, index)
ON CONFLICT DO NOTHING
RETURNING kind, id";

const HELD: &str = "
SELECT c.kind, c.id, c.content
FROM unnest($2::smallint[], $3::uuid[]) AS k(kind, id)
JOIN claims c ON c.tenant = $1 AND c.kind = k.kind AND c.id = k.id";

/// Inserts what is new, in the order given (sorted by key, as every line does), and returns what was held.
pub(crate) async fn insert(writer: &mut Writer<'_>, wanted: &[Claim]) -> Result<HeldClaim, SinkError> {
    if wanted.is_empty() {
        return Ok(HeldClaim::new());
    }
    let new: Vec<(i16, Uuid)> = sqlx::query_as(INSERT)
        .bind(TENANT)
        .bind(writer.line)
        .bind(writer.day)
        .bind(wanted.iter().map(|claim| claim.key.kind.number()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|claim| claim.key.id).collect::<Vec<_>>())
        .bind(wanted.iter().map(|claim| Uuid::from_bytes(claim.content.0)).collect::<Vec<_>>())
        .bind(wanted.iter().map(|claim| claim.position.ledger).collect::<Vec<_>>())
        .bind(wanted.iter().map(|claim| claim.position.entry).collect::<Vec<_>>())
        .bind(wanted.iter().map(|claim| claim.position.index).collect::<Vec<_>>())
        .fetch_all(&mut *writer.connection)
        .await?;
    if new.len() == wanted.len() {
        return Ok(HeldClaim::new());
    }
    let new: HashSet<_> = new.into_iter().collect();
    let number_and_id = |key: &ClaimKey| (key.kind.number(), key.id);
    let held: Vec<_> = wanted.iter().map(|claim| number_and_id(&claim.key)).filter(|key| !new.contains(key)).collect();
    contents(writer, held).await
}

async fn contents(writer: &mut Writer<'_>, held: Vec<(i16, Uuid)>) -> Result<HeldClaim, SinkError> {
    let (kinds, ids): (Vec<_>, Vec<_>) = held.into_iter().unzip();
    let rows: Vec<(i16, Uuid, Uuid)> =
        sqlx::query_as(HELD).bind(TENANT).bind(&kinds).bind(&ids).fetch_all(&mut *writer.connection).await?;
    if rows.len() != ids.len() {
        return Err(SinkError::Encoding(format!("{} held claims read back as {}", ids.len(), rows.len())));
    }
    let claim = |(kind, id, content): (i16, Uuid, Uuid)| {
        let kind = Kind::from_number(kind).ok_or_else(|| SinkError::Encoding(format!("kind {kind} of a claim")))?;
        Ok((ClaimKey { kind, id }, Content(content.into_bytes())))
    };
    rows.into_iter().map(claim).collect()
}
