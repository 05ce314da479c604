//! Datagrams, SOCKS5 and services, as their documents say.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};

use crate::documents::{block, codes};
use crate::machine::Machine;
use crate::support::socket;
use crate::support::unpacked;

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_name_server_is_reached_from_both_sides() {
    let machine = Machine::new();
    let datagrams = machine.listen_for_datagrams("127.0.0.1:53");
    let streams = machine.listen("127.0.0.1:53");
    let server = machine.account().with_key().set("TS_HOSTNAME", "dns-host");
    let mut server = server.paste(&block("docs/udp.md", "tailport expose 53/udp"));
    server.ready();
    let client = machine.account().with_key();
    let mut client = client.paste(&block("docs/udp.md", "tailport connect 127.0.0.1:5353/udp"));
    client.ready();
    machine.leads("127.0.0.1:5353", &streams);
    machine.leads_datagrams("127.0.0.1:5353", &datagrams);
    client.stop();
    server.stop();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_desktop_is_reached_by_tcp_and_udp() {
    let machine = Machine::new();
    let datagrams = machine.listen_for_datagrams("192.168.1.50:3389");
    let streams = machine.listen("192.168.1.50:3389");
    // A line for each of two machines.
    let lines = block("docs/udp.md", "tailport expose 3389=");
    let [expose, connect] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("{lines}");
    };
    let beside = machine.account().with_key().set("TS_HOSTNAME", "office-pc");
    let mut beside = beside.paste(expose);
    beside.ready();
    let client = machine.account().with_key();
    let mut client = client.paste(connect);
    client.ready();
    machine.leads("127.0.0.1:33389", &streams);
    machine.leads_datagrams("127.0.0.1:33389", &datagrams);
    client.stop();
    beside.stop();
}

#[test]
#[ignore = "needs root, network namespaces and netcat-openbsd: make interop"]
fn programs_reach_the_tailnet_by_socks5() {
    let machine = Machine::new();
    let web = machine.listen("127.0.0.1:80");
    let ssh = machine.listen("127.0.0.1:22");
    let host = machine.account().with_key().set("TS_HOSTNAME", "my-host");
    let mut host = host.paste("tailport expose 80 22");
    host.ready();
    let account = machine.account();
    account.write_key("authkey");
    let mut proxy = account.paste(&block("docs/socks5.md", "TS_SOCKS5_ADDR=1080"));
    assert_eq!(proxy.ready().hostname, "my-laptop");

    let all = codes("docs/socks5.md");
    let curl = all.iter().find(|code| code.starts_with("curl "));
    let mut curl = account.paste(curl.expect("the line for curl"));
    let mut served = socket::accept(&web);
    let mut asked = String::new();
    let mut lines = BufReader::new(&served);
    while !asked.ends_with("\r\n\r\n") {
        assert!(lines.read_line(&mut asked).unwrap() > 0, "{asked}");
    }
    assert!(asked.contains("Host: my-host\r\n"), "{asked}");
    served.write_all(b"HTTP/1.0 200 OK\r\n\r\nhere\n").unwrap();
    drop(served);
    curl.ended(0);
    assert_eq!(curl.printed(), ["here"]);

    let nc = unpacked::command_line("bin/nc.openbsd");
    account.install("nc", &format!("#!/bin/sh\nexec {nc} \"$@\"\n"));
    // ssh looks in the home of the user, not in the one of the environment.
    let config = block("docs/socks5.md", "Host my-host");
    fs::write(account.path("ssh-config"), config).unwrap();
    let mut client = account.paste("ssh -F ssh-config someone@my-host");
    let mut served = socket::accept(&ssh);
    served.write_all(b"SSH-2.0-here\r\n").unwrap();
    let mut greeting = [0; 15];
    served.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-2.0-OpenSSH");
    drop(served);
    client.ended(255);
    proxy.stop();
    host.stop();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_service_has_two_hosts() {
    let machine = Machine::new();
    let web = machine.listen("127.0.0.1:8080");
    // A line for each of two machines.
    let lines = block("docs/services.md", "tailport --hostname web-1");
    let accounts = [machine.account(), machine.account()];
    assert_eq!(lines.lines().count(), accounts.len(), "{lines}");
    let hosts = accounts.iter().zip(lines.lines());
    let hosts = hosts.map(|(account, line)| {
        account.write_key("authkey");
        let mut host = account.paste(line);
        let name = host.ready().hostname;
        machine.tailnet(|tailnet| tailnet.approve("svc:web", &name));
        host.says("hosting a service");
        (name, host)
    });
    for (name, host) in hosts.collect::<Vec<_>>() {
        let led = machine.tailnet(|tailnet| tailnet.lead("svc:web", &name));
        // A node that starts now is told at once to whom the address leads.
        let client = machine.account().with_key();
        let mut client = client.paste(&format!("tailport connect 127.0.0.1:8443={}:443", led[0]));
        client.ready();
        machine.leads("127.0.0.1:8443", &web);
        host.says("connection ended");
        client.stop();
        host.stop();
    }
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_client_chooses_between_two_nodes() {
    let machine = Machine::new();
    let target = machine.listen("127.0.0.1:6543");
    let names = ["db-1", "db-2"];
    let accounts = names.map(|name| machine.account().with_key().set("TS_HOSTNAME", name));
    let mut databases = accounts.each_ref().map(|account| {
        let mut database = account.paste("tailport expose 5432=127.0.0.1:6543");
        database.ready();
        Some(database)
    });
    let account = machine.account();
    account.write_key("authkey");
    let mut client = account.paste(&block("docs/services.md", "tailport --hostname my-laptop"));
    client.ready();
    for database in &mut databases {
        let database = database.take().unwrap();
        machine.leads("127.0.0.1:5432", &target);
        database.says("connection ended");
        database.stop();
    }
    client.stop();
}
