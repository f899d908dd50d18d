//! `rejects`: what could not be counted, with its bytes, until it is mended.

use chrono::{DateTime, Utc};
use schemas::{Faults, Kind, Reject, message::PAYLOAD_BYTES_MAX};
use serde_json::json;

use crate::epoch::Writer;
use crate::{SinkError, TENANT};

const INSERT: &str = "
INSERT INTO rejects (tenant, line, ledger, entry, index, code, detail, faults, kind, assigned_id, event_time,
                     published_at, payload, encoding)
SELECT $1, $2, r.ledger, r.entry, r.index, r.code, r.detail, r.faults::jsonb, r.kind, r.assigned_id, r.event_time,
       r.published_at, r.payload, r.encoding
FROM unnest($3::bigint[], $4::bigint[], $5::int[], $6::text[], $7::text[], $8::text[], $9::smallint[], $10::uuid[],
            $11::timestamptz[], $12::timestamptz[], $13::bytea[], $14::text[])
     AS r(ledger, entry, index, code, detail, faults, kind, assigned_id, event_time, published_at, payload, encoding)";

const FAILED_AGAIN: &str = "
UPDATE rejects SET replays = replays + 1, code = $2, detail = $3, faults = $4::jsonb, resolved_at = NULL
WHERE reject = $1";

const RESOLVE: &str = "
UPDATE rejects SET replays = replays + 1, resolved_at = coalesce(resolved_at, clock_timestamp()) WHERE reject = $1";

/// Stores rejects. The failed replay of one that is stored already updates it, so that trying twice adds nothing.
pub(crate) async fn insert(writer: &mut Writer<'_>, rejects: &[Reject]) -> Result<(), SinkError> {
    let (new, again): (Vec<&Reject>, Vec<&Reject>) = rejects.iter().partition(|reject| reject.replay_of.is_none());
    for reject in again {
        sqlx::query(FAILED_AGAIN)
            .bind(reject.replay_of)
            .bind(reject.faults.code().name())
            .bind(reject.faults.to_string())
            .bind(as_json(&reject.faults))
            .execute(&mut *writer.connection)
            .await?;
    }
    if !new.is_empty() {
        insert_new(writer, &new).await?;
    }
    for reject in rejects {
        metrics::counter!("alpes_rejects_total", "code" => reject.faults.code().name()).increment(1);
    }
    Ok(())
}

async fn insert_new(writer: &mut Writer<'_>, rejects: &[&Reject]) -> Result<(), SinkError> {
    sqlx::query(INSERT)
        .bind(TENANT)
        .bind(writer.line)
        .bind(rejects.iter().map(|reject| reject.position.ledger).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| reject.position.entry).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| reject.position.index).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| reject.faults.code().name()).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| reject.faults.to_string()).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| as_json(&reject.faults)).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| reject.kind.map(Kind::number)).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| reject.assigned_id).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| reject.event_time.map(DateTime::<Utc>::from)).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| DateTime::<Utc>::from(reject.published_at)).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| capped(&reject.payload)).collect::<Vec<_>>())
        .bind(rejects.iter().map(|reject| reject.encoding.name()).collect::<Vec<_>>())
        .execute(&mut *writer.connection)
        .await?;
    Ok(())
}

/// Marks rejects whose replay was counted, or turned out to be there already.
pub(crate) async fn resolve(writer: &mut Writer<'_>, resolved: &[i64]) -> Result<(), SinkError> {
    for reject in resolved {
        sqlx::query(RESOLVE).bind(reject).execute(&mut *writer.connection).await?;
    }
    Ok(())
}

fn as_json(faults: &Faults) -> String {
    let fault =
        |fault: &schemas::Fault| json!({"ruta": fault.path, "codigo": fault.code.name(), "detalle": fault.detail});
    serde_json::Value::from_iter(faults.iter().map(fault)).to_string()
}

fn capped(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(PAYLOAD_BYTES_MAX)]
}
