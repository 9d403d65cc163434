//! Flows: what belongs together, in both directions.

mod lifetime;
mod record;
mod table;
mod tcp;

pub(super) use record::{Direction, Flow, FlowState};
pub(super) use table::{FlowId, Flows, TableFull};
