//! A bad line: a proxy between a client and a server that holds bytes back, cuts connections, ends them in the middle of an
//! answer as if all had been said, and has requests done twice. What it does is drawn from a seed, connection by
//! connection, so that a run can be played again.
//!
//! TCP itself never doubles bytes; what is doubled in the world are requests, by clients and gateways that try again. So a
//! whole request goes to the server a second time, on a connection of its own, and is answered there before the first.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{chance::Chance, http_request::Request};

/// Longest a connection may be silent, so that a test that fails ends.
const LIFE: Duration = Duration::from_secs(30);

/// What happened so far.
#[derive(Debug, Default)]
pub struct Met {
    pub connections: AtomicUsize,
    pub cuts: AtomicUsize,
    pub truncations: AtomicUsize,
    pub doubles: AtomicUsize,
    pub delays: AtomicUsize,
}

/// How bad the line is: of a thousand connections so many suffer each.
#[derive(Clone, Copy, Debug)]
pub struct Badness {
    pub cut_request: u64,
    pub cut_answer: u64,
    pub truncated: u64,
    pub doubled: u64,
    pub delayed: u64,
}

impl Badness {
    /// About half of all connections suffer something.
    pub const MUCH: Badness = Badness { cut_request: 120, cut_answer: 120, truncated: 80, doubled: 120, delayed: 100 };
}

/// See the module.
pub struct FaultProxy {
    address: SocketAddr,
    calm: Arc<AtomicBool>,
    pub met: Arc<Met>,
}

#[derive(Clone, Copy)]
struct Plan {
    /// Ends both sides when so many bytes went to the server.
    cut_request: Option<u64>,
    /// Ends both sides when so many bytes came from it.
    cut_answer: Option<u64>,
    /// Ends the client's side in peace when so many bytes came.
    truncate: Option<u64>,
    doubled: bool,
    delay: Option<Duration>,
}

impl FaultProxy {
    pub fn start(server: SocketAddr, badness: Badness, mut chance: Chance) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (calm, met) = (Arc::new(AtomicBool::new(false)), Arc::new(Met::default()));
        let (is_calm, counted) = (Arc::clone(&calm), Arc::clone(&met));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                counted.connections.fetch_add(1, Ordering::Relaxed);
                let plan = if is_calm.load(Ordering::Relaxed) { Plan::CALM } else { Plan::draw(badness, &mut chance) };
                let met = Arc::clone(&counted);
                thread::spawn(move || {
                    let _ = carry(client, server, plan, &met);
                });
            }
        });
        FaultProxy { address, calm, met }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on new connections are good.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }
}

impl Plan {
    const CALM: Plan = Plan { cut_request: None, cut_answer: None, truncate: None, doubled: false, delay: None };

    fn draw(badness: Badness, chance: &mut Chance) -> Plan {
        let mut happens = |per_mille: u64, within: u64| {
            let (drawn, size) = (chance.below(1000), chance.below(20));
            // Sizes of every order: in the head, in a small body, in a large one.
            let at = chance.below((1 << size).min(within)) + 1;
            (drawn < per_mille).then_some(at)
        };
        Plan {
            cut_request: happens(badness.cut_request, 1 << 20),
            cut_answer: happens(badness.cut_answer, 1 << 20),
            truncate: happens(badness.truncated, 1 << 20),
            doubled: happens(badness.doubled, 1).is_some(),
            delay: happens(badness.delayed, 40).map(Duration::from_millis),
        }
    }
}

fn carry(mut client: TcpStream, server: SocketAddr, plan: Plan, met: &Arc<Met>) -> io::Result<()> {
    client.set_read_timeout(Some(LIFE))?;
    let mut upstream = TcpStream::connect(server)?;
    upstream.set_read_timeout(Some(LIFE))?;
    if plan.doubled {
        let mut before = Vec::new();
        if let Some(request) = Request::read(&mut client, &mut before)? {
            double(server, &request)?;
            met.doubles.fetch_add(1, Ordering::Relaxed);
            upstream.write_all(&request.raw)?;
            upstream.write_all(&before)?;
        }
    }
    let over = Arc::new(Mutex::new(()));
    let (from, to) = (client.try_clone()?, upstream.try_clone()?);
    let (requests, their_met, their_over) = (plan, Arc::clone(met), Arc::clone(&over));
    let up = thread::spawn(move || {
        let cut = requests.cut_request;
        if pump(&from, &to, cut, requests.delay, &their_met) {
            their_met.cuts.fetch_add(1, Ordering::Relaxed);
            end(&from, &to, &their_over);
        } else {
            let _ = to.shutdown(Shutdown::Write);
        }
    });
    let limit = [plan.cut_answer, plan.truncate].into_iter().flatten().min();
    if pump(&upstream, &client, limit, plan.delay, met) {
        let counter = if limit == plan.truncate { &met.truncations } else { &met.cuts };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    end(&client, &upstream, &over);
    let _ = up.join();
    Ok(())
}

fn end(one: &TcpStream, other: &TcpStream, over: &Mutex<()>) {
    let _held = over.lock();
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

/// Carries bytes until the end, or until `limit` bytes went through; says whether it was that.
fn pump(mut from: &TcpStream, mut to: &TcpStream, limit: Option<u64>, delay: Option<Duration>, met: &Met) -> bool {
    let mut left = limit.unwrap_or(u64::MAX);
    let mut buffer = [0; 16 << 10];
    loop {
        let Ok(length) = from.read(&mut buffer) else { return false };
        if length == 0 {
            return false;
        }
        if let Some(delay) = delay {
            met.delays.fetch_add(1, Ordering::Relaxed);
            thread::sleep(delay);
        }
        let carried = (length as u64).min(left) as usize;
        if to.write_all(&buffer[..carried]).is_err() {
            return false;
        }
        left -= carried as u64;
        if left == 0 {
            return true;
        }
    }
}

/// Has a request done by itself and waits for its answer, which nobody gets.
fn double(server: SocketAddr, request: &Request) -> io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(LIFE))?;
    let first_line = request.raw.iter().position(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    stream.write_all(&request.raw[..first_line])?;
    stream.write_all(b"Connection: close\r\n")?;
    stream.write_all(&request.raw[first_line..])?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
