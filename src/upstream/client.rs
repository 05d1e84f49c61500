//! HTTP to upstreams: connections that the relay drives itself.
