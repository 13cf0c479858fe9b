//! Names to addresses, without a file and without a datagram: the process may open neither, so what the system knows was
//! read before the lockdown, and name servers are asked over TCP. The C library's resolver is never used.
//!
//! **Architecture Invariant:** every address is judged after every look-up, so a name that changes its mind does not
//! lead anywhere it could not lead at first.

use std::{
    collections::HashMap,
    fs::File,
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
    system_conf::parse_resolv_conf,
};
use ipc::Refusal;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{addresses::forbidden, origin::is_localhost};

/// Most bytes that are read of a system file. Lists of blocked hosts have a few million.
const MAX_FILE: u64 = 8 << 20;

/// Name servers that are asked, as in the C library.
const MAX_SERVERS: usize = 3;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// How long one name server may take. Both tries and two servers fit into the time for connecting.
const SERVER_TIME: Duration = Duration::from_secs(2);

/// What the system knows about names.
pub struct Names {
    servers: Option<(ResolverConfig, ResolverOpts)>,
    hosts: HashMap<String, Vec<IpAddr>>,
}

impl Names {
    /// Reads the system's files. A file that is not there says nothing.
    pub fn read() -> Names {
        Names::parse(&contents(Path::new("/etc/resolv.conf")), &contents(Path::new("/etc/hosts")))
    }

    /// Takes the words of both files.
    pub fn parse(resolv_conf: &[u8], hosts: &[u8]) -> Names {
        let servers = parse_resolv_conf(resolv_conf).ok().map(|(config, options)| {
            let (domain, search, servers) = config.into_parts();
            let servers = servers.into_iter().take(MAX_SERVERS).map(|server| NameServerConfig::tcp(server.ip)).collect();
            (ResolverConfig::from_parts(domain, search, servers), options)
        });
        Names { servers, hosts: parse_hosts(hosts) }
    }
}

fn contents(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What could be read of a file that breaks off is still true.
        let _ = file.take(MAX_FILE).read_to_end(&mut bytes);
    }
    bytes
}

fn parse_hosts(bytes: &[u8]) -> HashMap<String, Vec<IpAddr>> {
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words {
            hosts.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default().push(address);
        }
    }
    hosts
}

/// Why a name leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nobody knows it.
    #[error("find an address of this name")]
    Unknown,
    /// The system names no name server.
    #[error("ask a name server: the system names none")]
    NoServer,
    /// The name servers did not say.
    #[error("get an answer from a name server")]
    Unavailable,
    /// It leads where no name may lead.
    #[error("use {address}, which is {what}")]
    Forbidden {
        /// Where it leads.
        address: IpAddr,
        /// What that is.
        what: &'static str,
    },
}

/// Finds the addresses of names for the HTTP client.
pub(crate) struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    hosts: HashMap<String, Vec<IpAddr>>,
    servers: Option<TokioResolver>,
}

impl Resolver {
    /// A resolver that knows `names` and nothing else of the system.
    pub(crate) fn new(names: Names) -> Result<Resolver, Refusal> {
        let servers = names.servers.map(|(config, options)| {
            let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
            let options = builder.options_mut();
            options.use_hosts_file = ResolveHosts::Never;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            options.timeout = SERVER_TIME;
            options.attempts = 2;
            options.cache_size = 64;
            builder.build()
        });
        let servers = servers.transpose().map_err(|error| Refusal::internal(format!("make a resolver of names: {error}")))?;
        Ok(Resolver { inner: Arc::new(Inner { hosts: names.hosts, servers }) })
    }
}

