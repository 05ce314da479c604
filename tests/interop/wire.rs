//! The router that joins the machines. It has no way off this machine. Its
//! firewall makes the faults, and writes down who sends anything to an address
//! that is no machine of the tests.

use std::fs;
use std::net::Ipv4Addr;

use crate::host::Host;

/// Every machine has an address in here: the network for tests of interconnected
/// devices, which is nobody's.
const NETWORK: &str = "198.18.0.0/16";

/// The network between the machines.
pub(crate) struct Wire {
    router: Host,
    hosts: Vec<String>,
}

/// A firewall rule of the router, for as long as it is kept.
pub(crate) struct Rule<'a> {
    wire: &'a Wire,
    rule: Vec<&'a str>,
}

impl Wire {
    /// A router without machines.
    pub(crate) fn new() -> Self {
        let router = Host::new("the router");
        router.enter(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        Self {
            router,
            hosts: Vec::new(),
        }
    }

    /// Adds a machine and returns it with its address.
    pub(crate) fn attach(&mut self, name: &str) -> (Host, Ipv4Addr) {
        let host = Host::new(name);
        self.hosts.push(name.to_owned());
        let number = u8::try_from(self.hosts.len()).unwrap();
        let gateway = Ipv4Addr::new(198, 18, number, 1);
        let address = Ipv4Addr::new(198, 18, number, 2);
        let link = format!("to-{name}");
        self.router.run("sh", &["-ec", &format!(
            "ip link add {link} type veth peer name eth0 netns {pid}
             ip address add {gateway}/24 dev {link}
             ip link set {link} up
             iptables -w -t raw -A PREROUTING -i {link} ! -d {NETWORK} -m recent --name {name} --rdest --set -j DROP
             iptables -w -t raw -A PREROUTING -i {link} -d {gateway} -m recent --name {name} --rdest --set -j DROP",
            pid = host.pid(),
        )]);
        host.run(
            "sh",
            &[
                "-ec",
                &format!(
                    "ip address add {address}/24 dev eth0
                     ip link set eth0 up
                     ip route add default via {gateway}"
                ),
            ],
        );
        (host, address)
    }

    /// Puts a rule before all others on what goes from machine to machine.
    pub(crate) fn rule<'a>(&'a self, rule: &[&'a str]) -> Rule<'a> {
        let rule = Rule {
            wire: self,
            rule: rule.to_vec(),
        };
        rule.change("-I");
        rule
    }

    /// Drops every UDP packet between machines, so that nodes have the relay only.
    pub(crate) fn without_udp(&self) -> Rule<'_> {
        self.rule(&["-p", "udp", "-j", "DROP"])
    }

    /// The addresses that a machine has tried and that are no machine's: outside
    /// ones, and the router's own.
    pub(crate) fn strays(&self, host: &str) -> Vec<String> {
        assert!(self.hosts.iter().any(|name| name == host), "{host}");
        let list = self.router.enter(|| {
            // The namespace is the thread's, not the process's.
            fs::read_to_string(format!("/proc/thread-self/net/xt_recent/{host}")).unwrap()
        });
        list.lines()
            .filter_map(|line| line.split_whitespace().next())
            .map(|source| source.trim_start_matches("src=").to_owned())
            .collect()
    }
}

impl Rule<'_> {
    fn change(&self, how: &str) {
        let mut arguments = vec!["-w", how, "FORWARD"];
        arguments.extend(&self.rule);
        self.wire.router.run("iptables", &arguments);
    }
}

impl Drop for Rule<'_> {
    fn drop(&mut self) {
        self.change("-D");
    }
}
