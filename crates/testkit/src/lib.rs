//! For tests: a clock, a temporary CA and real programs as fixtures.

