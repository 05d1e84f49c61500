//! The HTTP server: listen, authenticate, the pipeline.
