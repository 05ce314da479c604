//! Names of local targets: the hosts file first, then the name servers of
//! resolv.conf, without a blocking call and without the C library.
//!
//! A static binary's `getaddrinfo` loads the host's own modules and cannot be
//! cancelled. Both files are read again when they have changed, because a laptop
//! changes its network and the program stays. Either may be missing: a name of
//! the hosts file needs no name server, and an address needs neither.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
};

use tokio::time::timeout;

use super::endpoint::{DialError, DialErrorKind};

/// The system's ways to turn a name into addresses. One is enough for a process.
#[derive(Debug)]
pub struct Resolver {
    hosts_file: PathBuf,
    servers_file: PathBuf,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Clone)]
struct Loaded {
    stamps: [Option<SystemTime>; 2],
    hosts: Arc<Hosts>,
    servers: TokioResolver,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("stamps", &self.stamps)
            .finish_non_exhaustive()
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new("/etc/hosts", "/etc/resolv.conf")
    }
}

impl Resolver {
    /// A resolver that reads these two files.
    pub fn new(hosts_file: impl Into<PathBuf>, servers_file: impl Into<PathBuf>) -> Self {
        Self {
            hosts_file: hosts_file.into(),
            servers_file: servers_file.into(),
            loaded: Mutex::new(None),
        }
    }

    /// What `host`, an address or a name, stands for, at least one address, within
    /// `budget`.
    ///
    /// # Errors
    /// As [`Resolver::lookup`].
    ///
    /// # Cancel safety
    /// Dropping the future gives up the question.
    pub async fn addresses(&self, host: &str, budget: Duration) -> Result<Vec<IpAddr>, DialError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        timeout(budget, self.lookup(host))
            .await
            .unwrap_or_else(|_| {
                let detail = format!("resolving {host}: no answer in {budget:.1?}");
                Err(DialError::new(DialErrorKind::TimedOut, detail))
            })
    }

    /// All addresses of a name, at least one, IPv4 before IPv6.
    ///
    /// # Errors
    /// `UnknownName` when there is no such name, `BadAddress` when it cannot be
    /// one, `Unreachable` or `TimedOut` when no name server could be asked.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the question.
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, DialError> {
        let error = |kind| DialError::new(kind, name);
        let mut parsed = Name::from_str(name).map_err(|_| error(DialErrorKind::BadAddress))?;
        let Loaded { hosts, servers, .. } = self
            .load()
            .map_err(|failed| DialError::new(DialErrorKind::Internal, failed.to_string()))?;

        parsed = parsed.to_lowercase();
        let written: Vec<IpAddr> = [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| hosts.lookup_static_host(&Query::query(parsed.clone(), kind)))
            .flat_map(|found| {
                let addresses = found.answers().iter().filter_map(|r| r.data.ip_addr());
                addresses.collect::<Vec<_>>()
            })
            .collect();
        if !written.is_empty() {
            return Ok(written);
        }

        let found = servers.lookup_ip(name).await.map_err(|failed| {
            let kind = match &failed {
                failed if failed.is_no_records_found() => DialErrorKind::UnknownName,
                NetError::NoConnections => DialErrorKind::UnknownName,
                NetError::Timeout => DialErrorKind::TimedOut,
                _ => DialErrorKind::Unreachable,
            };
            DialError::new(kind, format!("resolving {name}: {failed}"))
        })?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(error(DialErrorKind::UnknownName));
        }
        Ok(addresses)
    }

    /// What the files say, read again when one of them has changed.
    fn load(&self) -> Result<Loaded, NetError> {
        let stamps = [&self.hosts_file, &self.servers_file].map(|file| changed(file));
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = loaded.as_ref().filter(|loaded| loaded.stamps == stamps) {
            return Ok(loaded.clone());
        }
        let fresh = Loaded {
            stamps,
            hosts: Arc::new(hosts(&self.hosts_file)),
            servers: servers(&self.servers_file)?,
        };
        *loaded = Some(fresh.clone());
        Ok(fresh)
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|data| data.modified()).ok()
}

fn hosts(file: &Path) -> Hosts {
    let mut hosts = Hosts::default();
    let read = fs::File::open(file).and_then(|file| hosts.read_hosts_conf(file));
    if let Err(error) = read {
        tracing::debug!(file = %file.display(), %error, "no hosts file");
    }
    hosts
}

fn servers(file: &Path) -> Result<TokioResolver, NetError> {
    let (config, mut options) = configuration(file).unwrap_or_else(|error| {
        tracing::debug!(file = %file.display(), %error, "no name servers");
        (ResolverConfig::default(), ResolverOpts::default())
    });
    // The hosts file is asked before, so that its names never wait for a server.
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build()
}

#[cfg(not(target_vendor = "apple"))]
fn configuration(file: &Path) -> Result<(ResolverConfig, ResolverOpts), NetError> {
    let text = fs::read(file)?;
    hickory_resolver::system_conf::parse_resolv_conf(text)
}

#[cfg(target_vendor = "apple")]
fn configuration(_file: &Path) -> Result<(ResolverConfig, ResolverOpts), NetError> {
    Ok(hickory_resolver::system_conf::read_system_conf()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(hosts: &str) -> (tempfile::TempDir, Resolver) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hosts");
        fs::write(&file, hosts).unwrap();
        let resolver = Resolver::new(file, dir.path().join("no-resolv.conf"));
        (dir, resolver)
    }

    #[tokio::test]
    async fn names_of_the_hosts_file_need_no_resolv_conf() {
        let (_dir, resolver) = resolver("fd00::7 Box\n10.0.0.7 box box.lan # comment\n");
        let found = resolver.lookup("BOX").await.unwrap();
        let expected: [IpAddr; 2] = ["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()];
        assert_eq!(found, expected);
        assert_eq!(resolver.lookup("box.lan").await.unwrap(), expected[..1]);
    }

    #[tokio::test]
    async fn localhost_is_known_without_any_file() {
        let resolver = Resolver::new("/nowhere/hosts", "/nowhere/resolv.conf");
        let found = resolver.lookup("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    }

    #[tokio::test]
    async fn a_name_nobody_knows_is_final_and_a_name_that_cannot_be_is_bad() {
        let (_dir, resolver) = resolver("");
        let unknown = resolver.lookup("nobody.invalid").await.unwrap_err();
        assert_eq!(unknown.kind, DialErrorKind::UnknownName, "{unknown}");
        let bad = resolver.lookup("two..dots").await.unwrap_err();
        assert_eq!(bad.kind, DialErrorKind::BadAddress, "{bad}");
    }

    #[tokio::test]
    async fn a_changed_hosts_file_is_read_again() {
        let (dir, resolver) = resolver("10.0.0.7 box\n");
        assert_eq!(resolver.lookup("box").await.unwrap().len(), 1);
        let file = dir.path().join("hosts");
        fs::write(&file, "10.0.0.7 box\n10.0.0.8 box\n").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(resolver.lookup("box").await.unwrap().len(), 2);
    }
}
