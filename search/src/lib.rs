//! Search spaces, networks, recommendations, studies and trainers.

pub mod net;
