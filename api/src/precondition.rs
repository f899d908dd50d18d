//! What is refused at once: a command that its campaign does not allow, as far as the tables tell now. The line judges it
//! again, in its turn.

use schemas::{CampaignCommand, ClaimKey, Code, Fault, Faults};
use sinks::{TENANT, campaigns};
use sqlx::{PgConnection, PgPool};

use crate::ApiError;

/// Refuses `command` if its campaign is not there or does not allow it.
pub(crate) async fn check(pool: &PgPool, command: &CampaignCommand) -> Result<(), ApiError> {
    let Some(campaign) = command.campaign().filter(|_| command.needs_campaign()) else { return Ok(()) };
    let mut connection = pool.acquire().await?;
    // Sent again, it is a duplicate, whatever its campaign has become since, by this very command perhaps.
    if is_claimed(&mut connection, command).await? {
        return Ok(());
    }
    let Some(status) = campaigns::statuses(&mut connection, &[campaign]).await?.remove(campaign) else {
        return Err(ApiError::not_found("Campaña no encontrada"));
    };
    status.after(command).map(drop).map_err(refused)
}

async fn is_claimed(connection: &mut PgConnection, command: &CampaignCommand) -> Result<bool, sqlx::Error> {
    let key = ClaimKey::new(command.kind(), command.id());
    let select = "SELECT EXISTS (SELECT FROM claims WHERE tenant = $1 AND kind = $2 AND id = $3)";
    sqlx::query_scalar(select).bind(TENANT).bind(key.kind.number()).bind(key.id).fetch_one(connection).await
}

fn refused(fault: Fault) -> ApiError {
    let code = fault.code;
    let faults = Faults::one(code, fault.path, fault.detail);
    if code == Code::InvalidState { ApiError::conflict(code, faults.to_string()) } else { ApiError::faults(&faults) }
}
