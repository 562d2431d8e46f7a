//! Whole runs against a small HTTP server that answers as each test wants.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::samples::tests::phase_by_name;
use super::*;

const ALLOW_OPENIM: &str = r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#;
const ALLOW_TENCENT: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ResultItem":[{"To_Account":"a","ResultCode":0,"ResultInfo":""}]}"#;

/// A receiver that answers `status` and `body` after `delay`, and keeps the requests it saw.
struct Stub {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Stub {
    async fn start(status: u16, body: &'static str, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (seen, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (keep, count) = (Arc::clone(&seen), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, status, body, delay, Arc::clone(&keep)));
            }
        });
        Self { address, seen, connections }
    }
}

async fn serve(
    mut stream: TcpStream,
    status: u16,
    body: &str,
    delay: Duration,
    seen: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        seen.lock().push(request);
        tokio::time::sleep(delay).await;
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(head) = text.find("\r\n\r\n") {
            let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.expect("a length is always sent").parse().unwrap();
            if bytes.len() == head + 4 + length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn play(options: &Options) -> Report {
    run(options, phase_by_name, Arc::new(()), std::future::pending()).await.unwrap()
}

fn counted(count: u64) -> Options {
    Options { count_max: Some(count), time_max: None, pace: Pace::FlatOut, ..Options::default() }
}

#[tokio::test]
async fn openim_requests_look_like_those_of_the_go_client() {
    let stub = Stub::start(200, ALLOW_OPENIM, Duration::ZERO).await;
    let commands = vec!["callbackAfterSendGroupMsgCommand".to_owned()];
    let openim = Some(format!("{}/im", stub.address.replace("//", "//me:secret@")));
    let report = play(&Options { openim, commands, ..counted(1) }).await;
    assert!(report.is_good(), "{}", report.table());

    let request = stub.seen.lock()[0].clone();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /im/callbackAfterSendGroupMsgCommand?key=eyJ"), "{head}");
    for line in [
        "Content-Type: application/json; charset=utf-8",
        "User-Agent: Go-http-client/1.1",
        "Accept-Encoding: gzip",
        "Authorization: Basic bWU6c2VjcmV0",
    ] {
        assert!(head.lines().any(|l| l == line), "{line} is not in\n{head}");
    }
    let operation = head.lines().find_map(|l| l.strip_prefix("Operationid: ")).unwrap();
    assert!(body.ends_with("}\n"), "{body}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["operationID"], operation);
}

#[tokio::test]
async fn tencent_requests_are_signed_and_carry_no_content_type() {
    let stub = Stub::start(200, ALLOW_TENCENT, Duration::ZERO).await;
    let tencent = Some(format!("{}/t", stub.address));
    let token = Some("xxxxyyyy".to_owned());
    let report = play(&Options { tencent, token, ..counted(20) }).await;
    assert_eq!((report.count(Outcome::Accepted), report.is_good()), (20, true));

    for request in stub.seen.lock().iter() {
        assert!(request.starts_with("POST /t?SdkAppid=1400000001&CallbackCommand="), "{request}");
        assert!(request.contains("&Sign=") && request.contains("&RequestTime="), "{request}");
        assert!(!request.contains("Content-Type"), "{request}");
    }
}

#[tokio::test]
async fn all_commands_of_both_servers_come_once_per_cycle() {
    let openim = Stub::start(200, ALLOW_OPENIM, Duration::ZERO).await;
    let tencent = Stub::start(200, ALLOW_TENCENT, Duration::ZERO).await;
    let mut wanted = [79, 83].map(|_| Vec::<String>::new());
    wanted[0] = samples::commands(Provider::OpenIm).unwrap();
    wanted[1] = samples::commands(Provider::Tencent).unwrap();
    assert_eq!(wanted.each_ref().map(Vec::len), [79, 83]);
    for (stub, wanted) in [&openim, &tencent].into_iter().zip(&mut wanted) {
        let url = Some(stub.address.clone());
        let options = Options { mix: Mix::Every, ..counted(wanted.len() as u64) };
        let options = match wanted.len() {
            79 => Options { openim: url, ..options },
            _ => Options { tencent: url, ..options },
        };
        let report = play(&options).await;
        assert!(report.is_good(), "{}", report.table());
        let mut seen: Vec<String> = stub.seen.lock().iter().map(|r| command_of(r)).collect();
        seen.sort();
        wanted.sort();
        assert_eq!(seen, *wanted);
    }
}

/// The command of a request, wherever it stands.
fn command_of(request: &str) -> String {
    let target = request.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let named = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "CallbackCommand" || name == "command");
    match named {
        Some((_, command)) => command.into_owned(),
        None if path.len() > 1 => path[1..].to_owned(),
        None => {
            let body = request.split_once("\r\n\r\n").unwrap().1;
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            body["callbackCommand"].as_str().unwrap().to_owned()
        }
    }
}

#[tokio::test]
async fn a_shared_count_is_split_and_kept_exactly() {
    let openim = Stub::start(200, ALLOW_OPENIM, Duration::ZERO).await;
    let tencent = Stub::start(200, ALLOW_TENCENT, Duration::ZERO).await;
    let report = play(&Options {
        openim: Some(openim.address.clone()),
        tencent: Some(tencent.address.clone()),
        processes: 3,
        ..counted(101)
    })
    .await;
    assert_eq!((openim.seen.lock().len(), tencent.seen.lock().len()), (51, 50));
    assert_eq!((report.issued(), report.is_good()), (101, true));
}

#[tokio::test]
async fn answers_that_do_not_parse_make_the_run_bad_and_are_explained() {
    let stub = Stub::start(200, r#"{"nextCode":"0"}"#, Duration::ZERO).await;
    let report = play(&Options { openim: Some(stub.address.clone()), ..counted(7) }).await;
    assert_eq!((report.count(Outcome::Rejected), report.is_good()), (7, false));
    assert_eq!(report.complaints.len(), 1);
    assert_eq!(report.complaints[0].times, 7);
    assert!(report.complaints[0].reason.starts_with("nextCode is \"0\""), "{report:?}");
}

#[tokio::test]
async fn nobody_listening_is_a_connection_failure_without_a_secret_in_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let openim = Some(format!("http://me:hidden@{free}"));
    let report = play(&Options { openim, ..counted(3) }).await;
    assert_eq!(report.count(Outcome::ConnectionFailed), 3);
    let text = report.table();
    assert!(text.contains("cannot reach the server") && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn tencent_gives_up_after_two_seconds() {
    let stub = Stub::start(200, ALLOW_TENCENT, Duration::from_millis(2_300)).await;
    let report = play(&Options { tencent: Some(stub.address.clone()), ..counted(2) }).await;
    assert_eq!(report.count(Outcome::TimedOut), 2);
}

#[tokio::test]
async fn a_process_keeps_few_connections_to_a_fast_receiver() {
    let stub = Stub::start(200, ALLOW_OPENIM, Duration::ZERO).await;
    let commands = vec!["callbackAfterUserOnlineCommand".to_owned()];
    let openim = Some(stub.address.clone());
    play(&Options { openim, commands, ..counted(200) }).await;
    // After-callbacks go through two workers; a third may appear while one is handed back.
    let connections = stub.connections.load(Ordering::Relaxed);
    assert!(connections <= 4, "{connections}");
}

#[tokio::test]
async fn a_slow_receiver_shows_in_the_time_since_the_event_was_due() {
    let stub = Stub::start(200, ALLOW_OPENIM, Duration::from_millis(100)).await;
    // One caller gets 10 answers a second; 100 a second are due.
    let report = play(&Options {
        openim: Some(stub.address.clone()),
        commands: vec!["callbackBeforeSendSingleMsgCommand".to_owned()],
        pace: Pace::PerSecond(100.0),
        time_max: Some(Duration::from_millis(1_500)),
        callers: 1,
        ..Options::default()
    })
    .await;
    let line = &report.lines[0];
    let (answer, event) = (line.answer.unwrap(), line.event.unwrap());
    assert!(event.max > 5 * answer.p50, "{event:?} {answer:?}");
    assert_eq!(report.planned, Some(150));
    assert!(report.issued() < 20, "{}", report.issued());
}

#[tokio::test]
async fn the_signal_to_stop_ends_a_run_without_bounds() {
    let stub = Stub::start(200, ALLOW_OPENIM, Duration::ZERO).await;
    let options = Options {
        openim: Some(stub.address.clone()),
        time_max: None,
        pace: Pace::PerSecond(200.0),
        ..Options::default()
    };
    let stop = tokio::time::sleep(Duration::from_millis(500));
    let report = run(&options, phase_by_name, Arc::new(()), stop).await.unwrap();
    assert!((50..=101).contains(&report.issued()), "{}", report.issued());
    assert!(report.is_good(), "{}", report.table());
}

#[tokio::test]
async fn an_observer_hears_of_each_callback_twice() {
    #[derive(Default)]
    struct Ear(AtomicUsize, Mutex<Vec<Outcome>>);
    impl Observer for Ear {
        fn sent(&self, provider: Provider, _: &str, _: Phase) {
            assert_eq!(provider, Provider::OpenIm);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn answered(&self, _: Provider, _: &str, _: Phase, latency: Duration, outcome: Outcome) {
            assert!(latency > Duration::ZERO);
            self.1.lock().push(outcome);
        }
    }
    let stub = Stub::start(200, r#"{"nextCode":1}"#, Duration::ZERO).await;
    let commands = vec!["callbackBeforeSendSingleMsgCommand".to_owned()];
    let options = Options { openim: Some(stub.address.clone()), commands, ..counted(5) };
    let ear = Arc::new(Ear::default());
    run(&options, phase_by_name, Arc::clone(&ear), std::future::pending()).await.unwrap();
    assert_eq!(ear.0.load(Ordering::Relaxed), 5);
    assert_eq!(*ear.1.lock(), [Outcome::Denied; 5]);
}

#[tokio::test]
async fn options_that_cannot_be_followed_are_named_before_anything_is_sent() {
    let refuse = |options: Options| async move {
        run(&options, phase_by_name, Arc::new(()), std::future::pending())
            .await
            .unwrap_err()
            .to_string()
    };
    let to = |url: &str| Options { openim: Some(url.to_owned()), ..Options::default() };
    assert!(refuse(Options::default()).await.starts_with("nowhere to send to"));
    assert_eq!(
        refuse(to("https://me:secret@h/x")).await,
        "openim address https://h/x: must begin with http://"
    );
    assert!(refuse(to("127.0.0.1:8080")).await.starts_with("openim address (unreadable)"));
    assert_eq!(
        refuse(Options { callers: 0, ..to("http://h") }).await,
        "callers is 0, must be more than 0"
    );
}
