//! Flows: what belongs together, in both directions.

mod record;
mod table;

pub(super) use record::{Direction, Flow, FlowState};
pub(super) use table::{FlowId, Flows, TableFull};
