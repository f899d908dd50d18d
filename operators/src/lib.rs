//! The operators of the dataflow: small, pure and synchronous. They emit or reject, and cannot fail; they see no clock,
//! no network and no database.
//!
//! An [`Operator`] takes one item (or a whole [`Batch`], where that is faster); [`Dataflow::apply`] is the only glue
//! that knows of streams.

pub mod batch;
pub mod claim;
pub mod commission;
pub mod decode;
pub mod describe;
pub mod horizon;
pub mod operator;
pub mod then;
pub mod total;
pub mod transition;
pub mod validate;
pub mod window;

pub use batch::{Batch, Output};
pub use claim::Claims;
pub use commission::Commission;
pub use decode::{Decode, Readers};
pub use describe::Describe;
pub use horizon::Horizon;
pub use operator::{Carry, Dataflow, Operator};
pub use then::Then;
pub use total::Total;
pub use transition::{Decided, Transition};
pub use validate::{Ids, Validate};
pub use window::Window;
