//! Configuration into a routing table: matcher, host index, balancers, affinity, state.
