//! The data plane: workers, listeners, exchanges, upstream pool, upgrades, drain.
