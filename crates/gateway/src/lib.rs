//! Listeners, TLS, routing and proxying; calls the rule engine phase by phase.

