//! Senders that remember what they were promised.
//!
//! In: a [`Plan`], and where the bridge listens at the moment. Out: a [`Sent`] for every callback
//! that went out, with its answer if there was one. Invariants: a conversation belongs to one
//! connection, which numbers its callbacks and sends the next only after the answer to the last; no
//! callback is sent twice; a ticket is drawn before each callback is written and after each answer
//! was read, so that "answered before it was sent" can be told across connections; every answer was
//! one that its provider can parse, or the end of the load is a panic.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::wait_for;

/// Longest wait for an answer: far above any hold time, so only a bridge that is stuck exceeds it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a sender looks for a bridge while there is none.
const PAUSE: Duration = Duration::from_millis(2);
/// Rest after a refusal, so that refusals are few beside what they are about.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Connections at once, each with one callback under way.
    pub(crate) connections: u32,
    /// Conversations of each connection, taken in turn; every second one is Tencent's.
    pub(crate) conversations: u32,
    /// Rest between an answer and the next callback of a connection.
    pub(crate) pause: Duration,
    /// Length of a message's text.
    pub(crate) text_bytes: u32,
    /// Every how many callbacks of a connection one asks for permission; 0: none does.
    pub(crate) before_every: u32,
    /// Every how many callbacks one has a text of `large_bytes`; 0: none has.
    pub(crate) large_every: u32,
    /// See `large_every`.
    pub(crate) large_bytes: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            connections: 6,
            // Shares no factor with `before_every`: both providers' are asked for permission.
            conversations: 7,
            pause: Duration::from_millis(4),
            text_bytes: 200,
            before_every: 10,
            large_every: 0,
            large_bytes: 0,
        }
    }
}

/// One callback; its body follows from these members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) connection: u32,
    pub(crate) conversation: u32,
    /// From 1, per conversation.
    pub(crate) number: u32,
    /// A before-callback.
    pub(crate) asks: bool,
    pub(crate) text_bytes: u32,
}

/// What became of a callback, as its sender saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200: the bridge has promised to publish it.
    Accepted,
    /// Another status, with an answer as it should be.
    Refused(u16),
    /// The connection broke before the answer.
    Broken,
}

/// A callback that went out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) message: Message,
    pub(crate) outcome: Outcome,
    /// Ticket from before it was written.
    pub(crate) began: u64,
    /// Ticket from after its answer was read; `u64::MAX` without an answer.
    pub(crate) answered: u64,
    /// When it was written.
    pub(crate) at: Instant,
    /// From there to its answer or the break.
    pub(crate) took: Duration,
}

impl Message {
    /// Group id; with the number it names the callback.
    pub(crate) fn group(&self) -> String {
        format!("g{}-{}", self.connection, self.conversation)
    }

    /// Whether it is Tencent's.
    pub(crate) const fn is_tencent(&self) -> bool {
        self.conversation % 2 == 1
    }

    /// Path and query.
    fn target(&self) -> String {
        match (self.is_tencent(), self.asks) {
            (false, false) => "/openim/callbackAfterSendGroupMsgCommand".to_owned(),
            (false, true) => "/openim/callbackBeforeSendGroupMsgCommand".to_owned(),
            (true, asks) => {
                let command = if asks { "BeforeSendMsg" } else { "AfterSendMsg" };
                format!(
                    "/tencent?SdkAppid=1400000001&CallbackCommand=Group.Callback{command}\
                     &contenttype=json&ClientIP=192.0.2.7&OptPlatform=Android"
                )
            }
        }
    }

    /// The whole request as it goes over the wire.
    pub(crate) fn request(&self) -> Vec<u8> {
        let body = self.body().to_string();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.target(),
            body.len()
        );
        [head, body].concat().into_bytes()
    }

    /// The body as sent.
    pub(crate) fn body(&self) -> Value {
        let (group, number, text) = (self.group(), self.number, self.text());
        let phase = if self.asks { "Before" } else { "After" };
        if self.is_tencent() {
            json!({
                "CallbackCommand": format!("Group.Callback{phase}SendMsg"),
                "GroupId": group, "Type": "Public", "From_Account": "u2",
                "Random": number, "MsgSeq": number, "MsgTime": 1_735_689_599,
                "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
                "EventTime": 1_735_689_599_200_u64,
            })
        } else {
            json!({
                "callbackCommand": format!("callback{phase}SendGroupMsgCommand"),
                "sendID": "u1", "groupID": group, "sessionType": 3, "contentType": 101,
                "serverMsgID": format!("s-{group}-{number}"),
                "clientMsgID": format!("c-{group}-{number}"),
                "sendTime": 1_735_689_600_000_u64, "createTime": 1_735_689_600_000_u64,
                "seq": number, "content": json!({"content": text}).to_string(),
            })
        }
    }

    /// Words that differ from message to message and do not compress to nothing.
    fn text(&self) -> String {
        use std::fmt::Write;
        let seed = (u64::from(self.connection) << 48)
            ^ (u64::from(self.conversation) << 32)
            ^ u64::from(self.number);
        let mut random = fastrand::Rng::with_seed(seed);
        let length = usize::try_from(self.text_bytes).expect("32 bits fit");
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            write!(text, "{:016x}", random.u64(..)).expect("a text takes all");
        }
        text.truncate(length);
        text
    }
}

