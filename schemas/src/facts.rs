//! What an epoch may rely on while it runs: facts change only under an exclusive lock, between epochs.

use crate::Timestamp;

/// The facts that an epoch read after it took the facts lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Windows that end at or before this instant are closed: what comes for them is late.
    pub closed_through: Option<Timestamp>,
    /// Events before this instant are refused as `demasiado_antiguo`: their claims may be gone.
    pub dedup_horizon: Option<Timestamp>,
}

impl Facts {
    /// Nothing closed, nothing forgotten.
    pub const NONE: Self = Self { closed_through: None, dedup_horizon: None };
}
