//! What reads a request body: one file for each processor.
