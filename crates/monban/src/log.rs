//! The log of a long-running command.

/// Writes the log to standard error. MONBAN_LOG sets the level.
pub fn start() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MONBAN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // journald adds timestamps itself; a terminal needs them
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
}