/// Callbacks that went out, in each conversation in the order in which they were sent.
#[derive(Debug)]
pub(crate) struct Obligations {
    pub(crate) sent: Vec<Sent>,
}

impl Obligations {
    /// Those with `outcome`.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.sent.iter().filter(|one| one.outcome == outcome).count()
    }

    /// Those that the bridge must publish: accepted after-callbacks.
    pub(crate) fn promised(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(|one| one.outcome == Outcome::Accepted && !one.message.asks)
    }

    /// How long answers took to what was sent in a stretch of time, in rising order.
    pub(crate) fn latencies(
        &self,
        asks: bool,
        from: Instant,
        upto: Instant,
    ) -> Vec<(Duration, Outcome)> {
        let within = |one: &&Sent| one.message.asks == asks && one.at >= from && one.at < upto;
        let mut all: Vec<(Duration, Outcome)> =
            self.sent.iter().filter(within).map(|one| (one.took, one.outcome)).collect();
        all.sort_by_key(|(took, _)| *took);
        all
    }
}

impl Obligations {
    /// Sends one more callback, on a connection of its own, after everything else was answered.
    ///
    /// # Panics
    /// When it is not accepted.
    pub(crate) fn add(&mut self, at: SocketAddr) {
        let number = u32::try_from(self.sent.len()).expect("tests send less");
        let (connection, conversation) = (u32::MAX, number % 2);
        let message = Message { connection, conversation, number, asks: false, text_bytes: 20 };
        let began = Instant::now();
        let answer = Line::connect(at).and_then(|mut line| line.exchange(&message.request()));
        let answer = answer.expect("the bridge answers");
        assert_eq!((answer.status, answer.fault(&message)), (200, None), "{answer:?}");
        self.sent.push(Sent {
            message,
            outcome: Outcome::Accepted,
            began: u64::MAX - 1,
            answered: u64::MAX,
            at: began,
            took: began.elapsed(),
        });
    }
}

/// What all senders of a load share.
#[derive(Debug, Default)]
struct Common {
    target: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
    tickets: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    complaints: Mutex<Vec<String>>,
}

/// Senders at work, until [`Load::end`].
#[derive(Debug)]
pub(crate) struct Load {
    common: Arc<Common>,
    threads: Vec<JoinHandle<Vec<Sent>>>,
}

impl Load {
    /// Starts the senders; they wait until [`Load::aim`] tells them where.
    pub(crate) fn start(plan: Plan) -> Self {
        let common = Arc::new(Common::default());
        let sender = |connection| {
            let sender = Sender { plan, connection, common: Arc::clone(&common), sent: Vec::new() };
            thread::spawn(move || sender.run())
        };
        let threads = (0..plan.connections).map(sender).collect();
        Self { common, threads }
    }

    /// Where the bridge listens from now on; `None`: nowhere.
    pub(crate) fn aim(&self, at: Option<SocketAddr>) {
        *self.common.target.lock().expect("nobody panics with it") = at;
    }

    /// Callbacks accepted so far, before-callbacks included.
    pub(crate) fn accepted(&self) -> u64 {
        self.common.accepted.load(Ordering::SeqCst)
    }

    /// Callbacks answered with another status so far.
    pub(crate) fn refused(&self) -> u64 {
        self.common.refused.load(Ordering::SeqCst)
    }

    /// Waits until `more` callbacks were accepted from now on.
    pub(crate) fn wait_for_accepted(&self, more: u64, limit: Duration) {
        let wanted = self.accepted() + more;
        wait_for("callbacks are accepted", limit, || (self.accepted() >= wanted).then_some(()));
    }

    /// Ends the load once each sender has its answer.
    ///
    /// # Panics
    /// When an answer was not as it should be.
    pub(crate) fn end(self) -> Obligations {
        self.common.stop.store(true, Ordering::SeqCst);
        let sent = self.threads.into_iter();
        let sent = sent.flat_map(|thread| thread.join().expect("senders do not panic")).collect();
        let complaints = self.common.complaints.lock().expect("nobody panics with it");
        assert!(complaints.is_empty(), "{complaints:#?}");
        Obligations { sent }
    }
}

