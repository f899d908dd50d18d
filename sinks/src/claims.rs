//! `claims`: who was first with an id. The unique index decides; nothing else does.

use chrono::NaiveDate;
use schemas::{Claim, ClaimKey, Content, HeldClaim, Kind};
use sqlx::types::Uuid;

use crate::copy::{CopyRows, copy, copy_if_new};
use crate::epoch::Writer;
use crate::{SinkError, TENANT};

const HELD: &str = "
SELECT c.kind, c.id, c.content
FROM unnest($2::smallint[], $3::uuid[]) AS k(kind, id)
JOIN claims c ON c.tenant = $1 AND c.kind = k.kind AND c.id = k.id";

const COPY: &str =
    "COPY claims (tenant, kind, id, content, line, ledger, entry, index, day) FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 9;

/// Inserts what is new, in the order given (sorted by key, as every line does), and returns what was held.
///
/// What this line has claimed lately is known. Of the others, only keys that it may have claimed before are looked up
/// first. Should another line, or this one in an earlier life, hold one of the rest, the unique index refuses them, and
/// all are looked up. Should another line claim one between the look and the insert, the epoch is run again, and then it
/// sees the other's claim.
pub(crate) async fn insert(writer: &mut Writer<'_>, wanted: &[Claim]) -> Result<HeldClaim, SinkError> {
    if wanted.is_empty() {
        return Ok(HeldClaim::default());
    }
    let mut known = HeldClaim::default();
    let mut suspects = Vec::new();
    for claim in wanted {
        if writer.recent.holds(&claim.content) {
            known.insert(claim.key, claim.content);
        } else if writer.claimed.note(&claim.key) {
            suspects.push(*claim);
        }
    }
    known.extend(held(writer, &suspects).await?);
    if !copy_if_new(writer.connection, COPY, new(wanted, &known), write(writer.line, writer.day)).await? {
        let unknown: Vec<Claim> = new(wanted, &known).copied().collect();
        known.extend(held(writer, &unknown).await?);
        copy(writer.connection, COPY, new(wanted, &known), write(writer.line, writer.day)).await?;
    }
    new(wanted, &known).for_each(|claim| writer.recent.note(claim.content));
    Ok(known)
}

/// All but the `known`.
fn new<'a>(wanted: &'a [Claim], known: &'a HeldClaim) -> impl Iterator<Item = &'a Claim> + Send {
    wanted.iter().filter(|claim| !known.contains_key(&claim.key))
}

/// Writes the row of a claim of `line`, whose raw row lies in `day`.
fn write(line: i32, day: NaiveDate) -> impl Fn(&mut CopyRows, &Claim) -> Result<(), sqlx::Error> {
    move |rows, claim| {
        rows.row(COLUMNS)
            .i16(TENANT)
            .i16(claim.key.kind.number())
            .uuid(claim.key.id)
            .uuid(Uuid::from_bytes(claim.content.0))
            .i32(line)
            .i64(claim.position.ledger)
            .i64(claim.position.entry)
            .i32(claim.position.index)
            .date(day);
        Ok(())
    }
}

/// Inserts claims that were all found to be free. Should another line have claimed one since, the unique index refuses
/// it, and the epoch is run again, seeing the other's claim.
pub(crate) async fn insert_free(writer: &mut Writer<'_>, claims: &[Claim]) -> Result<(), SinkError> {
    copy(writer.connection, COPY, claims, write(writer.line, writer.day)).await?;
    for claim in claims {
        writer.claimed.note(&claim.key);
        writer.recent.note(claim.content);
    }
    Ok(())
}

/// Those of `wanted` that are held, with what their holders say.
pub(crate) async fn held(writer: &mut Writer<'_>, wanted: &[Claim]) -> Result<HeldClaim, SinkError> {
    if wanted.is_empty() {
        return Ok(HeldClaim::default());
    }
    let rows: Vec<(i16, Uuid, Uuid)> = sqlx::query_as(HELD)
        .bind(TENANT)
        .bind(wanted.iter().map(|claim| claim.key.kind.number()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|claim| claim.key.id).collect::<Vec<_>>())
        .fetch_all(&mut *writer.connection)
        .await?;
    let claim = |(kind, id, content): (i16, Uuid, Uuid)| {
        let kind = Kind::from_number(kind).ok_or_else(|| SinkError::Encoding(format!("kind {kind} of a claim")))?;
        Ok((ClaimKey { kind, id }, Content(content.into_bytes())))
    };
    rows.into_iter().map(claim).collect()
}
