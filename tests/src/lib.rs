//! Whole routes through Heirloom live in `it/`; this library is empty.
