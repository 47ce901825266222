//! Fake Docker Engine, misbehaving upstreams, raw client.
