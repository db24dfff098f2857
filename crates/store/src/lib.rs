//! Where events are kept: the journal, the EventStore trait and its backends.

