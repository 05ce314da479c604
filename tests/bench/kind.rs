//! The programs that are compared.

use std::path::{Path, PathBuf};

use super::support::{go_program, settings};

/// What the other build of ours is called, its file too.
pub(crate) const BEFORE: &str = "before";

/// Which program.
///
/// A load must not need a half-close of the client's: tailport alone passes it on as one.
/// The two on tsnet keep it to themselves, so that a connection lasts until its target
/// ends it; on the crate it ends both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours.
    Tailport,
    /// tailscale.com/cmd/tsnet-proxy; it only exposes.
    TsnetProxy,
    /// `others/tsnet`, what tsnet-proxy would be the other way round; it only connects.
    TsnetConnect,
    /// `others/crate`, on the published crate and its own Go code.
    Crate,
    /// Another build of ours, to see what a change gave; only when one is given.
    Before,
}

impl Kind {
    /// Who exposes.
    pub(crate) const EXPOSING: [Self; 3] = [Self::Tailport, Self::TsnetProxy, Self::Crate];
    /// Who connects.
    pub(crate) const CONNECTING: [Self; 3] = [Self::Tailport, Self::TsnetConnect, Self::Crate];

    /// Another build of ours, if there is one.
    pub(crate) fn before() -> Option<Self> {
        let given = go_program::given(BEFORE)?;
        given.exists().then_some(Self::Before)
    }

    /// Its name, in files and for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tailport => "tailport",
            Self::TsnetProxy => "tsnet-proxy",
            Self::TsnetConnect => "tsnet-connect",
            Self::Crate => "libtailscale",
            Self::Before => BEFORE,
        }
    }

    /// The file to run.
    pub(crate) fn executable(self) -> PathBuf {
        let file = match self {
            Self::Tailport => return settings::program(),
            Self::Before => return go_program::given(BEFORE).expect("it was given"),
            Self::TsnetProxy | Self::TsnetConnect => self.name(),
            Self::Crate => "libtailscale-forward",
        };
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
        let path = directory.join(file);
        assert!(
            path.exists(),
            "{} is missing: tests/bench/others/build.sh builds it",
            path.display()
        );
        path
    }
}

/// How large a program's file is, in bytes, stripped as all of them are.
pub(crate) fn binary_size(kind: Kind) -> u64 {
    let path = kind.executable();
    let metadata = path.metadata();
    metadata.expect("a built program can be looked at").len()
}
