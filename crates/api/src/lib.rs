//! Wire types of the HTTP API, error codes, and the document that describes them.
