//! The owner's side: HTTP API, health and metrics.
