//! HTTP/1.1 messages without I/O: heads, bodies, connection state.
#![forbid(unsafe_code)]
