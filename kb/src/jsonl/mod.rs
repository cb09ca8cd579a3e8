//! JSON Lines in and out.
