//! The ledger: from what was counted to what is owed.

pub(crate) mod marks;
