//! The judged form of a request head: canonical host and path, hop-by-hop and forwarded headers.
