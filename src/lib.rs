//! tailport: sockets forwarded over a tailnet.