impl Inner {
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if is_localhost(&name) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let addresses = match self.hosts.get(&name) {
            Some(addresses) => addresses.clone(),
            None => self.ask(&name).await?,
        };
        match addresses.iter().find_map(|&address| Some((address, forbidden(address)?))) {
            // One address inside is enough: a name that mixes them is not what it seems.
            Some((address, what)) => Err(ResolveError::Forbidden { address, what }),
            None if addresses.is_empty() => Err(ResolveError::Unknown),
            None => Ok(addresses.into_iter().take(MAX_ADDRESSES).collect()),
        }
    }

    async fn ask(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let servers = self.servers.as_ref().ok_or(ResolveError::NoServer)?;
        // A name with a dot is meant as it is written; without the last dot it would be looked for in the system's own
        // domains too.
        let name = if name.contains('.') { format!("{name}.") } else { name.to_owned() };
        match servers.lookup_ip(name).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => Err(ResolveError::Unknown),
            Err(_) => Err(ResolveError::Unavailable),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let addresses = inner.resolve(name.as_str()).await?;
            // Port 0 stands for the URL's.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &[u8] = b"127.0.0.1 localhost\n\
        1.2.3.4\tPublic.example public # a comment 9.9.9.9\n\
        2606:4700::1 public.example\r\n\
        # 5.6.7.8 nothing\n\
        10.0.0.7 nas.example\n\
        1.2.3.4 mixed.example\n169.254.169.254 mixed.example\n\
        6.6.6.6 localhost evil.localhost\n\
        fe80::1%lo0 scoped.example\nnonsense\n\xff\xfe broken\n";

    async fn resolve(name: &str) -> Result<Vec<String>, ResolveError> {
        let resolver = Resolver::new(Names::parse(b"", HOSTS)).expect("a resolver");
        resolver.inner.resolve(name).await.map(|all| all.iter().map(IpAddr::to_string).collect())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn names_of_the_hosts_file_are_judged_too() {
        let found = |addresses: &[&str]| Ok(addresses.iter().map(|address| (*address).to_owned()).collect());
        assert_eq!(resolve("public.EXAMPLE.").await, found(&["1.2.3.4", "2606:4700::1"]));
        assert_eq!(resolve("public").await, found(&["1.2.3.4"]));
        assert!(matches!(resolve("nas.example").await, Err(ResolveError::Forbidden { .. })));
        assert!(matches!(resolve("mixed.example").await, Err(ResolveError::Forbidden { .. })));
        assert_eq!(resolve("scoped.example").await, Err(ResolveError::NoServer));
        assert_eq!(resolve("elsewhere.example").await, Err(ResolveError::NoServer));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn this_machine_is_always_itself() {
        for name in ["localhost", "LOCALHOST.", "evil.localhost"] {
            assert_eq!(resolve(name).await, Ok(vec!["127.0.0.1".to_owned(), "::1".to_owned()]), "{name}");
        }
    }

    #[test]
    fn name_servers_are_asked_over_tcp_alone() {
        let names =
            Names::parse(b"search lan\nnameserver 9.9.9.9\nnameserver ::1\nnameserver 1.1.1.1\nnameserver 8.8.8.8\n", b"");
        let (config, _) = names.servers.expect("servers");
        assert_eq!(config.name_servers().len(), MAX_SERVERS);
        for server in config.name_servers() {
            let ways: Vec<String> = server.connections.iter().map(|way| format!("{:?} {}", way.protocol, way.port)).collect();
            assert_eq!(ways, ["Tcp 53"]);
        }
        assert!(Names::parse(b"# nothing\n", b"").servers.is_none());
    }

    /// A name server over TCP that gives the first address to the first question, and so on.
    fn name_server(addresses: &'static [[u8; 4]]) -> u16 {
        use std::io::Write as _;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let addresses = Arc::new(std::sync::Mutex::new(addresses.iter()));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let addresses = Arc::clone(&addresses);
                std::thread::spawn(move || {
                    let mut length = [0; 2];
                    while stream.read_exact(&mut length).is_ok() {
                        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                        stream.read_exact(&mut question).expect("a question");
                        let end = 12 + question[12..].iter().position(|&byte| byte == 0).expect("a name") + 5;
                        // Only A is answered, with a time to live of 0.
                        let is_a = question[end - 3] == 1;
                        let address = if is_a { addresses.lock().expect("addresses").next() } else { None };
                        let mut answer =
                            [&question[..2], &[0x81, 0x80, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]].concat();
                        answer.extend_from_slice(&question[12..end]);
                        if let Some(address) = address {
                            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                            answer.extend_from_slice(address);
                        }
                        let length = u16::try_from(answer.len()).expect("short").to_be_bytes();
                        stream.write_all(&[&length[..], &answer].concat()).expect("an answer");
                    }
                });
            }
        });
        port
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_name_that_changes_its_mind_is_judged_again() {
        let port = name_server(&[[1, 2, 3, 4], [127, 0, 0, 1], [1, 2, 3, 4]]);
        let mut names = Names::parse(b"nameserver 127.0.0.1\n", b"");
        let (config, options) = names.servers.take().expect("a server");
        let mut server = config.name_servers()[0].clone();
        server.connections[0].port = port;
        names.servers = Some((ResolverConfig::from_parts(None, Vec::new(), vec![server]), options));
        let resolver = Resolver::new(names).expect("a resolver");
        let found = vec![IpAddr::from([1, 2, 3, 4])];
        assert_eq!(resolver.inner.resolve("api.example").await, Ok(found.clone()));
        let refused = resolver.inner.resolve("api.example").await;
        assert!(matches!(refused, Err(ResolveError::Forbidden { .. })), "{refused:?}");
        assert_eq!(resolver.inner.resolve("api.example").await, Ok(found));
        assert_eq!(resolver.inner.resolve("api.example").await, Err(ResolveError::Unknown));
    }
}
