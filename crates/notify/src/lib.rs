//! Outbound messages: signed webhooks to checked addresses only.
