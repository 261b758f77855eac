//! A DNS server on loopback that answers TXT questions over UDP and TCP.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Answers,
    /// Takes the question and says nothing.
    Silent,
    /// SERVFAIL.
    Fails,
    /// Over UDP only that the answer is too long.
    Truncates,
    /// Something that is no answer: which of the [`GARBLES`].
    Garbles(usize),
}

/// Ways to answer with something that is none.
pub(crate) const GARBLES: usize = 9;

/// No answer, to a question of which `asked` is the name with type and class.
fn garbled(how: usize, id: &[u8], asked: &[u8]) -> Vec<u8> {
    let head = |answers: u16| {
        let counts = [
            0,
            1,
            answers.to_be_bytes()[0],
            answers.to_be_bytes()[1],
            0,
            0,
            0,
            0,
        ];
        [id, &[0x81, 0x80], &counts, asked].concat()
    };
    // Name (a pointer to the question), TXT, IN, 300 seconds.
    let txt = [0xC0, 0x0C, 0, 16, 0, 1, 0, 0, 1, 44];
    let with = |more: &[u8]| [head(1), txt.to_vec(), more.to_vec()].concat();
    match how {
        0 => id.to_vec(),
        1 => [id, &[0xFF; 300]].concat(),
        2 => head(u16::MAX),
        // A name that points to itself.
        3 => [
            head(1),
            vec![0xC0, u8::try_from(12 + asked.len()).unwrap(), 0, 16, 0, 1],
        ]
        .concat(),
        // Data longer than the message, a text longer than its data, no text, an empty text.
        4 => with(&[0xFF, 0xFF, 1, b'x']),
        5 => with(&[0, 2, 0xFF, b'x']),
        6 => with(&[0, 0]),
        7 => with(&[0, 1, 0]),
        _ => [head(1), vec![0x3F; 500]].concat(),
    }
}

struct Inner {
    zone: Mutex<BTreeMap<String, Vec<String>>>,
    mood: Mutex<Mood>,
    /// Ends of names that it behaves otherwise for.
    moods: Mutex<BTreeMap<String, Mood>>,
    asked: AtomicUsize,
    over_tcp: AtomicUsize,
    stop: AtomicBool,
}

pub(crate) struct Answerer {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

impl Answerer {
    pub fn start() -> Answerer {
        let (udp, tcp) = std::iter::repeat_with(|| {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            let tcp = TcpListener::bind(udp.local_addr().unwrap());
            tcp.ok().map(|tcp| (udp, tcp))
        })
        .flatten()
        .next()
        .unwrap();
        let address = udp.local_addr().unwrap();
        let inner = Arc::new(Inner {
            zone: Mutex::default(),
            mood: Mutex::new(Mood::Answers),
            moods: Mutex::default(),
            asked: AtomicUsize::new(0),
            over_tcp: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let of_udp = inner.clone();
        std::thread::spawn(move || of_udp.serve_udp(&udp));
        let of_tcp = inner.clone();
        std::thread::spawn(move || of_tcp.serve_tcp(&tcp));
        Answerer { address, inner }
    }

    pub fn publish(&self, name: &str, text: &str) {
        let mut zone = self.inner.zone.lock().unwrap();
        let texts = zone.entry(name.to_lowercase()).or_default();
        texts.push(text.to_owned());
    }

    pub fn is(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
    }

    /// How it behaves about names of `domain`, whose name servers are a stranger's.
    pub fn is_about(&self, domain: &str, mood: Mood) {
        let mut moods = self.inner.moods.lock().unwrap();
        moods.insert(format!("{domain}."), mood);
    }

    /// Questions so far, and those of them over TCP.
    pub fn asked(&self) -> (usize, usize) {
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        (count(&self.inner.asked), count(&self.inner.over_tcp))
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        drop(std::net::TcpStream::connect(self.address));
    }
}

impl Inner {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let wait = Some(Duration::from_millis(100));
        socket.set_read_timeout(wait).unwrap();
        let mut question = [0; 2_048];
        while !self.stopped() {
            if let Ok((length, from)) = socket.recv_from(&mut question)
                && let Some(answer) = self.answer(&question[..length], false)
            {
                let _ = socket.send_to(&answer, from);
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stopped() {
                return;
            }
            let Ok(mut stream) = stream else { continue };
            stream
                .set_read_timeout(Some(Duration::from_secs(1)))
                .unwrap();
            let mut length = [0; 2];
            if stream.read_exact(&mut length).is_err() {
                continue;
            }
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            if stream.read_exact(&mut question).is_err() {
                continue;
            }
            if let Some(answer) = self.answer(&question, true) {
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                let _ = stream.write_all(&[&length, answer.as_slice()].concat());
            }
        }
    }

    fn answer(&self, question: &[u8], tcp: bool) -> Option<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.over_tcp.fetch_add(usize::from(tcp), Ordering::SeqCst);
        let (name, end) = asked_name(question)?;
        let moods = self.moods.lock().unwrap().clone();
        let about = moods.iter().find(|(domain, _)| name.ends_with(*domain));
        let mood = about.map_or(*self.mood.lock().unwrap(), |(_, mood)| *mood);
        if let Mood::Garbles(how) = mood {
            return Some(garbled(how, &question[..2], &question[12..end]));
        }
        let texts = self.zone.lock().unwrap().get(&name).cloned();
        let texts = texts.unwrap_or_default();
        let truncated = mood == Mood::Truncates && !tcp;
        let code = match (mood, texts.is_empty()) {
            (Mood::Silent, _) => return None,
            (Mood::Fails, _) => 2,
            (_, true) => 3,
            _ => 0,
        };
        let given = match code == 0 && !truncated {
            true => texts.as_slice(),
            false => &[],
        };
        let mut out = question[..2].to_vec();
        out.extend([0x81 | (u8::from(truncated) << 1), 0x80 | code]);
        out.extend([0, 1, 0, u8::try_from(given.len()).unwrap(), 0, 0, 0, 0]);
        out.extend(&question[12..end]);
        for text in given {
            let pieces: Vec<u8> = text
                .as_bytes()
                .chunks(255)
                .flat_map(|piece| [&[u8::try_from(piece.len()).unwrap()], piece].concat())
                .collect();
            out.extend([0xC0, 0x0C, 0, 16, 0, 1, 0, 0, 1, 44]);
            out.extend(u16::try_from(pieces.len()).unwrap().to_be_bytes());
            out.extend(pieces);
        }
        Some(out)
    }
}

/// The name asked for, with a final dot, and where its question ends.
fn asked_name(question: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut name) = (12, String::new());
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name.to_lowercase(), at + 4));
        }
        name.push_str(std::str::from_utf8(question.get(at..at + length)?).ok()?);
        name.push('.');
        at += length;
    }
}
