//! The generated bindings of `vendor/libtailscale/tailscale.h`, as they are.

#![allow(unsafe_code)]
#![allow(non_camel_case_types)]
#![allow(unreachable_pub)]
#![allow(missing_docs)]
#![allow(dead_code)]

include!(concat!(env!("OUT_DIR"), "/tailscale.rs"));