/// One connection after the other, with a part of the conversations.
struct Sender {
    plan: Plan,
    connection: u32,
    common: Arc<Common>,
    sent: Vec<Sent>,
}

impl Sender {
    fn run(mut self) -> Vec<Sent> {
        while !self.is_over() {
            let Some(at) = self.target() else {
                thread::sleep(PAUSE);
                continue;
            };
            // Between a bridge and the next one nobody listens.
            let Ok(mut line) = Line::connect(at) else {
                thread::sleep(PAUSE);
                continue;
            };
            while !self.is_over() && self.target() == Some(at) {
                if !self.send_next(&mut line) {
                    break;
                }
            }
        }
        self.sent
    }

    fn is_over(&self) -> bool {
        self.common.stop.load(Ordering::SeqCst)
    }

    fn target(&self) -> Option<SocketAddr> {
        *self.common.target.lock().expect("nobody panics with it")
    }

    fn next_message(&self) -> Message {
        let count = u32::try_from(self.sent.len()).expect("tests send less");
        let every = |period: u32| period > 0 && count % period == period - 1;
        let large = every(self.plan.large_every);
        Message {
            connection: self.connection,
            conversation: count % self.plan.conversations,
            number: count / self.plan.conversations + 1,
            asks: !large && every(self.plan.before_every),
            text_bytes: if large { self.plan.large_bytes } else { self.plan.text_bytes },
        }
    }

    /// Sends one callback; whether the connection can be used again.
    fn send_next(&mut self, line: &mut Line) -> bool {
        let message = self.next_message();
        let request = message.request();
        let ticket = || self.common.tickets.fetch_add(1, Ordering::SeqCst);
        let (began, at) = (ticket(), Instant::now());
        let answer = line.exchange(&request);
        let took = at.elapsed();
        let (outcome, answered) = match &answer {
            Ok(answer) if answer.status == 200 => (Outcome::Accepted, ticket()),
            Ok(answer) => (Outcome::Refused(answer.status), ticket()),
            Err(_) => (Outcome::Broken, u64::MAX),
        };
        self.sent.push(Sent { message, outcome, began, answered, at, took });
        let wrong = match &answer {
            Ok(answer) => answer.fault(&message),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some("no answer"),
            Err(_) => None,
        };
        if let Some(wrong) = wrong {
            let text = format!("{wrong}: {answer:?} to {message:?}");
            self.common.complaints.lock().expect("nobody panics with it").push(text);
        }
        match outcome {
            Outcome::Accepted => {
                self.common.accepted.fetch_add(1, Ordering::SeqCst);
                thread::sleep(self.plan.pause);
            }
            Outcome::Refused(_) => {
                self.common.refused.fetch_add(1, Ordering::SeqCst);
                thread::sleep(REFUSED_PAUSE);
            }
            Outcome::Broken => {}
        }
        answer.is_ok_and(|answer| !answer.closes)
    }
}

/// An answer over HTTP, as far as senders care.
#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: bool,
    closes: bool,
    body: Vec<u8>,
}

impl Answer {
    /// What is wrong with it, if anything: a provider must read "allowed" from every one.
    fn fault(&self, message: &Message) -> Option<&'static str> {
        let Ok(body) = serde_json::from_slice::<Value>(&self.body) else {
            return Some("no JSON");
        };
        let allows = if message.is_tencent() {
            body["ActionStatus"] == "OK" && body["ErrorCode"] == 0
        } else {
            body["actionCode"] == 0 && body["errCode"] == 0 && body["nextCode"] == 0
        };
        if !allows {
            return Some("no allow");
        }
        match self.status {
            200 => None,
            _ if message.asks => Some("a before-callback that is refused"),
            503 if self.retry_after => None,
            503 => Some("no Retry-After"),
            _ => Some("a status that nothing here explains"),
        }
    }
}

/// A connection.
struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Line {
    fn connect(at: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(at)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request)?;
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head = self.read.drain(..end).collect::<Vec<u8>>();
        let head = String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData)?;
        let head = head.to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<usize>().ok());
        let length = number(header("content-length:")).ok_or(io::ErrorKind::InvalidData)?;
        while self.read.len() < length {
            self.more()?;
        }
        let status = number(head.get(9..12)).and_then(|status| u16::try_from(status).ok());
        Ok(Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            retry_after: number(header("retry-after:")).is_some_and(|seconds| seconds > 0),
            closes: header("connection:").is_some_and(|value| value.trim() == "close"),
            body: self.read.drain(..length).collect(),
        })
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.read.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}
