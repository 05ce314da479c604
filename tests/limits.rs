//! The built program at its limits: how many connections, how fast, how much
//! memory. Figures are printed; run it with `--nocapture` to see them.
//!
//! Each test has the machine for itself. Nothing here leaves loopback.

mod support;

#[path = "limits/bulk.rs"]
mod bulk;
#[path = "limits/control_group.rs"]
mod control_group;
#[path = "limits/echo.rs"]
mod echo;
#[path = "limits/held.rs"]
mod held;
#[path = "limits/inside.rs"]
mod inside;
#[path = "limits/latency.rs"]
mod latency;
#[path = "limits/load.rs"]
mod load;
#[path = "limits/memory.rs"]
mod memory;
#[path = "limits/short.rs"]
mod short;
#[path = "limits/slow_reader.rs"]
mod slow_reader;
#[path = "limits/stage.rs"]
mod stage;
#[path = "limits/storm.rs"]
mod storm;
